//! Engines that share one allowance of bytes, as the objects of an isolate do.

use pierhead_engine::Allowance;

use crate::story::{Say, Story, contains, message, ready};

const TEXT: &str = "select 'a text that is kept for as long as its client is there, and counted'";

/// One engine with a client that has prepared something.
fn neighbour(allowance: &Allowance) -> Story {
    let mut story = Story::with(|settings| settings.allowance = allowance.clone());
    let (client, stream) = story.begins();
    story.tells(client, &Say::default().parse("s", TEXT).sync());
    story.says(stream, &[message(b'1', b""), ready('I')].concat());
    story.hears(client);
    story
}

#[test]
fn what_an_engine_held_is_given_back_when_it_is_gone() {
    let allowance = Allowance::of(1 << 20);
    let [first, second] = [neighbour(&allowance), neighbour(&allowance)];
    let both = allowance.held();
    assert!(both > 2 * TEXT.len());
    drop(first);
    assert_eq!(allowance.held(), both / 2);
    drop(second);
    assert_eq!(allowance.held(), 0);
}

#[test]
fn who_was_refused_for_a_neighbours_bytes_is_served_when_the_neighbour_is_gone() {
    // One client's window, and not a byte more.
    let allowance = Allowance::of(64 * 1024);
    let mut crowded = Story::with(|settings| settings.allowance = allowance.clone());
    let other = neighbour(&allowance);
    let refused = crowded.starts();
    assert!(contains(&crowded.hears(refused), "53300"));
    assert!(crowded.closed.contains(&refused));
    drop(other);
    crowded.begins();
}
