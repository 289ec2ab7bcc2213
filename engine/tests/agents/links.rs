//! Links: greeting, opening, credit, endings.

use bytes::Bytes;
use pierhead_engine::ids::LinkId;
use pierhead_engine::{Input, Way};
use pierhead_wire::tunnel::{
    Advice, Amount, Credit, Drain, DrainReason, Finish, Frame, GoAwayReason, Gone, GoneReason,
    LinkCredit, Refused, RefusedReason,
};

use crate::story::{GREETING, LINK_CREDIT, ROW, STREAM_CREDIT, Story, data, kinds, wire};

#[test]
fn a_session_opens_without_a_trip_of_its_own() {
    let mut story = Story::begin();
    story.dials(7, 1, &[]);
    assert_eq!(kinds(&story.heard(7)), ["welcome"]);
    let client = story.asks("select 'x'");
    let heard = story.heard(7);
    assert_eq!(kinds(&heard), ["open", "data"], "the start-up rides with the open");
    assert!(data(&heard, wire(7, 1)).windows(4).any(|w| w == b"user"));
    let stream = story.logs_in(7, 1);
    let heard = story.heard(7);
    assert_eq!(kinds(&heard), ["describe", "data"]);
    assert!(data(&heard, stream).ends_with(b"select 'x'\0"));
    story.says(7, stream, ROW);
    assert_eq!(story.answer(client).unwrap().0, ROW);
}

#[test]
fn an_epoch_is_raised_when_no_link_carries_one_and_not_otherwise() {
    let mut story = Story::begin();
    story.dials(1, 1, &[]);
    story.dials(2, 2, &[]);
    assert_eq!((story.raises, story.status().epoch, story.status().links), (1, 1, 2));
    story.loses(1);
    story.dials(3, 1, &[]);
    assert_eq!(story.raises, 1, "link 2 still carries it");
    story.loses(2);
    story.loses(3);
    story.dials(4, 1, &[]);
    assert_eq!((story.raises, story.status().epoch), (2, 2));
}

#[test]
fn two_links_that_dial_at_once_share_one_epoch() {
    let mut story = Story::begin();
    for link in [1, 2] {
        story.happens(Input::LinkOpened { link: LinkId(link) });
        story.tells(link, &[Story::hello(u32::try_from(link).unwrap(), 1, 0).into()]);
    }
    assert_eq!((story.raises, story.status().links), (1, 0));
    story.happens(Input::EpochRaised { epoch: 9 });
    assert_eq!((story.raises, story.status().links, story.status().epoch), (1, 2, 9));
}

#[test]
fn a_silent_or_garbled_agent_loses_its_link_and_hears_why() {
    let mut story = Story::begin();
    story.happens(Input::LinkOpened { link: LinkId(1) });
    story.later(10_000);
    story.happens(Input::LinkOpened { link: LinkId(2) });
    story.happens(Input::LinkMessage { link: LinkId(2), message: None });
    story.happens(Input::LinkOpened { link: LinkId(3) });
    let garbage = Some(Bytes::from_static(b"\xffgarbage"));
    story.happens(Input::LinkMessage { link: LinkId(3), message: garbage });
    story.dials(4, 1, &[]);
    story.tells(4, &[Story::hello(4, 1, 0).into()]);
    assert_eq!(story.ended, [1, 2, 3, 4].map(LinkId));
    for (link, reason) in [
        (1, GoAwayReason::Liveness),
        (2, GoAwayReason::Protocol),
        (3, GoAwayReason::Protocol),
        (4, GoAwayReason::Protocol),
    ] {
        let heard = story.heard(link);
        let Some(Frame::GoAway(away)) = heard.last() else { panic!("{heard:?}") };
        assert_eq!(away.reason, reason, "{}", away.advice.as_str());
    }
    assert_eq!(story.engine.poll_timeout().active, None);
}

