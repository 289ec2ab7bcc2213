//! Bugs planted on purpose, in builds with `--cfg sabotage` only, to test that the simulation
//! finds bugs of their kind. Which one is active is chosen at run time, per thread.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

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
    /// What an earlier life left on a session is not purged after an adoption.
    StaleStatement,
    /// Streams are opened before the agent knows what becomes of those it offered.
    OpenBeforeSettled,
    /// A parked session of another configuration is taken over.
    OtherConfiguration,
    /// Credit of data that nobody reads is not given back.
    CreditLeak,
    /// A session is handed on while a cancel of its last request may still come.
    CancelNotFenced,
    /// An answer goes to the client that came before: another client's bytes.
    AnswerToWrongClient,
    /// A socket's session is released at the first ready point, with more on their way.
    ReleaseBeforeLastSync,
    /// A session is used on after a reply that answers nothing.
    ReuseAfterMismatch,
    /// An open in flight does not count: the cap is exceeded.
    DoubleApproval,
    /// A client whose session was lost before anything was sent is not put back into the queue.
    LostWaiter,
    /// Two statements have one name on sessions.
    NameCollision,
    /// A client without settings of its own finds those of the last one.
    StateLeftBehind,
    /// Settings are taken to be there already when another client's are.
    ReplayToWrongClient,
    /// A waiter's deadline passes unnoticed.
    DeadlineIgnoredInQueue,
    /// The database is read on although the client does not read.
    UnboundedBuffer,
    /// A client that is gone is named once more.
    StaleHandle,
    /// A segment whose plan was broken runs twice once it is cured.
    CureTwice,
    /// A transaction that is left open is not rolled back.
    SkipRollback,
    /// Of a class, whoever came last is served first.
    YoungestFirst,
    /// A class is charged for its leases, but not for how long they take.
    LeasesForNothing,
    /// A session that listens goes on to the next client.
    ListenerNotKept,
    /// What the policy refuses is done.
    StateNotRejected,
    /// Sessions that are to be kept end when they were idle for long enough.
    MinIdleForgotten,
    /// What an engine held is counted when it is no more.
    ShareKept,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 30] = [
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
        Self::AnswerToWrongClient,
        Self::ReleaseBeforeLastSync,
        Self::ReuseAfterMismatch,
        Self::DoubleApproval,
        Self::LostWaiter,
        Self::NameCollision,
        Self::StateLeftBehind,
        Self::ReplayToWrongClient,
        Self::DeadlineIgnoredInQueue,
        Self::UnboundedBuffer,
        Self::StaleHandle,
        Self::CureTwice,
        Self::SkipRollback,
        Self::YoungestFirst,
        Self::LeasesForNothing,
        Self::ListenerNotKept,
        Self::StateNotRejected,
        Self::MinIdleForgotten,
        Self::ShareKept,
    ];
}

thread_local! {
    static ACTIVE: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// Makes `bug` active on this thread, or none.
pub fn set(bug: Option<Bug>) {
    ACTIVE.with(|active| active.set(bug));
}

/// Bugs that are active on every thread, for programs with many.
static EVERYWHERE: AtomicUsize = AtomicUsize::new(0);

/// Makes `bug` active on every thread that has none of its own, or none.
pub fn set_everywhere(bug: Option<Bug>) {
    let index = bug.and_then(|bug| Bug::ALL.iter().position(|other| *other == bug));
    EVERYWHERE.store(index.map_or(0, |index| index + 1), Relaxed);
}

pub(crate) fn active(bug: Bug) -> bool {
    let everywhere = EVERYWHERE.load(Relaxed).checked_sub(1).and_then(|i| Bug::ALL.get(i).copied());
    ACTIVE.with(Cell::get).or(everywhere) == Some(bug)
}
