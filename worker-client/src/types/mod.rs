//! Values between Rust and PostgreSQL, both ways as text.
//!
//! Parameters go out without a type, so that the server infers it from the statement: the same
//! `String` serves a `text`, a `numeric` or an enum column. Results come back as text with the
//! type of their column.

mod array;
mod bytea;
#[cfg(feature = "chrono")]
mod chrono;
mod column;
#[cfg(feature = "json")]
mod json;
pub(crate) mod oid;
mod param;
#[cfg(feature = "uuid")]
mod uuid;

pub(crate) use array::{Element, elements};
pub(crate) use bytea::decode as decode_bytea;
pub use column::{DecodeError, FromColumn};
#[cfg(feature = "json")]
pub use json::Json;
pub use param::{IsNull, ParamError, ToParam};

/// A value whose Rust type writes and reads itself as text: `Display` for parameters, `FromStr` for
/// results. Fits enums, decimal numbers, network addresses and whatever else PostgreSQL prints the
/// way Rust does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AsText<T>(pub T);

impl<T: std::fmt::Display> ToParam for AsText<T> {
    fn to_text(&self, out: &mut bytes::BytesMut) -> Result<IsNull, ParamError> {
        param::write(out, format_args!("{}", self.0))
    }
}

impl<T: std::str::FromStr<Err: std::fmt::Display>> FromColumn for AsText<T> {
    fn from_text(_type_oid: u32, text: &str) -> Result<Self, DecodeError> {
        text.parse().map(Self).map_err(|error| DecodeError::new(format!("{error}")))
    }
}
