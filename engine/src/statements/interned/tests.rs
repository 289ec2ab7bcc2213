use std::collections::BTreeMap;

use super::*;
use crate::rng::Rng;

fn interned() -> Interned<usize> {
    Interned::new(1, 2)
}

/// Interns a text without types; its fact is its length.
fn intern(table: &mut Interned<usize>, sql: &str) -> Result<StatementId, InternError> {
    table.intern(sql.as_bytes(), b"\0\0", <[u8]>::len)
}

fn name(table: &Interned<usize>, id: StatementId) -> Vec<u8> {
    table.name(id).as_bytes().to_vec()
}

#[test]
fn the_same_text_with_the_same_types_is_one_statement() {
    let mut table = interned();
    let id = intern(&mut table, "select $1").unwrap();
    assert_eq!(intern(&mut table, "select $1"), Ok(id));
    let typed = table.intern(b"select $1", b"\0\x01\0\0\0\x17", <[u8]>::len).unwrap();
    assert_ne!(typed, id);
    assert_eq!(table.find(b"select $1", b"\0\0"), Some(id));
    assert_eq!(table.find(b"select $1", b"\0\x01\0\0\0\x17"), Some(typed));
    assert_eq!(table.find(b"select $2", b"\0\0"), None);
    assert_eq!(
        (table.sql(typed), table.types(typed)),
        (&b"select $1"[..], &b"\0\x01\0\0\0\x17"[..])
    );
    assert_eq!(&table.parse_tail(typed)[..], b"select $1\0\0\x01\0\0\0\x17");
}

#[test]
fn facts_are_found_out_once() {
    let mut table = interned();
    let id = intern(&mut table, "select").unwrap();
    table.intern(b"select", b"\0\0", |_| panic!("asked again")).unwrap();
    assert_eq!(table.facts(id), Some(&6));
}

#[test]
fn a_renewed_statement_has_a_name_that_nothing_ever_had() {
    let mut table = interned();
    let (a, b) = (intern(&mut table, "a").unwrap(), intern(&mut table, "b").unwrap());
    let mut names = vec![name(&table, a), name(&table, b)];
    table.renew(a);
    names.push(name(&table, a));
    assert_eq!(table.name_of(table.generation(a)).as_bytes(), names[2]);
    assert_eq!(name(&table, b), names[1]);
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 3);
}

#[test]
fn a_statement_that_comes_back_has_another_name() {
    let mut table = interned();
    let first = intern(&mut table, "select 1").unwrap();
    let before = name(&table, first);
    table.release(first);
    fill(&mut table, 0..STATEMENTS_MAX);
    assert_eq!(table.find(b"select 1", b"\0\0"), None);
    let again = intern(&mut table, "select 1").unwrap();
    assert_ne!(name(&table, again), before);
}

/// Interns texts that nobody holds afterwards.
fn fill(table: &mut Interned<usize>, range: std::ops::Range<usize>) {
    for n in range {
        let id = intern(table, &format!("fill {n}")).unwrap();
        table.release(id);
    }
}

#[test]
fn what_is_held_stays_and_the_rest_leaves_in_the_order_it_was_let_go() {
    let mut table = interned();
    let held = intern(&mut table, "held").unwrap();
    fill(&mut table, 0..STATEMENTS_MAX - 1);
    // Used again, so not the oldest any more.
    let used = intern(&mut table, "fill 0").unwrap();
    table.release(used);
    assert_eq!(table.len(), STATEMENTS_MAX);
    fill(&mut table, STATEMENTS_MAX..STATEMENTS_MAX + 2);
    assert_eq!(table.len(), STATEMENTS_MAX);
    let known = |sql: &str| table.find(sql.as_bytes(), b"\0\0").is_some();
    assert!(known("held") && known("fill 0") && known("fill 3"));
    assert!(!known("fill 1") && !known("fill 2"));
    assert_eq!(table.sql(held), b"held");
}

#[test]
fn a_table_of_held_statements_is_full() {
    let mut table = interned();
    for n in 0..STATEMENTS_MAX {
        intern(&mut table, &n.to_string()).unwrap();
    }
    assert_eq!(intern(&mut table, "more"), Err(InternError::Full));
    let known = intern(&mut table, "7").unwrap();
    table.release(known);
    assert_eq!(intern(&mut table, "more"), Err(InternError::Full), "7 is held once more");
    table.release(known);
    let more = intern(&mut table, "more").unwrap();
    assert_eq!(table.sql(more), b"more");
    assert_eq!(table.find(b"7", b"\0\0"), None);
}

