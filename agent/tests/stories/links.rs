use pierhead_agent::core::{DatabaseSettings, Input, LinkNo, Millis, Output, Settings};
use pierhead_wire::tunnel::{
    Advice, Drain, DrainReason, Frame, GoAway, GoAwayReason, Here, ListParked, Release,
};

use super::stage::{Stage, adopt, data, open, settings, stream, wake, welcome};

fn go_away(frames: &[Frame]) -> Option<GoAwayReason> {
    frames.iter().find_map(|frame| match frame {
        Frame::GoAway(go_away) => Some(go_away.reason),
        _ => None,
    })
}

#[test]
fn an_agent_dials_at_once_and_presents_itself() {
    let mut stage = Stage::new(20);
    assert_eq!(stage.dialled(), Some(1));
    let (hello, offered) = stage.hello(1);
    assert_eq!((hello.link, hello.parked.0, offered.len()), (1, 0, 0));
    assert_eq!(hello.options.instance(), Some("test"));
    assert_eq!(hello.options.park_ttl_ms(), Some(60_000));
    let database = hello.databases.iter().next().unwrap();
    assert_eq!((database.name.as_str(), database.cap), ("main", 20));
}

#[test]
fn each_database_keeps_its_own_number_of_links() {
    let two = DatabaseSettings { name: "other".into(), cap: 5, links: 2 };
    let mut databases = settings(5).databases;
    databases.push(two);
    let mut stage = Stage::with(Settings { databases, ..settings(5) });
    let dials = stage.did().into_iter().filter(|did| matches!(did, Output::Dial { .. }));
    assert_eq!(dials.count(), 3);
}

#[test]
fn a_coordinator_that_says_nothing_is_left_after_ten_seconds() {
    let mut stage = Stage::new(5);
    stage.hello(1);
    stage.wait(Millis(10_000));
    assert_eq!(go_away(&stage.heard(1)), Some(GoAwayReason::Liveness));
    assert!(stage.did().contains(&Output::CloseLink { link: LinkNo(1) }));
}

#[test]
fn the_first_reconnect_is_immediate_and_names_the_lost_link() {
    let mut stage = Stage::up(5);
    for _ in 0..5 {
        stage.wait(Millis(10_000));
        stage.give(Input::LinkAlive { link: LinkNo(1) });
    }
    stage.give(Input::LinkClosed { link: LinkNo(1), detail: "cut".into() });
    stage.give(Input::TimePassed);
    assert_eq!(stage.dialled(), Some(2));
    let (hello, _) = stage.hello(2);
    assert_eq!(hello.replaces.iter().collect::<Vec<_>>(), [1]);
    stage.say(2, [welcome(1, 11)]);
    let third = stage.cut(2);
    let (hello, _) = stage.hello(third);
    assert_eq!(hello.replaces.iter().collect::<Vec<_>>(), [2]);
}

#[test]
fn later_reconnects_back_off() {
    let mut stage = Stage::new(5);
    let mut times = Vec::new();
    for link in 1..=12 {
        assert_eq!(stage.redialled_at(), link);
        times.push(stage.now);
        let detail = "refused".to_owned();
        stage.give(Input::LinkRefused { link: LinkNo(link), denied: false, detail });
    }
    let gaps: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.iter().all(|gap| *gap <= 15_000), "{gaps:?}");
    assert!(gaps[0] <= 500 && gaps.iter().max() > Some(&2_000), "{gaps:?}");
}

#[test]
fn a_worker_that_turns_the_agent_away_is_asked_rarely() {
    let mut stage = Stage::new(5);
    stage.did();
    let detail = "401".to_owned();
    stage.give(Input::LinkRefused { link: LinkNo(1), denied: true, detail });
    stage.wait(Millis(14_000));
    assert_eq!(stage.dialled(), None);
    assert!(stage.log.iter().any(|line| line.contains("token")));
    stage.wait(Millis(17_000));
    assert_eq!(stage.dialled(), Some(2));
}

#[test]
fn the_coordinators_advice_on_when_to_come_back_is_followed() {
    let mut stage = Stage::up(5);
    let advice = Advice::cut("busy");
    let reason = GoAwayReason::TooMany;
    stage.say(1, [Frame::GoAway(GoAway { reason, retry_after_ms: 20_000, advice })]);
    stage.did();
    stage.wait(Millis(19_000));
    assert_eq!(stage.dialled(), None);
    stage.wait(Millis(2_000));
    assert_eq!(stage.dialled(), Some(2));
}

#[test]
fn a_silent_link_is_pinged_then_left() {
    let mut stage = Stage::up(5);
    stage.wait(Millis(15_000));
    assert_eq!(stage.did(), [Output::Ping { link: LinkNo(1) }]);
    stage.give(Input::LinkAlive { link: LinkNo(1) });
    stage.wait(Millis(24_000));
    assert_eq!(stage.did(), [Output::Ping { link: LinkNo(1) }]);
    stage.wait(Millis(2_000));
    assert_eq!(go_away(&stage.heard(1)), Some(GoAwayReason::Liveness));
}

