use bytes::Bytes;
use pierhead_agent::core::{Input, Output};
use pierhead_wire::tunnel::{Finish, Frame, GoneReason, Name, Open, RefusedReason};

use super::stage::{Stage, bytes_of, data, gone, open, stream, written};

fn refused(frames: &[Frame]) -> Vec<(RefusedReason, String)> {
    let refused = frames.iter().filter_map(|frame| match frame {
        Frame::Refused(refused) => Some((refused.reason, refused.advice.as_str().to_owned())),
        _ => None,
    });
    refused.collect()
}

#[test]
fn data_that_comes_before_the_connection_stands_waits_for_it() {
    let mut stage = Stage::up(5);
    let id = stream(1, 1);
    stage.say(1, [open(id), data(id, b"start"), data(id, b"up")]);
    let conn = stage.connecting();
    assert!(stage.did().is_empty());
    stage.give(Input::Connected { conn });
    assert_eq!(written(&stage.did(), conn), b"startup");
    stage.give(Input::Received { conn, bytes: Bytes::from_static(b"R") });
    assert_eq!(bytes_of(&stage.heard(1), id), b"R");
}

#[test]
fn a_database_that_refuses_is_named_with_what_to_check() {
    let mut stage = Stage::up(5);
    stage.say(1, [open(stream(1, 1)), data(stream(1, 1), b"lost")]);
    let conn = stage.connecting();
    let detail = "connection refused (os error 111)".to_owned();
    stage.give(Input::ConnectFailed { conn, reason: RefusedReason::Connect, detail });
    let frames = stage.heard(1);
    let (reason, advice) = &refused(&frames)[0];
    assert_eq!(*reason, RefusedReason::Connect);
    assert!(advice.contains("`main`") && advice.contains("os error 111"), "{advice}");
    assert!(advice.contains("PIERHEAD_DB_MAIN"), "{advice}");
    assert_eq!(stage.count(), 0);
    stage.say(1, [data(stream(1, 1), b"late")]);
    assert!(gone(&stage.heard(1)).is_empty());
}

#[test]
fn a_database_that_does_not_answer_is_a_timeout_and_counts_until_it_is_closed() {
    let mut stage = Stage::up(1);
    stage.say(1, [open(stream(1, 1))]);
    let conn = stage.connecting();
    stage.wait(pierhead_agent::core::Millis(10_000));
    assert_eq!(refused(&stage.heard(1))[0].0, RefusedReason::Timeout);
    assert!(stage.did().contains(&Output::Close { conn }));
    assert_eq!(stage.count(), 1);
    stage.give(Input::Closed { conn, detail: String::new() });
    assert_eq!(stage.count(), 0);
}

#[test]
fn the_cap_counts_every_connection_that_the_database_has_not_ended() {
    let mut stage = Stage::up(2);
    let first = stage.session(1, 1);
    stage.say(1, [open(stream(1, 2)), open(stream(1, 3))]);
    let (reason, advice) = &refused(&stage.heard(1))[0];
    assert_eq!(*reason, RefusedReason::Cap);
    assert!(advice.contains("2 of 2"), "{advice}");

    // The link is lost: its sessions end, and count until they have ended.
    let link = stage.cut(1);
    stage.bring_up(link, 2, 22);
    stage.say(link, [open(stream(link, 1))]);
    assert_eq!(refused(&stage.heard(link)).len(), 1);
    stage.give(Input::Ended { conn: first });
    stage.say(link, [open(stream(link, 2))]);
    assert!(refused(&stage.heard(link)).is_empty());
}

#[test]
fn another_database_is_refused_by_name() {
    let mut stage = Stage::up(2);
    let database = Name::cut("elsewhere");
    stage.say(1, [Frame::Open(Open { stream: stream(1, 1), database })]);
    let (reason, advice) = &refused(&stage.heard(1))[0];
    assert_eq!(*reason, RefusedReason::UnknownDatabase);
    assert!(advice.contains("elsewhere"));
}

#[test]
fn an_end_of_the_database_comes_after_its_last_bytes() {
    let mut stage = Stage::up(2);
    let (id, conn) = (stream(1, 1), stage.session(1, 1));
    stage.give(Input::Received { conn, bytes: Bytes::from_static(b"FATAL") });
    stage.give(Input::Ended { conn });
    let frames = stage.heard(1);
    assert_eq!(bytes_of(&frames, id), b"FATAL");
    assert!(frames.contains(&Frame::Finish(Finish { stream: id })));
    stage.say(1, [Frame::Finish(Finish { stream: id })]);
    assert_eq!(gone(&stage.heard(1)), [(id, GoneReason::Finished, false)]);
}

#[test]
fn a_finished_stream_is_gone_when_the_database_has_closed() {
    let mut stage = Stage::up(2);
    let (id, conn) = (stream(1, 1), stage.session(1, 1));
    stage.say(1, [data(id, b"X"), Frame::Finish(Finish { stream: id })]);
    let did = stage.did();
    let write = Output::Write { conn, bytes: vec![Bytes::from_static(b"X")] };
    let finish = Output::Finish { conn };
    let order = |wanted: &Output| did.iter().position(|did| did == wanted);
    assert!(order(&write) < order(&finish) && order(&write).is_some());
    assert!(gone(&stage.heard(1)).is_empty());
    stage.give(Input::Ended { conn });
    assert_eq!(gone(&stage.heard(1)), [(id, GoneReason::Finished, false)]);
}

#[test]
fn a_broken_connection_is_the_databases_end() {
    let mut stage = Stage::up(2);
    let (id, conn) = (stream(1, 1), stage.session(1, 1));
    stage.give(Input::Closed { conn, detail: "reset by peer".into() });
    assert_eq!(gone(&stage.heard(1)), [(id, GoneReason::Database, false)]);
    assert_eq!(stage.count(), 0);
}
