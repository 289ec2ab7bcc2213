use std::collections::BTreeMap;

use super::*;
use crate::rng::Rng;

#[test]
fn due_deadlines_come_out_in_order() {
    let mut timers = Timers::default();
    let client = Target::Client(ClientId(1));
    timers.set(client, Reason::TunnelWait, Instant(30));
    timers.set(client, Reason::EndDeadline, Instant(10));
    timers.set(Target::Pool, Reason::KeepAlive, Instant(20));
    timers.set(client, Reason::EndDeadline, Instant(25));
    assert_eq!(timers.next().active.map(|d| d.at), Some(Instant(25)));
    assert_eq!(timers.next().housekeeping.map(|d| d.at), Some(Instant(20)));
    assert_eq!(timers.pop_due(Instant(19)), None);
    assert_eq!(timers.pop_due(Instant(25)), Some((Reason::KeepAlive, Target::Pool)));
    assert_eq!(timers.pop_due(Instant(25)), Some((Reason::EndDeadline, client)));
    timers.clear_all(client);
    assert_eq!(timers.next(), Timeouts::default());
}

/// Every target and reason that could be confused.
fn some(rng: &mut Rng, targets: u64) -> (Target, Reason) {
    let id = rng.below(targets);
    let target = [
        Target::Client(ClientId(id)),
        Target::Session(SessionId(id)),
        Target::Link(LinkId(id)),
        Target::Pool,
    ][rng.below(4) as usize];
    let reasons = [
        Reason::TunnelWait,
        Reason::ClientDue,
        Reason::ResetDeadline,
        Reason::EndDeadline,
        Reason::Park,
        Reason::LinkDeadline,
        Reason::IdleTimeout,
        Reason::Lifetime,
    ];
    (target, reasons[rng.below(8) as usize])
}

fn earliest(
    plain: &BTreeMap<(Target, Reason), Instant>,
    of: impl Fn(Reason) -> bool,
) -> Option<Deadline> {
    let all = plain.iter().filter(|entry| of(entry.0.1));
    all.map(|(&(_, reason), &at)| Deadline { at, reason }).min()
}

#[test]
fn it_agrees_with_a_plain_table() {
    for seed in 0..40 {
        let mut rng = Rng::new([seed; 32]);
        let mut timers = Timers::default();
        let mut plain: BTreeMap<(Target, Reason), Instant> = BTreeMap::new();
        let targets = [2, 10, 200][usize::from(seed % 3)];
        let (mut now, mut most, mut stale) = (0, 0, 0);
        for step in 0..2_000 {
            let (target, reason) = some(&mut rng, targets);
            match rng.below(if step < 1_500 { 10 } else { 6 }) {
                0 | 1 => {
                    timers.clear(target, reason);
                    plain.remove(&(target, reason));
                }
                2 => {
                    timers.clear_all(target);
                    plain.retain(|entry, _| entry.0 != target);
                }
                3 => {
                    now += rng.below(40);
                    while let Some((reason, target)) = timers.pop_due(Instant(now)) {
                        let due = |(&(t, reason), &at)| Due { at, reason, key: Key::of(t) };
                        let least = plain.iter().map(due).min_by_key(Due::rank).unwrap();
                        assert_eq!((reason, target), (least.reason, least.key.target()));
                        assert!(least.at <= Instant(now));
                        plain.remove(&(target, reason));
                    }
                    assert!(plain.values().all(|&at| at > Instant(now)));
                }
                _ => {
                    // Few moments, so that many deadlines fall together.
                    let at = Instant(now + 10 * rng.below(30));
                    timers.set(target, reason, at);
                    plain.insert((target, reason), at);
                }
            }
            most = most.max(plain.len());
            stale = stale.max(timers.active.heap.len()).max(timers.housekeeping.heap.len());
            let (active, rest) =
                (|r| Kind::of(r) == Kind::Active, |r| Kind::of(r) == Kind::Housekeeping);
            let expected =
                Timeouts { active: earliest(&plain, active), housekeeping: earliest(&plain, rest) };
            assert_eq!(timers.next(), expected);
            assert_eq!(timers.is_set(target, reason), plain.contains_key(&(target, reason)));
        }
        assert!(stale <= 2 * most + STALE_KEPT, "{stale} on a heap, and at most {most} are set");
        plain.keys().for_each(|&(target, _)| timers.clear_all(target));
        assert_eq!(timers.next(), Timeouts::default());
    }
}

#[test]
fn a_target_may_have_every_deadline_at_once() {
    let mut timers = Timers::default();
    let reasons = [
        Reason::TunnelWait,
        Reason::ClientDue,
        Reason::ConnectDeadline,
        Reason::ConnectBackoff,
        Reason::ResetDeadline,
        Reason::EndDeadline,
        Reason::Park,
        Reason::IdleTimeout,
    ];
    for (at, reason) in (0..).zip(reasons) {
        timers.set(Target::Pool, reason, Instant(at));
    }
    timers.clear(Target::Pool, Reason::ClientDue);
    let due: Vec<_> = std::iter::from_fn(|| timers.pop_due(Instant(9))).map(|d| d.0).collect();
    assert_eq!(due, [&reasons[..1], &reasons[2..]].concat());
}

#[test]
fn deadlines_that_come_and_go_leave_nothing_behind() {
    let mut timers = Timers::default();
    timers.set(Target::Pool, Reason::EndDeadline, Instant(1));
    for id in 0..10_000 {
        let client = Target::Client(ClientId(id));
        timers.set(client, Reason::ClientDue, Instant(30_000 + id));
        timers.clear_all(client);
    }
    let kept = timers.active.heap.len();
    assert!(kept < 50 && timers.slots.capacity() < 50, "{kept} are stale");
    for id in 0..10_000 {
        timers.set(Target::Client(ClientId(id)), Reason::IdleTimeout, Instant(id));
    }
    let due: Vec<_> = std::iter::from_fn(|| timers.pop_due(Instant(20_000))).collect();
    assert_eq!(due.len(), 10_001);
    assert!(timers.housekeeping.heap.capacity() <= HEAP_KEPT);
    assert!(timers.slots.capacity() <= 64);
}
