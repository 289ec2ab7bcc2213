//! What the core wants to be woken for: at most one deadline for each thing.

use std::collections::{BTreeMap, BTreeSet};

use pierhead_wire::time::Instant;
use pierhead_wire::tunnel::StreamId;

use super::cancel::CancelNo;
use super::io::{DatabaseNo, LinkNo};

/// Whose deadline.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Timer {
    /// The agent's drain, or its exit.
    Drain,
    /// The next attempt to dial, by database and slot.
    Dial(DatabaseNo, usize),
    /// A link's `welcome`, its silence, or the answer to its ping.
    Link(LinkNo),
    /// What a stream waits for in its phase.
    Stream(StreamId),
    /// A cancel's time.
    Cancel(CancelNo),
}

#[derive(Debug, Default)]
pub(super) struct Timers {
    by_time: BTreeSet<(Instant, Timer)>,
    by_timer: BTreeMap<Timer, Instant>,
}

impl Timers {
    /// Sets the deadline, in place of an earlier one.
    pub(super) fn set(&mut self, timer: Timer, at: Instant) {
        self.clear(timer);
        self.by_time.insert((at, timer));
        self.by_timer.insert(timer, at);
    }

    pub(super) fn clear(&mut self, timer: Timer) {
        if let Some(at) = self.by_timer.remove(&timer) {
            self.by_time.remove(&(at, timer));
        }
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes one that is due.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Timer> {
        let (_, timer) = self.by_time.first().filter(|(at, _)| *at <= now)?;
        let timer = *timer;
        self.clear(timer);
        Some(timer)
    }
}
