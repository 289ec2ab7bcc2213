//! Messages as the model reads and compares them.

use std::collections::BTreeMap;

use super::Seen;
use crate::sim::expect::sqlstate;
use crate::sim::message::{self, Message, put, take_cstr};
use crate::sim::server::{CANCEL_CODE, STARTUP_CODE};
use crate::sim::sockets::steps::{GSS_CODE, TLS_CODE};

/// Bytes above which no message is honest.
const MESSAGE_MAX: usize = 1 << 30;

/// A start-up packet with what a pool's session begins with, unless the client chooses otherwise.
pub(in crate::sim::sockets) fn as_the_pool_starts(message: &[u8]) -> Vec<u8> {
    let key = b"application_name";
    let starts = message.get(4..8).is_some_and(|code| be(code) == STARTUP_CODE);
    let mut message = message.to_vec();
    if starts && !message.windows(key.len()).any(|w| w == key) {
        message.pop();
        message.extend(b"application_name\0pierhead\0\0");
        let length = u32::try_from(message.len()).unwrap();
        message[..4].copy_from_slice(&length.to_be_bytes());
    }
    message
}

pub(super) fn ready() -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, b'Z', |out| out.push(b'I'));
    out
}

/// How long the first message is; `None` until that is known, `Some(None)` if it cannot be.
pub(super) fn first_length(bytes: &[u8], untagged: bool) -> Option<Option<usize>> {
    if untagged {
        let header = bytes.get(..8)?;
        let (length, code) = (be(&header[..4]) as usize, be(&header[4..]));
        let known = [STARTUP_CODE, CANCEL_CODE, TLS_CODE, GSS_CODE].contains(&code);
        return Some((known && (8..=10_000).contains(&length)).then_some(length));
    }
    let length = be(bytes.get(1..5)?) as usize;
    if !b"QPBDECSHFXdcf".contains(&bytes[0]) {
        return Some(None);
    }
    Some((4..MESSAGE_MAX).contains(&length).then_some(1 + length))
}

pub(super) fn be(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

pub(super) fn note_parameter(told: &mut BTreeMap<String, String>, mut body: &[u8]) {
    let name = take_cstr(&mut body);
    let value = take_cstr(&mut body);
    told.insert(name, value);
}

pub(super) fn is_fatal(message: &Message<'_>) -> bool {
    message.tag == b'E' && message::field(message.body, b'S').as_deref() == Some("FATAL")
}

pub(super) fn code_of(message: &Message<'_>) -> String {
    if message.tag == b'E' { sqlstate(message).unwrap_or_default() } else { String::new() }
}

pub(super) fn equal(got: &Message<'_>, wanted: &Message<'_>) -> bool {
    let reports = got.tag == wanted.tag && matches!(got.tag, b'E' | b'N');
    if reports {
        return sqlstate(got) == sqlstate(wanted) && is_fatal(got) == is_fatal(wanted);
    }
    got == wanted
}

pub(super) fn describe(message: &Message<'_>) -> String {
    let shown = &message.body[..message.body.len().min(60)];
    format!("{:?} \"{}\"", char::from(message.tag), shown.escape_ascii())
}

/// A notification: a server's own, or of some client's.
pub(super) fn notification(message: &Message<'_>) -> Seen {
    let mut body = message.body.get(4..).unwrap_or_default();
    let channel = take_cstr(&mut body);
    if channel == "channel" { Seen::Own } else { Seen::Notified(channel) }
}

/// Whether something is told to be done that changes a session beyond its transaction.
pub(super) fn changes_session(message: &Message<'_>) -> bool {
    const TAGS: [&[u8]; 6] =
        [b"LISTEN\0", b"PREPARE\0", b"CREATE TABLE\0", b"DISCARD ALL\0", b"RESET\0", b"LOAD\0"];
    message.tag == b'C' && TAGS.contains(&message.body)
}
