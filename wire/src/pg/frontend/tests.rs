use bytes::{Bytes, BytesMut};
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend as build;

use super::*;
use crate::pg::scan::{Direction, Piece, Scanner};

fn built(write: impl FnOnce(&mut BytesMut)) -> Message {
    let mut bytes = BytesMut::new();
    write(&mut bytes);
    scanned(bytes.freeze())
}

/// The one message that these bytes are.
fn scanned(mut bytes: Bytes) -> Message {
    let mut scanner = Scanner::new(Direction::Frontend);
    let piece = scanner.next_piece(&mut bytes);
    let Ok(Some(Piece::Message(message))) = piece else { panic!("a message") };
    assert!(scanner.is_clean() && bytes.is_empty(), "one message");
    message
}

fn bound(portal: &str, statement: &str) -> Message {
    built(|out| {
        let values = [Some("a"), None, Some("\0b")];
        let write = |value: Option<&str>, out: &mut BytesMut| {
            let Some(value) = value else { return Ok(IsNull::Yes) };
            out.extend_from_slice(value.as_bytes());
            Ok(IsNull::No)
        };
        assert!(build::bind(portal, statement, [0], values, write, [1], out).is_ok());
    })
}

/// The message with every body shorter than its own, header and all.
fn cuts(message: &Message) -> impl Iterator<Item = Message> {
    (5..message.raw.len()).map(|end| Message { tag: message.tag, raw: message.raw.slice(..end) })
}

#[test]
fn fields_are_read() {
    let m = built(|b| build::parse("n", "select $1", [23, 25], b).unwrap());
    let types = &b"\0\x02\0\0\0\x17\0\0\0\x19"[..];
    assert_eq!(parse(&m), Some(Parse { name: b"n", sql: b"select $1", types }));
    let m = built(|b| build::query("begin", b).unwrap());
    assert_eq!(query(&m), Some(&b"begin"[..]));
    let m = built(|b| build::describe(b'P', "", b).unwrap());
    assert_eq!(target(&m), Some(Target::Portal(b"")));
    let m = built(|b| build::close(b'S', "s1", b).unwrap());
    assert_eq!(target(&m), Some(Target::Statement(b"s1")));
    assert_eq!(bind(&bound("p", "s")), Some(Bind { portal: b"p", statement: b"s" }));
    let m = built(|b| build::execute("p", 7, b).unwrap());
    assert_eq!(execute(&m), Some(Execute { portal: b"p", limit: 7 }));
}

#[test]
fn no_limit_has_two_forms() {
    for rows in [0, -1, i32::MIN] {
        let m = built(|b| build::execute("", rows, b).unwrap());
        assert_eq!(execute(&m).unwrap().limit, 0);
    }
}

#[test]
fn a_message_that_is_cut_is_malformed() {
    for m in cuts(&built(|b| build::parse("n", "select $1", [23, 25], b).unwrap())) {
        assert_eq!(parse(&m), None);
    }
    for m in cuts(&built(|b| build::query("begin", b).unwrap())) {
        assert_eq!(query(&m), None);
    }
    for m in cuts(&built(|b| build::close(b'S', "s1", b).unwrap())) {
        assert_eq!(target(&m), None);
    }
    for m in cuts(&built(|b| build::execute("p", 7, b).unwrap())) {
        assert_eq!(execute(&m), None);
    }
    let names = "p\0s\0".len();
    for m in cuts(&bound("p", "s")) {
        assert_eq!(bind(&m).is_some(), m.body().len() >= names);
    }
}

#[test]
fn malformed_messages_are_none() {
    let raw = |raw: &'static [u8]| Message { tag: raw[0], raw: Bytes::from_static(raw) };
    assert_eq!(parse(&raw(b"P\0\0\0\x0ca\0b\0\0\x01\0\0")), None);
    assert_eq!(parse(&raw(b"P\0\0\0\x0ba\0b\0\0\0x")), None);
    assert_eq!(query(&raw(b"Q\0\0\0\x08ab\0c")), None);
    assert_eq!(execute(&raw(b"E\0\0\0\x0a\0\0\0\0\0x")), None);
    assert_eq!(target(&raw(b"D\0\0\0\x06X\0")), None);
    assert_eq!(target(&raw(b"D\0\0\0\x07S\0x")), None);
}

#[test]
fn a_bind_is_renamed_and_its_values_are_not_copied() {
    for (portal, old) in [("", ""), ("", "s1"), ("portal", "statement")] {
        let message = bound(portal, old);
        let mut out = BytesMut::from(&b"before"[..]);
        let rest = rename_bind(&message, b"ph_1", &mut out).unwrap();
        assert!(message.raw.as_ptr_range().contains(&rest.as_ptr()));
        out.extend_from_slice(rest);
        assert_eq!(&out[6..], bound(portal, "ph_1").raw);
    }
}

#[test]
fn a_parse_is_renamed_and_its_text_is_not_copied() {
    let named = |name: &str| built(|b| build::parse(name, "select $1", [23], b).unwrap());
    for old in ["", "s1"] {
        let message = named(old);
        let mut out = BytesMut::new();
        let rest = rename_parse(&message, b"ph_22", &mut out).unwrap();
        assert!(message.raw.as_ptr_range().contains(&rest.as_ptr()));
        out.extend_from_slice(rest);
        assert_eq!(out, named("ph_22").raw);
    }
}

#[test]
fn a_describe_and_a_close_are_renamed() {
    let mut out = BytesMut::new();
    rename_target(&built(|b| build::describe(b'S', "x", b).unwrap()), b"ph_1", &mut out).unwrap();
    assert_eq!(out.split(), built(|b| build::describe(b'S', "ph_1", b).unwrap()).raw);
    rename_target(&built(|b| build::close(b'P', "", b).unwrap()), b"ph_1", &mut out).unwrap();
    assert_eq!(out, built(|b| build::close(b'P', "ph_1", b).unwrap()).raw);
}

#[test]
fn nothing_is_written_for_a_malformed_message() {
    let mut out = BytesMut::new();
    let raw = |raw: &'static [u8]| Message { tag: raw[0], raw: Bytes::from_static(raw) };
    assert_eq!(rename_bind(&raw(b"B\0\0\0\x06p\0"), b"x", &mut out), None);
    assert_eq!(rename_parse(&raw(b"P\0\0\0\x08a\0b\0"), b"x", &mut out), None);
    assert_eq!(rename_target(&raw(b"D\0\0\0\x06X\0"), b"x", &mut out), None);
    assert!(out.is_empty());
}

#[test]
fn statements_are_written_as_drivers_do() {
    let mut out = BytesMut::new();
    let driver = built(|b| build::parse("n", "select $1", [23], b).unwrap());
    write_parse(b"n", b"select $1", parse(&driver).unwrap().types, &mut out);
    assert_eq!(out.split(), driver.raw);
    write_close_statement(b"n", &mut out);
    assert_eq!(out.split(), built(|b| build::close(b'S', "n", b).unwrap()).raw);
    write_describe_statement(b"n", &mut out);
    assert_eq!(out.split(), built(|b| build::describe(b'S', "n", b).unwrap()).raw);
}
