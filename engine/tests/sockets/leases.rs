//! Transactions over several requests.

use pierhead_engine::ids::ClientId;
use pierhead_engine::{Input, Terms};

use crate::story::{Story, contains};

fn lease(story: &mut Story) -> ClientId {
    let lease = story.next_client();
    story.happens(Input::LeaseOpened { lease, terms: Terms::default() });
    lease
}

#[test]
fn a_transaction_over_three_requests_has_one_session() {
    let mut story = Story::with(|_| {});
    let (_, stream) = story.begins();
    let lease = lease(&mut story);
    for (sql, tag, status, verdict) in [
        ("begin; insert 1", "INSERT 0 1", 'T', "Completed 00000"),
        ("insert 2", "INSERT 0 1", 'T', "Completed 00000"),
        ("commit", "COMMIT", 'I', "Completed 00000"),
    ] {
        let request = story.asks(sql, Some(lease));
        assert!(contains(&story.sent(stream), sql));
        story.completes(stream, tag, status);
        assert_eq!(story.answer(request).unwrap().1, verdict);
    }
    assert_eq!((story.status().idle, story.status().counters.rolled_back), (1, 0));
    let late = story.asks("select 1", Some(lease));
    assert_eq!(story.answer(late).unwrap().1, "Refused 25P01");
    story.happens(Input::ClientGone { client: lease });
    assert_eq!((story.status().leases, story.status().clients), (0, 1));
}

#[test]
fn requests_of_a_lease_run_one_after_the_other() {
    let mut story = Story::with(|_| {});
    let (_, stream) = story.begins();
    let lease = lease(&mut story);
    let first = story.asks("begin", Some(lease));
    let second = story.asks("insert 1", Some(lease));
    assert!(!contains(&story.sent(stream), "insert 1"));
    story.completes(stream, "BEGIN", 'T');
    assert!(story.answer(first).is_some() && story.answer(second).is_none());
    assert!(contains(&story.sent(stream), "insert 1"));
}

#[test]
fn a_lease_that_is_disposed_of_is_rolled_back() {
    let mut story = Story::with(|_| {});
    let (_, stream) = story.begins();
    let lease = lease(&mut story);
    story.asks("begin", Some(lease));
    story.completes(stream, "BEGIN", 'T');
    story.sent(stream);
    story.happens(Input::ClientGone { client: lease });
    assert!(contains(&story.sent(stream), "ROLLBACK"));
    story.completes(stream, "ROLLBACK", 'I');
    assert_eq!((story.status().idle, story.status().clients), (1, 1));
}

#[test]
fn a_lease_whose_caller_dies_in_a_request_is_over() {
    let mut story = Story::with(|_| {});
    let (_, stream) = story.begins();
    let lease = lease(&mut story);
    let request = story.asks("begin; select pg_sleep(60)", Some(lease));
    let behind = story.asks("select 2", Some(lease));
    story.happens(Input::ClientGone { client: request });
    assert_eq!(story.status().draining, 1);
    assert_eq!(story.answer(behind).unwrap().1, "Refused 08006");
    assert!(story.opened.len() == 2 && stream != *story.opened.last().unwrap(), "a cancel");
}

#[test]
fn a_lease_that_is_silent_for_too_long_is_rolled_back_and_says_so() {
    let mut story = Story::with(|_| {});
    let (_, stream) = story.begins();
    let lease = lease(&mut story);
    story.asks("begin", Some(lease));
    story.completes(stream, "BEGIN", 'T');
    story.sent(stream);
    story.later(30_000);
    assert!(contains(&story.sent(stream), "ROLLBACK"));
    let late = story.asks("commit", Some(lease));
    assert_eq!(story.answer(late).unwrap().1, "Refused 25P03");
}

#[test]
fn an_error_inside_a_lease_leaves_it_to_its_caller() {
    let mut story = Story::with(|_| {});
    let (_, stream) = story.begins();
    let lease = lease(&mut story);
    let request = story.asks("begin; nonsense", Some(lease));
    let mut failed = crate::story::error("42601", "");
    failed.extend(crate::story::ready('E'));
    story.says(stream, &failed);
    assert_eq!(story.answer(request).unwrap().1, "Error 42601");
    assert_eq!(story.status().leased, 1);
    story.asks("rollback", Some(lease));
    story.completes(stream, "ROLLBACK", 'I');
    assert_eq!(story.status().idle, 1);
}
