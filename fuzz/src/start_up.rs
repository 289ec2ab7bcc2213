//! What clients say first, and the messages that a pooler reads of them later. The first byte of
//! the input says which.
//!
//! A start-up packet has one form, so what is read of it is written as the same bytes; of a terms
//! packet, which may hold options that are passed over, what is written reads the same. Settings in
//! `options` survive being written with backslashes. A message that gets another name is read again
//! with that name and nothing else changed.

use bytes::{Bytes, BytesMut};
use pierhead_wire::pg::errors::ErrorFields;
use pierhead_wire::pg::frontend::{
    self, Target, rename_bind, rename_parse, rename_target, write_parse,
};
use pierhead_wire::pg::scan::{Direction, Message, Piece, Scanner};
use pierhead_wire::pg::startup::{Names, StartUp, StartUpError, options, write_start};

fn first_packet(data: &[u8]) {
    let whole = StartUp::read(data);
    if let Ok(Some((packet, used))) = &whole {
        match packet {
            StartUp::Terms(terms) => {
                let again = terms.encode();
                assert!(again.len() <= *used, "{packet:?}");
                assert_eq!(StartUp::read(&again), Ok(Some((StartUp::Terms(*terms), again.len()))));
            }
            packet => assert!(write(packet) == data[..*used], "one form: {packet:?}"),
        }
        names(packet);
        assert_eq!(StartUp::read(&data[..*used]), whole, "it ends where it says");
    }
    let mut told = false;
    for end in 0..data.len() {
        let cut = StartUp::read(&data[..end]);
        told |= cut != Ok(None);
        assert!(if told { cut == whole } else { cut == Ok(None) }, "cut at {end}: {cut:?}");
    }
}

/// Names are read as they would be from the message that the gateway writes in place of this one.
fn names(packet: &StartUp<'_>) {
    let StartUp::Start { minor, parameters } = packet else { return };
    let Ok(names) = Names::of(parameters) else { return };
    let others = parameters.iter().filter(|(name, _)| !matches!(*name, "user" | "database"));
    let all = [("user", names.user), ("database", "other")].into_iter().chain(others.copied());
    let written = write_start(*minor, all);
    match StartUp::read(&written) {
        Ok(Some((StartUp::Start { parameters, .. }, used))) => {
            assert_eq!(used, written.len());
            assert_eq!(Names::of(&parameters), Ok(Names { database: "other", ..names }));
        }
        Err(StartUpError::Length(_) | StartUpError::TooManyParameters) => {}
        other => panic!("{other:?}"),
    }
}

fn write(packet: &StartUp<'_>) -> Vec<u8> {
    let mut body = Vec::new();
    let code = match packet {
        StartUp::Terms(_) => unreachable!("it has more than one form"),
        StartUp::SslRequest => 80_877_103,
        StartUp::GssRequest => 80_877_104,
        StartUp::Cancel { pid, secret } => {
            assert!((4..=256).contains(&secret.len()));
            body.extend(pid.to_be_bytes());
            body.extend(*secret);
            80_877_102
        }
        StartUp::Start { minor, parameters } => {
            assert!(parameters.len() <= 64);
            for (name, value) in parameters {
                body.extend([name.as_bytes(), value.as_bytes(), b""].join(&0));
            }
            body.push(0);
            0x0003_0000 | u32::from(*minor)
        }
    };
    let length = u32::try_from(8 + body.len()).expect("a small packet");
    [&length.to_be_bytes()[..], &u32::to_be_bytes(code), &body].concat()
}

fn settings(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(found) = options(text) else { return };
    let mut again = String::new();
    for (name, value) in &found {
        assert!(!name.is_empty() && !name.contains('-') && !name.contains('='));
        let setting = format!("{name}={value}");
        again += " --";
        again.extend(setting.chars().flat_map(|c| ['\\', c]));
    }
    assert_eq!(options(&again), Ok(found));
}

/// The one message that these bytes are.
fn scan(mut bytes: Bytes) -> Option<Message> {
    let mut scanner = Scanner::new(Direction::Frontend);
    let Ok(Some(Piece::Message(message))) = scanner.next_piece(&mut bytes) else { return None };
    (scanner.is_clean() && bytes.is_empty()).then_some(message)
}

fn message(tag: u8, name: &[u8], body: &[u8]) {
    let length = u32::try_from(4 + body.len()).expect("a small message");
    let raw = [&[tag][..], &length.to_be_bytes(), body].concat();
    let Some(message) = scan(raw.into()) else { return };
    let mut out = BytesMut::new();

    if let Some(before) = frontend::bind(&message) {
        let renamed = joined(&mut out, |out| rename_bind(&message, name, out));
        let after = frontend::bind(&renamed).expect("a Bind");
        assert_eq!((after.portal, after.statement), (before.portal, name));
        let names = |bind: frontend::Bind<'_>| 2 + bind.portal.len() + bind.statement.len();
        assert!(message.body()[names(before)..] == renamed.body()[names(after)..]);
    }
    if let Some(before) = frontend::parse(&message) {
        let renamed = joined(&mut out, |out| rename_parse(&message, name, out));
        let after = frontend::parse(&renamed).expect("a Parse");
        assert_eq!(after, frontend::Parse { name, ..before });
        if tag == b'P' {
            write_parse(before.name, before.sql, before.types, &mut out);
            assert!(out.split() == message.raw, "one form");
        }
    }
    if let Some(before) = frontend::target(&message) {
        let renamed = joined(&mut out, |out| rename_target(&message, name, out).map(|()| &[][..]));
        let after = match before {
            Target::Statement(_) => Target::Statement(name),
            Target::Portal(_) => Target::Portal(name),
        };
        assert_eq!(frontend::target(&renamed), Some(after));
    }
    if let Some(execute) = frontend::execute(&message) {
        assert_eq!(execute.portal.len() + 5, message.body().len());
    }
    if let Some(sql) = frontend::query(&message) {
        assert_eq!(sql.len() + 1, message.body().len());
    }
    let error = Message { tag: b'E', raw: message.raw };
    if let Some(fields) = ErrorFields::parse(&error) {
        assert!(error.body().ends_with(&[0]) && fields.code.len() <= 3 * error.body().len());
    }
}

/// What a renaming writes and returns, put together.
fn joined<'a>(
    out: &mut BytesMut,
    rename: impl FnOnce(&mut BytesMut) -> Option<&'a [u8]>,
) -> Message {
    let rest = rename(out).expect("what can be read can be renamed");
    out.extend_from_slice(rest);
    scan(out.split().freeze()).expect("one message")
}

pub fn run(data: &[u8]) {
    let Some((&mode, data)) = data.split_first() else { return };
    match mode {
        b'S' => first_packet(data),
        b'O' => settings(data),
        // A name up to its zero, the type, the body.
        _ => {
            let mut parts = data.splitn(2, |b| *b == 0);
            let (Some(name), Some(rest)) = (parts.next(), parts.next()) else { return };
            let Some((tag, body)) = rest.split_first() else { return };
            message(*tag, name, body);
        }
    }
}
