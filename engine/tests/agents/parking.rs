//! Sessions that outlive links and lives.

use bytes::Bytes;
use pierhead_engine::ids::LinkId;
use pierhead_engine::{Input, Settings};
use pierhead_wire::tunnel::{
    Describe, Drain, DrainReason, Frame, Gone, GoneReason, Here, Offered, StreamId as WireId,
};

use crate::story::{PURGED, ROW, Story, blob, counters, data, kinds, wire};

/// An agent, and one session that has answered one query and is parked.
fn parked() -> (Story, Offered) {
    let mut story = Story::begin();
    story.dials(1, 1, &[]);
    let client = story.asks("select 'x'");
    let stream = story.logs_in(1, 1);
    story.says(1, stream, ROW);
    assert_eq!(story.verdict(client), "Completed 00000");
    story.later(250);
    let heard = story.heard(1);
    assert_eq!(kinds(&heard).last(), Some(&"park"));
    let sent = data(&heard, stream).len() as u64;
    let offered = story.offered(&heard, blob(&heard));
    assert_eq!(offered.counters.sent, sent);
    assert_eq!((story.status().parked, story.status().idle), (1, 0));
    (story, offered)
}

fn gone(stream: WireId, nothing_delivered: bool, reason: GoneReason) -> Frame {
    Gone { stream, nothing_delivered, reason }.into()
}

#[test]
fn at_rest_nothing_keeps_the_object_awake() {
    let (story, _) = parked();
    let timeouts = story.engine.poll_timeout();
    assert_eq!((timeouts.active, timeouts.housekeeping), (None, None));
    assert!(!story.attached[&LinkId(1)].is_empty());
}

#[test]
fn a_parked_session_is_used_again_by_data_alone() {
    let (mut story, offered) = parked();
    let client = story.asks("select 'x'");
    let heard = story.heard(1);
    assert_eq!(kinds(&heard), ["data"]);
    story.says(1, offered.stream, ROW);
    assert_eq!(story.verdict(client), "Completed 00000");
}

#[test]
fn a_parked_session_that_went_away_meanwhile_costs_only_a_trip() {
    let (mut story, offered) = parked();
    let client = story.asks("insert into t values (1)");
    story.tells(1, &[gone(offered.stream, true, GoneReason::Idle)]);
    assert_eq!(story.answer(client), None);
    let stream = story.logs_in(1, 2);
    assert!(data(&story.heard(1), stream).ends_with(b"(1)\0"), "nothing was delivered: again");
}

#[test]
fn an_agent_that_has_lost_them_all_costs_a_trip_each_and_no_error() {
    let (_, offered) = parked();
    let offers: Vec<Offered> =
        (1..=8).map(|index| Offered { stream: wire(1, index), ..offered.clone() }).collect();
    let mut story = Story::begin();
    story.dials(1, 1, &offers);
    let client = story.asks("select 'x'");
    for _ in 1..=8 {
        let heard = story.heard(1);
        let used = heard.iter().rev().find_map(|frame| match frame {
            Frame::Data(data) => Some(data.stream),
            Frame::Adopt(adopt) if !adopt.bytes.0.is_empty() => Some(adopt.stream),
            _ => None,
        });
        story.tells(1, &[gone(used.unwrap(), true, GoneReason::Unknown)]);
    }
    assert_eq!(story.answer(client), None);
    let opened = story.heard(1);
    assert_eq!(kinds(&opened), ["open", "data"]);
}

#[test]
fn one_that_may_have_been_delivered_is_never_sent_again() {
    let (mut story, offered) = parked();
    let client = story.asks("insert into t values (1)");
    story.tells(1, &[gone(offered.stream, false, GoneReason::Database)]);
    assert_eq!(story.verdict(client), "OutcomeUnknown 08007");
    assert!(!kinds(&story.heard(1)).contains(&"open"));
}