#[test]
fn texts_are_bounded_one_by_one_and_together() {
    let mut table = interned();
    let text = |n: usize, length: usize| format!("{n:08}{}", "x".repeat(length - 8));
    let longest = STATEMENT_BYTES_MAX - 2;
    assert_eq!(intern(&mut table, &text(0, longest + 1)), Err(InternError::TooLong));
    let most = STATEMENTS_BYTES_MAX / (STATEMENT_BYTES_MAX + Entry::<usize>::FIXED + 1);
    let ids: Vec<_> = (0..most).map(|n| intern(&mut table, &text(n, longest)).unwrap()).collect();
    assert!(table.bytes() <= STATEMENTS_BYTES_MAX);
    let before = table.bytes();
    fill(&mut table, 0..1);
    assert_eq!(intern(&mut table, &text(most, longest)), Err(InternError::Full));
    assert_eq!(table.len(), most + 1, "nothing leaves in vain");
    table.release(ids[0]);
    intern(&mut table, &text(most, longest)).unwrap();
    assert_eq!((table.bytes(), table.len()), (before, most));
    assert_eq!(table.find(b"fill 0", b"\0\0"), None, "it was let go first");
}

#[test]
fn colliding_texts_are_told_apart_up_to_a_bound() {
    let mut table = interned();
    let insert =
        |table: &mut Interned<usize>, sql: &str| table.insert(7, sql.as_bytes(), b"", <[u8]>::len);
    let ids: Vec<_> =
        ["a", "b", "c", "d"].iter().map(|sql| insert(&mut table, sql).unwrap()).collect();
    assert_eq!(table.find_hashed(7, b"c", b""), Some(ids[2]));
    assert_eq!(table.find_hashed(7, b"e", b""), None);
    assert_eq!(table.find_hashed(7, b"c", b"\0\0"), None);
    assert_eq!(table.find_hashed(8, b"a", b""), None);
    assert_eq!(insert(&mut table, "e"), Err(InternError::Full));
}

/// What the table must do, in the plainest way: texts with their holders, and in the order they
/// were let go those that nobody holds.
#[derive(Default)]
struct Model {
    holders: BTreeMap<StatementId, (String, u32)>,
    unheld: Vec<StatementId>,
    numbers: Vec<u64>,
}

#[test]
fn it_agrees_with_a_plain_model() {
    let mut rng = Rng::new([4; 32]);
    let mut table = interned();
    let mut model = Model::default();
    for _ in 0..20_000 {
        let text = format!("select {}", rng.below(50));
        let known = table.find(text.as_bytes(), b"\0\0");
        let held: Vec<StatementId> = model.holders.keys().copied().collect();
        let nth = usize::try_from(rng.below(held.len().max(1) as u64)).unwrap();
        match (rng.below(10), held.get(nth)) {
            (0..=4, _) => {
                let id = intern(&mut table, &text).unwrap();
                assert!(known.is_none_or(|known| known == id));
                let entry = model.holders.entry(id).or_insert_with(|| (text.clone(), 0));
                assert_eq!(entry.0, text);
                entry.1 += 1;
                model.unheld.retain(|other| *other != id);
            }
            (5..=8, Some(id)) => {
                table.release(*id);
                let entry = model.holders.get_mut(id).unwrap();
                entry.1 -= 1;
                if entry.1 == 0 {
                    model.holders.remove(id);
                    model.unheld.push(*id);
                }
            }
            (9, Some(id)) => {
                table.renew(*id);
                let number = table.generation(*id);
                assert!(!model.numbers.contains(&number));
                model.numbers.push(number);
            }
            _ if model.unheld.is_empty() => assert!(table.evict().is_err()),
            _ => {
                let oldest = model.unheld.remove(0);
                assert!(table.facts(oldest).is_some());
                table.evict().unwrap();
                assert!(table.facts(oldest).is_none());
            }
        }
        check(&table, &model);
    }
}

fn check(table: &Interned<usize>, model: &Model) {
    for (id, (text, _)) in &model.holders {
        assert_eq!(table.sql(*id), text.as_bytes());
        assert_eq!(table.find(text.as_bytes(), b"\0\0"), Some(*id));
    }
    assert_eq!(table.unheld_count, model.unheld.len());
    assert_eq!(table.len(), model.holders.len() + model.unheld.len());
    let entries = || table.slots.iter().flatten();
    assert_eq!(table.bytes(), entries().map(Entry::bytes).sum::<usize>());
    let unheld = entries().filter(|entry| entry.holders == 0);
    assert_eq!(table.unheld_bytes, unheld.map(Entry::bytes).sum::<usize>());
}

#[test]
fn what_is_at_hand_is_what_was_asked_for() {
    let mut table = interned();
    assert_eq!(table.look_up(b"select", b"\0\0"), Err(table.hash(b"select", b"\0\0")));
    let id = intern(&mut table, "select").unwrap();
    for _ in 0..2 {
        assert_eq!(table.look_up(b"select", b"\0\0"), Ok(id));
    }
    assert!(table.look_up(b"select", b"\0\x01\0\0\0\x17").is_err(), "other types");
    table.release(id);
    table.evict().unwrap();
    let other = intern(&mut table, "delete").unwrap();
    assert_eq!(other, id, "in the same slot");
    assert!(table.look_up(b"select", b"\0\0").is_err());
}
