//! The cap on sessions, as values: opening one takes an [`Approval`], and only [`Budget`] makes
//! them. Neither value can be copied, so a place cannot be used twice by forgetting to check.

use crate::limits::OPENS_IN_FLIGHT_MAX;

/// Permission to open one session; it counts as an open in flight until it is turned in.
#[derive(Debug)]
#[must_use = "an approval that is dropped holds its place for ever"]
pub(crate) struct Approval(());

/// The place of one session under the cap.
#[derive(Debug)]
#[must_use = "a seat that is dropped is taken for ever"]
pub(crate) struct Seat(());

/// Counts places.
#[derive(Debug)]
pub(crate) struct Budget {
    cap: usize,
    opening: usize,
    seated: usize,
}

impl Budget {
    pub(crate) fn new(cap: usize) -> Self {
        Self { cap: cap.max(1), opening: 0, seated: 0 }
    }

    /// Permission to open a session, if the cap and the number of opens in flight allow it.
    pub(crate) fn approve(&mut self) -> Option<Approval> {
        let approved = if planted!(DoubleApproval) { 0 } else { self.opening };
        if self.opening >= OPENS_IN_FLIGHT_MAX || approved + self.seated >= self.cap {
            return None;
        }
        self.opening += 1;
        Some(Approval(()))
    }

    /// True if no place is free: [`Budget::approve`] approves of nothing.
    pub(crate) fn is_full(&self) -> bool {
        !planted!(DoubleApproval) && self.opening + self.seated >= self.cap
    }

    /// A place for a session that exists already, if the cap allows it.
    pub(crate) fn seat(&mut self) -> Option<Seat> {
        if self.opening + self.seated >= self.cap {
            return None;
        }
        self.seated += 1;
        Some(Seat(()))
    }

    /// The handshake is over, well or not; the place stays taken.
    pub(crate) fn settle(&mut self, approval: Approval) -> Seat {
        let Approval(()) = approval;
        self.opening = self.opening.saturating_sub(1);
        self.seated += 1;
        Seat(())
    }

    /// The far end is gone; the place is free.
    pub(crate) fn free(&mut self, seat: Seat) {
        let Seat(()) = seat;
        self.seated = self.seated.saturating_sub(1);
    }

    /// Opens in flight.
    pub(crate) fn opening(&self) -> usize {
        self.opening
    }

    /// The cap.
    pub(crate) fn cap(&self) -> usize {
        self.cap
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_in_flight_are_bounded_and_the_cap_holds() {
        let mut budget = Budget::new(6);
        let mut approvals: Vec<_> = std::iter::from_fn(|| budget.approve()).collect();
        assert_eq!(approvals.len(), OPENS_IN_FLIGHT_MAX);
        let seat = budget.settle(approvals.pop().unwrap());
        approvals.push(budget.approve().unwrap());
        let other = budget.settle(approvals.pop().unwrap());
        approvals.push(budget.approve().unwrap());
        assert!(budget.approve().is_none(), "four in flight and two seated are the cap");
        budget.free(seat);
        assert!(budget.approve().is_none(), "four are still in flight");
        let third = budget.settle(approvals.pop().unwrap());
        assert!(budget.approve().is_some());
        budget.free(other);
        budget.free(third);
    }
}
