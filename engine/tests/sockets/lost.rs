//! Sessions that are lost: what their clients are told, and whose requests run elsewhere.

use pierhead_engine::ids::StreamId;
use pierhead_engine::{Input, Mode, Terms};

use crate::story::{GREETING, Say, Story, contains, kinds};

/// A session is opened in place of one that is lost.
fn another(story: &mut Story) -> StreamId {
    let stream = *story.opened.last().unwrap();
    story.happens(Input::StreamOpened { stream });
    story.sent(stream);
    story.says(stream, GREETING);
    stream
}

#[test]
fn a_pipeline_that_no_session_got_runs_on_another_one_in_either_mode() {
    for mode in [Mode::Session, Mode::Transaction] {
        let mut story = Story::with(|_| {});
        let (_, stream) = story.begins();
        let client = story.starts_with(mode, &[]);
        story.hears(client);
        let run = |sql| Say::default().parse("", sql).bind("").execute().sync();
        story.tells(client, &["insert 1", "insert 2", "insert 3"].map(run).concat());
        assert_eq!(kinds(&story.sent(stream)), "PBESPBESPBES");
        story.loses(stream, 0);
        let stream = another(&mut story);
        assert_eq!(kinds(&story.sent(stream)), "PBESPBESPBES", "{mode:?}");
        assert_eq!(kinds(&story.hears(client)), "", "{mode:?}: nobody need hear of it");
    }
}

#[test]
fn what_a_session_took_a_part_of_is_not_tried_again() {
    for mode in [Mode::Session, Mode::Transaction] {
        let mut story = Story::with(|_| {});
        let (_, stream) = story.begins();
        let client = story.starts_with(mode, &[]);
        story.hears(client);
        story.queries(client, "insert 1");
        story.loses(stream, 1_000);
        assert!(contains(&story.hears(client), "C08007"), "{mode:?}");
        assert_eq!(story.opened.len(), 1, "{mode:?}: nobody waits for another");
    }
}

#[test]
fn a_request_too_large_to_keep_is_known_not_to_have_run() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    let large = format!("insert '{}'", "x".repeat(15_000));
    for _ in 0..5 {
        story.queries(a, &large);
    }
    story.loses(stream, 0);
    let heard = story.hears(a);
    assert!(contains(&heard, "C08006") && contains(&heard, "before anything was sent"));
}

#[test]
fn a_commit_that_its_session_never_got_did_not_happen() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    story.queries(a, "begin");
    story.completes(stream, "BEGIN", 'T');
    story.hears(a);
    let accepted = story.written_to(stream);
    story.queries(a, "commit");
    story.loses(stream, accepted);
    let heard = story.hears(a);
    assert!(contains(&heard, "C08006") && contains(&heard, "rolled back"));
}

#[test]
fn a_commit_of_a_lease_that_its_session_never_got_did_not_happen() {
    let mut story = Story::with(|_| {});
    let (_, stream) = story.begins();
    let lease = story.next_client();
    story.happens(Input::LeaseOpened { lease, terms: Terms::default() });
    story.asks("begin", Some(lease));
    story.completes(stream, "BEGIN", 'T');
    let accepted = story.written_to(stream);
    let commit = story.asks("commit", Some(lease));
    story.loses(stream, accepted);
    assert_eq!(story.answer(commit).unwrap().1, "Refused 08006");
}
