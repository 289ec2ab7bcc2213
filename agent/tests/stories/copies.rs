use pierhead_agent::core::{DatabaseSettings, LinkNo, Millis, Output, Settings};
use pierhead_wire::tunnel::{Frame, GoAwayReason, GoneReason};

use super::stage::{Stage, adopt, gone, open, settings, stream, wake, welcome, written};

fn two_links() -> Stage {
    let databases = vec![DatabaseSettings { name: "main".into(), cap: 5, links: 2 }];
    Stage::with(Settings { databases, ..settings(5) })
}

fn stale(frames: &[Frame]) -> bool {
    let stale = |frame: &Frame| matches!(frame, Frame::GoAway(go_away) if go_away.reason == GoAwayReason::StaleCopy);
    frames.iter().any(stale)
}

#[test]
fn the_copy_with_the_higher_epoch_stays() {
    for (first, second, loser) in [(1, 2, 1), (2, 1, 2)] {
        let mut stage = two_links();
        stage.hello(1);
        stage.hello(2);
        stage.say(1, [welcome(first, 11)]);
        stage.say(2, [welcome(second, 22)]);
        assert!(stale(&stage.heard(loser)));
        assert!(!stale(&stage.heard(3 - loser)));
        assert!(stage.did().contains(&Output::CloseLink { link: LinkNo(loser) }));
    }
}

#[test]
fn with_equal_epochs_the_later_hello_stays() {
    for order in [[1, 2], [2, 1]] {
        let mut stage = two_links();
        stage.hello(2);
        stage.hello(1);
        for link in order {
            stage.say(link, [welcome(1, u64::from(link))]);
        }
        assert!(stale(&stage.heard(2)));
        assert!(!stale(&stage.heard(1)));
    }
}

#[test]
fn two_links_of_one_copy_stay_both_also_while_it_wakes() {
    let mut stage = two_links();
    stage.bring_up(1, 1, 11);
    stage.bring_up(2, 1, 11);
    stage.say(1, [wake(12)]);
    stage.say(2, [wake(12)]);
    assert!(!stale(&stage.heard(1)) && !stale(&stage.heard(2)));
    assert_eq!(stage.agent.status().databases[0].links_up, 2);
}

#[test]
fn a_welcome_of_the_life_before_a_wake_is_of_the_same_copy() {
    let mut stage = two_links();
    stage.bring_up(1, 1, 11);
    stage.hello(2);
    stage.say(1, [wake(12)]);
    stage.say(2, [welcome(1, 11)]);
    stage.say(2, [wake(12)]);
    assert!(!stale(&stage.heard(1)) && !stale(&stage.heard(2)));
    assert_eq!(stage.agent.status().databases[0].links_up, 2);
}

#[test]
fn a_stale_copy_is_dialled_again_only_after_a_pause() {
    let mut stage = two_links();
    stage.bring_up(1, 1, 11);
    stage.did();
    stage.bring_up(2, 2, 22);
    stage.wait(Millis(499));
    assert_eq!(stage.dialled(), None);
    assert_eq!(stage.redialled(), 3);
}

#[test]
fn the_streams_of_a_stale_copy_are_offered_to_the_one_that_stays() {
    let mut stage = two_links();
    stage.bring_up(1, 1, 11);
    let (parked, busy) = (stage.parked(1, 1), stage.session(1, 2));
    stage.bring_up(2, 2, 22);
    assert!(super::stage::finished(&stage.did(), busy));
    let frames = stage.heard(2);
    let offer = frames.iter().find(|frame| matches!(frame, Frame::Offer(_)));
    let Some(Frame::Offer(page)) = offer else { panic!("{frames:?}") };
    assert_eq!(page.number, 0, "nobody asked");
    assert_eq!(page.streams.iter().next().unwrap().stream, stream(1, 1));
    stage.say(2, [adopt(stream(1, 1), 5, 3, b"SELECT 1")]);
    assert_eq!(written(&stage.did(), parked), b"SELECT 1");
}

#[test]
fn of_two_links_that_were_offered_a_stream_the_first_to_adopt_it_has_it() {
    let mut stage = two_links();
    stage.bring_up(1, 1, 11);
    let (id, conn) = (stream(1, 1), stage.parked(1, 1));
    let third = stage.cut(1);
    let (_, here) = stage.hello(2);
    let (_, there) = stage.hello(third);
    assert_eq!((here.len(), there.len()), (1, 1));
    stage.say(2, [welcome(1, 11), adopt(id, 5, 3, b"first")]);
    stage.say(third, [welcome(1, 11), adopt(id, 5, 3, b"second")]);
    assert_eq!(written(&stage.did(), conn), b"first");
    assert!(gone(&stage.heard(2)).is_empty());
    assert_eq!(gone(&stage.heard(third)), [(id, GoneReason::Unknown, true)]);
    stage.say(third, [open(stream(third, 1))]);
    assert!(!stale(&stage.heard(third)));
}

#[test]
fn a_stream_offered_on_two_links_ends_when_both_have_released_it() {
    let mut stage = two_links();
    stage.bring_up(1, 1, 11);
    let (adopted, released) = (stream(1, 1), stream(1, 2));
    let (first, second) = (stage.parked(1, 1), stage.parked(1, 2));
    let third = stage.cut(1);
    stage.hello(2);
    stage.hello(third);
    let release = |stream| Frame::Release(pierhead_wire::tunnel::Release { stream });
    stage.say(third, [welcome(1, 11), release(adopted), release(released)]);
    let ends = gone(&stage.heard(third));
    assert!(ends.contains(&(adopted, GoneReason::Released, true)));
    stage.say(2, [welcome(1, 11), adopt(adopted, 5, 3, b"first"), release(released)]);
    let did = stage.did();
    assert_eq!(written(&did, first), b"first");
    assert!(super::stage::finished(&did, second));
}

#[test]
fn a_stream_parked_on_a_living_link_is_not_offered_on_another() {
    let mut stage = two_links();
    stage.bring_up(1, 1, 11);
    stage.parked(1, 1);
    let (hello, offered) = stage.hello(2);
    assert_eq!((hello.parked.0, offered.len()), (0, 0));
}

#[test]
fn what_a_lost_link_leaves_is_offered_on_the_link_that_stays() {
    let mut stage = two_links();
    stage.bring_up(1, 1, 11);
    stage.bring_up(2, 1, 11);
    let conn = stage.parked(1, 1);
    stage.heard(2);
    stage.cut(1);
    let frames = stage.heard(2);
    let [Frame::Offer(page)] = &frames[..] else { panic!("{frames:?}") };
    assert_eq!(page.streams.iter().next().unwrap().stream, stream(1, 1));
    stage.say(2, [adopt(stream(1, 1), 5, 3, b"SELECT 1")]);
    assert_eq!(written(&stage.did(), conn), b"SELECT 1");
}
