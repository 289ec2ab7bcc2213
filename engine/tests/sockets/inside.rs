//! A look inside tells who uses the pool, and for what.

use pierhead_engine::Mode;

use crate::story::Story;

#[test]
fn who_holds_and_who_waits_is_told_longest_first() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    story.queries(a, "begin");
    story.completes(stream, "BEGIN", 'T');
    let (b, c) = (story.starts(), story.starts());
    story.queries(c, "select 1");
    story.later(40);
    story.queries(b, "select 2");
    story.later(60);
    let usage = story.engine.usage();
    let holders: Vec<_> =
        usage.holders.iter().map(|one| (one.client, one.held.0, one.doing)).collect();
    assert_eq!(holders, [(a, 100, "idle in transaction")]);
    let waiters: Vec<_> = usage.waiters.iter().map(|one| (one.client, one.waited.0)).collect();
    assert_eq!(waiters, [(c, 100), (b, 60)]);
}

#[test]
fn statements_and_classes_are_told_without_constants_and_not_without_end() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    for number in 0..30 {
        story.queries(a, &format!("select 'geheim', {number} from t{}", "x".repeat(number)));
        story.now += number as u64;
        story.completes(stream, "SELECT 1", 'I');
    }
    for _ in 0..30 {
        let waits = story.starts_with(Mode::Transaction, &[]);
        story.queries(waits, "select 1");
    }
    let usage = story.engine.usage();
    assert_eq!((usage.statements.len(), usage.waiters.len()), (20, 20));
    let longest = usage.statements[0];
    assert_eq!((longest.calls(), longest.total()), (1, 29), "{longest:?}");
    assert!(longest.text().starts_with("select ?"), "{longest:?}");
    assert!(usage.statements.iter().all(|row| !row.text().contains("geheim")));
    let [class] = usage.classes[..] else { unreachable!("{:?}", usage.classes) };
    assert_eq!((class.name, class.times.query.count()), ("", 30));
}
