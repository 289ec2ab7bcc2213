//! The conversation of the specification (2.12), byte by byte.

use bytes::{Bytes, BytesMut};

use super::super::{
    Adopt, AgentLife, Amount, Blob, Cancel, Cancelled, Counters, Credit, Data, Database, Describe,
    Drain, DrainReason, Finish, Frame, Frames, GoAway, GoAwayReason, Gone, GoneReason, Hello, Here,
    Kind, LinkCredit, List, ListParked, Mode, Offer, Offered, Open, Opened, Options, Park,
    ParkedCount, Payload, Refused, RefusedReason, Release, Reset, ResetReason, StreamId, Text,
    Wake, Welcome,
};
use super::{encode, parse, specification, unhex};

/// Every line of the conversation.
#[rustfmt::skip]
pub(super) const BYTES: &[&str] = &[
    "81003f010100112233445566778899aabbccddeeff000000070004000000100000000100000006000100046d61696e0000140001000c0100096167656e7420302e32",
    "a2002e0000000000000001000000060000000300000000000003e800000000000007d00000ea600036ee80000401020304",
    "82002d010000000000000005a1a2a3a4a5a6a7a80004000000100000001201000f636f6f7264696e61746f7220302e32",
    "a30027000000060000000300000000000003e800000000000007d000510000000d53454c454354203100",
    "93000e00000006000000035a0000000549",
    "94000c000000060000000300000006",
    "87000400000006",
    "90000e000000070000000100046d61696e",
    "90000e000000070000000200046d61696e",
    "9100080000000700000001",
    "92001f00000007000000020100143230206f6620323020636f6e6e656374696f6e73",
    "a0001e000000070000000100100000001004d2162e0000002a00c0ffee00020109",
    "b0000c000000070000000100000009",
    "b1000d00000007000000010000000901",
    "a10020000000060000000300000000000003f600000000000007d60000ea60003567e0",
    "96000b0000000700000001010000",
    "97000a00000007000000010007",
    "850014000000020000000000000005b1b2b3b4b5b6b7b8",
    "a5000400000003",
    "86000400000002",
    "a2002e0000000300000001000000060000000300000000000003f600000000000007d60000a41000352190000401020304",
    "a400080000000600000003",
    "97000a00000006000000030105",
    "9500080000000700000003",
    "8400050100007530",
    "8300110700000000000a72657374617274696e67",
];

const fn stream(link: u32, index: u32) -> StreamId {
    StreamId { link, index }
}

fn offer(number: u32, sent: u64, received: u64, idle_left_ms: u32, expires_in_ms: u32) -> Frame {
    let offered = Offered {
        stream: stream(6, 3),
        counters: Counters { sent, received },
        idle_left_ms,
        expires_in_ms,
        blob: Blob(Bytes::from_static(&[1, 2, 3, 4])),
    };
    Offer { number, left: 0, streams: List::new(&[offered]).unwrap() }.into()
}

fn greeting() -> Vec<Frame> {
    let main = Database { name: Text::cut("main"), mode: Mode::Pipe, cap: 20 };
    let hello = Hello {
        newest: 1,
        oldest: 1,
        life: AgentLife(unhex("00112233445566778899aabbccddeeff").try_into().unwrap()),
        link: 7,
        stream_credit: Amount(262_144),
        link_credit: Amount(1_048_576),
        replaces: List::new(&[6]).unwrap(),
        databases: List::new(&[main]).unwrap(),
        parked: ParkedCount(1),
        options: Options::named("agent 0.2"),
    };
    let welcome = Welcome {
        version: 1,
        epoch: 5,
        object_life: 0xa1a2_a3a4_a5a6_a7a8,
        stream_credit: Amount(262_144),
        link_credit: Amount(1_048_576),
        options: Options::named("coordinator 0.2"),
    };
    let adopt = Adopt {
        stream: stream(6, 3),
        counters: Counters { sent: 1000, received: 2000 },
        describe: false,
        bytes: Payload(Bytes::from_static(b"Q\0\0\0\x0dSELECT 1\0")),
    };
    vec![hello.into(), offer(0, 1000, 2000, 60_000, 3_600_000), welcome.into(), adopt.into()]
}

fn traffic() -> Vec<Frame> {
    let answer = Payload(Bytes::from_static(b"Z\0\0\0\x05I"));
    let refused = Refused {
        stream: stream(7, 2),
        reason: RefusedReason::Cap,
        advice: Text::cut("20 of 20 connections"),
    };
    let describe = Describe {
        stream: stream(7, 1),
        cancel: Blob(unhex("0000001004d2162e0000002a00c0ffee").into()),
        blob: Blob(Bytes::from_static(&[1, 9])),
    };
    let park = Park {
        stream: stream(6, 3),
        counters: Counters { sent: 1014, received: 2006 },
        max_idle_ms: 60_000,
        expires_in_ms: 3_500_000,
    };
    let reset =
        Reset { stream: stream(7, 1), reason: ResetReason::Abandoned, advice: Text::default() };
    vec![
        Data { stream: stream(6, 3), bytes: answer }.into(),
        Credit { stream: stream(6, 3), bytes: Amount(6) }.into(),
        LinkCredit { bytes: Amount(6) }.into(),
        Open { stream: stream(7, 1), database: Text::cut("main") }.into(),
        Open { stream: stream(7, 2), database: Text::cut("main") }.into(),
        Opened { stream: stream(7, 1) }.into(),
        refused.into(),
        describe.into(),
        Cancel { stream: stream(7, 1), request: 9 }.into(),
        Cancelled { stream: stream(7, 1), request: 9, proved: true }.into(),
        park.into(),
        reset.into(),
    ]
}

