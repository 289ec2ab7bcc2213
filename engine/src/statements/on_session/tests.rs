use std::collections::BTreeMap;

use super::*;
use crate::rng::Rng;

/// A session that prepared these, each in a turn of its own.
fn session(room: usize, generations: &[u64]) -> OnSession {
    let mut session = OnSession::new(room);
    for generation in generations {
        session.mark();
        assert_eq!(session.sent(*generation), None);
        session.prepared(*generation);
    }
    session.mark();
    session
}

#[test]
fn a_statement_is_there_when_its_parse_is_answered() {
    let mut session = OnSession::new(2);
    assert_eq!(session.has(5), Has::No);
    session.sent(5);
    assert_eq!(session.has(5), Has::Pending);
    session.prepared(5);
    assert_eq!(session.has(5), Has::Yes);
    session.forget(5);
    assert_eq!(session.has(5), Has::No);
}

#[test]
fn a_parse_that_fails_leaves_nothing() {
    let mut session = session(2, &[4]);
    session.sent(5);
    session.failed(5);
    assert_eq!(session.has(5), Has::No);
    session.failed(4);
    assert_eq!(session.has(4), Has::Yes, "only what is on the way can fail");
}

#[test]
fn the_one_used_longest_ago_makes_room() {
    let mut session = session(3, &[1, 2, 3]);
    session.used(1);
    session.mark();
    assert_eq!(session.sent(4), Some(2));
    assert_eq!(session.has(2), Has::No);
    assert_eq!(session.len(), 3);
}

#[test]
fn what_this_turn_uses_is_never_closed() {
    let mut session = session(2, &[1, 2]);
    session.used(1);
    session.used(2);
    assert_eq!(session.sent(3), None);
    assert_eq!(session.len(), 3, "more than there is room for");
    session.mark();
    assert_eq!(session.sent(4), Some(1));
    assert_eq!(session.excess(), Some(2));
    assert_eq!(session.excess(), None, "3 and 4 are on the way");
}

#[test]
fn what_is_on_the_way_is_never_closed() {
    let mut session = OnSession::new(1);
    session.sent(1);
    session.mark();
    assert_eq!(session.sent(2), None);
    session.prepared(1);
    session.mark();
    assert_eq!(session.excess(), Some(1));
}

#[test]
fn a_close_that_was_skipped_is_tried_again() {
    let mut session = session(1, &[1]);
    assert_eq!(session.sent(2), Some(1));
    session.failed(2);
    session.not_closed(1);
    assert_eq!(session.has(1), Has::Yes);
    session.sent(2);
    session.prepared(2);
    session.mark();
    assert_eq!(session.excess(), None, "it left already");
}

#[test]
fn turns_are_not_counted_for_ever() {
    let mut session = session(2, &[1, 2]);
    session.turn = u32::MAX;
    session.used(2);
    session.mark();
    session.used(1);
    assert_eq!(session.sent(3), Some(2));
}

#[test]
fn a_full_table_is_small() {
    let generations: Vec<u64> = (1..=256).collect();
    let mut session = session(256, &generations);
    assert!(session.bytes() <= 4_096, "{} bytes", session.bytes());
    session.clear();
    assert_eq!((session.len(), session.bytes()), (0, 0));
}

#[test]
fn it_agrees_with_a_plain_model() {
    const ROOM: usize = 6;
    let mut rng = Rng::new([5; 32]);
    let mut session = OnSession::new(ROOM);
    // Whether it is on the way, and the turn that used it last.
    let mut model: BTreeMap<u64, (bool, u32)> = BTreeMap::new();
    let mut turn = 1;
    for _ in 0..20_000 {
        let generation = rng.below(15);
        match rng.below(12) {
            0..=2 => {
                turn += 1;
                session.mark();
            }
            3 | 4 => {
                session.used(generation);
                model.entry(generation).and_modify(|entry| entry.1 = turn);
            }
            5 | 6 if session.has(generation) == Has::No => {
                let closed = session.sent(generation);
                model.insert(generation, (true, turn));
                check_closed(closed, &mut model, ROOM, turn);
            }
            7 | 8 => {
                session.prepared(generation);
                model.entry(generation).and_modify(|entry| entry.0 = false);
            }
            9 => {
                session.failed(generation);
                model.retain(|other, entry| *other != generation || !entry.0);
            }
            10 if session.has(generation) == Has::No => {
                session.not_closed(generation);
                model.insert(generation, (false, 0));
            }
            10 => {
                session.forget(generation);
                model.remove(&generation);
            }
            _ => check_closed(session.excess(), &mut model, ROOM, turn),
        }
        for generation in 0..15 {
            let expected = match model.get(&generation) {
                None => Has::No,
                Some((true, _)) => Has::Pending,
                Some((false, _)) => Has::Yes,
            };
            assert_eq!(session.has(generation), expected);
        }
        assert_eq!(session.len(), model.len());
    }
}

/// What is closed was used longest ago of those that may be; none is if there is room or none may.
fn check_closed(
    closed: Option<u64>,
    model: &mut BTreeMap<u64, (bool, u32)>,
    room: usize,
    turn: u32,
) {
    let may_go = |entry: &(bool, u32)| !entry.0 && entry.1 < turn;
    let oldest = model.values().filter(|entry| may_go(entry)).map(|entry| entry.1).min();
    let oldest = oldest.filter(|_| model.len() > room);
    let removed = closed.and_then(|generation| model.remove(&generation));
    assert_eq!(removed.map(|entry| entry.1), oldest);
    assert!(removed.is_none_or(|entry| !entry.0));
}

#[test]
fn one_in_doubt_stays_so_until_its_parse_succeeds() {
    let mut on_session = OnSession::new(2);
    on_session.sent(1);
    on_session.prepared(1);
    on_session.doubted(1);
    on_session.failed(1);
    assert_eq!(on_session.has(1), Has::Pending, "it may be there still");
    on_session.prepared(1);
    assert_eq!(on_session.has(1), Has::Yes);
}

#[test]
fn of_several_on_the_way_only_the_last_tells_and_only_if_it_succeeds() {
    let mut session = OnSession::new(4);
    session.sent(1);
    session.sent_again(1);
    session.prepared(1);
    session.failed(1);
    assert_eq!(session.has(1), Has::Pending, "closed or not: whoever needs it closes it first");
    session.sent_again(1);
    session.prepared(1);
    assert_eq!(session.has(1), Has::Yes);
}