#[test]
fn a_request_is_sent_as_far_as_credit_goes_and_the_rest_when_it_comes() {
    let mut story = Story::begin();
    story.dials(1, 1, &[]);
    story.asks(&"x".repeat(100_000));
    let stream = story.logs_in(1, 1);
    let before = data(&story.heard(1), stream).len();
    assert_eq!(before, STREAM_CREDIT as usize);
    story.tells(1, &[Credit { stream, bytes: Amount(10) }.into()]);
    assert_eq!(data(&story.heard(1), stream).len(), 10);
    let rest = Credit { stream, bytes: Amount(STREAM_CREDIT) };
    story.tells(1, &[rest.into()]);
    assert!(data(&story.heard(1), stream).ends_with(b"xx\0"));
}

#[test]
fn an_answer_to_what_was_not_sent_ends_the_session() {
    let mut story = Story::begin();
    story.dials(1, 1, &[]);
    story.asks(&"x".repeat(100_000));
    let stream = story.logs_in(1, 1);
    story.heard(1);
    story.says(1, stream, ROW);
    assert_eq!(kinds(&story.heard(1)), ["reset"]);
    assert_eq!((story.status().idle, story.status().ending), (0, 1));
}

#[test]
fn the_credit_of_a_link_is_shared_by_its_streams() {
    let mut story = Story::with(|s| s.pool_size = 5);
    story.dials(1, 1, &[]);
    for _ in 0..5 {
        story.asks(&"x".repeat(100_000));
    }
    for index in 1..=5 {
        story.says(1, wire(1, index), GREETING);
    }
    let heard = story.heard(1);
    let sent: Vec<usize> = (1..=5).map(|index| data(&heard, wire(1, index)).len()).collect();
    assert_eq!(sent.iter().sum::<usize>(), LINK_CREDIT as usize);
    let more: Vec<Frame> = (1..=5)
        .map(|index| Credit { stream: wire(1, index), bytes: Amount(STREAM_CREDIT) }.into())
        .collect();
    story.tells(1, &more);
    assert!(story.heard(1).is_empty(), "the link has none");
    story.tells(1, &[LinkCredit { bytes: Amount(48 * 1024) }.into()]);
    let heard = story.heard(1);
    let streams: std::collections::BTreeSet<u32> =
        (1..=5).filter(|&index| !data(&heard, wire(1, index)).is_empty()).collect();
    assert!(streams.len() >= 3, "a frame each in turn: {streams:?}");
}

#[test]
fn too_much_data_ends_the_link() {
    let mut story = Story::with(|s| s.pool_size = 1);
    story.dials(1, 1, &[]);
    let client = story.asks("select 'x'");
    let stream = story.logs_in(1, 1);
    story.heard(1);
    // A reader that takes nothing: the answer becomes a stream that is not read.
    let row = [b"D\0\x10\0\x04".as_slice(), &[0; 100_000]].concat();
    for chunk in row.chunks(16_000).cycle().take(80) {
        let bytes = pierhead_wire::tunnel::Payload(Bytes::copy_from_slice(chunk));
        story.tells(1, &[pierhead_wire::tunnel::Data { stream, bytes }.into()]);
    }
    let heard = story.heard(1);
    let Some(Frame::GoAway(away)) = heard.last() else { panic!("{:?}", kinds(&heard)) };
    assert_eq!(away.reason, GoAwayReason::Credit);
    assert_eq!(story.verdict(client), "OutcomeUnknown 08007");
}

#[test]
fn what_the_agent_refuses_is_told_with_its_words() {
    let mut story = Story::begin();
    story.dials(1, 1, &[]);
    let client = story.asks("select 'x'");
    let refused = |advice| Refused {
        stream: wire(1, 1),
        reason: RefusedReason::Cap,
        advice: Advice::cut(advice),
    };
    story.tells(1, &[refused("20 of 20 connections").into()]);
    assert_eq!(story.answer(client), None, "places become free: it waits");
    story.later(100);
    assert_eq!(kinds(&story.heard(1))[1..], ["open", "data", "open", "data"]);
    story.later(10_000);
    let (_, outcome) = story.answer(client).unwrap();
    assert!(outcome.message.contains("20 of 20 connections"), "{}", outcome.message);
}

