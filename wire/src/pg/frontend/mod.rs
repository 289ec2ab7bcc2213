//! Reading what a client sends: the fields of frontend messages that a pooler must see, and the
//! same messages under another statement's name.

mod rename;
mod write;

pub use self::rename::{rename_bind, rename_parse, rename_target};
pub use self::write::{write_close_statement, write_describe_statement, write_parse};

use super::c_string;
use super::scan::Message;

/// The fields of a `Parse` message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parse<'a> {
    /// The statement's name; empty for the unnamed statement.
    pub name: &'a [u8],
    /// The SQL text, in the session's client encoding.
    pub sql: &'a [u8],
    /// The parameters' types as they were sent, their count included.
    pub types: &'a [u8],
}

/// The names of a `Bind` message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bind<'a> {
    /// The portal to make; empty for the unnamed portal.
    pub portal: &'a [u8],
    /// The statement to make it from; empty for the unnamed statement.
    pub statement: &'a [u8],
}

/// The fields of an `Execute` message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Execute<'a> {
    /// The portal; empty for the unnamed portal.
    pub portal: &'a [u8],
    /// How many rows at most; `0` for all.
    pub limit: u32,
}

/// What `Describe` and `Close` name; an empty name is the unnamed one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target<'a> {
    /// A prepared statement.
    Statement(&'a [u8]),
    /// A portal.
    Portal(&'a [u8]),
}

/// Reads a `SASLInitialResponse`: the mechanism and its data; `None` if malformed, which a plain
/// password is, and without data.
#[must_use]
pub fn sasl_initial_response<B: AsRef<[u8]>>(message: &Message<B>) -> Option<(&[u8], &[u8])> {
    let (mechanism, rest) = c_string(message.body())?;
    let (length, data) = rest.split_first_chunk()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    (length == data.len()).then_some((mechanism, data))
}

/// Reads a `Parse`; `None` if malformed.
#[must_use]
pub fn parse<B: AsRef<[u8]>>(message: &Message<B>) -> Option<Parse<'_>> {
    let (name, rest) = c_string(message.body())?;
    let (sql, types) = c_string(rest)?;
    let (count, oids) = types.split_first_chunk()?;
    let count = u16::from_be_bytes(*count);
    (oids.len() == usize::from(count) * 4).then_some(Parse { name, sql, types })
}

/// Reads the names of a `Bind`; `None` if they are malformed. What follows them is not looked at.
#[must_use]
pub fn bind<B: AsRef<[u8]>>(message: &Message<B>) -> Option<Bind<'_>> {
    let (portal, rest) = c_string(message.body())?;
    let (statement, _) = c_string(rest)?;
    Some(Bind { portal, statement })
}

/// Reads an `Execute`; `None` if malformed.
#[must_use]
pub fn execute<B: AsRef<[u8]>>(message: &Message<B>) -> Option<Execute<'_>> {
    let (portal, limit) = c_string(message.body())?;
    // Below zero, too, means all.
    let limit = i32::from_be_bytes(limit.try_into().ok()?).max(0);
    Some(Execute { portal, limit: limit.unsigned_abs() })
}

/// Reads the SQL text of a `Query`; `None` if malformed.
#[must_use]
pub fn query<B: AsRef<[u8]>>(message: &Message<B>) -> Option<&[u8]> {
    let (sql, rest) = c_string(message.body())?;
    rest.is_empty().then_some(sql)
}

/// Reads what a `Describe` or `Close` names; `None` if malformed.
#[must_use]
pub fn target<B: AsRef<[u8]>>(message: &Message<B>) -> Option<Target<'_>> {
    let (kind, rest) = message.body().split_first()?;
    let (name, rest) = c_string(rest)?;
    match kind {
        b'S' if rest.is_empty() => Some(Target::Statement(name)),
        b'P' if rest.is_empty() => Some(Target::Portal(name)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
