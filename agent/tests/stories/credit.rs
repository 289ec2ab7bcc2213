use bytes::Bytes;
use pierhead_agent::core::{ConnId, Input, Output};
use pierhead_wire::tunnel::{Amount, Credit, Frame, GoAwayReason, LinkCredit};

use super::stage::{Stage, bytes_of, data, open, stream, welcome_with};

const STREAM_WINDOW: usize = 256 * 1024;
const LINK_WINDOW: usize = 4 * 1024 * 1024;

fn granted(did: &[Output], to: ConnId) -> usize {
    let grants = did.iter().map(|did| match did {
        Output::Read { conn, bytes } if *conn == to => *bytes,
        _ => 0,
    });
    grants.sum()
}

fn credit(frames: &[Frame]) -> usize {
    let grants = frames.iter().map(|frame| match frame {
        Frame::Credit(credit) => credit.bytes.0 as usize,
        _ => 0,
    });
    grants.sum()
}

fn ended_for_credit(frames: &[Frame]) -> bool {
    let ended = |frame: &Frame| matches!(frame, Frame::GoAway(go_away) if go_away.reason == GoAwayReason::Credit);
    frames.iter().any(ended)
}

/// A link with these windows of the coordinator, and streams 1 to `count`.
fn streams(stream_credit: u32, link_credit: u32, count: u32) -> (Stage, Vec<ConnId>) {
    let mut stage = Stage::new(100);
    stage.hello(1);
    stage.say(1, [welcome_with(1, 11, stream_credit, link_credit)]);
    stage.did();
    let open_one = |index| {
        stage.say(1, [open(stream(1, index))]);
        let conn = stage.connecting();
        stage.give(Input::Connected { conn });
        conn
    };
    let conns = (1..=count).map(open_one).collect();
    stage.heard(1);
    (stage, conns)
}

#[test]
fn a_coordinator_that_does_not_read_is_felt_by_the_database() {
    let (mut stage, conns) = streams(1_000, 100_000, 1);
    let conn = conns[0];
    assert_eq!(granted(&stage.did(), conn), 1_000);
    stage.give(Input::Received { conn, bytes: vec![0; 1_000].into() });
    assert_eq!(bytes_of(&stage.heard(1), stream(1, 1)).len(), 1_000);
    assert_eq!(granted(&stage.did(), conn), 0);
    stage.say(1, [Frame::Credit(Credit { stream: stream(1, 1), bytes: Amount(500) })]);
    assert_eq!(granted(&stage.did(), conn), 500);
}

#[test]
fn what_a_link_may_carry_is_shared_in_turn() {
    let (mut stage, conns) = streams(1_000_000, 65_536, 2);
    for conn in &conns {
        stage.give(Input::Received { conn: *conn, bytes: vec![0; 65_536].into() });
    }
    // The first has used all credit of the link; of more, each gets a half.
    let first = stage.heard(1);
    assert_eq!(bytes_of(&first, stream(1, 1)).len(), 65_536);
    stage.give(Input::Received { conn: conns[0], bytes: vec![0; 32_768].into() });
    stage.say(1, [Frame::LinkCredit(LinkCredit { bytes: Amount(65_536) })]);
    let shared = stage.heard(1);
    assert_eq!(bytes_of(&shared, stream(1, 1)).len(), 32_768);
    assert_eq!(bytes_of(&shared, stream(1, 2)).len(), 32_768);
}

#[test]
fn without_credit_on_the_link_nothing_more_is_read() {
    let (mut stage, conns) = streams(1_000_000, 1_000, 1);
    stage.did();
    stage.give(Input::Received { conn: conns[0], bytes: vec![0; 60_000].into() });
    assert_eq!(bytes_of(&stage.heard(1), stream(1, 1)).len(), 1_000);
    assert_eq!(granted(&stage.did(), conns[0]), 0);
    stage.say(1, [Frame::LinkCredit(LinkCredit { bytes: Amount(100_000) })]);
    assert_eq!(bytes_of(&stage.heard(1), stream(1, 1)).len(), 59_000);
    assert!(granted(&stage.did(), conns[0]) > 0);
}

#[test]
fn credit_is_granted_when_the_database_has_taken_the_bytes() {
    let (mut stage, conns) = streams(1_000, 1_000, 1);
    let (id, conn) = (stream(1, 1), conns[0]);
    for _ in 0..STREAM_WINDOW / 16_384 {
        stage.say(1, [data(id, &[0; 16_384])]);
    }
    assert!(stage.heard(1).is_empty());
    stage.give(Input::Wrote { conn, bytes: STREAM_WINDOW / 2 - 1 });
    assert!(stage.heard(1).is_empty());
    stage.give(Input::Wrote { conn, bytes: 1 });
    assert_eq!(credit(&stage.heard(1)), STREAM_WINDOW / 2);
}

#[test]
fn small_grants_ride_on_what_is_said_anyway() {
    let (mut stage, conns) = streams(1_000, 1_000, 1);
    stage.say(1, [data(stream(1, 1), b"12345")]);
    stage.give(Input::Wrote { conn: conns[0], bytes: 5 });
    assert!(stage.heard(1).is_empty());
    stage.give(Input::Received { conn: conns[0], bytes: Bytes::from_static(b"x") });
    let frames = stage.heard(1);
    assert_eq!(credit(&frames), 5);
    assert!(frames.contains(&Frame::LinkCredit(LinkCredit { bytes: Amount(5) })));
}

#[test]
fn more_data_than_credit_ends_the_link() {
    let (mut stage, _) = streams(1_000, 1_000, 1);
    for _ in 0..STREAM_WINDOW / 16_384 {
        stage.say(1, [data(stream(1, 1), &[0; 16_384])]);
    }
    assert!(!ended_for_credit(&stage.heard(1)));
    stage.say(1, [data(stream(1, 1), b"x")]);
    assert!(ended_for_credit(&stage.heard(1)));
}

#[test]
fn more_credit_than_the_limit_ends_the_link() {
    let (mut stage, _) = streams(1_000, 1_000, 1);
    stage.say(1, [Frame::LinkCredit(LinkCredit { bytes: Amount(16 * 1024 * 1024) })]);
    assert!(ended_for_credit(&stage.heard(1)));
}

#[test]
fn credit_for_data_that_is_dropped_comes_back() {
    let (mut stage, _) = streams(1_000, 1_000, 0);
    for _ in 0..3 * LINK_WINDOW / 16_384 {
        stage.say(1, [data(stream(1, 9), &[0; 16_384])]);
    }
    assert!(!ended_for_credit(&stage.heard(1)));
}

#[test]
fn a_flood_of_a_database_makes_messages_of_legal_size() {
    let (mut stage, conns) = streams(16_000_000, 16_000_000, 6);
    for conn in &conns {
        stage.give(Input::Received { conn: *conn, bytes: vec![7; 65_536].into() });
    }
    assert_eq!(bytes_of(&stage.heard(1), stream(1, 6)).len(), 65_536);
}
