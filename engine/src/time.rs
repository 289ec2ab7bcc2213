//! Time as the engine knows it: milliseconds on a clock that the shell owns, and deadlines that
//! say why they exist.

use std::ops::Add;

/// A moment, in milliseconds since an origin of the shell's choosing. Never goes backwards: the
/// engine ignores a moment earlier than one it has seen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Instant(pub u64);

/// A span, in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Millis(pub u64);

impl Instant {
    /// The span from `earlier` to this moment; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }
}

impl Millis {
    /// `n` seconds.
    #[must_use]
    pub const fn secs(n: u64) -> Self {
        Self(n * 1000)
    }

    /// The span as the 32 bits of an outcome record; longer spans read as the largest value.
    #[must_use]
    pub fn as_u32(self) -> u32 {
        u32::try_from(self.0).unwrap_or(u32::MAX)
    }
}

impl Add<Millis> for Instant {
    type Output = Self;
    fn add(self, rhs: Millis) -> Self {
        Self(self.0.saturating_add(rhs.0))
    }
}

/// Why the engine wants to be woken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Reason {
    /// A waiter's time in the queue is over.
    WaiterDeadline,
    /// A request's time is over.
    RequestDeadline,
    /// Opening a session takes too long.
    ConnectDeadline,
    /// A failed open may be tried again.
    ConnectBackoff,
    /// Clearing a session's state takes too long.
    ResetDeadline,
    /// The far end has not ended a session that was told to end.
    EndDeadline,
    /// A caller is to be asked whether it still lives.
    Probe,
    /// An agent's greeting, its last offer's settlement or its sign of life is late.
    LinkDeadline,
    /// No agent has dialled in for as long as a client waits for one.
    TunnelWait,
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
