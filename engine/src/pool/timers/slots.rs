//! The deadlines of each target, found by target.

use crate::pool::timers::{Due, Key};
use crate::time::{Instant, Reason};

/// Deadlines of one target that need no memory of their own: as many as most ever have at once.
const FEW: usize = 4;

/// Empty slots that are left alone however few others there are.
const EMPTY_KEPT: usize = 16;

/// Slots whose memory is kept when the last deadline goes.
const SLOTS_KEPT: usize = 64;

/// One target's deadlines, in no order; at most one for each reason.
#[derive(Debug)]
struct Slot {
    key: Key,
    few: [(Reason, Instant); FEW],
    used: usize,
    more: Vec<(Reason, Instant)>,
}

impl Slot {
    fn new(key: Key) -> Self {
        let few = [(Reason::ClientDue, Instant(0)); FEW];
        Self { key, few, used: 0, more: Vec::new() }
    }

    fn get(&self, reason: Reason) -> Option<Instant> {
        let here = |deadline: &&(Reason, Instant)| deadline.0 == reason;
        let few = self.few.get(..self.used)?.iter().find(here);
        few.or_else(|| self.more.iter().find(here)).map(|deadline| deadline.1)
    }

    /// Sets a deadline; gives the one it replaces.
    fn set(&mut self, reason: Reason, at: Instant) -> Option<Instant> {
        if let Some(known) = self.find(reason) {
            return Some(std::mem::replace(&mut known.1, at));
        }
        if let Some(free) = self.few.get_mut(self.used) {
            *free = (reason, at);
            self.used += 1;
        } else {
            self.more.push((reason, at));
        }
        None
    }

    /// Takes a deadline out.
    fn take(&mut self, reason: Reason) -> Option<Instant> {
        let at = self.get(reason)?;
        let last = self.take_any()?;
        if last.0 != reason
            && let Some(place) = self.find(reason)
        {
            *place = last;
        }
        Some(at)
    }

    /// Takes out any of the deadlines.
    fn take_any(&mut self) -> Option<(Reason, Instant)> {
        if let Some(last) = self.more.pop() {
            return Some(last);
        }
        self.used = self.used.checked_sub(1)?;
        self.few.get(self.used).copied()
    }

    fn is_empty(&self) -> bool {
        // What does not fit among the few is taken out first.
        self.used == 0
    }

    fn iter(&self) -> impl Iterator<Item = &(Reason, Instant)> {
        self.few.iter().take(self.used).chain(&self.more)
    }

    fn find(&mut self, reason: Reason) -> Option<&mut (Reason, Instant)> {
        let here = |deadline: &&mut (Reason, Instant)| deadline.0 == reason;
        let few = self.few.get_mut(..self.used)?.iter_mut().find(here);
        few.or_else(|| self.more.iter_mut().find(here))
    }
}

/// The slots, ordered by target. A slot that becomes empty stays for its target's next deadline,
/// until there are more empty ones than others; so nothing is moved while clients come and go.
#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    /// Slots that are not empty.
    used: usize,
    /// The slot that was asked for last: what happens to a target touches several deadlines.
    recent: usize,
}

impl Slots {
    /// Sets a deadline; gives the one it replaces.
    pub(super) fn set(&mut self, key: Key, reason: Reason, at: Instant) -> Option<Instant> {
        let place = self.find(key).unwrap_or_else(|place| {
            if place == self.slots.len() {
                self.slots.push(Slot::new(key));
            } else {
                self.slots.insert(place, Slot::new(key));
            }
            place
        });
        self.recent = place;
        let slot = self.slots.get_mut(place)?;
        self.used += usize::from(slot.is_empty());
        slot.set(reason, at)
    }

    /// A deadline, if it is set.
    pub(super) fn get(&self, key: Key, reason: Reason) -> Option<Instant> {
        self.slots.get(self.find(key).ok()?)?.get(reason)
    }

    /// Whether a deadline is set for the target that stands before all others.
    #[inline]
    pub(super) fn first_has(&self, key: Key, reason: Reason) -> bool {
        self.slots.first().is_some_and(|slot| slot.key == key && slot.get(reason).is_some())
    }

    /// Takes a deadline out.
    pub(super) fn take(&mut self, key: Key, reason: Reason) -> Option<Instant> {
        self.recent = self.find(key).ok()?;
        let slot = self.slots.get_mut(self.recent)?;
        let at = slot.take(reason)?;
        if slot.is_empty() {
            self.emptied();
        }
        Some(at)
    }

    /// Takes out all deadlines of a target.
    pub(super) fn take_all(&mut self, key: Key, mut each: impl FnMut(Reason, Instant)) {
        let Ok(place) = self.find(key) else { return };
        let Some(slot) = self.slots.get_mut(place).filter(|slot| !slot.is_empty()) else { return };
        while let Some((reason, at)) = slot.take_any() {
            each(reason, at);
        }
        self.emptied();
    }

    /// The deadline of this rank, if it is set.
    pub(super) fn ranked(&self, rank: u128) -> Option<Due> {
        let key = Key::of_rank(rank);
        let slot = self.slots.get(self.find(key).ok()?)?;
        let mut all = slot.iter().map(|&(reason, at)| Due { at, reason, key });
        all.find(|due| due.rank() == rank)
    }

    /// All deadlines.
    pub(super) fn iter(&self) -> impl Iterator<Item = Due> + '_ {
        self.slots
            .iter()
            .flat_map(|slot| slot.iter().map(|&(reason, at)| Due { at, reason, key: slot.key }))
    }

    /// Slots that there is memory for.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.slots.capacity()
    }

    /// Where a target's slot is, or belongs.
    fn find(&self, key: Key) -> Result<usize, usize> {
        if self.slots.get(self.recent).is_some_and(|slot| slot.key == key) {
            return Ok(self.recent);
        }
        // A target that just came has the greatest number.
        if self.slots.last().is_none_or(|last| last.key < key) {
            return Err(self.slots.len());
        }
        self.slots.binary_search_by_key(&key, |slot| slot.key)
    }

    /// A slot became empty.
    fn emptied(&mut self) {
        self.used -= 1;
        while self.slots.pop_if(|last| last.is_empty()).is_some() {}
        if self.slots.len() > 2 * self.used + EMPTY_KEPT {
            self.slots.retain(|slot| !slot.is_empty());
        }
        if self.slots.is_empty() && self.slots.capacity() > SLOTS_KEPT {
            self.slots = Vec::new();
        }
    }
}
