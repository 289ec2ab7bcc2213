//! How sockets begin and end.

use pierhead_engine::ids::ClientId;
use pierhead_engine::{Input, Mode, Refusal, RefusalKind};

use crate::story::{Story, complete, contains, kinds, message, ready};

#[test]
fn the_first_client_waits_for_a_session_and_the_second_is_greeted_at_once() {
    let mut story = Story::with(|_| {});
    let first = story.starts();
    assert!(story.hears(first).is_empty());
    assert_eq!(story.opened.len(), 1);
    story.logs_in();
    let greeting = story.hears(first);
    assert_eq!(kinds(&greeting), "RSSKZ");
    assert!(contains(&greeting, "TimeZone\0UTC"));
    let second = story.starts();
    assert_eq!(kinds(&story.hears(second)), "RSSKZ");
    assert_eq!(story.opened.len(), 1);
}

/// Every open is refused until the client has heard something: how long it took, and what it was.
fn is_refused(story: &mut Story, client: ClientId, detail: &str) -> (u64, Vec<u8>) {
    let since = story.now;
    while story.closed.is_empty() {
        let stream = *story.opened.last().unwrap();
        let refusal = Refusal { kind: RefusalKind::Unreachable, detail: detail.into() };
        story.happens(Input::StreamRefused { stream, refusal });
        story.later(50);
    }
    (story.now - since, story.hears(client))
}

#[test]
fn a_database_that_is_down_is_told_to_who_starts_up_when_a_restart_would_be_over() {
    let mut story = Story::with(|_| {});
    let first = story.starts();
    let (waited, heard) = is_refused(&mut story, first, "connection refused");
    assert!(contains(&heard, "FATAL\0VFATAL\0C08001"));
    assert!(contains(&heard, "connection refused"));
    assert!((1_000..3_000).contains(&waited), "{waited}");
    // Nobody else waits for what is known to be down; but the next try may find it there.
    let second = story.starts();
    assert!(contains(&story.hears(second), "C08001"));
    story.later(10_000);
    let third = story.starts();
    assert!(story.hears(third).is_empty());
    story.logs_in();
    assert_eq!(kinds(&story.hears(third)), "RSSKZ");
}

#[test]
fn a_database_that_is_starting_is_waited_for() {
    let mut story = Story::with(|_| {});
    let client = story.starts();
    for _ in 0..5 {
        let stream = *story.opened.last().unwrap();
        story.happens(Input::StreamOpened { stream });
        story.says(stream, &message(b'E', b"SFATAL\0VFATAL\0C57P03\0Mis starting\0\0"));
        story.loses(stream, 0);
        story.later(1_600);
        assert!(story.hears(client).is_empty());
    }
    story.logs_in();
    assert_eq!(kinds(&story.hears(client)), "RSSKZ");
}

#[test]
fn a_database_that_says_nothing_is_no_fault_of_the_clients() {
    let mut story = Story::with(|_| {});
    let client = story.starts();
    story.later(10_000);
    assert!(contains(&story.hears(client), "C08001"));
    let silent = story.opens(Mode::Transaction);
    story.later(10_000);
    assert!(contains(&story.hears(silent), "C57P05"), "it never said what it wants");
}

#[test]
fn a_client_that_asks_for_encryption_is_told_that_there_is_none() {
    let mut story = Story::with(|_| {});
    let client = story.opens(Mode::Transaction);
    story.tells(client, b"\0\0\0\x08\x04\xd2\x16\x2f");
    assert_eq!(story.hears(client), b"N");
}

#[test]
fn a_user_or_a_database_that_is_not_configured_is_refused_by_name() {
    let mut story = Story::with(|_| {});
    let client = story.starts_with(Mode::Transaction, &[("user", "root")]);
    let heard = story.hears(client);
    assert!(contains(&heard, "C28000") && contains(&heard, "root"));
    assert_eq!(story.closed, [client]);
    let client = story.starts_with(Mode::Transaction, &[("database", "other")]);
    assert!(contains(&story.hears(client), "C3D000"));
}

#[test]
fn a_client_that_does_not_follow_the_protocol_is_told_so_and_ended() {
    let mut story = Story::with(|_| {});
    let (client, _) = story.begins();
    story.tells(client, b"?\0\0\0\x04");
    let heard = story.hears(client);
    assert!(contains(&heard, "FATAL") && contains(&heard, "C08P01"));
    assert_eq!(story.closed, [client]);
    assert_eq!((story.status().clients, story.status().idle), (0, 1));
}

#[test]
fn a_client_is_served_and_leaves_the_session_to_the_next() {
    let mut story = Story::with(|_| {});
    let (client, stream) = story.begins();
    story.queries(client, "select 1");
    assert!(contains(&story.sent(stream), "select 1"));
    story.completes(stream, "SELECT 0", 'I');
    assert_eq!(kinds(&story.hears(client)), "CZ");
    assert_eq!((story.status().leased, story.status().idle), (0, 1));
    story.tells(client, b"X\0\0\0\x04");
    assert_eq!(story.closed, [client]);
    assert_eq!(story.status().sockets, 0);
}

#[test]
fn what_a_client_sends_before_it_is_greeted_is_not_lost() {
    let mut story = Story::with(|_| {});
    let client = story.starts();
    story.queries(client, "select 1");
    let stream = *story.opened.last().unwrap();
    story.happens(Input::StreamOpened { stream });
    story.says(stream, crate::story::GREETING);
    assert!(contains(&story.sent(stream), "select 1"));
}

#[test]
fn a_session_of_its_own_stays_with_its_client_and_is_cleared_after_it() {
    let mut story = Story::with(|s| {
        s.pool_size = 2;
        s.pinned_max = 1;
    });
    let client = story.starts_with(Mode::Session, &[]);
    let stream = story.logs_in();
    story.queries(client, "listen c");
    assert!(contains(&story.sent(stream), "listen c"));
    story.completes(stream, "LISTEN", 'I');
    assert_eq!((story.status().leased, story.status().pinned), (1, 1));
    story.hears(client);
    story.says(stream, b"A\0\0\0\x0e\0\0\0\x07c\0hey\0");
    assert_eq!(kinds(&story.hears(client)), "A", "it may come at any time");
    let other = story.starts_with(Mode::Session, &[]);
    assert!(contains(&story.hears(other), "C53000"), "one such client is enough");
    story.happens(Input::ClientGone { client });
    assert!(contains(&story.sent(stream), "DISCARD ALL"));
    let mut out = complete("DISCARD ALL");
    out.extend(ready('I'));
    story.says(stream, &out);
    assert_eq!((story.status().idle, story.status().pinned), (1, 0));
}
