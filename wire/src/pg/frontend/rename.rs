//! A client's message under another statement's name. What follows the name is not copied: it may
//! be megabytes of parameters.

use bytes::{BufMut, BytesMut};

use super::{Target, bind, parse, target};
use crate::pg::scan::{HEADER, Message};
use crate::pg::write::length;

/// Writes the beginning of a `Bind`, up to and including the name of the statement, as if it named
/// this one. What follows is returned, to be sent behind it. `None` if the message is malformed;
/// nothing is written then.
#[must_use]
pub fn rename_bind<'a, B: AsRef<[u8]>>(
    message: &'a Message<B>,
    statement: &[u8],
    out: &mut BytesMut,
) -> Option<&'a [u8]> {
    let found = bind(message)?;
    let before = found.portal.len().saturating_add(1);
    rename(message, before, found.statement, statement, out)
}

/// Writes the beginning of a `Parse` as if it made a statement of this name; see [`rename_bind`].
#[must_use]
pub fn rename_parse<'a, B: AsRef<[u8]>>(
    message: &'a Message<B>,
    statement: &[u8],
    out: &mut BytesMut,
) -> Option<&'a [u8]> {
    let found = parse(message)?;
    rename(message, 0, found.name, statement, out)
}

/// Writes a `Describe` or `Close` as if it named this statement or portal. `None` if the message is
/// malformed; nothing is written then.
#[must_use]
pub fn rename_target<B: AsRef<[u8]>>(
    message: &Message<B>,
    name: &[u8],
    out: &mut BytesMut,
) -> Option<()> {
    let (Target::Statement(old) | Target::Portal(old)) = target(message)?;
    rename(message, 1, old, name, out).map(|_| ())
}

/// Writes the header with its new length, the `before` bytes that lie between it and the name, and
/// the name.
fn rename<'a, B: AsRef<[u8]>>(
    message: &'a Message<B>,
    before: usize,
    old: &[u8],
    name: &[u8],
    out: &mut BytesMut,
) -> Option<&'a [u8]> {
    debug_assert!(!name.contains(&0), "a name has no zero byte");
    let start = message.body().get(..before)?;
    let end = HEADER.checked_add(before)?.checked_add(old.len())?.checked_add(1)?;
    let rest = message.raw.as_ref().len().checked_sub(end)?;
    let fixed = HEADER - 1 + before + 1;
    let [a, b, c, d] = length(fixed.checked_add(name.len())?.checked_add(rest)?).to_be_bytes();
    out.put_slice(&[message.tag, a, b, c, d]);
    out.put_slice(start);
    out.put_slice(name);
    out.put_u8(0);
    message.raw.as_ref().get(end..)
}