fn end() -> Vec<Frame> {
    let gone = |stream, nothing_delivered, reason| Gone { stream, nothing_delivered, reason };
    let go_away = GoAway {
        reason: GoAwayReason::Shutdown,
        retry_after_ms: 0,
        advice: Text::cut("restarting"),
    };
    vec![
        gone(stream(7, 1), false, GoneReason::Reset).into(),
        Wake { number: 2, epoch: 5, object_life: 0xb1b2_b3b4_b5b6_b7b8 }.into(),
        ListParked { number: 3 }.into(),
        Here { number: 2 }.into(),
        offer(3, 1014, 2006, 42_000, 3_482_000),
        Release { stream: stream(6, 3) }.into(),
        gone(stream(6, 3), true, GoneReason::Released).into(),
        Finish { stream: stream(7, 3) }.into(),
        Drain { reason: DrainReason::Shutdown, deadline_ms: 30_000 }.into(),
        go_away.into(),
    ]
}

/// The frames of [`BYTES`].
pub(super) fn frames() -> Vec<Frame> {
    [greeting(), traffic(), end()].concat()
}

#[test]
fn every_frame_has_the_bytes_of_the_specification() {
    let frames = frames();
    assert_eq!(frames.len(), BYTES.len());
    for (frame, hex) in frames.iter().zip(BYTES) {
        assert_eq!(encode(std::slice::from_ref(frame)).as_ref(), unhex(hex), "{}", frame.kind());
        assert_eq!(parse(&unhex(hex)).as_deref(), Ok(std::slice::from_ref(frame)));
    }
}

#[test]
fn every_kind_is_shown() {
    for kind in Kind::ALL {
        assert!(frames().iter().any(|frame| frame.kind() == *kind), "{kind}");
    }
}

#[test]
fn the_specification_shows_exactly_these_bytes() {
    let text = specification();
    let conversation = text.split("```tunnel\n").nth(1).unwrap().split("```").next().unwrap();
    let mut shown: Vec<(String, String)> = Vec::new();
    for line in conversation.lines() {
        if let Some(hex) = line.strip_prefix("    ") {
            shown.last_mut().unwrap().1.push_str(&hex.replace(' ', ""));
        } else if !line.is_empty() && !line.starts_with('#') {
            let name = line.split_whitespace().next().unwrap();
            shown.push((name.to_owned(), String::new()));
        }
    }
    let expected: Vec<_> = frames()
        .iter()
        .zip(BYTES)
        .map(|(frame, hex)| (frame.kind().name().to_owned(), (*hex).to_owned()))
        .collect();
    assert_eq!(shown, expected);
}

#[test]
fn one_message_holds_many_frames_and_nothing_is_copied() {
    let message = encode(&frames()).freeze();
    let range = message.as_ptr_range();
    let mut seen = 0;
    for (read, sent) in Frames::new(message.clone()).unwrap().zip(frames()) {
        let read = read.unwrap();
        assert_eq!(read, sent);
        if let Frame::Data(Data { bytes, .. }) = &read {
            assert!(range.contains(&bytes.0.as_ptr()));
            seen += 1;
        }
        if let Frame::Describe(Describe { cancel, blob, .. }) = &read {
            assert!(range.contains(&cancel.0.as_ptr()) && range.contains(&blob.0.as_ptr()));
            seen += 1;
        }
    }
    assert_eq!(seen, 2);
}

#[test]
fn long_data_is_cut_into_frames() {
    let bytes: Vec<u8> = (0..40_000_u32).map(|i| u8::try_from(i % 251).unwrap()).collect();
    let mut message = BytesMut::new();
    super::super::put_data(&mut message, stream(1, 1), &bytes);
    let mut joined = Vec::new();
    for frame in parse(&message).unwrap() {
        assert_eq!(frame.kind(), Kind::Data);
        if let Frame::Data(Data { bytes, .. }) = frame {
            assert!(bytes.0.len() <= 16_384);
            joined.extend_from_slice(&bytes.0);
        }
    }
    assert_eq!(joined, bytes);
}

#[test]
fn secrets_are_not_printed() {
    let text = format!("{:?}", frames());
    assert!(!text.contains("SELECT") && !text.to_lowercase().contains("c0ffee"), "{text}");
    assert!(!text.contains("192, 255, 238"), "{text}");
}
