//! All deadlines: by target, to move and clear them, and by time, to know the next.

mod slots;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use self::slots::Slots;
use crate::ids::{ClientId, LinkId, SessionId};
use crate::time::{Deadline, Instant, Reason, Timeouts};

/// What a deadline is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Target {
    Client(ClientId),
    Session(SessionId),
    Link(LinkId),
    Pool,
}

/// Deadlines by what they are about and why; at most one for each pair.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    slots: Slots,
    active: Order,
    housekeeping: Order,
}

/// The deadlines of one kind, ordered. The earliest is at hand; a heap has the others, and much
/// that is not set any more: it is thrown away when it comes up, or once there is more of it than of
/// the rest.
#[derive(Debug, Default)]
struct Order {
    earliest: Option<Due>,
    /// The earliest is on the heap too. It is not if it was set as the earliest: then, often, it is
    /// gone before another one is set, and the heap never hears of it.
    on_heap: bool,
    /// Ranks of deadlines.
    heap: BinaryHeap<Reverse<u128>>,
    /// How many are set.
    set: usize,
}

/// Deadlines no longer set that are left alone however few others there are.
const STALE_KEPT: usize = 16;

/// Deadlines whose memory is kept when the last one goes.
const HEAP_KEPT: usize = 64;

/// Whether somebody waits for a deadline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Active,
    Housekeeping,
}

/// A target as one number, so that it is quick to compare: its own number in 56 bits, which no
/// count ever fills, and its kind above. Clients come last, as they come most.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Key(u64);

/// A deadline as it is ordered: of several at one time, by reason, then by target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Due {
    at: Instant,
    reason: Reason,
    key: Key,
}

impl Timers {
    /// Sets or moves a deadline.
    pub(crate) fn set(&mut self, target: Target, reason: Reason, at: Instant) {
        let key = Key::of(target);
        let before = self.slots.set(key, reason, at);
        if before == Some(at) {
            return;
        }
        let kind = Kind::of(reason);
        let (order, slots) = self.order(kind);
        order.insert(Due { at, reason, key });
        match before {
            None => order.set += 1,
            Some(at) if order.earliest == Some(Due { at, reason, key }) => order.settle(slots),
            Some(_) => {}
        }
        if order.heap.len() > 2 * order.set + STALE_KEPT {
            order.sort_out(slots, kind);
        }
    }

    /// Removes a deadline, if it is set.
    #[inline]
    pub(crate) fn clear(&mut self, target: Target, reason: Reason) {
        // After each input the pool's are cleared, and as a rule they are not set.
        if target != Target::Pool || self.slots.first_has(Key::of(target), reason) {
            self.clear_one(target, reason);
        }
    }

    fn clear_one(&mut self, target: Target, reason: Reason) {
        let key = Key::of(target);
        let Some(at) = self.slots.take(key, reason) else { return };
        let (order, slots) = self.order(Kind::of(reason));
        if order.cleared(Due { at, reason, key }) {
            order.settle(slots);
        }
    }

    /// Removes everything about a target.
    pub(crate) fn clear_all(&mut self, target: Target) {
        let key = Key::of(target);
        let (mut active, mut housekeeping) = (false, false);
        self.slots.take_all(key, |reason, at| {
            let due = Due { at, reason, key };
            match Kind::of(reason) {
                Kind::Active => active |= self.active.cleared(due),
                Kind::Housekeeping => housekeeping |= self.housekeeping.cleared(due),
            }
        });
        if active {
            self.active.settle(&self.slots);
        }
        if housekeeping {
            self.housekeeping.settle(&self.slots);
        }
    }

    /// True if a deadline is set.
    pub(crate) fn is_set(&self, target: Target, reason: Reason) -> bool {
        self.slots.get(Key::of(target), reason).is_some()
    }

