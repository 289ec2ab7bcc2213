//! Time as the engine knows it: milliseconds on a clock that the shell owns, and deadlines that
//! say why they exist.

pub use pierhead_wire::time::{Instant, Millis};

/// Why the engine wants to be woken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Reason {
    /// Opening a session takes too long.
    ConnectDeadline,
    /// A failed open may be tried again.
    ConnectBackoff,
    /// Clearing a session's state takes too long.
    ResetDeadline,
    /// The far end has not ended a session that was told to end.
    EndDeadline,
    /// An agent's greeting, its last offer's settlement or its sign of life is late.
    LinkDeadline,
    /// No agent has dialled in for as long as a client waits for one.
    TunnelWait,
    /// A client's time is over, in the queue or for whatever else it does or does not do; or it is to
    /// be asked whether it still lives.
    ClientDue,
    /// A session has been idle for long enough to be parked.
    Park,
    /// A session has been idle for long enough to be closed.
    IdleTimeout,
    /// A session has reached its greatest age.
    Lifetime,
    /// The platform must see an event now and then, or it ends an object whose pool is in use.
    KeepAlive,
}

/// A moment at which `Input::TimePassed` is due, and why.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Deadline {
    /// When.
    pub at: Instant,
    /// Why; the earliest reason, where several fall together.
    pub reason: Reason,
}

/// What `Engine::poll_timeout` returns: at most one deadline of each kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Timeouts {
    /// Somebody waits: a real timer.
    pub active: Option<Deadline>,
    /// May be slept through; an alarm serves it, never a timer, because a pending timer keeps a
    /// Durable Object in memory.
    pub housekeeping: Option<Deadline>,
}
