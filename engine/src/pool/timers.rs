//! All deadlines, in one small table, ordered.

use std::collections::{BTreeMap, BTreeSet};

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
    by_target: BTreeMap<(Target, Reason), Instant>,
    active: BTreeSet<(Instant, Reason, Target)>,
    housekeeping: BTreeSet<(Instant, Reason, Target)>,
}

impl Timers {
    /// Sets or moves a deadline.
    pub(crate) fn set(&mut self, target: Target, reason: Reason, at: Instant) {
        self.clear(target, reason);
        self.by_target.insert((target, reason), at);
        self.queue(reason).insert((at, reason, target));
    }

    /// Removes a deadline, if it is set.
    pub(crate) fn clear(&mut self, target: Target, reason: Reason) {
        if let Some(at) = self.by_target.remove(&(target, reason)) {
            self.queue(reason).remove(&(at, reason, target));
        }
    }

    /// Removes everything about a target.
    pub(crate) fn clear_all(&mut self, target: Target) {
        while let Some((&(other, reason), _)) = self.by_target.range((target, FIRST)..).next()
            && other == target
        {
            self.clear(target, reason);
        }
    }

    /// True if a deadline is set.
    pub(crate) fn is_set(&self, target: Target, reason: Reason) -> bool {
        self.by_target.contains_key(&(target, reason))
    }

    /// Takes out the earliest deadline that is due.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<(Reason, Target)> {
        let first = [self.active.first(), self.housekeeping.first()];
        let &(_, reason, target) = first.into_iter().flatten().min().filter(|d| d.0 <= now)?;
        self.clear(target, reason);
        Some((reason, target))
    }

    /// When to wake.
    pub(crate) fn next(&self) -> Timeouts {
        let deadline = |queue: &BTreeSet<(Instant, Reason, Target)>| {
            queue.first().map(|&(at, reason, _)| Deadline { at, reason })
        };
        Timeouts { active: deadline(&self.active), housekeeping: deadline(&self.housekeeping) }
    }

    fn queue(&mut self, reason: Reason) -> &mut BTreeSet<(Instant, Reason, Target)> {
        if is_housekeeping(reason) { &mut self.housekeeping } else { &mut self.active }
    }
}

/// The least of the reasons.
const FIRST: Reason = Reason::WaiterDeadline;

fn is_housekeeping(reason: Reason) -> bool {
    match reason {
        Reason::IdleTimeout | Reason::Lifetime | Reason::KeepAlive => true,
        Reason::WaiterDeadline
        | Reason::RequestDeadline
        | Reason::ConnectDeadline
        | Reason::ConnectBackoff
        | Reason::ResetDeadline
        | Reason::EndDeadline
        | Reason::Probe
        | Reason::LinkDeadline
        | Reason::TunnelWait
        | Reason::Park => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_deadlines_come_out_in_order() {
        let mut timers = Timers::default();
        let client = Target::Client(ClientId(1));
        timers.set(client, Reason::WaiterDeadline, Instant(30));
        timers.set(client, Reason::Probe, Instant(10));
        timers.set(Target::Pool, Reason::KeepAlive, Instant(20));
        timers.set(client, Reason::Probe, Instant(25));
        assert_eq!(timers.next().active.map(|d| d.at), Some(Instant(25)));
        assert_eq!(timers.next().housekeeping.map(|d| d.at), Some(Instant(20)));
        assert_eq!(timers.pop_due(Instant(19)), None);
        assert_eq!(timers.pop_due(Instant(25)), Some((Reason::KeepAlive, Target::Pool)));
        assert_eq!(timers.pop_due(Instant(25)), Some((Reason::Probe, client)));
        timers.clear_all(client);
        assert_eq!(timers.next(), Timeouts::default());
    }
}
