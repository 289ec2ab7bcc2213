//! Stories that the simulation told first.

use bytes::BytesMut;
use pierhead_engine::{Input, Mode, StatePolicy, Way};
use postgres_protocol::message::frontend;

use crate::story::{GREETING, Say, Story, complete, contains, error, kinds, message, ready};

/// A simple query.
fn query(sql: &str) -> Vec<u8> {
    message(b'Q', format!("{sql}\0").as_bytes())
}

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
fn a_request_that_is_tried_again_still_has_its_unnamed_statement() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    story.tells(a, &Say::default().parse("", "select 'mine'").sync());
    story.says(stream, &[message(b'1', b""), ready('I')].concat());
    // A Query ends the unnamed statement; but neither of the two has reached the database.
    let run = Say::default().bind("").execute().sync();
    story.tells(a, &[&run[..], &query("commit")].concat());
    story.loses(stream, 0);
    let stream = *story.opened.last().unwrap();
    story.happens(Input::StreamOpened { stream });
    story.sent(stream);
    story.says(stream, GREETING);
    let sent = story.sent(stream);
    assert_eq!(kinds(&sent), "PBESQ");
    assert!(contains(&sent, "select 'mine'"));
}

#[test]
fn what_an_error_skips_does_not_end_the_unnamed_statement() {
    for skipped in [query("select 2"), Say::default().close("").done().into()] {
        let mut story = Story::with(|_| {});
        let (a, stream) = story.begins();
        let run = Say::default().parse("", "select 'mine'").bind("").execute();
        story.tells(a, &[&run.done()[..], &skipped, &Say::default().sync()].concat());
        story.sent(stream);
        let parts = [message(b'1', b""), message(b'2', b""), error("22012", ""), ready('I')];
        story.says(stream, &parts.concat());
        assert_eq!(kinds(&story.hears(a)), "12EZ");
        story.tells(a, &Say::default().bind("").execute().sync());
        let sent = story.sent(stream);
        assert!(contains(&sent, "select 'mine'") && !contains(&sent, "26000"), "{sent:?}");
    }
}

#[test]
fn what_comes_while_a_plan_is_cured_is_sent_once() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    story.tells(a, &Say::default().parse("s", "select * from t").sync());
    story.says(stream, &[message(b'1', b""), ready('I')].concat());
    story.tells(a, &Say::default().bind("s").describe().execute().sync());
    story.says(stream, &error("0A000", "RevalidateCachedQuery"));
    story.sent(stream);
    story.queries(a, "insert 1");
    assert!(story.sent(stream).is_empty(), "it waits for the cure");
    story.says(stream, &ready('I'));
    assert_eq!(kinds(&story.sent(stream)), "PBDESQ");
}

#[test]
fn a_client_that_cleared_its_session_and_left_does_not_unpin_the_next() {
    // Where a session that its client left is not cancelled at once.
    let mut story = Story::with(|settings| settings.ways = vec![Way::Cloudflared]);
    let (b, stream) = story.begins();
    let a = story.starts_with(Mode::Transaction, &[("application_name", "a")]);
    story.queries(a, "discard all");
    story.completes(stream, "SET", 'I');
    story.completes(stream, "DISCARD ALL", 'I');
    // What it set at its start is being set again.
    story.happens(Input::ClientGone { client: a });
    let parts = [message(b'1', b""), message(b'2', b""), complete("SET")];
    story.says(stream, &[parts.concat(), message(b'3', b"").repeat(2), ready('I')].concat());
    story.completes(stream, "DISCARD ALL", 'I');
    story.queries(b, "create temp table t ()");
    story.completes(stream, "CREATE TABLE", 'I');
    assert_eq!(story.status().pinned, 1, "the table is b's");
}

#[test]
fn what_follows_a_reset_in_its_segment_keeps_the_session() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    let reset = Say::default().parse("", "discard all").bind("").execute();
    story.tells(a, &reset.parse("", "create temp table t ()").bind("").execute().sync());
    let begun = [message(b'1', b""), message(b'2', b"")].concat();
    story.says(stream, &[&begun[..], &complete("DISCARD ALL")].concat());
    story.says(stream, &[&begun[..], &complete("CREATE TABLE"), &ready('I')].concat());
    assert_eq!(story.status().pinned, 1);
}