#[test]
fn an_answer_older_than_the_next_ping_is_due_is_still_an_answer() {
    let often = Settings { ping_every: Millis(1_000), ..settings(5) };
    let mut stage = Stage::with(often);
    stage.bring_up(1, 1, 11);
    stage.wait(Millis(1_000));
    stage.wait(Millis(100));
    stage.give(Input::LinkAlive { link: LinkNo(1) });
    stage.wait(Millis(10_000));
    assert_eq!(go_away(&stage.heard(1)), None);
}

#[test]
fn a_frame_out_of_place_ends_that_link_alone_and_what_is_parked_stays() {
    let mut stage = Stage::up(5);
    stage.parked(1, 1);
    stage.say(1, [welcome(1, 11)]);
    assert_eq!(go_away(&stage.heard(1)), Some(GoAwayReason::Protocol));
    let link = stage.redialled();
    let offered = stage.bring_up(link, 2, 22);
    assert_eq!(offered[0].stream, stream(1, 1));
}

#[test]
fn frames_ahead_of_a_fault_count_and_those_behind_do_not() {
    let mut stage = Stage::up(5);
    stage.say(1, [open(stream(1, 1)), open(stream(1, 1)), open(stream(1, 2))]);
    let did = stage.did();
    let connects = did.iter().filter(|did| matches!(did, Output::Connect { .. }));
    assert_eq!(connects.count(), 1);
}

#[test]
fn garbage_and_text_end_the_link() {
    for message in [None, Some(bytes::Bytes::from_static(&[0xff, 0, 0]))] {
        let mut stage = Stage::up(5);
        stage.give(Input::LinkMessage { link: LinkNo(1), message });
        assert_eq!(go_away(&stage.heard(1)), Some(GoAwayReason::Protocol));
    }
}

#[test]
fn nothing_is_opened_before_every_offer_is_settled() {
    let mut stage = Stage::up(5);
    stage.parked(1, 1);
    stage.parked(1, 2);
    let link = stage.cut(1);
    let offered = stage.bring_up(link, 2, 22);
    assert_eq!(offered.len(), 2);
    stage.say(link, [adopt(stream(1, 1), 5, 3, b"SELECT 1")]);
    stage.say(link, [Frame::Release(Release { stream: stream(1, 2) })]);
    stage.say(link, [open(stream(link, 1))]);
    assert_eq!(go_away(&stage.heard(link)), None);

    let mut stage = Stage::up(5);
    stage.parked(1, 1);
    let link = stage.cut(1);
    stage.bring_up(link, 2, 22);
    stage.say(link, [open(stream(link, 1))]);
    assert_eq!(go_away(&stage.heard(link)), Some(GoAwayReason::Protocol));
}

#[test]
fn after_a_wake_what_is_parked_stays_and_the_rest_ends() {
    let mut stage = Stage::up(5);
    stage.parked(1, 1);
    let busy = stage.session(1, 2);
    stage.say(1, [wake(12), Frame::ListParked(ListParked { number: 3 })]);
    let frames = stage.heard(1);
    assert_eq!(frames[0], Frame::Here(Here { number: 1 }));
    let Frame::Offer(page) = &frames[1] else { panic!("{frames:?}") };
    assert_eq!((page.number, page.left, page.streams.len()), (3, 0, 1));
    assert!(super::stage::finished(&stage.did(), busy));
}

#[test]
fn an_empty_list_has_one_empty_page() {
    let mut stage = Stage::up(5);
    stage.say(1, [Frame::ListParked(ListParked { number: 9 })]);
    let frames = stage.heard(1);
    let [Frame::Offer(page)] = frames.as_slice() else { panic!("{frames:?}") };
    assert_eq!((page.number, page.left, page.streams.len()), (9, 0, 0));
}

#[test]
fn many_offers_come_in_pages() {
    let mut stage = Stage::up(200);
    for index in 1..=150 {
        stage.parked(1, index);
    }
    let link = stage.cut(1);
    let (hello, offered) = stage.hello(link);
    assert_eq!((hello.parked.0, offered.len()), (150, 150));
}

#[test]
fn a_drained_link_opens_nothing_more() {
    let mut stage = Stage::up(5);
    let drain = Drain { reason: DrainReason::Paused, deadline_ms: 1_000 };
    stage.say(1, [Frame::Drain(drain)]);
    stage.say(1, [open(stream(1, 1))]);
    assert_eq!(go_away(&stage.heard(1)), Some(GoAwayReason::Protocol));
}

#[test]
fn data_for_a_stream_nobody_knows_is_answered_once() {
    let mut stage = Stage::up(5);
    stage.say(1, [data(stream(9, 9), b"lost"), data(stream(9, 9), b"again")]);
    let frames = stage.heard(1);
    assert_eq!(super::stage::gone(&frames).len(), 1);
}

impl Stage {
    fn redialled_at(&mut self) -> u32 {
        for _ in 0..60_000 {
            if let Some(link) = self.dialled() {
                return link;
            }
            self.wait(Millis(1));
        }
        panic!("never dialled again");
    }
}
