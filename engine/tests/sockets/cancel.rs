//! Cancels hit what they are meant for.

use pierhead_engine::{Input, Mode};

use crate::story::{Story, contains, error, ready};

/// The cancel request with the key of a greeting.
fn cancel_request(greeting: &[u8]) -> Vec<u8> {
    let at = greeting.windows(5).position(|w| w == b"K\0\0\0\x0c").unwrap();
    let mut out = b"\0\0\0\x10\x04\xd2\x16\x2e".to_vec();
    out.extend_from_slice(&greeting[at + 5..at + 13]);
    out
}

#[test]
fn a_cancel_reaches_the_session_and_holds_it_until_it_is_over() {
    let mut story = Story::with(|_| {});
    let a = story.starts();
    let stream = story.logs_in();
    let key = cancel_request(&story.hears(a));
    let b = story.starts();
    story.queries(a, "select pg_sleep(60)");
    story.queries(b, "select 'b'");
    let canceller = story.opens(Mode::Transaction);
    story.tells(canceller, &key);
    let cancel = *story.opened.last().unwrap();
    assert_ne!(cancel, stream);
    story.happens(Input::StreamOpened { stream: cancel });
    assert_eq!(story.sent(cancel), b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x07\0\0\0\x09");
    let mut cancelled = error("57014", "");
    cancelled.extend(ready('I'));
    story.says(stream, &cancelled);
    assert!(contains(&story.hears(a), "C57014"));
    assert!(!contains(&story.sent(stream), "select 'b'"), "it could be hit");
    assert!(story.closed.is_empty());
    story.loses(cancel, 16);
    assert_eq!(story.closed, [canceller]);
    assert!(contains(&story.sent(stream), "select 'b'"));
}

#[test]
fn a_cancel_without_proof_costs_the_session() {
    let mut story = Story::with(|_| {});
    let a = story.starts();
    let stream = story.logs_in();
    let key = cancel_request(&story.hears(a));
    story.queries(a, "select pg_sleep(60)");
    let canceller = story.opens(Mode::Transaction);
    story.tells(canceller, &key);
    let cancel = *story.opened.last().unwrap();
    story.happens(Input::StreamOpened { stream: cancel });
    let detail = "1006".into();
    story.happens(Input::StreamClosed { stream: cancel, orderly: false, accepted: 16, detail });
    let mut cancelled = error("57014", "");
    cancelled.extend(ready('I'));
    story.says(stream, &cancelled);
    assert!(contains(&story.hears(a), "C57014"));
    assert_eq!((story.status().idle, story.status().ending), (0, 1));
}

#[test]
fn a_wrong_key_and_an_idle_client_cancel_nothing() {
    let mut story = Story::with(|_| {});
    let a = story.starts();
    story.logs_in();
    let mut key = cancel_request(&story.hears(a));
    let idle = story.opens(Mode::Transaction);
    story.tells(idle, &key);
    story.queries(a, "select 1");
    key[15] ^= 1;
    let wrong = story.opens(Mode::Transaction);
    story.tells(wrong, &key);
    assert_eq!(story.closed, [idle, wrong]);
    assert_eq!(story.opened.len(), 1);
}