#[test]
fn who_starts_up_waits_while_the_agent_has_no_room() {
    let mut story = Story::begin();
    story.dials(1, 1, &[]);
    let socket = story.starts_up();
    for index in 1..=4 {
        let (stream, reason) = (wire(1, index), RefusedReason::Cap);
        story.tells(1, &[Refused { stream, reason, advice: Advice::cut("1 of 1") }.into()]);
        story.later(2_000);
        assert!(story.told(socket).is_empty(), "a connection that is ending makes room");
    }
    story.logs_in(1, 5);
    assert!(story.told(socket).starts_with(b"R"));
}

#[test]
fn without_an_agent_a_caller_waits_and_then_hears_so() {
    let mut story = Story::begin();
    let client = story.asks("select 'x'");
    story.later(4_999);
    assert_eq!(story.answer(client), None);
    story.later(1);
    assert_eq!(story.verdict(client), "Refused 08001");
    let (_, outcome) = story.answer(client).unwrap();
    assert!(outcome.message.contains("no agent"), "{}", outcome.message);
    let second = story.asks("select 'x'");
    story.dials(1, 1, &[]);
    story.logs_in(1, 1);
    assert!(data(&story.heard(1), wire(1, 1)).ends_with(b"select 'x'\0"));
    assert_eq!(story.answer(second), None);
}

#[test]
fn another_tunnel_serves_while_there_is_no_agent_and_not_longer() {
    let mut story = Story::with(|s| s.ways = vec![Way::Agent, Way::Direct]);
    let client = story.asks("select 'x'");
    assert!(story.opened.is_empty(), "an agent may still come");
    story.later(5_000);
    let (stream, way) = story.opened[0];
    assert_eq!(way, Way::Direct);
    story.happens(Input::StreamOpened { stream });
    story.happens(Input::StreamData { stream, bytes: Bytes::from_static(GREETING) });
    story.happens(Input::ClientAlive { client });
    story.dials(1, 1, &[]);
    story.happens(Input::StreamData { stream, bytes: Bytes::from_static(ROW) });
    assert_eq!(story.verdict(client), "Completed 00000");
    assert_eq!(story.status().ending, 1, "the fallback's session is not kept");
    story.asks("select 'x'");
    assert_eq!(kinds(&story.heard(1)), ["welcome", "open", "data"]);
}

#[test]
fn an_idle_session_of_a_fallback_ends_when_the_agent_is_back() {
    let mut story = Story::with(|s| s.ways = vec![Way::Agent, Way::Direct]);
    let client = story.asks("select 'x'");
    story.later(5_000);
    let (stream, _) = story.opened[0];
    story.happens(Input::StreamOpened { stream });
    story.happens(Input::StreamData { stream, bytes: Bytes::from_static(GREETING) });
    story.happens(Input::ClientAlive { client });
    story.happens(Input::StreamData { stream, bytes: Bytes::from_static(ROW) });
    assert_eq!(story.status().idle, 1);
    story.dials(1, 1, &[]);
    assert_eq!((story.status().idle, story.status().ending), (0, 1));
}

#[test]
fn a_drained_agent_finishes_what_runs_and_gets_no_more() {
    let mut story = Story::begin();
    story.dials(1, 1, &[]);
    let client = story.asks("select 'x'");
    let stream = story.logs_in(1, 1);
    story.heard(1);
    story.tells(1, &[Drain { reason: DrainReason::Shutdown, deadline_ms: 30_000 }.into()]);
    let second = story.asks("select 'x'");
    story.says(1, stream, ROW);
    assert_eq!(story.verdict(client), "Completed 00000");
    let heard = story.heard(1);
    assert_eq!(data(&heard, stream), b"X\0\0\0\x04", "{:?}", kinds(&heard));
    story.later(5_000);
    assert_eq!(story.verdict(second), "Refused 08001");
}

#[test]
fn the_database_closing_a_busy_stream_is_an_unknown_outcome() {
    let mut story = Story::begin();
    story.dials(1, 1, &[]);
    let client = story.asks("update t set x = 1");
    let stream = story.logs_in(1, 1);
    story.tells(1, &[Finish { stream }.into()]);
    assert_eq!(story.verdict(client), "OutcomeUnknown 08007");
    assert_eq!(story.status().ending, 1, "it is counted until it is gone");
    let reason = GoneReason::Finished;
    story.tells(1, &[Gone { stream, nothing_delivered: false, reason }.into()]);
    assert_eq!(story.status().ending, 0);
}
