use bytes::Bytes;
use pierhead_agent::core::{Input, Millis, Output};
use pierhead_wire::tunnel::{Adopt, Blob, Counters, Describe, Frame, GoneReason, Payload, Release};

use super::stage::{
    BLOB, CANCEL, Stage, adopt, bytes_of, data, finished, gone, park, stream, wake, written,
};

#[test]
fn a_session_outlives_its_link_and_serves_the_next_copys_first_request() {
    let mut stage = Stage::up(5);
    let (id, conn) = (stream(1, 1), stage.parked(1, 1));
    let link = stage.cut(1);
    let offered = stage.bring_up(link, 2, 22);
    assert_eq!(offered[0].stream, id);
    assert_eq!(offered[0].counters, Counters { sent: 5, received: 3 });
    assert_eq!(&*offered[0].blob.0, BLOB);
    stage.say(link, [adopt(id, 5, 3, b"SELECT 1")]);
    assert_eq!(written(&stage.did(), conn), b"SELECT 1");
    stage.give(Input::Received { conn, bytes: Bytes::from_static(b"1") });
    assert_eq!(bytes_of(&stage.heard(link), id), b"1");
}

#[test]
fn a_description_comes_back_ahead_of_any_data() {
    let mut stage = Stage::up(5);
    let (id, conn) = (stream(1, 1), stage.parked(1, 1));
    let link = stage.cut(1);
    stage.bring_up(link, 2, 22);
    let counters = Counters { sent: 5, received: 3 };
    let bytes = Payload(Bytes::from_static(b"SELECT 1"));
    stage.say(link, [Frame::Adopt(Adopt { stream: id, counters, describe: true, bytes })]);
    stage.give(Input::Received { conn, bytes: Bytes::from_static(b"1") });
    let (cancel, blob) = (Blob(Bytes::from_static(CANCEL)), Blob(Bytes::from_static(BLOB)));
    assert_eq!(stage.heard(link)[0], Frame::Describe(Describe { stream: id, cancel, blob }));
}

#[test]
fn what_the_two_sides_do_not_agree_on_is_not_parked() {
    let mut stage = Stage::up(5);
    let id = stream(1, 1);
    stage.session(1, 1);
    stage.say(1, [park(id, 5, 2)]);
    stage.say(1, [park(id, 4, 3)]);
    assert_eq!(stage.agent.status().databases[0].parked, 0);
}

#[test]
fn a_byte_in_the_databases_socket_prevents_parking() {
    let mut stage = Stage::up(5);
    stage.answer_no_peeks();
    let (id, conn) = (stream(1, 1), stage.session(1, 1));
    stage.say(1, [park(id, 5, 3)]);
    assert!(stage.did().contains(&Output::Peek { conn }));
    stage.give(Input::Received { conn, bytes: Bytes::from_static(b"N") });
    assert_eq!(bytes_of(&stage.heard(1), id), b"N");
    stage.give(Input::Quiet { conn });
    assert_eq!(stage.agent.status().databases[0].parked, 0);
}

#[test]
fn parking_waits_until_the_database_has_taken_everything() {
    let mut stage = Stage::up(5);
    stage.answer_no_peeks();
    let (id, conn) = (stream(1, 1), stage.session(1, 1));
    stage.say(1, [data(id, b"Sync"), park(id, 9, 3)]);
    assert!(!stage.did().contains(&Output::Peek { conn }));
    stage.give(Input::Wrote { conn, bytes: 4 });
    assert!(stage.did().contains(&Output::Peek { conn }));
}

#[test]
fn data_takes_a_parked_stream_back() {
    let mut stage = Stage::up(5);
    let (id, conn) = (stream(1, 1), stage.parked(1, 1));
    stage.say(1, [data(id, b"SELECT 2")]);
    assert_eq!(written(&stage.did(), conn), b"SELECT 2");
    assert_eq!(stage.agent.status().databases[0].open, 1);
}

#[test]
fn a_parked_session_that_speaks_or_ends_is_closed_and_nobody_is_woken() {
    let mut stage = Stage::up(5);
    let (first, second) = (stage.parked(1, 1), stage.parked(1, 2));
    stage.give(Input::Received { conn: first, bytes: Bytes::from_static(b"!") });
    assert!(finished(&stage.did(), first));
    stage.give(Input::Ended { conn: first });
    stage.give(Input::Ended { conn: second });
    assert!(stage.heard(1).is_empty());
    assert_eq!(stage.count(), 0);

    // The coordinator hears of both ahead of whatever comes next, and `here` before that.
    stage.say(1, [wake(12), adopt(stream(1, 1), 5, 3, b"SELECT 1")]);
    let frames = stage.heard(1);
    assert!(matches!(frames[0], Frame::Here(_)));
    let ends = gone(&frames);
    assert!(ends.iter().all(|(_, _, nothing_delivered)| *nothing_delivered));
    assert!(ends.contains(&(stream(1, 1), GoneReason::Unknown, true)));
    assert!(ends.contains(&(stream(1, 2), GoneReason::Database, true)));
}

