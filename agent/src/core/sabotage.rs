//! Bugs planted on purpose, in builds with `--cfg sabotage` only, to test that the simulation
//! finds bugs of their kind. Which one is active is chosen at run time, per thread.

use std::cell::Cell;

/// A planted bug.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bug {
    /// A parked stream that was adopted on one link may be adopted on another.
    OfferTwice,
    /// The link of an older copy of the coordinator is kept beside the newer one's.
    OlderCopyAccepted,
    /// Connections whose link was lost are no longer counted.
    CapOnReconnect,
    /// A stream is parked although the coordinator's counters are other.
    ParkAnyway,
    /// Credit for data that is dropped is never granted again.
    CreditLeak,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::OfferTwice,
        Self::OlderCopyAccepted,
        Self::CapOnReconnect,
        Self::ParkAnyway,
        Self::CreditLeak,
    ];
}

thread_local! {
    static ACTIVE: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// Makes `bug` active on this thread, or none.
pub fn set(bug: Option<Bug>) {
    ACTIVE.with(|active| active.set(bug));
}

pub(crate) fn active(bug: Bug) -> bool {
    ACTIVE.with(Cell::get) == Some(bug)
}