#[test]
fn after_hibernation_the_first_request_rides_with_the_adoption() {
    let (story, offered) = parked();
    let described = offered.blob.0.clone();
    let mut story = story.sleeps_and_wakes(|_| {});
    let client = story.asks("select 'x'");
    let heard = story.heard(1);
    assert_eq!(kinds(&heard), ["wake", "adopt"]);
    let (Frame::Wake(wake), Frame::Adopt(adopt)) = (&heard[0], &heard[1]) else { unreachable!() };
    assert_eq!((adopt.counters, adopt.describe), (offered.counters, true));
    let sent = data(&heard, offered.stream);
    // What an earlier life prepared and set there, for a socket's client, this one does not know.
    assert!(sent.starts_with(b"Q\0\0\0\x10DISCARD ALL\0Q"), "{}", sent.escape_ascii());
    assert!(sent.ends_with(b"select 'x'\0"));
    let describe = Describe {
        stream: offered.stream,
        cancel: pierhead_wire::tunnel::Blob::default(),
        blob: pierhead_wire::tunnel::Blob(described),
    };
    story.tells(1, &[Here { number: wake.number }.into(), describe.into()]);
    story.says(1, offered.stream, PURGED);
    story.says(1, offered.stream, ROW);
    assert_eq!(story.answer(client).unwrap().0, ROW, "the purge is not the client's to see");
    assert_eq!(story.raises, 0, "the epoch is read from the attachment");
    story.later(250);
    let next = story.asks("select 'x'");
    let heard = story.heard(1);
    assert_eq!(data(&heard, offered.stream), b"Q\0\0\0\x0fselect 'x'\0", "no second purge");
    story.says(1, offered.stream, ROW);
    assert_eq!(story.verdict(next), "Completed 00000");
}

#[test]
fn a_new_link_is_welcomed_when_its_agent_knows_that_the_object_woke() {
    let awake = |story: &mut Story| {
        let Some(Frame::Wake(wake)) = story.heard(1).first().cloned() else { unreachable!() };
        Frame::from(Here { number: wake.number })
    };
    let slept = || {
        let (story, _) = parked();
        let mut story = story.sleeps_and_wakes(|_| {});
        story.dials(2, 1, &[]);
        assert_eq!(kinds(&story.heard(2)), Vec::<&str>::new(), "it would end the older link");
        story
    };
    let mut story = slept();
    let here = awake(&mut story);
    story.tells(1, &[here]);
    assert_eq!(kinds(&story.heard(2)), ["welcome"]);
    // So it is when the older link is lost instead.
    let mut story = slept();
    story.loses(1);
    story.happens(Input::EpochRaised { epoch: 2 });
    assert_eq!(kinds(&story.heard(2)), ["welcome"]);
    // What another agent has is no concern of this one's.
    let (story, _) = parked();
    let mut story = story.sleeps_and_wakes(|_| {});
    story.dials(2, 2, &[]);
    assert_eq!(kinds(&story.heard(2)), ["welcome"]);
}

#[test]
fn after_hibernation_a_socket_is_greeted_as_the_agents_sessions_are() {
    let (story, offered) = parked();
    let mut story = story.sleeps_and_wakes(|_| {});
    let (client, other) = (story.starts_up(), story.starts_up());
    let heard = story.heard(1);
    assert_eq!(kinds(&heard), ["wake", "list"], "once for both");
    let (Frame::Wake(wake), Frame::ListParked(list)) = (&heard[0], &heard[1]) else {
        unreachable!()
    };
    story.tells(1, &[Here { number: wake.number }.into()]);
    story.offers(1, list.number, &[offered]);
    for client in [client, other] {
        let told = story.told(client);
        assert!(told.windows(15).any(|w| w == b"server_version\0"), "{}", told.escape_ascii());
        assert!(told.ends_with(b"Z\0\0\0\x05I"), "{}", told.escape_ascii());
    }
    assert_eq!((story.status().parked, kinds(&story.heard(1)).len()), (1, 0), "nothing is used");
    let late = story.starts_up();
    assert!(story.told(late).ends_with(b"Z\0\0\0\x05I"));
}

