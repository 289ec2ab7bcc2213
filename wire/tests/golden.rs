//! The bytes in `golden/`, which the TypeScript client is held against too.
#![allow(clippy::unwrap_used, reason = "test code: a failed step must fail the test")]

use bytes::{Bytes, BytesMut};
use pierhead_wire::envelope::{
    Blame, Options, Outcome, Request, RequestId, Retry, SqlState, Status, data_header, put_outcome,
    put_version,
};

const ID: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xff];

fn golden(name: &str) -> String {
    let mut lines = include_str!("../golden/envelope.txt").lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap().to_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn request(options: Options) -> Request {
    let protocol = Bytes::from_static(b"S\0\0\0\x04");
    Request { remaining_ms: 10_000, id: RequestId(ID), options, protocol }
}

#[test]
fn requests_are_those_of_the_file() {
    let named = Options { caller: Some("app".into()), reset: true, ..Options::default() };
    assert_eq!(hex(&request(named).encode()), golden("request"));
    let fresh = Options { fresh_plans: true, ..Options::default() };
    let fresh = Request { remaining_ms: 1, ..request(fresh) };
    assert_eq!(hex(&fresh.encode()), golden("request-fresh-plans"));
    let plain = Request {
        remaining_ms: 0,
        id: RequestId([0xab; 16]),
        options: Options::default(),
        protocol: Bytes::new(),
    };
    assert_eq!(hex(&plain.encode()), golden("request-plain"));
}

#[test]
fn answers_are_those_of_the_file() {
    let refused = Outcome {
        status: Status::Refused,
        sqlstate: SqlState::QUEUE_FULL,
        blame: Blame::Pierhead,
        retry: Retry::Safe,
        retry_after_ms: 500,
        message: "füll!".into(),
        hint: "wait".into(),
        ..Outcome::completed(7, 0)
    };
    let mut out = BytesMut::new();
    put_version(&mut out);
    for data in [b"abc" as &[u8], b"", b"de"] {
        out.extend_from_slice(&data_header(u32::try_from(data.len()).unwrap()));
        out.extend_from_slice(data);
    }
    put_outcome(&mut out, &refused);
    assert_eq!(hex(&out), golden("answer"));
    let completed = Outcome::completed(3, 0x0102_0304);
    assert_eq!(hex(&completed.encode()), golden("outcome-completed"));
}
