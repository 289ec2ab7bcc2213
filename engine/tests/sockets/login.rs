//! Clients log in, where a password is set for sockets.

use bytes::BytesMut;
use pierhead_engine::ids::ClientId;
use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};
use postgres_protocol::message::frontend;

use crate::story::{Story, contains, kinds};

const PASSWORD: &str = "pencil";

fn story() -> Story {
    Story::with(|s| s.socket_password = Some(PASSWORD.into()))
}

/// The data of the one SASL message in these bytes, and what comes behind it.
fn sasl(heard: &[u8], kind: u8) -> (&[u8], &[u8]) {
    let length = u32::from_be_bytes(heard[1..5].try_into().unwrap()) as usize;
    assert_eq!((heard[0], heard[8]), (b'R', kind), "{heard:?}");
    (&heard[9..=length], &heard[length + 1..])
}

/// The login of a driver. What the client hears of its proof.
fn proves(story: &mut Story, client: ClientId, password: &str) -> (ScramSha256, Vec<u8>) {
    let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
    assert_eq!(sasl(&story.hears(client), 10).0, b"SCRAM-SHA-256\0\0");
    let mut out = BytesMut::new();
    frontend::sasl_initial_response("SCRAM-SHA-256", scram.message(), &mut out).unwrap();
    story.tells(client, &out);
    scram.update(sasl(&story.hears(client), 11).0).unwrap();
    let mut out = BytesMut::new();
    frontend::sasl_response(scram.message(), &mut out).unwrap();
    story.tells(client, &out);
    (scram, story.hears(client))
}

#[test]
fn a_client_with_the_password_is_greeted_and_the_coordinator_proves_itself() {
    let mut story = story();
    let client = story.starts();
    assert_eq!(story.opened.len(), 0, "no session for a stranger");
    let (mut scram, heard) = proves(&mut story, client, PASSWORD);
    let (proof, rest) = sasl(&heard, 12);
    scram.finish(proof).unwrap();
    assert!(rest.is_empty());
    story.logs_in();
    assert_eq!(kinds(&story.hears(client)), "RSSKZ");
    let second = story.starts();
    let (_, heard) = proves(&mut story, second, PASSWORD);
    assert_eq!(kinds(sasl(&heard, 12).1), "RSSKZ");
}

#[test]
fn a_wrong_password_and_an_unknown_user_are_told_the_same() {
    let mut story = story();
    for (user, password) in [("app", "pencils"), ("app", ""), ("root", PASSWORD)] {
        let client = story.starts_with(None, &[("user", user)]);
        let (_, heard) = proves(&mut story, client, password);
        let text = format!("password authentication failed for user \"{user}\"");
        assert!(contains(&heard, "FATAL") && contains(&heard, "C28P01"), "{user}");
        assert!(contains(&heard, &text) && !contains(&heard, PASSWORD));
        assert_eq!(story.closed.last(), Some(&client));
    }
    assert_eq!((story.opened.len(), story.status().sockets), (0, 0));
}

#[test]
fn a_stranger_does_not_learn_which_databases_there_are() {
    let mut story = story();
    let client = story.starts_with(None, &[("database", "other")]);
    let (_, heard) = proves(&mut story, client, "wrong");
    assert!(contains(&heard, "C28P01") && !contains(&heard, "other"));
    let client = story.starts_with(None, &[("database", "other")]);
    let (_, heard) = proves(&mut story, client, PASSWORD);
    assert!(contains(&heard, "C3D000"));
}

#[test]
fn a_client_that_does_not_log_in_is_not_served() {
    let mut story = story();
    let query = b"Q\0\0\0\x0dselect 1\0";
    let plain = b"p\0\0\0\x0bpencil\0";
    let long = [b"p\0\x10\0\0".as_slice(), &[b'a'; 100]].concat();
    for (said, says) in [
        (&query[..], "a client must log in first"),
        (&plain[..], "only SCRAM-SHA-256 is accepted"),
        (&long, "longer than any of a login"),
        (b"B\0\0\0\x04", "a client must log in first"),
    ] {
        let client = story.starts();
        story.hears(client);
        story.tells(client, said);
        let heard = story.hears(client);
        assert!(contains(&heard, "C08P01") && contains(&heard, says), "{says}");
        assert_eq!(story.closed.last(), Some(&client));
    }
    assert_eq!(story.opened.len(), 0);
    let silent = story.starts();
    story.later(10_000);
    assert!(contains(&story.hears(silent), "C57P05"));
}

#[test]
fn what_is_said_behind_the_proof_is_not_lost() {
    let mut story = story();
    let client = story.starts();
    let mut scram = ScramSha256::new(PASSWORD.as_bytes(), ChannelBinding::unsupported());
    story.hears(client);
    let mut out = BytesMut::new();
    frontend::sasl_initial_response("SCRAM-SHA-256", scram.message(), &mut out).unwrap();
    story.tells(client, &out);
    scram.update(sasl(&story.hears(client), 11).0).unwrap();
    let mut out = BytesMut::new();
    frontend::sasl_response(scram.message(), &mut out).unwrap();
    frontend::query("select 1", &mut out).unwrap();
    story.tells(client, &out);
    let stream = *story.opened.last().unwrap();
    story.happens(pierhead_engine::Input::StreamOpened { stream });
    story.says(stream, crate::story::GREETING);
    assert!(contains(&story.sent(stream), "select 1"));
}
