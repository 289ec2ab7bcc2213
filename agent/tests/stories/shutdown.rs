use pierhead_agent::core::{Input, LinkNo, Millis, Output};
use pierhead_wire::tunnel::{Finish, Frame, GoAwayReason, GoneReason, RefusedReason};

use super::stage::{Stage, adopt, finished, gone, open, park, stream};

fn closes_for_shutdown(frames: &[Frame]) -> bool {
    let last = frames.last();
    matches!(last, Some(Frame::GoAway(last)) if last.reason == GoAwayReason::Shutdown)
}

#[test]
fn an_idle_agent_leaves_at_once() {
    let mut stage = Stage::up(5);
    stage.give(Input::Shutdown);
    assert!(closes_for_shutdown(&stage.heard(1)));
    assert!(!stage.did().contains(&Output::Exit));
    stage.give(Input::LinkClosed { link: LinkNo(1), detail: "closed".into() });
    assert_eq!(stage.did(), [Output::Exit]);
}

#[test]
fn leases_finish_parked_streams_close_and_nothing_new_begins() {
    let mut stage = Stage::up(5);
    let (parked, busy) = (stage.parked(1, 1), stage.session(1, 2));
    stage.give(Input::Shutdown);
    assert!(stage.heard(1).iter().any(|frame| matches!(frame, Frame::Drain(_))));
    let did = stage.did();
    assert!(finished(&did, parked) && !finished(&did, busy));

    stage.say(1, [open(stream(1, 3)), adopt(stream(1, 1), 5, 3, b"SELECT 1")]);
    let frames = stage.heard(1);
    let draining =
        |frame: &Frame| matches!(frame, Frame::Refused(it) if it.reason == RefusedReason::Draining);
    assert!(frames.iter().any(draining));
    assert_eq!(gone(&frames), [(stream(1, 1), GoneReason::Draining, true)]);
    stage.give(Input::Ended { conn: parked });

    // A lease that ends with a park ends for good.
    stage.say(1, [park(stream(1, 2), 5, 3)]);
    stage.give(Input::Ended { conn: busy });
    let frames = stage.heard(1);
    assert_eq!(gone(&frames), [(stream(1, 2), GoneReason::Draining, false)]);
    assert!(closes_for_shutdown(&frames));
}

#[test]
fn a_lease_that_finishes_is_all_that_is_waited_for() {
    let mut stage = Stage::up(5);
    let conn = stage.session(1, 1);
    stage.give(Input::Shutdown);
    stage.say(1, [Frame::Finish(Finish { stream: stream(1, 1) })]);
    stage.give(Input::Ended { conn });
    assert!(closes_for_shutdown(&stage.heard(1)));
    stage.give(Input::LinkClosed { link: LinkNo(1), detail: "closed".into() });
    stage.give(Input::Closed { conn, detail: String::new() });
    assert_eq!(stage.did().last(), Some(&Output::Exit));
}

#[test]
fn the_deadline_bounds_it() {
    let mut stage = Stage::up(5);
    let conn = stage.session(1, 1);
    stage.give(Input::Shutdown);
    stage.wait(Millis(24_999));
    stage.give(Input::LinkAlive { link: LinkNo(1) });
    assert!(!finished(&stage.did(), conn));
    stage.wait(Millis(1));
    assert!(finished(&stage.did(), conn));
    stage.wait(Millis(12_000));
    assert!(stage.did().contains(&Output::Exit));
}

#[test]
fn a_second_signal_exits_at_once() {
    let mut stage = Stage::up(5);
    let conn = stage.session(1, 1);
    stage.give(Input::Shutdown);
    stage.give(Input::Shutdown);
    let did = stage.did();
    assert!(did.contains(&Output::Close { conn }));
    assert_eq!(did.last(), Some(&Output::Exit));
}
