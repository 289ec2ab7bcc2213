//! One simulated stream: the transport's two directions, and the backend at its far end.

use std::collections::VecDeque;

use pierhead_engine::limits::END_TIMEOUT;

use super::CLOCK_STEP_MAX;
use crate::sim::ground::Purpose;
use crate::sim::server::Backend;

/// Where a stream is in its one life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Life {
    /// Asked for.
    Opening,
    /// Carries bytes.
    Open,
    /// The engine closed it; the transport has not confirmed it.
    Closing,
    /// The engine was told of its end.
    Finished,
}

/// One stream.
#[derive(Debug)]
pub(super) struct Stream {
    /// Where it is in its life.
    pub(super) life: Life,
    /// What it is for.
    pub(super) purpose: Purpose,
    /// The far end.
    pub(super) backend: Backend,
    /// Bytes the engine wrote.
    pub(super) written: u64,
    /// Bytes of them the transport accepted. The rest cannot reach the database.
    pub(super) accepted: u64,
    /// Written, not accepted.
    pub(super) unaccepted: VecDeque<u8>,
    /// Accepted, on the way.
    pub(super) to_server: VecDeque<u8>,
    /// Sent by the server, on the way.
    pub(super) to_engine: VecDeque<u8>,
    /// Bytes the engine is ready for.
    pub(super) granted: u64,
    /// Nothing moves any more.
    pub(super) hung: bool,
    /// The server's end is over; what is on its way still arrives.
    pub(super) server_ended: bool,
    /// The client whose request was written last and not answered.
    pub(super) holder: Option<u64>,
    /// When it was asked for.
    pub(super) asked_for: u64,
    /// When the engine told it to end.
    pub(super) told_to_end: Option<u64>,
    /// While nobody used it, the engine was sent something that no server may send.
    pub(super) poisoned: bool,
    /// TLS is up.
    pub(super) secured: bool,
    /// Which of its pumps have an event under way.
    pub(super) scheduled: Scheduled,
}

/// The events of one stream that are under way.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Scheduled {
    /// Acceptance of what was written.
    pub(super) accept: bool,
    /// Arrival at the server.
    pub(super) deliver: bool,
    /// Arrival at the engine.
    pub(super) arrive: bool,
}

impl Stream {
    /// A stream that was asked for.
    #[must_use]
    pub(super) fn new(backend: Backend, now: u64) -> Self {
        Self {
            life: Life::Opening,
            purpose: Purpose::Unknown,
            backend,
            written: 0,
            accepted: 0,
            unaccepted: VecDeque::new(),
            to_server: VecDeque::new(),
            to_engine: VecDeque::new(),
            granted: 0,
            hung: false,
            server_ended: false,
            holder: None,
            asked_for: now,
            told_to_end: None,
            poisoned: false,
            secured: false,
            scheduled: Scheduled::default(),
        }
    }

    /// Whether it was told to end so long ago that its place may be given away.
    #[must_use]
    pub(super) fn is_overdue(&self, now: u64) -> bool {
        // The engine's clock may be behind by as much as a shell's may step back.
        self.told_to_end.is_some_and(|at| now + CLOCK_STEP_MAX >= at + END_TIMEOUT.0)
    }

    /// Whether the engine may still name it.
    #[must_use]
    pub(super) fn is_live(&self) -> bool {
        matches!(self.life, Life::Opening | Life::Open)
    }

    /// Moves up to `count` written bytes into the transport.
    pub(super) fn accept(&mut self, count: usize) {
        let count = count.min(self.unaccepted.len());
        self.accepted += count as u64;
        self.to_server.extend(self.unaccepted.drain(..count));
    }
}
