//! What the database says behind its last ready point answers nothing: it ends the session, and is
//! never read as the answer to what is sent next.

use pierhead_engine::{Input, Mode, ResetPolicy, Terms};

use crate::story::{Story, complete, contains, error, kinds, message, ready};

/// The answer to a statement without rows.
fn answer(tag: &str, status: char) -> Vec<u8> {
    [complete(tag), ready(status)].concat()
}

#[test]
fn it_does_not_answer_what_a_socket_asks_next() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    story.hears(a);
    story.queries(a, "deallocate all");
    story.queries(a, "select 2");
    assert!(!contains(&story.sent(stream), "select 2"), "what comes behind it waits");
    story.says(stream, &[answer("DEALLOCATE ALL", 'I'), answer("SELECT 1", 'I')].concat());
    let heard = story.hears(a);
    assert_eq!(kinds(&heard), "CZE");
    assert!(contains(&heard, "FATAL") && contains(&heard, "C08006"), "nothing is in doubt");
    assert!(!contains(&story.sent(stream), "select 2"));
    assert_eq!((story.status().leased, story.status().counters.ended), (0, 1));
}

#[test]
fn behind_the_databases_last_words_nothing_is_sent_or_tried_again() {
    let mut story = Story::with(|_| {});
    let (_, stream) = story.begins();
    let b = story.starts_with(Mode::Transaction, &[("options", "-c work_mem=8MB")]);
    story.hears(b);
    story.queries(b, "deallocate all");
    story.completes(stream, "SET", 'I');
    story.queries(b, "select 2");
    story.sent(stream);
    let last = message(b'E', b"SFATAL\0VFATAL\0C57P01\0Mterminating\0\0");
    story.says(stream, &[answer("DEALLOCATE ALL", 'I'), last].concat());
    assert_eq!(kinds(&story.sent(stream)), "");
    story.loses(stream, u64::MAX);
    assert_eq!(kinds(&story.hears(b)), "CZE");
    assert!(story.closed.contains(&b));
}

#[test]
fn it_does_not_answer_the_next_request_of_a_lease() {
    let mut story = Story::with(|_| {});
    let (_, stream) = story.begins();
    let lease = story.next_client();
    story.happens(Input::LeaseOpened { lease, terms: Terms::default() });
    let first = story.asks("begin", Some(lease));
    let second = story.asks("insert 1", Some(lease));
    story.says(stream, &[answer("BEGIN", 'T'), answer("INSERT 0 1", 'T')].concat());
    assert_eq!(story.answer(first).unwrap().1, "Completed 00000");
    assert_eq!(story.answer(second).unwrap().1, "Refused 08006");
    assert!(!contains(&story.sent(stream), "insert 1"));
    assert_eq!(story.status().counters.ended, 1);
}

#[test]
fn it_does_not_prove_that_a_session_was_cleared() {
    let mut story = Story::with(|s| s.reset = ResetPolicy::Always);
    let (a, stream) = story.begins();
    story.hears(a);
    story.queries(a, "select 1");
    story.says(stream, &[answer("SELECT 1", 'I'), answer("DISCARD ALL", 'I')].concat());
    assert_eq!(kinds(&story.hears(a)), "CZ");
    assert_eq!((story.status().idle, story.status().counters.ended), (0, 1));
    assert!(story.closed.is_empty(), "its client is not concerned");
}

#[test]
fn it_does_not_answer_a_segment_that_runs_again() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    let segment = || crate::story::Say::default().bind("s").describe().execute().sync();
    story.tells(a, &crate::story::Say::default().parse("s", "select * from t").sync());
    story.says(stream, &[message(b'1', b""), ready('I')].concat());
    story.hears(a);
    story.tells(a, &segment());
    let broken = [error("26000", "FetchPreparedStatement"), ready('I')].concat();
    let forged = [message(b'1', b""), message(b'2', b""), message(b'n', b"")].concat();
    story.sent(stream);
    story.says(stream, &[broken, forged, answer("SELECT 0", 'I')].concat());
    assert!(!kinds(&story.hears(a)).contains('C'));
    assert_eq!((kinds(&story.sent(stream)).as_str(), story.status().counters.ended), ("X", 1));
}

#[test]
fn it_does_not_answer_for_settings_that_are_tried() {
    let mut story = Story::with(|_| {});
    let (_, stream) = story.begins();
    let b = story.starts_with(Mode::Transaction, &[("TimeZone", "Europe/Rome")]);
    story.hears(b);
    story.queries(b, "select 2");
    assert!(!contains(&story.sent(stream), "select 2"));
    story.says(stream, &[answer("SET", 'I'), answer("SELECT 1", 'I')].concat());
    assert!(!kinds(&story.hears(b)).contains('C'));
    assert!(!contains(&story.sent(stream), "select 2"));
}

#[test]
fn what_may_come_at_any_time_is_no_answer_to_anything() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    story.hears(a);
    story.queries(a, "begin");
    let notice = message(b'N', b"SNOTICE\0\0");
    story.says(stream, &[answer("BEGIN", 'T'), notice[..7].to_vec()].concat());
    story.says(stream, &notice[7..]);
    assert_eq!(kinds(&story.hears(a)), "CZN");
    let lease = story.next_client();
    story.queries(a, "commit");
    story.completes(stream, "COMMIT", 'I');
    story.happens(Input::LeaseOpened { lease, terms: Terms::default() });
    story.asks("begin", Some(lease));
    story.says(stream, &[answer("BEGIN", 'T'), notice].concat());
    assert_eq!((story.status().leased, story.status().counters.ended), (1, 0));
}

#[test]
fn the_beginning_of_an_answer_to_nothing_ends_the_session_too() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    story.queries(a, "select 1");
    story.says(stream, &[answer("SELECT 1", 'I'), b"C\0\0".to_vec()].concat());
    assert_eq!((story.status().idle, story.status().counters.ended), (0, 1));
    story.queries(a, "select 2");
    assert!(!contains(&story.sent(stream), "select 2"));
}
