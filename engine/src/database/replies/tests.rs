//! Which replies fit, and which do not.

use super::*;

const EXTENDED: [Expect; 5] =
    [Expect::Parse, Expect::Bind, Expect::DescribePortal, Expect::Execute, Expect::Sync];

const QUERY: [Expect; 1] = [Expect::Query];

fn sent(expects: &[Expect]) -> Replies {
    let mut replies = Replies::default();
    for &expect in expects {
        replies.sent(expect, Note::Nothing);
    }
    replies
}

/// What the last of the replies named by their type bytes means: `.` a part, `C` the end of a
/// statement, `s` its suspension, `E` an error, `z` a ready point and `Z` the last one, `G` COPY data
/// wanted, `-` nothing: it is a mismatch.
fn last(replies: &mut Replies, tags: &str) -> char {
    let mut meaning = '.';
    for tag in tags.bytes() {
        meaning = match replies.accept(tag).map(|a| a.reply) {
            Err(_) => return '-',
            Ok(Reply::Part) => '.',
            Ok(Reply::Complete(_)) => 'C',
            Ok(Reply::Suspended(_)) => 's',
            Ok(Reply::Error) => 'E',
            Ok(Reply::Ready { last: false, .. }) => 'z',
            Ok(Reply::Ready { last: true, .. }) => 'Z',
            Ok(Reply::CopyIn { supplied: false, swallowed: true }) => 'S',
            Ok(Reply::CopyIn { supplied: false, swallowed: false }) => 'G',
            Ok(Reply::CopyIn { supplied: true, .. }) => 'g',
        };
    }
    meaning
}

fn run(expects: &[Expect], tags: &str) -> char {
    last(&mut sent(expects), tags)
}

#[test]
fn honest_replies_reach_the_ready_point() {
    for tags in ["12TDDCZ", "12nCZ", "12nIZ", "12TDsZ", "12TCZ", "EZ", "1EZ", "12TDEZ", "12nCEZ"] {
        assert_eq!(run(&EXTENDED, tags), 'Z', "{tags}");
    }
    for tags in ["TDDCZ", "CZ", "IZ", "EZ", "TDCTDDCCZ", "TDEZ", "HddcCZ", "HdEZ", "CTDCEZ"] {
        assert_eq!(run(&QUERY, tags), 'Z', "{tags}");
    }
    for tags in ["VZ", "EZ"] {
        assert_eq!(run(&[Expect::Function], tags), 'Z', "{tags}");
    }
}

#[test]
fn any_other_reply_is_a_mismatch() {
    for tags in ["2", "1D", "12D", "12TT", "12TDZ", "12TDCC", "12TDCZZ", "12TDCZC", "t", "R", "EC"]
    {
        assert_eq!(run(&EXTENDED, tags), '-', "{tags}");
    }
    for tags in ["Z", "CI", "D", "TZ", "1", "EE", "EC", "HZ", "dc", "TDCD"] {
        assert_eq!(run(&QUERY, tags), '-', "{tags}");
    }
    assert_eq!(run(&[Expect::Function], "Z"), '-');
    assert_eq!(run(&[], "E"), '-');
}

#[test]
fn an_error_skips_to_the_next_sync_only() {
    let two: Vec<Expect> = EXTENDED.iter().chain(&EXTENDED).copied().collect();
    assert_eq!(run(&two, "1EZ"), 'z');
    assert_eq!(run(&two, "1EZ12TDCZ"), 'Z');
}

#[test]
fn what_is_sent_behind_an_error_is_skipped_up_to_its_sync() {
    let mut replies = sent(&EXTENDED[..3]);
    assert_eq!(last(&mut replies, "1E"), 'E');
    replies.sent(Expect::Execute, Note::Nothing);
    replies.sent(Expect::Parse, Note::Prepares { number: 7 });
    assert!(replies.is_empty());
    assert!(matches!(replies.take_settled()[..], [Settled::NotPrepared(7)]));
    replies.sent(Expect::Sync, Note::Nothing);
    assert_eq!(last(&mut replies, "Z"), 'Z');
}

#[test]
fn copy_in_without_data_asks_for_an_end() {
    let mut replies = sent(&EXTENDED);
    assert_eq!(last(&mut replies, "12nG"), 'S');
    replies.sent(Expect::CopyEnd, Note::Nothing);
    replies.sent(Expect::Sync, Note::Nothing);
    assert_eq!(last(&mut replies, "EZ"), 'Z');
    assert_eq!(run(&QUERY, "G"), 'G');
    assert_eq!(run(&QUERY, "GEZ"), 'Z');
    assert_eq!(run(&[Expect::Query, Expect::Sync], "GEZ"), 'Z');
    let with_data = [Expect::Query, Expect::CopyEnd, Expect::Sync];
    assert_eq!(run(&with_data, "G"), 'g');
    assert_eq!(run(&with_data, "GCZZ"), 'Z');
}

#[test]
fn while_copy_data_is_awaited_a_sync_is_not_answered() {
    let mut replies = sent(&EXTENDED[..4]);
    assert_eq!(last(&mut replies, "12nG"), 'G');
    replies.sent(Expect::Sync, Note::Nothing);
    replies.sent(Expect::CopyEnd, Note::Nothing);
    assert!(!replies.is_copying());
    replies.sent(Expect::Sync, Note::Nothing);
    assert_eq!(last(&mut replies, "CZ"), 'Z');
}

#[test]
fn what_follows_a_copy_without_data_ends_it() {
    // Execute, then Parse: the server fails at the Parse and answers the Sync it was sent.
    let mut more: Vec<Expect> = EXTENDED[..4].to_vec();
    more.extend(EXTENDED);
    assert_eq!(run(&more, "12nG"), 'g');
    assert_eq!(run(&more, "12nGEZ"), 'Z');
    // With a Sync between: that one is thrown away.
    let two: Vec<Expect> = EXTENDED.iter().chain(&EXTENDED).copied().collect();
    assert_eq!(run(&two, "12nGEZ"), 'Z');
    // A Query behind a Query's COPY is lost with it.
    let query = Expect::Query;
    assert_eq!(run(&[query, query], "GEZ"), 'Z');
    assert_eq!(run(&[query, query, query], "GEZCZ"), 'Z');
}

#[test]
fn a_reply_made_here_waits_for_its_turn() {
    let mut replies = sent(&EXTENDED);
    replies.sent(Expect::Made(Made::ParseComplete), Note::Nothing);
    replies.sent(Expect::Sync, Note::Nothing);
    assert_eq!(replies.take_made(false), None);
    assert_eq!(last(&mut replies, "12TDCZ"), 'z');
    assert_eq!(replies.take_made(true), None, "nobody asked for it yet");
    assert_eq!(replies.take_made(false), Some(Made::ParseComplete));
    assert_eq!(last(&mut replies, "Z"), 'Z');
}

#[test]
fn a_flush_asks_for_what_is_made_before_it() {
    let mut replies = sent(&[Expect::Made(Made::CloseComplete), Expect::Flush]);
    assert_eq!(replies.take_made(true), Some(Made::CloseComplete));
    assert!(replies.is_empty());
}

#[test]
fn a_void_segment_leaves_its_ready_point_to_be_swallowed() {
    let mut replies = sent(&EXTENDED);
    assert!(replies.void_segment());
    let ready = replies.accept(b'Z').unwrap();
    assert!(ready.ours && matches!(ready.reply, Reply::Ready { last: true, .. }));
    let mut pipelined = sent(&[Expect::Bind, Expect::Sync, Expect::Bind, Expect::Sync]);
    assert!(!pipelined.void_segment(), "another segment is behind it");
}
