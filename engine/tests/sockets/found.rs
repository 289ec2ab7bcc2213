//! Stories that the simulation told first.

use bytes::BytesMut;
use pierhead_engine::{Input, Mode};
use postgres_protocol::message::frontend;

use crate::story::{Say, Story, complete, contains, error, kinds, message, ready};

#[test]
fn a_statement_that_was_skipped_does_not_lead_to_another_clients() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    let b = story.starts();
    story.tells(a, &Say::default().parse("", "select 'secret of a'").sync());
    story.says(stream, &[message(b'1', b""), ready('I')].concat());
    story.sent(stream);
    // The server skips the Parse, because the Bind before it fails.
    story.tells(b, &Say::default().bind("nothing").parse("", "select 'b'").sync());
    assert!(kinds(&story.sent(stream)).starts_with('C'), "what a left is closed first");
    story.tells(b, &Say::default().bind("").execute().sync());
    assert!(story.sent(stream).is_empty(), "whether b has one is not certain yet");
    let failed = [message(b'3', b""), error("26000", ""), ready('I')].concat();
    story.says(stream, &failed);
    assert!(contains(&story.sent(stream), "26000"), "it has none");
}

#[test]
fn what_a_client_left_unfinished_is_not_committed() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    story.tells(a, &Say::default().parse("", "insert 1").bind("").execute().flush().done());
    story.sent(stream);
    story.happens(Input::ClientGone { client: a });
    assert_eq!(kinds(&story.sent(stream)), "BS", "a Bind that fails goes before the Sync");
}

#[test]
fn what_was_set_again_after_a_reset_is_not_left_to_the_next_client() {
    let mut story = Story::with(|_| {});
    let (b, stream) = story.begins();
    let a = story.starts_with(Mode::Transaction, &[("options", "-c app.a=x")]);
    story.queries(a, "reset all");
    story.completes(stream, "SET", 'I');
    story.completes(stream, "RESET", 'I');
    let parts = [message(b'1', b""), message(b'2', b""), complete("SET")];
    story.says(stream, &[parts.concat(), message(b'3', b"").repeat(2), ready('I')].concat());
    story.sent(stream);
    story.queries(b, "show app.a");
    assert!(contains(&story.sent(stream), "RESET \"app\".\"a\""));
}

#[test]
fn a_cancel_that_is_too_late_does_not_hit_the_clients_next_request() {
    let mut story = Story::with(|_| {});
    let a = story.starts();
    let stream = story.logs_in();
    let greeting = story.hears(a);
    let at = greeting.windows(5).position(|w| w == b"K\0\0\0\x0c").unwrap();
    let canceller = story.opens(Mode::Transaction);
    story.queries(a, "begin");
    story.completes(stream, "BEGIN", 'T');
    story.queries(a, "select 1");
    let mut cancel = b"\0\0\0\x10\x04\xd2\x16\x2e".to_vec();
    cancel.extend_from_slice(&greeting[at + 5..at + 13]);
    story.tells(canceller, &cancel);
    let road = *story.opened.last().unwrap();
    story.happens(Input::StreamOpened { stream: road });
    story.completes(stream, "SELECT 1", 'T');
    story.sent(stream);
    story.queries(a, "select 2");
    assert!(story.sent(stream).is_empty(), "the cancel is still on its way");
    story.loses(road, 16);
    assert!(contains(&story.sent(stream), "select 2"));
}

#[test]
fn a_query_behind_stray_copy_data_is_answered_when_it_is_refused() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    let b = story.starts();
    story.queries(a, "begin");
    story.completes(stream, "BEGIN", 'T');
    story.hears(b);
    let mut out = BytesMut::new();
    frontend::query("copy t from stdin", &mut out).unwrap();
    out.extend_from_slice(&message(b'd', b"1\n"));
    out.extend_from_slice(&message(b'c', b""));
    story.tells(b, &out);
    story.later(10_000);
    assert_eq!(kinds(&story.hears(b)), "EZ");
    story.queries(b, "select 1");
    story.later(10_000);
    assert_eq!(kinds(&story.hears(b)), "EZ");
}

#[test]
fn times_and_statements_are_counted_without_their_constants() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    for secret in ["'geheim'", "'privat'"] {
        story.queries(a, &format!("select {secret}"));
        story.now += 20;
        story.completes(stream, "SELECT 1", 'I');
    }
    let accounts = story.engine.statement_accounts();
    let [one] = accounts[..] else { unreachable!("{accounts:?}") };
    assert_eq!((one.text(), one.calls(), one.total()), ("select ?", 2, 40));
    assert_eq!(story.engine.total_times().query.count(), 2);
}

/// What asyncpg's pool says about every connection that comes back to it.
#[test]
fn giving_locks_back_keeps_no_session() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    let b = story.starts();
    story.queries(a, "SELECT pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;\nRESET ALL;");
    story.sent(stream);
    let tags = ["SELECT 1", "CLOSE CURSOR ALL", "UNLISTEN", "RESET"].map(complete);
    story.says(stream, &[tags.concat(), ready('I')].concat());
    assert_eq!(story.status().counters.pins, 0);
    story.queries(b, "select 1");
    assert!(
        contains(&story.sent(stream), "select 1"),
        "b waits for a session that a has no use for"
    );
}
