//! Bytes that are no frames: an error that names frame and field, never a panic.

use bytes::{Bytes, BytesMut};

use super::super::{
    Advice, Amount, Credit, Data, Database, Fault, Frame, FrameError, Frames, Kind, List, Mode,
    Offer, Offered, Open, Options, Payload, StreamId, Text, agree,
};
use super::{encode, golden, parse, unhex};
use crate::limits::{TUNNEL_BODY_BYTES_MAX, TUNNEL_MESSAGE_BYTES_MAX};

const STREAM: StreamId = StreamId { link: 1, index: 1 };

fn frame(code: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![code];
    bytes.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    bytes.extend(body);
    bytes
}

fn field(kind: Kind, field: &'static str, fault: Fault) -> FrameError {
    FrameError::Field { kind, field, fault }
}

#[test]
fn every_truncation_of_every_frame_is_an_error() {
    for hex in golden::BYTES {
        let bytes = unhex(hex);
        for length in 0..bytes.len() {
            let error = parse(&bytes[..length]).unwrap_err();
            let expected = match length {
                0 => FrameError::Empty,
                1 | 2 => FrameError::Header(length),
                _ => FrameError::Body {
                    code: bytes[0],
                    length: bytes.len() - 3,
                    present: length - 3,
                },
            };
            assert_eq!(error, expected, "{hex} cut at {length}");
        }
    }
}

#[test]
fn every_body_that_ends_early_is_an_error_of_its_frame() {
    for hex in golden::BYTES {
        let bytes = unhex(hex);
        let kind = Kind::from_code(bytes[0]).unwrap();
        for length in 0..bytes.len() - 3 {
            // Payloads go to the frame's end, so theirs may end anywhere behind the fields.
            let allowed = kind == Kind::Data && length > 8 || kind == Kind::Adopt && length >= 25;
            match parse(&frame(bytes[0], &bytes[3..3 + length])) {
                Ok(_) => assert!(allowed, "{kind} with {length} bytes"),
                Err(FrameError::Field { kind: named, .. }) => {
                    assert_eq!(named, kind);
                    assert!(!allowed, "{kind} with {length} bytes");
                }
                Err(other) => panic!("{kind} with {length} bytes: {other}"),
            }
        }
    }
}

#[test]
fn a_byte_behind_the_last_field_is_an_error() {
    for hex in golden::BYTES {
        let bytes = unhex(hex);
        let kind = Kind::from_code(bytes[0]).unwrap();
        if matches!(kind, Kind::Data | Kind::Adopt) {
            continue;
        }
        let body = [&bytes[3..], &[0]].concat();
        let expected = field(kind, "end", Fault::Trailing(1));
        assert_eq!(parse(&frame(bytes[0], &body)), Err(expected));
    }
}

#[test]
fn unknown_frames_are_skipped_or_refused_by_their_code() {
    let here = unhex("86000400000002");
    let message = [frame(0x00, b"new"), here.clone(), frame(0x7f, &[])].concat();
    let mut frames = Frames::new(message.into()).unwrap();
    assert!(matches!(frames.next(), Some(Ok(Frame::Here(_)))));
    assert!(frames.next().is_none());
    assert_eq!(frames.skipped(), 2);

    assert_eq!(parse(&frame(0x80, &[])), Err(FrameError::UnknownKind(0x80)));
    let message = [frame(0xff, &[]), here].concat();
    let mut frames = Frames::new(message.into()).unwrap();
    assert_eq!(frames.next(), Some(Err(FrameError::UnknownKind(0xff))));
    assert_eq!(frames.next(), None, "nothing behind an error is read");
}

#[test]
fn sizes_are_refused_before_anything_is_taken() {
    let long = unhex("00ffff");
    assert_eq!(parse(&long), Err(FrameError::BodyTooLong { code: 0, length: 65_535 }));
    let body = vec![0; TUNNEL_BODY_BYTES_MAX];
    assert_eq!(parse(&frame(0x01, &body)), Ok(vec![]), "the largest frame, skipped");
    let message = Bytes::from(vec![0; TUNNEL_MESSAGE_BYTES_MAX + 1]);
    let error = FrameError::MessageTooLong(TUNNEL_MESSAGE_BYTES_MAX + 1);
    assert_eq!(Frames::new(message).unwrap_err(), error);
    assert!(Frames::new(Bytes::from(vec![0; TUNNEL_MESSAGE_BYTES_MAX])).is_ok());

    let size = |actual, min, max| Fault::Size { actual, min, max };
    let data = frame(0x93, &[0; 8]);
    assert_eq!(parse(&data), Err(field(Kind::Data, "bytes", size(0, 1, 16_384))));
    let data = frame(0x93, &[0; 8 + 16_385]);
    assert_eq!(parse(&data), Err(field(Kind::Data, "bytes", size(16_385, 1, 16_384))));
    let offer = unhex("a2 0008 00000000 0000 0041");
    assert_eq!(parse(&offer), Err(field(Kind::Offer, "streams", size(65, 0, 64))));
    let open = unhex("90 000a 00000001 00000001 0041");
    assert_eq!(parse(&open), Err(field(Kind::Open, "database", size(65, 0, 64))));
    let describe = unhex("a0 000c 00000001 00000001 0000 1001");
    assert_eq!(parse(&describe), Err(field(Kind::Describe, "blob", size(4_097, 0, 4_096))));
}

