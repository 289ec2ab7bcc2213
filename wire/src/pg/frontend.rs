//! Reading what a client sends: the fields of frontend messages that a pooler must see.

use super::scan::Message;

/// The fields of a `Parse` message that matter here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parse<'a> {
    /// The statement's name; empty for the unnamed statement.
    pub name: &'a [u8],
    /// The SQL text, in the session's client encoding.
    pub sql: &'a [u8],
}

/// What `Describe` and `Close` name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// A prepared statement.
    Statement,
    /// A portal.
    Portal,
}

/// Reads a `Parse`; `None` if malformed.
#[must_use]
pub fn parse(message: &Message) -> Option<Parse<'_>> {
    let (name, rest) = c_string(message.body())?;
    let (sql, rest) = c_string(rest)?;
    let (count, types) = rest.split_at_checked(2)?;
    let count = u16::from_be_bytes(count.try_into().ok()?);
    (types.len() == usize::from(count) * 4).then_some(Parse { name, sql })
}

/// Reads the SQL text of a `Query`; `None` if malformed.
#[must_use]
pub fn query(message: &Message) -> Option<&[u8]> {
    let (sql, rest) = c_string(message.body())?;
    rest.is_empty().then_some(sql)
}

/// Reads what a `Describe` or `Close` names; `None` if malformed.
#[must_use]
pub fn target(message: &Message) -> Option<Target> {
    let (kind, rest) = message.body().split_first()?;
    let (_, rest) = c_string(rest)?;
    match kind {
        b'S' if rest.is_empty() => Some(Target::Statement),
        b'P' if rest.is_empty() => Some(Target::Portal),
        _ => None,
    }
}

/// Splits a zero-terminated string off the front.
fn c_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|&b| b == 0)?;
    let (text, rest) = bytes.split_at_checked(end)?;
    Some((text, rest.get(1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::{Bytes, BytesMut};
    use postgres_protocol::message::frontend as build;

    fn message(write: impl FnOnce(&mut BytesMut)) -> Message {
        let mut bytes = BytesMut::new();
        write(&mut bytes);
        Message { tag: bytes[0], raw: bytes.freeze() }
    }

    #[test]
    fn fields_are_read() {
        let m = message(|b| build::parse("n", "select $1", [23], b).unwrap());
        assert_eq!(parse(&m), Some(Parse { name: b"n", sql: b"select $1" }));
        let m = message(|b| build::query("begin", b).unwrap());
        assert_eq!(query(&m), Some(&b"begin"[..]));
        let m = message(|b| build::describe(b'P', "", b).unwrap());
        assert_eq!(target(&m), Some(Target::Portal));
    }

    #[test]
    fn malformed_messages_are_none() {
        let cut = |raw: &'static [u8]| Message { tag: raw[0], raw: Bytes::from_static(raw) };
        assert_eq!(parse(&cut(b"P\0\0\0\x08a\0b\0")), None);
        assert_eq!(parse(&cut(b"P\0\0\0\x0ca\0b\0\0\x01\0\0")), None);
        assert_eq!(query(&cut(b"Q\0\0\0\x06ab")), None);
        assert_eq!(query(&cut(b"Q\0\0\0\x08ab\0c")), None);
        assert_eq!(target(&cut(b"D\0\0\0\x06X\0")), None);
        assert_eq!(target(&cut(b"D\0\0\0\x04")), None);
    }
}