#[test]
fn until_the_agent_shows_that_it_lives_only_that_is_heard() {
    let (story, offered) = parked();
    let mut story = story.sleeps_and_wakes(|_| {});
    let client = story.asks("select 'x'");
    story.says(1, offered.stream, ROW);
    assert_eq!(story.answer(client), None, "meant for what this life has forgotten");
    story.later(2_000);
    assert_eq!(story.ended, [LinkId(1)]);
    assert_eq!(story.verdict(client), "OutcomeUnknown 08007");
}

#[test]
fn what_found_no_room_with_the_sleeping_link_is_asked_for() {
    let (_, offered) = parked();
    let offers: Vec<Offered> =
        (1..=600).map(|index| Offered { stream: wire(1, index), ..offered.clone() }).collect();
    let wide = |s: &mut Settings| s.pool_size = 600;
    let mut story = Story::with(wide);
    story.dials(1, 1, &offers);
    assert_eq!(story.status().parked, 600);
    let mut story = story.sleeps_and_wakes(wide);
    let noted = story.status().parked;
    assert!((400..600).contains(&noted), "{noted}");
    let heard = story.heard(1);
    let [Frame::Wake(wake), Frame::ListParked(list)] = &heard[..] else {
        unreachable!("{:?}", kinds(&heard))
    };
    story.tells(1, &[Here { number: wake.number }.into()]);
    story.offers(1, list.number, &offers);
    assert_eq!(story.status().parked, 600, "each once");
    assert_eq!(kinds(&story.heard(1)), vec!["adopt"; 600 - noted]);
}

#[test]
fn a_wake_with_another_configuration_uses_nothing_of_the_old() {
    let (story, _) = parked();
    let mut story = story.sleeps_and_wakes(|s: &mut Settings| s.user = "other".into());
    let heard = story.heard(1);
    assert_eq!(kinds(&heard), ["wake", "release"]);
    story.asks("select 'x'");
    assert_eq!(kinds(&story.heard(1)), ["open", "data"]);
}

#[test]
fn a_new_life_takes_over_what_is_offered() {
    let (_, offered) = parked();
    let mut story = Story::begin();
    let client = story.asks("select 'x'");
    story.dials(9, 1, std::slice::from_ref(&offered));
    let heard = story.heard(9);
    assert_eq!(kinds(&heard), ["welcome", "adopt"], "with the request that waits");
    assert!(data(&heard, offered.stream).ends_with(b"select 'x'\0"));
    story.says(9, offered.stream, PURGED);
    story.says(9, offered.stream, ROW);
    assert_eq!(story.verdict(client), "Completed 00000");
}

#[test]
fn offers_are_settled_before_anything_is_opened() {
    let (_, offered) = parked();
    let mut story = Story::with(|s| s.pool_size = 3);
    story.asks("select 1");
    story.asks("select 2");
    let mut foreign = offered.clone();
    foreign.stream = wire(1, 5);
    foreign.blob.0 = Bytes::from_static(b"\x01of something else");
    story.dials(9, 1, &[offered, foreign]);
    let kinds = kinds(&story.heard(9));
    assert_eq!(kinds, ["welcome", "release", "adopt", "open", "data"]);
}

#[test]
fn more_than_the_pool_has_room_for_is_released() {
    let (_, offered) = parked();
    let offers: Vec<Offered> =
        (1..=5).map(|index| Offered { stream: wire(1, index), ..offered.clone() }).collect();
    let mut story = Story::with(|s| s.pool_size = 2);
    story.dials(9, 1, &offers);
    let kinds = kinds(&story.heard(9));
    assert_eq!(kinds.iter().filter(|kind| **kind == "release").count(), 3);
    assert_eq!(kinds.iter().filter(|kind| **kind == "adopt").count(), 2);
    assert_eq!(story.status().parked, 2);
}