#[test]
fn beside_a_busy_stream_the_end_of_a_parked_one_is_said_at_once() {
    let mut stage = Stage::up(5);
    let parked = stage.parked(1, 1);
    stage.session(1, 2);
    stage.give(Input::Ended { conn: parked });
    assert_eq!(gone(&stage.heard(1)), [(stream(1, 1), GoneReason::Database, true)]);
}

#[test]
fn a_parked_stream_ends_after_its_idle_time_and_after_its_total_time() {
    let mut stage = Stage::up(5);
    let conn = stage.parked(1, 1);
    stage.wait(Millis(9_000));
    for _ in 0..6 {
        stage.give(Input::LinkAlive { link: pierhead_agent::core::LinkNo(1) });
        assert!(!finished(&stage.did(), conn));
        stage.wait(Millis(9_000));
    }
    assert!(finished(&stage.did(), conn));
}

#[test]
fn a_lost_link_is_outlived_for_park_ttl_only() {
    let mut stage = Stage::with(pierhead_agent::core::Settings {
        park_ttl: Millis(5_000),
        ..super::stage::settings(5)
    });
    stage.bring_up(1, 1, 11);
    let conn = stage.parked(1, 1);
    stage.give(Input::LinkClosed { link: pierhead_agent::core::LinkNo(1), detail: "cut".into() });
    stage.wait(Millis(4_999));
    assert!(!finished(&stage.did(), conn));
    stage.wait(Millis(1));
    assert!(finished(&stage.did(), conn));
    assert_eq!(stage.count(), 1);
    stage.give(Input::Ended { conn });
    assert_eq!(stage.count(), 0);
}

#[test]
fn an_adopter_with_other_counters_gets_nothing() {
    let mut stage = Stage::up(5);
    let (id, conn) = (stream(1, 1), stage.parked(1, 1));
    let link = stage.cut(1);
    stage.bring_up(link, 2, 22);
    stage.say(link, [adopt(id, 6, 3, b"SELECT 1")]);
    assert_eq!(gone(&stage.heard(link)), [(id, GoneReason::Counters, true)]);
    let did = stage.did();
    assert!(written(&did, conn).is_empty() && finished(&did, conn));
    stage.give(Input::Ended { conn });
    assert!(gone(&stage.heard(link)).is_empty());
}

#[test]
fn an_adoption_without_bytes_leaves_the_stream_parked() {
    let mut stage = Stage::up(5);
    let id = stream(1, 1);
    stage.parked(1, 1);
    let link = stage.cut(1);
    stage.bring_up(link, 2, 22);
    stage.say(link, [adopt(id, 5, 3, b"")]);
    let status = stage.agent.status();
    assert_eq!((status.databases[0].parked, status.databases[0].ownerless), (1, 0));
    assert_eq!(status.links[0].unsettled, 0);
}

#[test]
fn a_stream_that_was_not_offered_here_cannot_be_adopted() {
    let mut stage = Stage::up(5);
    stage.say(1, [adopt(stream(4, 4), 0, 0, b"SELECT 1"), data(stream(4, 4), b"more")]);
    assert_eq!(gone(&stage.heard(1)), [(stream(4, 4), GoneReason::Unknown, true)]);
}

#[test]
fn a_released_stream_is_gone_when_the_database_has_ended_it() {
    let mut stage = Stage::up(5);
    let (id, conn) = (stream(1, 1), stage.parked(1, 1));
    stage.say(1, [Frame::Release(Release { stream: id })]);
    assert!(finished(&stage.did(), conn));
    assert!(stage.heard(1).is_empty());
    stage.give(Input::Ended { conn });
    assert_eq!(gone(&stage.heard(1)), [(id, GoneReason::Released, true)]);
}

#[test]
fn nothing_delivered_is_false_once_a_byte_was_written() {
    let mut stage = Stage::up(5);
    let (id, conn) = (stream(1, 1), stage.parked(1, 1));
    stage.say(1, [data(id, b"SELECT 1")]);
    stage.give(Input::Closed { conn, detail: "reset".into() });
    assert_eq!(gone(&stage.heard(1)), [(id, GoneReason::Database, false)]);
}

#[test]
fn a_request_that_crosses_the_end_of_its_parked_session_was_not_delivered() {
    let mut stage = Stage::up(5);
    let (id, conn) = (stream(1, 1), stage.parked(1, 1));
    stage.give(Input::Received { conn, bytes: Bytes::from_static(b"FATAL") });
    stage.say(1, [data(id, b"SELECT 1")]);
    stage.give(Input::Ended { conn });
    let did = stage.did();
    assert!(written(&did, conn).is_empty());
    assert_eq!(gone(&stage.heard(1)), [(id, GoneReason::Database, true)]);
}

#[test]
fn a_request_for_a_session_whose_end_was_held_back_is_told_of_it() {
    let mut stage = Stage::up(5);
    let (id, conn) = (stream(1, 1), stage.parked(1, 1));
    stage.give(Input::Ended { conn });
    assert!(stage.heard(1).is_empty());
    stage.say(1, [data(id, b"SELECT 1")]);
    assert_eq!(gone(&stage.heard(1)), [(id, GoneReason::Database, true)]);
    stage.say(1, [data(id, b"SELECT 1")]);
    assert!(gone(&stage.heard(1)).is_empty(), "it is said once");
}