#[test]
fn values_out_of_range_are_refused() {
    for (hex, kind, name, value) in [
        ("87 0004 00000000", Kind::LinkCredit, "bytes", 0),
        ("87 0004 01000001", Kind::LinkCredit, "bytes", 0x0100_0001),
        ("b1 000d 00000001 00000001 00000001 02", Kind::Cancelled, "proved", 2),
        ("97 000a 00000001 00000001 ff 01", Kind::Gone, "nothing_delivered", 255),
    ] {
        assert_eq!(parse(&unhex(hex)), Err(field(kind, name, Fault::Value(value))), "{hex}");
    }
    let open = unhex("90 000b 00000001 00000001 0001 ff");
    assert_eq!(parse(&open), Err(field(Kind::Open, "database", Fault::NotText)));
    let mut hello = unhex(golden::BYTES[0]);
    let parked = hello.len() - 16;
    hello[parked..parked + 2].copy_from_slice(&[0x10, 0x01]);
    assert_eq!(parse(&hello), Err(field(Kind::Hello, "parked", Fault::Value(4_097))));
}

#[test]
fn options_follow_their_rules() {
    let welcome = |options: &[u8]| {
        let mut body = vec![1];
        body.extend([0; 16]);
        body.extend([0, 0, 0, 1, 0, 0, 0, 1]);
        body.extend(u16::try_from(options.len()).unwrap().to_be_bytes());
        body.extend(options);
        parse(&frame(0x82, &body))
    };
    let fault = |fault| Err(field(Kind::Welcome, "options", fault));
    for good in [&[][..], &[7, 0, 1, 9, 127, 0, 0], &[1, 0, 1, b'a']] {
        assert!(welcome(good).is_ok(), "{good:?}");
    }
    assert_eq!(welcome(&[7]), fault(Fault::Truncated));
    assert_eq!(welcome(&[7, 0, 1]), fault(Fault::Truncated));
    assert_eq!(welcome(&[7, 0, 0, 7, 0, 0]), fault(Fault::RepeatedOption(7)));
    assert_eq!(welcome(&[128, 0, 0]), fault(Fault::UnknownOption(128)));
    assert_eq!(welcome(&[1, 0, 1, 0xff]), fault(Fault::MalformedOption(1)));
    let long = Fault::Size { actual: 1_025, min: 0, max: 1_024 };
    assert_eq!(welcome(&[0; 1_025]), fault(long));
    assert_eq!(Options::named(&"ä".repeat(40)).name(), Some("ä".repeat(32).as_str()));
    let agent = Options::agent("agent 1", "host-a", 60_000);
    assert_eq!((agent.name(), agent.instance()), (Some("agent 1"), Some("host-a")));
    assert_eq!(agent.park_ttl_ms(), Some(60_000));
    assert_eq!(Options::default().park_ttl_ms(), None);
    assert_eq!(Options::default().name(), None);
}

#[test]
fn what_is_beyond_a_limit_is_not_written() {
    let mut out = BytesMut::from(&b"before"[..]);
    let data = Frame::from(Data { stream: STREAM, bytes: Payload(vec![0; 16_385].into()) });
    assert!(data.encode(&mut out).is_err());
    let credit = Frame::from(Credit { stream: STREAM, bytes: Amount(0) });
    assert_eq!(credit.encode(&mut out), Err(field(Kind::Credit, "bytes", Fault::Value(0))));
    let golden = golden::frames();
    let Some(Frame::Offer(offer)) = golden.get(1) else { panic!("the second frame is an offer") };
    let mut one: Offered = offer.streams.iter().next().unwrap();
    one.blob.0 = vec![0; 4_096].into();
    let page = |count| Offer { streams: List::new(vec![&one; count]).unwrap(), ..offer.clone() };
    let error = Frame::from(page(4)).encode(&mut out);
    assert_eq!(error, Err(FrameError::BodyTooLong { code: 0xa2, length: 8 + 4 * 4_130 }));
    assert_eq!(out, b"before"[..]);
    assert!(Frame::from(page(3)).encode(&mut out).is_ok());

    let database = Database { name: Text::cut("a"), mode: Mode::Pipe, cap: 1 };
    assert!(List::<_, 2>::new(vec![&database; 3]).is_err());
    let open = Open { stream: STREAM, database: Text::cut(&"x".repeat(65)) };
    assert_eq!(open.database.as_str().len(), 64);
    assert_eq!(Advice::cut("ä").as_str(), "ä");
    assert!(!encode(&[open.into()]).is_empty());
}

#[test]
fn errors_name_frame_and_field() {
    let error = field(Kind::LinkCredit, "bytes", Fault::Value(0));
    assert_eq!(error.to_string(), "frame link-credit, field bytes: 0 is not an allowed value");
    let error = FrameError::UnknownKind(0xff).to_string();
    assert!(error.contains("0xff") && error.contains("update"), "{error}");
}

#[test]
fn versions_agree_if_each_side_accepts_the_other() {
    assert_eq!(agree(1, 1), Some(1));
    assert_eq!(agree(2, 1), Some(1), "a newer agent that accepts ours");
    assert_eq!(agree(3, 2), None, "a newer agent that does not");
    assert_eq!(agree(0, 0), None, "an older agent than we accept");
}
