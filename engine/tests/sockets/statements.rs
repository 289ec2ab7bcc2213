//! Prepared statements follow their clients.

use pierhead_wire::envelope::Options;

use crate::story::{Say, Story, complete, contains, error, kinds, message, ready};

/// The database prepares, binds, runs and is ready.
fn ran(parses: usize) -> Vec<u8> {
    let mut out = message(b'1', b"").repeat(parses);
    out.extend(message(b'2', b""));
    out.extend(complete("SELECT 1"));
    out.extend(ready('I'));
    out
}

#[test]
fn a_name_is_the_clients_own_and_the_plan_is_everybodys() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    let b = story.starts();
    story.hears(b);
    story.tells(a, &Say::default().parse("s", "select 1").bind("s").execute().sync());
    let sent = story.sent(stream);
    assert_eq!(kinds(&sent), "PBES");
    assert!(contains(&sent, "ph_") && !contains(&sent, "Ps\0"));
    story.says(stream, &ran(1));
    assert_eq!(kinds(&story.hears(a)), "12CZ");
    // The same text under another name is there already.
    story.tells(b, &Say::default().parse("x", "select 1").bind("x").execute().sync());
    assert_eq!(kinds(&story.sent(stream)), "BES");
    story.says(stream, &ran(0));
    assert_eq!(kinds(&story.hears(b)), "12CZ");
    // The same name may stand for other SQL.
    story.tells(b, &Say::default().parse("s", "select 2").bind("s").execute().sync());
    assert_eq!(kinds(&story.sent(stream)), "PBES");
    story.says(stream, &ran(1));
    story.hears(b);
    story.tells(a, &Say::default().parse("s", "select 2").sync());
    let sent = story.sent(stream);
    assert!(contains(&sent, "42P05"), "the name is taken");
}

#[test]
fn messages_stay_in_order_whichever_of_them_get_another_name() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    let said = Say::default().parse("s", "select 1").bind("s").execute().describe_statement("s");
    story.tells(a, &said.bind("s").execute().sync());
    assert_eq!(kinds(&story.sent(stream)), "PBEDBES");
}

#[test]
fn on_another_session_a_statement_is_prepared_again() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    story.tells(a, &Say::default().parse("s", "select 1").sync());
    story.says(stream, &[message(b'1', b""), ready('I')].concat());
    story.loses(stream, u64::MAX);
    story.hears(a);
    story.tells(a, &Say::default().bind("s").execute().sync());
    let stream = story.logs_in();
    let _ = story.sent(stream);
    story.says(stream, &ran(1));
    assert_eq!(kinds(&story.hears(a)), "2CZ", "what it did not send it does not see answered");
}

#[test]
fn an_unnamed_statement_is_kept_from_its_second_sighting_on() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    story.hears(a);
    let query = Say::default().parse("", "select 1").bind("").execute().sync();
    // The second time, what the first left without a name is closed.
    for (kind, parses) in [("PBES", 1), ("CPBES", 1), ("BES", 0), ("BES", 0)] {
        story.tells(a, &query);
        assert_eq!(kinds(&story.sent(stream)), kind);
        if kind.starts_with('C') {
            story.says(stream, &message(b'3', b""));
        }
        story.says(stream, &ran(parses));
        assert_eq!(kinds(&story.hears(a)), "12CZ");
    }
}

#[test]
fn an_unnamed_statement_is_its_clients_alone() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    let b = story.starts();
    story.tells(a, &Say::default().parse("", "select 'a'").sync());
    story.says(stream, &[message(b'1', b""), ready('I')].concat());
    story.sent(stream);
    story.tells(b, &Say::default().bind("").execute().sync());
    assert!(contains(&story.sent(stream), "26000"), "it has none");
    let mut failed = error("26000", "");
    failed.extend(ready('I'));
    story.says(stream, &failed);
    // It is still there for the one who made it.
    story.tells(a, &Say::default().bind("").execute().sync());
    let sent = story.sent(stream);
    assert!(contains(&sent, "select 'a'"));
}

#[test]
fn close_is_answered_here_and_the_name_free_again() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    story.tells(a, &Say::default().parse("s", "select 1").sync());
    story.says(stream, &[message(b'1', b""), ready('I')].concat());
    story.sent(stream);
    story.hears(a);
    story.tells(a, &Say::default().close("s").sync());
    assert_eq!(kinds(&story.sent(stream)), "S");
    story.says(stream, &ready('I'));
    assert_eq!(kinds(&story.hears(a)), "3Z");
    story.tells(a, &Say::default().parse("s", "select 2").sync());
    assert!(contains(&story.sent(stream), "select 2"));
}

