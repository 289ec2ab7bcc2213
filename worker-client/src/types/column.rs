use std::fmt;

use super::oid;

/// A Rust type that a column's value can be read into.
pub trait FromColumn: Sized {
    /// Reads a value that is not NULL from its text. `type_oid` is the column's type, 0 if unknown
    /// (an element of an array whose type is not PostgreSQL's own).
    ///
    /// # Errors
    /// When the type or the value does not fit.
    fn from_text(type_oid: u32, text: &str) -> Result<Self, DecodeError>;

    /// Reads NULL. Only `Option` can.
    ///
    /// # Errors
    /// Unless the type has a value for NULL.
    fn from_null() -> Result<Self, DecodeError> {
        Err(DecodeError::new("the value is NULL; read it into an Option"))
    }

    /// Reads an element of an array that is itself an array. Only `Vec` can.
    ///
    /// # Errors
    /// Unless the type is an array's.
    fn from_nested(_element_oid: u32, _text: &str) -> Result<Self, DecodeError> {
        Err(DecodeError::new("the array has more dimensions; read it into nested Vecs"))
    }
}

/// Why a column's value cannot be read into a Rust type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError(String);

impl DecodeError {
    /// An error with a reason that does not contain the value.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }

    /// The column's type does not fit the Rust type.
    pub(crate) fn type_mismatch(type_oid: u32, rust: &str, fits: &str) -> Self {
        Self(format!(
            "the column is {}, {rust} reads {fits}; cast it in the statement or read a String",
            oid::name(type_oid)
        ))
    }

    /// The column's text is not what its type promises.
    pub(crate) fn malformed(type_oid: u32) -> Self {
        Self(format!("the text is no value of a column that is {}", oid::name(type_oid)))
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DecodeError {}

macro_rules! integer {
    ($($type:ty),+) => {$(
        impl FromColumn for $type {
            fn from_text(type_oid: u32, text: &str) -> Result<Self, DecodeError> {
                if !oid::is_integer(type_oid) {
                    let fits = "smallint, integer, bigint and oid";
                    return Err(DecodeError::type_mismatch(type_oid, stringify!($type), fits));
                }
                text.parse().map_err(|_| {
                    DecodeError::new(concat!("the value is outside the range of ", stringify!($type)))
                })
            }
        }
    )+};
}

integer!(i16, i32, i64, u32);

macro_rules! float {
    ($($type:ty),+) => {$(
        impl FromColumn for $type {
            fn from_text(type_oid: u32, text: &str) -> Result<Self, DecodeError> {
                if !matches!(type_oid, oid::FLOAT4 | oid::FLOAT8) {
                    let fits = "real and double precision";
                    return Err(DecodeError::type_mismatch(type_oid, stringify!($type), fits));
                }
                text.parse().map_err(|_| DecodeError::malformed(type_oid))
            }
        }
    )+};
}

float!(f32, f64);

impl FromColumn for bool {
    fn from_text(type_oid: u32, text: &str) -> Result<Self, DecodeError> {
        match (type_oid, text) {
            (oid::BOOL, "t") => Ok(true),
            (oid::BOOL, "f") => Ok(false),
            (oid::BOOL, _) => Err(DecodeError::malformed(type_oid)),
            _ => Err(DecodeError::type_mismatch(type_oid, "bool", "bool")),
        }
    }
}

/// Every type can be read as the text PostgreSQL prints.
impl FromColumn for String {
    fn from_text(_type_oid: u32, text: &str) -> Result<Self, DecodeError> {
        Ok(text.to_owned())
    }
}

impl<T: FromColumn> FromColumn for Option<T> {
    fn from_text(type_oid: u32, text: &str) -> Result<Self, DecodeError> {
        T::from_text(type_oid, text).map(Some)
    }

    fn from_null() -> Result<Self, DecodeError> {
        Ok(None)
    }

    fn from_nested(element_oid: u32, text: &str) -> Result<Self, DecodeError> {
        T::from_nested(element_oid, text).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::AsText;

    #[test]
    fn scalars() {
        assert_eq!(i16::from_text(oid::INT2, "-1"), Ok(-1));
        assert_eq!(i64::from_text(oid::INT4, "7"), Ok(7));
        assert_eq!(u32::from_text(oid::OID, "4294967295"), Ok(u32::MAX));
        assert_eq!(bool::from_text(oid::BOOL, "t"), Ok(true));
        assert_eq!(f64::from_text(oid::FLOAT8, "-Infinity"), Ok(f64::NEG_INFINITY));
        assert!(f32::from_text(oid::FLOAT4, "NaN").unwrap().is_nan());
        assert_eq!(f64::from_text(oid::FLOAT8, "1e+300"), Ok(1e300));
        assert_eq!(String::from_text(16_400, "happy"), Ok("happy".into()));
        assert_eq!(AsText::<i128>::from_text(1700, "12"), Ok(AsText(12)));
        assert_eq!(Option::<i32>::from_null(), Ok(None));
    }

    #[test]
    fn what_does_not_fit_says_why() {
        let error = i32::from_text(25, "1").unwrap_err().to_string();
        assert!(error.contains("is text, i32 reads smallint, integer, bigint and oid"), "{error}");
        assert!(i16::from_text(oid::INT4, "40000").unwrap_err().0.contains("range of i16"));
        assert!(bool::from_text(oid::BOOL, "maybe").is_err());
        assert!(bool::from_text(1000, "{t}").unwrap_err().0.contains("is bool[]"));
        assert!(f64::from_text(1700, "1").unwrap_err().0.contains("numeric"));
        assert!(i32::from_null().unwrap_err().0.contains("Option"));
    }
}
