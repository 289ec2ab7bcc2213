//! Time is bounded, and so is memory.

use pierhead_engine::time::Millis;

use crate::story::{Story, contains};

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
    cancelled.extend(crate::story::ready('I'));
    story.says(stream, &cancelled);
    assert!(contains(&story.hears(a), "C57014"));
    assert!(story.closed.is_empty());
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
