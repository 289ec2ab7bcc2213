//! One simulated stream to the database: the transport's two directions, and the backend at its
//! far end.

use bytes::BytesMut;
use pierhead_engine::limits::END_TIMEOUT;

use super::CLOCK_STEP_MAX;
use crate::sim::ground::Purpose;
use crate::sim::rng::Rng;
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
    pub(super) life: Life,
    pub(super) purpose: Purpose,
    pub(super) backend: Backend,
    /// What its delays and cuts follow from.
    pub(super) noise: Rng,
    /// Bytes the engine wrote.
    pub(super) written: u64,
    /// Bytes of them the transport accepted. The rest cannot reach the database.
    pub(super) accepted: u64,
    /// Written, not accepted.
    pub(super) unaccepted: BytesMut,
    /// Accepted, on the way.
    pub(super) to_server: BytesMut,
    /// Sent by the server, on the way.
    pub(super) to_engine: BytesMut,
    /// Bytes the engine is ready for.
    pub(super) granted: u64,
    /// Nothing moves any more.
    pub(super) hung: bool,
    /// The server's end is over; what is on its way still arrives.
    pub(super) server_ended: bool,
    /// When the engine told it to end.
    pub(super) told_to_end: Option<u64>,
    /// While nobody used it, the engine was sent something that no server may send.
    pub(super) poisoned: bool,
    /// Which of its pumps have an event under way.
    pub(super) accepting: bool,
    pub(super) delivering: bool,
    pub(super) arriving: bool,
}

impl Stream {
    /// A stream that was asked for.
    pub(super) fn new(backend: Backend, noise: Rng) -> Self {
        Self {
            life: Life::Opening,
            purpose: Purpose::Unknown,
            backend,
            noise,
            written: 0,
            accepted: 0,
            unaccepted: BytesMut::new(),
            to_server: BytesMut::new(),
            to_engine: BytesMut::new(),
            granted: 0,
            hung: false,
            server_ended: false,
            told_to_end: None,
            poisoned: false,
            accepting: false,
            delivering: false,
            arriving: false,
        }
    }

    /// Whether it was told to end so long ago that its place may be given away.
    pub(super) fn is_overdue(&self, now: u64) -> bool {
        // The engine's clock may be behind by as much as a shell's may step back.
        self.told_to_end.is_some_and(|at| now + CLOCK_STEP_MAX >= at + END_TIMEOUT.0)
    }

    /// Whether the engine may still name it.
    pub(super) fn is_live(&self) -> bool {
        matches!(self.life, Life::Opening | Life::Open)
    }

    /// Moves up to `count` written bytes into the transport; tells how many.
    pub(super) fn accept(&mut self, count: usize) -> usize {
        let count = count.min(self.unaccepted.len());
        self.accepted += count as u64;
        let moved = self.unaccepted.split_to(count);
        if self.to_server.is_empty() {
            self.to_server = moved;
        } else {
            self.to_server.extend_from_slice(&moved);
        }
        count
    }
}