#[test]
fn a_broken_plan_is_cured_where_nobody_can_tell() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    story.tells(a, &Say::default().parse("s", "select * from t").sync());
    story.says(stream, &[message(b'1', b""), ready('I')].concat());
    let before = story.sent(stream);
    story.hears(a);
    story.tells(a, &Say::default().bind("s").describe().execute().sync());
    story.sent(stream);
    let mut broken = error("0A000", "RevalidateCachedQuery");
    broken.extend(ready('I'));
    story.says(stream, &broken);
    assert!(story.hears(a).is_empty());
    let again = story.sent(stream);
    assert_eq!(kinds(&again), "PBDES");
    assert_ne!(before[..30], again[..30], "under another name");
    let rows = [message(b'1', b""), message(b'2', b""), message(b'n', b""), complete("SELECT 0")];
    story.says(stream, &[rows.concat(), ready('I')].concat());
    assert_eq!(kinds(&story.hears(a)), "2nCZ");
    assert_eq!(story.status().counters.cures, 1);
}

#[test]
fn without_a_description_a_broken_plan_is_reported_and_prepared_anew_next_time() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    story.tells(a, &Say::default().parse("s", "select * from t").sync());
    story.says(stream, &[message(b'1', b""), ready('I')].concat());
    story.hears(a);
    story.tells(a, &Say::default().bind("s").execute().sync());
    story.sent(stream);
    let mut broken = error("0A000", "RevalidateCachedQuery");
    broken.extend(ready('I'));
    story.says(stream, &broken);
    assert_eq!(kinds(&story.hears(a)), "EZ");
    story.tells(a, &Say::default().bind("s").execute().sync());
    assert_eq!(kinds(&story.sent(stream)), "PBES");
}

#[test]
fn an_exchange_uses_plans_of_its_third_like_on() {
    let mut story = Story::with(|_| {});
    let (_, stream) = story.begins();
    let query = Say::default().parse("", "select 1").bind("").execute().sync();
    for (kind, parses) in [("PBES", 1), ("CPBES", 1), ("BES", 0)] {
        let client = story.requests(query.clone(), None);
        assert_eq!(kinds(&story.sent(stream)), kind);
        if kind.starts_with('C') {
            story.says(stream, &message(b'3', b""));
        }
        story.says(stream, &ran(parses));
        let (data, outcome) = story.answer(client).unwrap();
        assert_eq!((kinds(&data).as_str(), outcome.as_str()), ("12CZ", "Completed 00000"));
    }
}

#[test]
fn an_exchange_that_wants_fresh_plans_gets_them() {
    let mut story = Story::with(|_| {});
    let (_, stream) = story.begins();
    let query = Say::default().parse("", "select 1").bind("").execute().sync();
    for _ in 0..4 {
        let options = Options { fresh_plans: true, ..Options::default() };
        let client = story.requests_with(options, query.clone(), None);
        let sent = story.sent(stream);
        assert!(kinds(&sent).ends_with("PBES") && !contains(&sent, "ph_"));
        if kinds(&sent).starts_with('C') {
            story.says(stream, &message(b'3', b""));
        }
        story.says(stream, &ran(1));
        assert!(story.answer(client).is_some());
    }
}

#[test]
fn deallocate_means_the_clients_own_name() {
    let mut story = Story::with(|_| {});
    let (a, stream) = story.begins();
    story.tells(a, &Say::default().parse("s", "select 1").sync());
    story.says(stream, &[message(b'1', b""), ready('I')].concat());
    story.sent(stream);
    story.hears(a);
    story.queries(a, "deallocate s");
    assert!(!contains(&story.sent(stream), "deallocate s"), "the session knows no such name");
    story.completes(stream, "SET", 'I');
    assert!(contains(&story.hears(a), "DEALLOCATE\0"));
    story.tells(a, &Say::default().bind("s").sync());
    assert!(contains(&story.sent(stream), "\0s\0"), "the database says that there is none");
    story.says(stream, &[error("26000", ""), ready('I')].concat());
    story.tells(a, &Say::default().parse("s", "select 1").sync());
    story.says(stream, &ready('I'));
    assert_eq!(kinds(&story.hears(a)), "EZ1Z", "the name is free");
}

#[test]
fn so_does_one_that_was_prepared_itself() {
    for name in ["", "forget"] {
        let mut story = Story::with(|_| {});
        let (a, stream) = story.begins();
        story.tells(a, &Say::default().parse("s", "select 1").parse(name, "deallocate s").sync());
        story.says(stream, &[&message(b'1', b"").repeat(2)[..], &ready('I')].concat());
        story.sent(stream);
        story.hears(a);
        story.tells(a, &Say::default().bind(name).execute().sync());
        let sent = story.sent(stream);
        assert!(contains(&sent, "SET pierhead.deallocated"), "{name:?}");
        for kind in kinds(&sent).chars() {
            match kind {
                'C' => story.says(stream, &message(b'3', b"")),
                'P' => story.says(stream, &message(b'1', b"")),
                'B' => story.says(stream, &message(b'2', b"")),
                'E' => story.says(stream, &complete("SET")),
                _ => story.says(stream, &ready('I')),
            }
        }
        assert!(contains(&story.hears(a), "DEALLOCATE\0"), "{name:?}");
        // The second time, there is no such name, and the database says so.
        story.tells(a, &Say::default().bind(name).execute().sync());
        let sent = story.sent(stream);
        assert!(kinds(&sent).ends_with("BES") && !contains(&sent, "pierhead"), "{name:?}");
    }
}
