//! One lease per transaction.

use pierhead_engine::Input;

use crate::story::{Say, Story, complete, contains, error, kinds, message, ready};

#[test]
fn a_transaction_keeps_its_session_and_another_client_waits() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    let b = story.starts();
    story.queries(a, "begin");
    story.completes(stream, "BEGIN", 'T');
    story.queries(b, "select 'b'");
    assert!(!contains(&story.sent(stream), "select 'b'"));
    story.queries(a, "commit");
    story.completes(stream, "COMMIT", 'I');
    assert!(contains(&story.sent(stream), "select 'b'"));
    story.hears(b);
    story.completes(stream, "SELECT 1", 'I');
    assert_eq!(kinds(&story.hears(b)), "CZ");
    assert!(kinds(&story.hears(a)).ends_with("CZCZ"));
}

#[test]
fn several_segments_in_flight_are_one_lease() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    let b = story.starts();
    story.queries(a, "select 1");
    story.queries(a, "select 2");
    story.queries(b, "select 'b'");
    story.completes(stream, "SELECT 1", 'I');
    assert!(!contains(&story.sent(stream), "select 'b'"), "the second is still to be answered");
    story.completes(stream, "SELECT 1", 'I');
    assert!(contains(&story.sent(stream), "select 'b'"));
}

#[test]
fn a_flush_without_sync_keeps_the_session() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    story.hears(a);
    story.tells(a, &Say::default().parse("", "select 1").flush().done());
    story.says(stream, &message(b'1', b""));
    assert_eq!(kinds(&story.hears(a)), "1");
    assert_eq!(story.status().leased, 1);
    story.tells(a, &Say::default().bind("").execute().sync());
    let mut out = message(b'2', b"");
    out.extend(complete("SELECT 0"));
    out.extend(ready('I'));
    story.says(stream, &out);
    assert_eq!(kinds(&story.hears(a)), "2CZ");
    assert_eq!(story.status().leased, 0);
}

#[test]
fn a_client_that_leaves_in_its_transaction_costs_a_rollback_and_no_session() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    story.queries(a, "begin");
    story.completes(stream, "BEGIN", 'T');
    story.sent(stream);
    story.happens(Input::ClientGone { client: a });
    assert!(contains(&story.sent(stream), "ROLLBACK"));
    story.completes(stream, "ROLLBACK", 'I');
    assert_eq!((story.status().idle, story.status().counters.ended), (1, 0));
}

#[test]
fn copy_data_goes_through_and_a_client_that_leaves_in_it_fails_it() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    story.hears(a);
    story.queries(a, "copy t from stdin");
    story.says(stream, &message(b'G', &[0, 0, 0]));
    assert_eq!(kinds(&story.hears(a)), "G");
    story.tells(a, &message(b'd', b"1\n"));
    story.later(1);
    story.tells(a, &message(b'c', b""));
    assert!(kinds(&story.sent(stream)).ends_with("Qdc"));
    story.completes(stream, "COPY 1", 'I');
    assert_eq!((kinds(&story.hears(a)).as_str(), story.status().leased), ("CZ", 0));

    story.queries(a, "copy t from stdin");
    story.says(stream, &message(b'G', &[0, 0, 0]));
    story.sent(stream);
    story.happens(Input::ClientGone { client: a });
    assert_eq!(kinds(&story.sent(stream)), "fS");
    let mut out = error("57014", "");
    out.extend(ready('I'));
    out.extend(ready('I'));
    story.says(stream, &out);
    assert_eq!(story.status().counters.drained, 1);
}

#[test]
fn a_session_lost_under_a_client_ends_the_client_too() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    story.queries(a, "select 1");
    story.hears(a);
    story.loses(stream, u64::MAX);
    let heard = story.hears(a);
    assert!(contains(&heard, "FATAL") && contains(&heard, "C08007"));
    assert_eq!((story.closed.clone(), story.status().clients), (vec![a], 0));
}

#[test]
fn of_a_session_that_took_nothing_the_client_hears_nothing() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    story.tells(a, &Say::default().parse("s1", "select 1").bind("s1").execute().sync());
    story.hears(a);
    story.loses(stream, 0);
    let stream = story.logs_in();
    assert!(story.hears(a).is_empty());
    let mut out = [message(b'1', b""), message(b'2', b"")].concat();
    out.extend(complete("SELECT 1"));
    out.extend(ready('I'));
    story.says(stream, &out);
    assert_eq!(kinds(&story.hears(a)), "12CZ");
}

#[test]
fn who_waits_too_long_hears_it_and_may_try_again() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    let b = story.starts();
    story.queries(a, "begin");
    story.completes(stream, "BEGIN", 'T');
    story.hears(b);
    story.tells(b, &Say::default().parse("", "select 1").bind("").execute().sync());
    story.later(10_000);
    let heard = story.hears(b);
    assert_eq!(kinds(&heard), "EZ");
    assert!(contains(&heard, "C53400") && contains(&heard, "idle in transaction"));
    story.queries(a, "commit");
    story.completes(stream, "COMMIT", 'I');
    story.queries(b, "select 2");
    assert!(contains(&story.sent(stream), "select 2"));
}

#[test]
fn a_client_that_filled_its_window_while_it_waited_may_go_on_when_it_is_served() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    let b = story.starts();
    story.queries(a, "begin");
    story.completes(stream, "BEGIN", 'T');
    // As much is held for it as may be.
    while story.allowed(b) > 0 {
        story.queries(b, &"x".repeat(story.allowed(b) - 6));
    }
    story.queries(a, "commit");
    story.completes(stream, "COMMIT", 'I');
    assert!(contains(&story.sent(stream), "xxx"));
    assert!(story.allowed(b) > 0);
}
