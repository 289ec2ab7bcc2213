use bytes::Bytes;
use pierhead_agent::core::{ConnId, Input, Millis, Output};
use pierhead_wire::tunnel::{Advice, Cancel, Cancelled, Frame, GoneReason, Reset, ResetReason};

use super::stage::{CANCEL, Stage, finished, gone, open, park, stream, written};

fn reset(index: u32) -> Frame {
    let advice = Advice::cut("");
    Frame::Reset(Reset { stream: stream(1, index), reason: ResetReason::Abandoned, advice })
}

fn cancel(index: u32, request: u32) -> Frame {
    Frame::Cancel(Cancel { stream: stream(1, index), request })
}

fn cancelled(frames: &[Frame]) -> Vec<(u32, bool)> {
    let cancelled = frames.iter().filter_map(|frame| match frame {
        Frame::Cancelled(Cancelled { request, proved, .. }) => Some((*request, *proved)),
        _ => None,
    });
    cancelled.collect()
}

/// The database takes a cancel and closes its connection.
fn serve_cancel(stage: &mut Stage, conn: ConnId) {
    stage.give(Input::Connected { conn });
    assert_eq!(written(&stage.did(), conn), CANCEL);
    stage.give(Input::Wrote { conn, bytes: CANCEL.len() });
    stage.give(Input::Ended { conn });
}

#[test]
fn a_request_that_is_given_up_is_cancelled_and_its_place_is_free_at_the_databases_end() {
    let mut stage = Stage::up(1);
    let conn = stage.session(1, 1);
    stage.say(1, [reset(1)]);
    let did = stage.did();
    let connect = did.iter().position(|did| matches!(did, Output::Connect { .. })).unwrap();
    let finish = did.iter().position(|did| *did == Output::Finish { conn }).unwrap();
    assert!(connect < finish);
    assert_eq!(stage.count(), 1);
    // What the database still says is read, so that it can end, and dropped.
    stage.give(Input::Received { conn, bytes: Bytes::from_static(b"rows") });
    stage.give(Input::Ended { conn });
    assert_eq!(stage.heard(1).len(), 1);
    assert_eq!(stage.count(), 0);
}

#[test]
fn a_lost_link_cancels_what_runs_at_once() {
    let mut stage = Stage::up(1);
    let conn = stage.session(1, 1);
    stage.give(Input::LinkClosed { link: pierhead_agent::core::LinkNo(1), detail: "cut".into() });
    let did = stage.did();
    assert!(finished(&did, conn));
    assert!(did.iter().any(|did| matches!(did, Output::Connect { .. })));
}

#[test]
fn a_session_that_is_not_described_is_half_closed_only() {
    let mut stage = Stage::up(2);
    stage.say(1, [open(stream(1, 1))]);
    let conn = stage.connecting();
    stage.give(Input::Connected { conn });
    stage.say(1, [reset(1)]);
    let did = stage.did();
    assert!(finished(&did, conn));
    assert!(!did.iter().any(|did| matches!(did, Output::Connect { .. })));
}

#[test]
fn a_database_that_does_not_end_it_makes_an_orphan() {
    let mut stage = Stage::up(1);
    let conn = stage.session(1, 1);
    stage.say(1, [reset(1)]);
    stage.wait(Millis(9_999));
    assert_eq!((stage.count(), gone(&stage.heard(1)).len()), (1, 0));
    stage.wait(Millis(1));
    assert_eq!(gone(&stage.heard(1)), [(stream(1, 1), GoneReason::Orphan, false)]);
    assert!(stage.did().contains(&Output::Close { conn }));
    assert_eq!(stage.count(), 0);
    assert!(stage.log.iter().any(|line| line.contains("pg_stat_activity")));
    assert_eq!(stage.agent.status().databases[0].totals.orphans, 1);
}

#[test]
fn a_connection_given_up_while_it_is_made_counts_until_it_is_closed() {
    let mut stage = Stage::up(1);
    stage.say(1, [open(stream(1, 1))]);
    let conn = stage.connecting();
    stage.say(1, [reset(1)]);
    assert!(stage.did().contains(&Output::Close { conn }));
    assert_eq!(stage.count(), 1);
    stage.give(Input::Closed { conn, detail: String::new() });
    assert_eq!(gone(&stage.heard(1)), [(stream(1, 1), GoneReason::Reset, false)]);
    assert_eq!(stage.count(), 0);
}

#[test]
fn a_cancel_is_proved_by_the_databases_end() {
    let mut stage = Stage::up(1);
    stage.session(1, 1);
    stage.say(1, [cancel(1, 7)]);
    let conn = stage.connecting();
    serve_cancel(&mut stage, conn);
    assert_eq!(cancelled(&stage.heard(1)), [(7, true)]);
}

#[test]
fn a_cancel_proves_nothing_late_unanswered_broken_or_for_a_stream_without_description() {
    let mut stage = Stage::up(3);
    stage.session(1, 1);
    stage.say(1, [cancel(1, 1)]);
    stage.wait(Millis(10_000));
    assert_eq!(cancelled(&stage.heard(1)), [(1, false)]);
    stage.connecting();

    stage.say(1, [cancel(1, 2)]);
    let conn = stage.connecting();
    stage.give(Input::Closed { conn, detail: "reset".into() });
    assert_eq!(cancelled(&stage.heard(1)), [(2, false)]);

    stage.say(1, [open(stream(1, 2)), cancel(2, 3), cancel(9, 4)]);
    assert_eq!(cancelled(&stage.heard(1)), [(3, false), (4, false)]);
}

#[test]
fn nothing_is_parked_while_its_cancel_is_open() {
    let mut stage = Stage::up(1);
    stage.session(1, 1);
    stage.say(1, [cancel(1, 1), park(stream(1, 1), 5, 3)]);
    assert_eq!(stage.agent.status().databases[0].parked, 0);
}

#[test]
fn few_cancels_fly_at_a_time_and_each_has_its_turn() {
    let mut stage = Stage::up(20);
    for index in 1..=20 {
        stage.session(1, index);
    }
    for index in 1..=20 {
        stage.say(1, [cancel(index, index)]);
    }
    let mut flying: Vec<ConnId> = Vec::new();
    for _ in 0..20 {
        let connects = stage.did().into_iter().filter_map(|did| match did {
            Output::Connect { conn, .. } => Some(conn),
            _ => None,
        });
        flying.extend(connects);
        assert!(flying.len() <= 8, "{flying:?}");
        let conn = flying.remove(0);
        stage.give(Input::Connected { conn });
        stage.give(Input::Wrote { conn, bytes: CANCEL.len() });
        stage.give(Input::Ended { conn });
    }
    let proved = cancelled(&stage.heard(1));
    assert_eq!(proved.len(), 20);
    assert!(proved.iter().all(|(_, proved)| *proved));
}
