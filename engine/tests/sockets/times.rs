//! Time is bounded, and so is memory.

use pierhead_engine::Mode;
use pierhead_engine::time::Millis;

use crate::story::{Say, Story, complete, contains, kinds, message, ready};

#[test]
fn a_client_that_is_silent_in_its_transaction_loses_it() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    story.queries(a, "begin");
    story.completes(stream, "BEGIN", 'T');
    story.hears(a);
    story.sent(stream);
    story.later(30_000);
    assert!(contains(&story.hears(a), "C25P03"));
    assert_eq!(story.closed, [a]);
    assert!(contains(&story.sent(stream), "ROLLBACK"));
}

#[test]
fn a_client_that_is_silent_outside_is_let_go_and_one_that_is_not_is_kept() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    story.later(40_000);
    story.queries(a, "select 1");
    let stream = if story.opened.len() > 1 { story.logs_in() } else { stream };
    story.completes(stream, "SELECT 1", 'I');
    story.later(40_000);
    assert!(story.closed.is_empty());
    story.hears(a);
    story.later(20_000);
    assert!(contains(&story.hears(a), "C57P05"));
}

#[test]
fn a_query_that_takes_too_long_is_cancelled_and_its_client_stays() {
    let mut story = Story::with(|s| s.query_timeout = Millis::secs(5));
    let (a, stream) = story.begins();
    story.queries(a, "select pg_sleep(60)");
    story.hears(a);
    story.later(5_000);
    assert_eq!(story.opened.len(), 2, "a cancel is on its way");
    let mut cancelled = crate::story::error("57014", "");
    cancelled.extend(ready('I'));
    story.says(stream, &cancelled);
    assert!(contains(&story.hears(a), "C57014"));
    assert!(story.closed.is_empty());
}

#[test]
fn settings_that_are_made_again_are_no_part_of_the_time_of_the_next_query() {
    let mut story = Story::with(|s| s.query_timeout = Millis::secs(5));
    let a = story.starts_with(None, &[("application_name", "drivers")]);
    let stream = story.logs_in();
    story.queries(a, "begin");
    story.completes(stream, "SET", 'I');
    story.completes(stream, "BEGIN", 'T');
    story.queries(a, "reset application_name");
    story.sent(stream);
    story.completes(stream, "RESET", 'T');
    assert!(contains(&story.sent(stream), "SET \"application_name\" TO 'drivers'"));
    let parts = [message(b'1', b""), message(b'2', b""), complete("SET")];
    story.says(stream, &[parts.concat(), message(b'3', b"").repeat(2), ready('T')].concat());
    story.later(4_000);
    story.queries(a, "select pg_sleep(60)");
    story.later(4_000);
    assert_eq!(story.opened.len(), 1, "it has had four of its five seconds");
    story.later(1_000);
    assert_eq!(story.opened.len(), 2, "a cancel is on its way");
}

#[test]
fn a_client_that_is_silent_behind_a_long_answer_without_a_ready_point_loses_its_transaction() {
    let mut story = Story::with(|_| {});
    let a = story.starts_with(Mode::Session, &[]);
    let stream = story.logs_in();
    story.queries(a, "begin");
    story.completes(stream, "BEGIN", 'T');
    story.tells(
        a,
        &Say::default().parse("", "select pg_sleep(40)").bind("").execute().flush().done(),
    );
    story.later(40_000);
    assert!(story.closed.is_empty(), "it waits for the database");
    story.says(stream, &[message(b'1', b""), message(b'2', b""), complete("SELECT 1")].concat());
    story.hears(a);
    story.later(30_000);
    assert!(contains(&story.hears(a), "C25P03"));
}

#[test]
fn a_transaction_that_takes_too_long_is_over() {
    let mut story = Story::with(|s| s.transaction_timeout = Millis::secs(5));
    let (a, stream) = story.begins();
    story.queries(a, "begin");
    story.completes(stream, "BEGIN", 'T');
    story.hears(a);
    story.later(5_000);
    assert!(contains(&story.hears(a), "C25P04"));
}

#[test]
fn when_everybody_has_left_nothing_is_held() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    story.queries(a, "set a.b to 'x'");
    story.completes(stream, "SET", 'I');
    story.tells(a, b"Q\0\0\xff\xff");
    story.tells(a, b"half a message");
    assert!(story.status().request_bytes > 0);
    story.happens(pierhead_engine::Input::ClientGone { client: a });
    let status = story.status();
    assert_eq!((status.clients, status.request_bytes, status.answer_bytes), (0, 0, 0));
}

#[test]
fn a_slow_database_is_not_held_against_its_client_and_no_message_is_cut_for_it() {
    let mut story = Story::with(|s| s.query_timeout = Millis::secs(300));
    let (_, stream) = story.begins();
    let b = story.starts_with(Mode::Transaction, &[("options", "-c work_mem=8MB")]);
    story.queries(b, "select 1");
    story.completes(stream, "SET", 'I');
    story.completes(stream, "SELECT 1", 'I');
    let a = story.starts();
    story.hears(a);
    story.tells(
        a,
        &Say::default().parse("", "select pg_sleep(31)").bind("").describe().flush().done(),
    );
    story.later(31_000);
    let described = [message(b'1', b""), message(b'2', b""), message(b'T', &[0, 0])].concat();
    let (most, rest) = described.split_at(described.len() - 1);
    story.says(stream, &[&complete("RESET"), &ready('I'), most].concat());
    story.later(1);
    assert!(story.closed.is_empty(), "it had no chance to go on");
    story.says(stream, rest);
    assert_eq!(kinds(&story.hears(a)), "12T");
    story.later(29_000);
    assert!(!story.closed.contains(&a));
}
