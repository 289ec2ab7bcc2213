//! Bugs planted on purpose, in builds with `--cfg sabotage` only, to test that the simulation
//! finds bugs of their kind. Which one is active is chosen at run time, per thread.

use std::cell::Cell;

/// A planted bug.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bug {
    /// A session is handed on while replies to its reset are still to come, and replies are not
    /// checked: another client's bytes.
    ReleaseBeforeReset,
    /// A request is tried again although bytes of it were sent: a statement runs twice.
    RetryAfterSend,
    /// State is never cleared: one client sees another's settings.
    SkipReset,
    /// A session's place is given away before its far end has ended: the cap is exceeded.
    FreeSeatEarly,
    /// A session lost in the middle of a request reports completion.
    CompletedOnLoss,
    /// A session whose client left in the middle of a request is parked.
    ParkHalfSent,
    /// Statements of an earlier life are not purged after an adoption.
    StaleStatement,
    /// Streams are opened before the agent knows what becomes of those it offered.
    OpenBeforeSettled,
    /// A parked session of another configuration is taken over.
    OtherConfiguration,
    /// Credit of data that nobody reads is not given back.
    CreditLeak,
    /// A session is handed on while a cancel of its last request may still come.
    CancelNotFenced,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::ReleaseBeforeReset,
        Self::RetryAfterSend,
        Self::SkipReset,
        Self::FreeSeatEarly,
        Self::CompletedOnLoss,
        Self::ParkHalfSent,
        Self::StaleStatement,
        Self::OpenBeforeSettled,
        Self::OtherConfiguration,
        Self::CreditLeak,
        Self::CancelNotFenced,
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
