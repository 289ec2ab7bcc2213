//! What outlives a transaction follows its client, or keeps its session.

use pierhead_engine::ids::{ClientId, StreamId};
use pierhead_engine::{Input, Mode, StatePolicy};

use crate::story::{Say, Story, complete, contains, error, kinds, message, ready};

#[test]
fn a_setting_follows_its_client_and_leaves_the_others_alone() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    let b = story.starts();
    story.queries(a, "set timezone to 'Asia/Tokyo'");
    story.completes(stream, "SET", 'I');
    assert_eq!(story.status().pinned, 0);
    story.sent(stream);
    story.queries(b, "select 'b'");
    let sent = story.sent(stream);
    assert_eq!(kinds(&sent), "QQ");
    assert!(contains(&sent, "RESET"));
    story.hears(b);
    let answers = [complete("RESET"), ready('I'), complete("SELECT 1"), ready('I')].concat();
    story.says(stream, &answers);
    assert_eq!(kinds(&story.hears(b)), "CZ", "what it did not send it does not see answered");
    story.queries(a, "select 'a'");
    assert!(contains(&story.sent(stream), "Asia/Tokyo"));
}

#[test]
fn clients_with_the_same_settings_cost_nothing() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    let b = story.starts();
    for client in [a, b] {
        story.queries(client, "set a.b to 'x'; set c.d to 'y'");
        story.sent(stream);
        if client == b {
            story.says(stream, &[complete("RESET"), complete("RESET"), ready('I')].concat());
        }
        story.says(stream, &[complete("SET"), complete("SET"), ready('I')].concat());
    }
    for client in [a, b, a] {
        story.queries(client, "select 1");
        assert_eq!(kinds(&story.sent(stream)), "Q");
        story.completes(stream, "SELECT 1", 'I');
    }
}

#[test]
fn a_setting_that_was_rolled_back_is_not_repeated() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    for (sql, tag, status) in
        [("begin", "BEGIN", 'T'), ("set a.b to 'x'", "SET", 'T'), ("rollback", "ROLLBACK", 'I')]
    {
        story.queries(a, sql);
        story.completes(stream, tag, status);
    }
    story.loses(stream, u64::MAX);
    story.queries(a, "select 1");
    let stream = story.logs_in();
    story.completes(stream, "SELECT 1", 'I');
    story.queries(a, "select 2");
    assert_eq!(kinds(&story.sent(stream)), "Q");
}

#[test]
fn settings_of_a_start_up_are_tried_before_anything_is_sent() {
    let mut story = Story::with(|_| {});
    let (_, stream) = story.begins();
    let b = story.starts_with(Mode::Transaction, &[("options", "-c statement_timeout=5s")]);
    story.hears(b);
    story.queries(b, "select 1");
    let sent = story.sent(stream);
    assert!(contains(&sent, "statement_timeout") && !contains(&sent, "select 1"));
    story.completes(stream, "SET", 'I');
    assert!(contains(&story.sent(stream), "select 1"));
    story.completes(stream, "SELECT 1", 'I');

    let c = story.starts_with(Mode::Transaction, &[("options", "-c nonsense=1")]);
    story.hears(c);
    story.queries(c, "select 2");
    let mut refused = error("42704", "");
    refused.extend(ready('I'));
    story.says(stream, &refused);
    assert!(contains(&story.hears(c), "C42704"));
    assert!(story.closed.contains(&c), "as the database itself would have done");
    assert!(!contains(&story.sent(stream), "select 2"));
}

/// A statement that sets, of whose rows one is taken: it is never told to be complete.
fn sets_and_suspends(story: &mut Story, client: ClientId, stream: StreamId, status: char) {
    let say = Say::default().parse("", "select set_config('a.b', 'c', false)").bind("");
    story.tells(client, &say.execute_for(1).sync());
    story.sent(stream);
    let answers = [message(b'1', b""), message(b'2', b""), message(b'D', &[0, 0])].concat();
    story.says(stream, &[answers, message(b's', b""), ready(status)].concat());
    assert_eq!(kinds(&story.hears(client)), "12DsZ");
}

#[test]
fn what_a_suspended_portal_did_keeps_the_session() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    story.hears(a);
    sets_and_suspends(&mut story, a, stream, 'I');
    assert_eq!(story.status().pinned, 1, "the next client would see the setting");
}

#[test]
fn what_a_suspended_portal_did_ends_with_its_transaction() {
    for (end, tag, pinned) in [("rollback", "ROLLBACK", 0), ("commit", "COMMIT", 1)] {
        let mut story = Story::with(|_| {});
        let (a, stream) = story.begins();
        story.queries(a, "begin");
        story.sent(stream);
        story.completes(stream, "BEGIN", 'T');
        story.hears(a);
        sets_and_suspends(&mut story, a, stream, 'T');
        story.queries(a, end);
        story.sent(stream);
        story.completes(stream, tag, 'I');
        assert_eq!(story.status().pinned, pinned, "{end}");
    }
}

#[test]
fn what_cannot_be_followed_keeps_the_session_up_to_a_cap() {
    let mut story = Story::with(|s| {
        s.pool_size = 2;
        s.pinned_max = 1;
    });
    let (a, stream) = story.begins();
    story.queries(a, "create temp table t (a int)");
    story.completes(stream, "CREATE TABLE", 'I');
    assert_eq!((story.status().pinned, story.status().leased), (1, 1));
    let b = story.starts();
    story.queries(b, "listen c");
    let other = story.logs_in();
    story.queries(b, "listen d");
    let _ = other;
    story.hears(b);
    story.happens(Input::ClientGone { client: a });
    assert!(contains(&story.sent(stream), "DISCARD ALL"));
    assert_eq!(story.status().pinned, 0);
}

#[test]
fn past_the_cap_the_statement_is_refused_by_the_database_itself() {
    let mut story = Story::with(|s| s.pinned_max = 0);
    let (a, stream) = story.begins();
    story.queries(a, "listen c");
    let sent = story.sent(stream);
    assert!(contains(&sent, "RAISE") && contains(&sent, "LISTEN: as many"));
    assert!(!contains(&sent, "listen c"));
}

#[test]
fn where_state_is_rejected_a_set_is_refused_and_a_local_one_is_not() {
    let mut story = Story::with(|s| s.state = StatePolicy::Reject);
    let (a, stream) = story.begins();
    story.queries(a, "set a.b to 'x'");
    assert!(contains(&story.sent(stream), "RAISE"));
    let mut refused = error("0A000", "");
    refused.extend(ready('I'));
    story.says(stream, &refused);
    story.queries(a, "set local a.b to 'x'");
    assert!(contains(&story.sent(stream), "set local"));
}

#[test]
fn discard_all_frees_the_session_again() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    story.queries(a, "listen c");
    story.completes(stream, "LISTEN", 'I');
    assert_eq!(story.status().pinned, 1);
    story.queries(a, "discard all");
    story.completes(stream, "DISCARD ALL", 'I');
    assert_eq!((story.status().pinned, story.status().idle), (0, 1));
    let _ = message(b'1', b"");
}