#[test]
fn a_session_that_is_readied_for_each_of_its_clients_keeps_no_more_than_it_may() {
    let mut story = Story::with(|_| {});
    let (_, stream) = story.begins();
    let clients =
        ["a", "b"].map(|name| story.starts_with(Mode::Transaction, &[("application_name", name)]));
    let mut evicted = 0;
    for number in 0..300 {
        let another = Say::default().close("s").parse("s", &format!("select {number}")).sync();
        story.tells(clients[number % 2], &another);
        for _ in 0..2 {
            let sent = story.sent(stream);
            evicted += usize::from(contains(&sent, "Sph_"));
            for kind in kinds(&sent).chars() {
                match kind {
                    'Q' => story.completes(stream, "SET", 'I'),
                    'P' => story.says(stream, &message(b'1', b"")),
                    'C' => story.says(stream, &message(b'3', b"")),
                    _ => story.says(stream, &ready('I')),
                }
            }
        }
    }
    assert_eq!(evicted, 300 - 256, "what was used longest ago is closed");
}

#[test]
fn a_query_that_an_error_skips_does_not_end_its_segment() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    story.tells(a, &Say::default().parse("", "fail").bind("").execute().flush().done());
    let parts = [message(b'1', b""), message(b'2', b""), error("22012", "")];
    story.says(stream, &parts.concat());
    story.queries(a, "insert 1");
    story.sent(stream);
    story.happens(Input::ClientGone { client: a });
    assert!(kinds(&story.sent(stream)).ends_with('S'), "the server skips all up to a Sync");
}

#[test]
fn copied_data_that_its_client_never_confirmed_is_not_committed() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    story.tells(a, &Say::default().parse("", "copy t from stdin").bind("").execute().sync());
    let parts = [message(b'1', b""), message(b'2', b""), message(b'G', b"\0\0\0")];
    story.says(stream, &parts.concat());
    // The server throws the Sync away: another one must follow the data.
    story.tells(a, &[message(b'd', b"1\n"), message(b'c', b"")].concat());
    story.says(stream, &complete("COPY 1"));
    story.sent(stream);
    story.happens(Input::ClientGone { client: a });
    assert_eq!(kinds(&story.sent(stream)), "BS", "a Bind that fails goes before the Sync");
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

#[test]
fn a_session_that_ends_before_its_clients_settings_reach_it_costs_no_error() {
    let mut story = Story::with(|_| {});
    let (_, stream) = story.begins();
    let b = story.starts_with(Mode::Session, &[("application_name", "migrate")]);
    story.hears(b);
    story.queries(b, "create table t ()");
    assert!(!contains(&story.sent(stream), "create"), "the settings may be refused");
    story.loses(stream, 0);
    let stream = *story.opened.last().unwrap();
    story.happens(Input::StreamOpened { stream });
    story.says(stream, GREETING);
    assert!(contains(&story.sent(stream), "migrate"));
    story.completes(stream, "SET", 'I');
    assert!(contains(&story.sent(stream), "create table"));
    assert_eq!(kinds(&story.hears(b)), "");
}

#[test]
fn behind_a_refused_statement_an_older_one_does_not_run_again() {
    let mut story = Story::with(|s| s.state = StatePolicy::Reject);
    let (a, stream) = story.begins();
    let (parsed, bound) = (message(b'1', b""), message(b'2', b""));
    story.tells(a, &Say::default().parse("", "insert 1").bind("").execute().sync());
    let done = [parsed.clone(), bound.clone(), complete("INSERT 0 1"), ready('I')];
    story.says(stream, &done.concat());
    story.sent(stream);
    story.tells(a, &Say::default().parse("", "listen c").bind("").execute().sync());
    story.tells(a, &Say::default().bind("").execute().sync());
    assert!(contains(&story.sent(stream), "RAISE"));
    let closed = message(b'3', b"");
    story.says(stream, &[closed, parsed, bound, error("0A000", ""), ready('I')].concat());
    let sent = story.sent(stream);
    assert!(contains(&sent, "26000") && !contains(&sent, "insert"), "{}", sent.escape_ascii());
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