    /// True if a deadline is due.
    #[inline]
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        let due_in = |order: &Order| order.earliest.is_some_and(|due| due.at <= now);
        due_in(&self.active) || due_in(&self.housekeeping)
    }

    /// True if somebody waits for a deadline.
    #[inline]
    pub(crate) fn has_active(&self) -> bool {
        self.active.earliest.is_some()
    }

    /// Takes out the earliest deadline that is due.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<(Reason, Target)> {
        let due_in = |order: &Order| order.earliest.filter(|due| due.at <= now);
        let due = match (due_in(&self.active), due_in(&self.housekeeping)) {
            (Some(one), Some(other)) if other.rank() < one.rank() => other,
            (one, other) => one.or(other)?,
        };
        let target = due.key.target();
        self.clear(target, due.reason);
        Some((due.reason, target))
    }

    /// When to wake.
    pub(crate) fn next(&self) -> Timeouts {
        let deadline =
            |order: &Order| order.earliest.map(|due| Deadline { at: due.at, reason: due.reason });
        Timeouts { active: deadline(&self.active), housekeeping: deadline(&self.housekeeping) }
    }

    /// The deadlines of one kind, and all of them by target.
    fn order(&mut self, kind: Kind) -> (&mut Order, &Slots) {
        let order = match kind {
            Kind::Active => &mut self.active,
            Kind::Housekeeping => &mut self.housekeeping,
        };
        (order, &self.slots)
    }
}

impl Order {
    /// Adds a deadline.
    fn insert(&mut self, due: Due) {
        match self.earliest {
            Some(earliest) if earliest.rank() <= due.rank() => {
                self.heap.push(Reverse(due.rank()));
                return;
            }
            Some(earliest) if !self.on_heap => self.heap.push(Reverse(earliest.rank())),
            Some(_) | None => {}
        }
        self.earliest = Some(due);
        self.on_heap = false;
    }

    /// A deadline is not set any more. True if it was the earliest: then another must be found.
    fn cleared(&mut self, due: Due) -> bool {
        self.set = self.set.saturating_sub(1);
        self.earliest == Some(due)
    }

    /// Finds the earliest deadline, the one that was being gone.
    fn settle(&mut self, slots: &Slots) {
        self.earliest = None;
        if self.set == 0 {
            self.heap.clear();
            if self.heap.capacity() > HEAP_KEPT {
                self.heap = BinaryHeap::new();
            }
            return;
        }
        if self.on_heap {
            self.heap.pop();
        }
        self.on_heap = true;
        while let Some(&Reverse(rank)) = self.heap.peek() {
            self.earliest = slots.ranked(rank);
            if self.earliest.is_some() {
                return;
            }
            self.heap.pop();
        }
    }

    /// Keeps only what is set.
    fn sort_out(&mut self, slots: &Slots, kind: Kind) {
        let mut all = std::mem::take(&mut self.heap).into_vec();
        all.clear();
        let kept = slots.iter().filter(|due| Kind::of(due.reason) == kind);
        all.extend(kept.map(|due| Reverse(due.rank())));
        self.heap = BinaryHeap::from(all);
        self.on_heap = true;
    }
}

impl Due {
    /// The time, then the reason, then the target, as one number.
    fn rank(&self) -> u128 {
        const _: () = assert!((Reason::KeepAlive as u64) < 64);
        let low = (self.reason as u64) << Key::BITS | self.key.0;
        u128::from(self.at.0) << 64 | u128::from(low)
    }
}

impl Key {
    /// Bits of a target's own number.
    const NUMBER_BITS: u32 = 56;
    /// Those, and its kind.
    const BITS: u32 = Self::NUMBER_BITS + 2;

    fn of(target: Target) -> Self {
        let (kind, number) = match target {
            Target::Pool => (0, 0),
            Target::Link(LinkId(id)) => (1, id),
            Target::Session(SessionId(id)) => (2, id),
            Target::Client(ClientId(id)) => (3, id),
        };
        Self(kind << Self::NUMBER_BITS | number & lowest(Self::NUMBER_BITS))
    }

    fn target(self) -> Target {
        let number = self.0 & lowest(Self::NUMBER_BITS);
        match self.0 >> Self::NUMBER_BITS {
            0 => Target::Pool,
            1 => Target::Link(LinkId(number)),
            2 => Target::Session(SessionId(number)),
            _ => Target::Client(ClientId(number)),
        }
    }

    /// The target of a rank.
    fn of_rank(rank: u128) -> Self {
        Self(rank as u64 & lowest(Self::BITS))
    }
}

/// A number whose lowest bits are set.
const fn lowest(bits: u32) -> u64 {
    (1 << bits) - 1
}

impl Kind {
    fn of(reason: Reason) -> Self {
        match reason {
            Reason::IdleTimeout | Reason::Lifetime | Reason::KeepAlive => Self::Housekeeping,
            Reason::ConnectDeadline
            | Reason::ConnectBackoff
            | Reason::ResetDeadline
            | Reason::EndDeadline
            | Reason::ClientDue
            | Reason::LinkDeadline
            | Reason::TunnelWait
            | Reason::Park => Self::Active,
        }
    }
}

#[cfg(test)]
mod tests;