#[test]
fn after_a_lost_link_the_same_life_goes_on_where_it_was() {
    let (mut story, offered) = parked();
    story.loses(1);
    assert_eq!((story.status().away, story.status().parked), (1, 0));
    story.dials(2, 1, std::slice::from_ref(&offered));
    assert_eq!(kinds(&story.heard(2)), ["welcome", "adopt"]);
    assert_eq!((story.status().away, story.status().parked), (0, 1));
    let client = story.asks("select 'x'");
    let heard = story.heard(2);
    assert_eq!(data(&heard, offered.stream), b"Q\0\0\0\x0fselect 'x'\0", "no purge");
    story.says(2, offered.stream, ROW);
    assert_eq!(story.verdict(client), "Completed 00000");
}

#[test]
fn what_is_offered_on_another_link_is_taken_when_the_old_one_is_known_to_be_lost() {
    let (mut story, offered) = parked();
    story.dials(2, 1, &[]);
    story.heard(2);
    // The agent has lost link 1, which is not known here yet.
    let page = |streams: &Offered| -> Frame {
        let streams = pierhead_wire::tunnel::List::new(std::slice::from_ref(streams)).unwrap();
        pierhead_wire::tunnel::Offer { number: 0, left: 0, streams }.into()
    };
    story.tells(2, &[page(&offered)]);
    assert!(story.heard(2).is_empty(), "never in two places");
    story.loses(1);
    story.tells(2, &[page(&offered)]);
    assert_eq!(kinds(&story.heard(2)), ["adopt"]);
    let client = story.asks("select 'x'");
    let heard = story.heard(2);
    assert_eq!(data(&heard, offered.stream), b"Q\0\0\0\x0fselect 'x'\0");
    story.says(2, offered.stream, ROW);
    assert_eq!(story.verdict(client), "Completed 00000");
    assert_eq!((story.status().idle, story.status().parked), (1, 0), "it is one session");
}

#[test]
fn a_session_whose_counters_differ_is_not_taken_back() {
    let (mut story, mut offered) = parked();
    story.loses(1);
    offered.counters = counters(offered.counters.sent, offered.counters.received + 1);
    story.dials(2, 1, &[offered]);
    assert_eq!(kinds(&story.heard(2)), ["welcome", "release"]);
}

#[test]
fn sessions_of_an_absent_agent_are_counted_until_they_expire() {
    let mut story = Story::with(|s| s.pool_size = 1);
    story.dials(1, 1, &[]);
    let client = story.asks("select 'x'");
    let stream = story.logs_in(1, 1);
    story.says(1, stream, ROW);
    assert_eq!(story.verdict(client), "Completed 00000");
    story.later(250);
    story.loses(1);
    // Another agent comes, but the first one's session may still be there.
    story.happens(Input::LinkOpened { link: LinkId(2) });
    let mut hello = Story::hello(2, 2, 0);
    hello.options = pierhead_wire::tunnel::Options::agent("agent 1", "host-b", 60_000);
    story.tells(2, &[hello.into()]);
    story.happens(Input::EpochRaised { epoch: 2 });
    story.asks("select 'x'");
    assert_eq!(kinds(&story.heard(2)), ["welcome"]);
    assert!(story.engine.poll_timeout().active.is_some());
    // The first agent's process was restarted: what it held is gone.
    story.dials(3, 3, &[]);
    assert_eq!(story.status().away, 0);
    let opened = [story.heard(2), story.heard(3)].concat();
    assert!(kinds(&opened).contains(&"open"), "{:?}", kinds(&opened));
}

#[test]
fn a_draining_agents_parked_sessions_are_let_go() {
    let (mut story, offered) = parked();
    story.tells(1, &[Drain { reason: DrainReason::Shutdown, deadline_ms: 1_000 }.into()]);
    assert_eq!(kinds(&story.heard(1)), ["release"]);
    story.tells(1, &[gone(offered.stream, true, GoneReason::Draining)]);
    assert_eq!(story.status().ending, 0);
}
