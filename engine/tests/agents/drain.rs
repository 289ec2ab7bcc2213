//! Requests whose callers are gone.

use pierhead_engine::{Input, ResetPolicy};
use pierhead_wire::tunnel::{Cancelled, Frame, Gone, GoneReason, StreamId as WireId};

use crate::story::{RESET, ROW, Story, data, kinds};

const CANCELLED: &[u8] = b"E\0\0\0\x13SERROR\0C57014\0\0Z\0\0\0\x05I";

/// A pool of one session, and a long statement whose caller has just gone.
fn abandoned() -> (Story, WireId, u32) {
    let mut story = Story::with(|s| s.pool_size = 1);
    story.dials(1, 1, &[]);
    let client = story.asks("select pg_sleep(60)");
    let stream = story.logs_in(1, 1);
    story.heard(1);
    story.happens(Input::ClientGone { client });
    let heard = story.heard(1);
    let [Frame::Cancel(cancel)] = &heard[..] else { unreachable!("{:?}", kinds(&heard)) };
    assert_eq!((cancel.stream, story.status().draining), (stream, 1));
    (story, stream, cancel.request)
}

fn answer(stream: WireId, request: u32, proved: bool) -> Frame {
    Cancelled { stream, request, proved }.into()
}

#[test]
fn its_session_goes_on_when_the_cancel_is_proved_and_the_answer_read() {
    for proof_first in [true, false] {
        let (mut story, stream, request) = abandoned();
        let next = story.asks("select 'x'");
        if proof_first {
            story.tells(1, &[answer(stream, request, true)]);
            assert!(story.heard(1).is_empty(), "the answer is still to come");
            story.says(1, stream, CANCELLED);
        } else {
            story.says(1, stream, CANCELLED);
            assert!(story.heard(1).is_empty(), "the cancel may still hit the next request");
            story.tells(1, &[answer(stream, request, true)]);
        }
        assert!(data(&story.heard(1), stream).ends_with(b"DISCARD ALL\0"));
        story.says(1, stream, RESET);
        assert!(data(&story.heard(1), stream).ends_with(b"select 'x'\0"));
        story.says(1, stream, ROW);
        assert_eq!(story.verdict(next), "Completed 00000");
        assert_eq!((story.status().counters.opened, story.status().counters.drained), (1, 1));
    }
}

#[test]
fn without_proof_the_session_ends_and_its_place_is_free_when_it_is_gone() {
    let (mut story, stream, request) = abandoned();
    story.asks("select 'x'");
    story.says(1, stream, CANCELLED);
    story.tells(1, &[answer(stream, request, false)]);
    let heard = story.heard(1);
    assert_eq!(kinds(&heard), ["reset"], "the agent sees to its end");
    let reason = GoneReason::Reset;
    story.tells(1, &[Gone { stream, nothing_delivered: false, reason }.into()]);
    assert_eq!(kinds(&story.heard(1)), ["open", "data"]);
}

#[test]
fn a_request_that_cannot_be_cancelled_in_time_ends_with_its_session() {
    let (mut story, stream, request) = abandoned();
    story.tells(1, &[answer(stream, request, true)]);
    story.later(5_000);
    assert_eq!(kinds(&story.heard(1)), ["reset"]);
    assert_eq!((story.status().draining, story.status().ending), (0, 1));
}

#[test]
fn a_reset_that_the_cancel_may_have_hit_is_done_once_more() {
    let mut story = Story::with(|s| s.reset = ResetPolicy::Always);
    story.dials(1, 1, &[]);
    let client = story.asks("select pg_sleep(60)");
    let stream = story.logs_in(1, 1);
    story.heard(1);
    story.happens(Input::ClientGone { client });
    let heard = story.heard(1);
    let [Frame::Cancel(cancel)] = &heard[..] else { unreachable!("{:?}", kinds(&heard)) };
    let request = cancel.request;
    story.says(1, stream, b"C\0\0\0\x0dSELECT 1\0Z\0\0\0\x05I");
    story.tells(1, &[answer(stream, request, true)]);
    assert_eq!(story.status().draining, 1, "the reset's answer is to come");
    story.says(1, stream, CANCELLED);
    assert!(data(&story.heard(1), stream).ends_with(b"DISCARD ALL\0"));
    assert_eq!(story.status().resetting, 1);
}

#[test]
fn an_answer_to_another_cancel_proves_nothing() {
    let (mut story, stream, request) = abandoned();
    story.says(1, stream, CANCELLED);
    story.tells(1, &[answer(stream, request + 1, true)]);
    assert_eq!(story.status().draining, 1);
}
