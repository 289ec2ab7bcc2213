//! One stream on a link: its counters, its credit in both directions, and whether the agent holds
//! it parked.
//!
//! ```text
//!   open ──▶ ┌──────┐ ──park──▶ ┌────────┐
//!            │ Live │           │ Parked │
//!            └──────┘ ◀──data── └────────┘
//!               ▲                    │ another life of the object, or another link
//!               │ adopt with bytes   ▼
//!               └─────────────── ┌─────────┐ adopt without bytes
//!                                │ Waiting │ ────────────▶ Parked
//!                                └─────────┘
//! ```
//!
//! [`Stream::enter`] is the only door.

use std::collections::VecDeque;

use bytes::Bytes;
use pierhead_wire::tunnel::{Counters, StreamId as WireId};

use crate::ids::LinkId;
use crate::link::attachment::Windows;

/// What the agent does with a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// It carries bytes.
    Live,
    /// It holds it for this link; data un-parks it.
    Parked,
    /// It holds it and must be told that it is this link's now: by an `adopt`.
    Waiting {
        /// Its description is to be sent.
        describe: bool,
        /// The agent waits for a decision (after a hello), so the adoption must not wait for a
        /// request.
        offered: bool,
    },
}

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Parked => "parked",
            Self::Waiting { .. } => "waiting",
        }
    }
}

/// What happens to a stream of a link: the phase it leaves, why, and the phase it enters.
pub const STREAMS: &[(&str, &str, &str)] = &[
    ("live", "data", "live"),
    ("live", "`park` is sent", "parked"),
    ("parked", "data", "live"),
    ("waiting", "`adopt` with bytes is sent", "live"),
    ("waiting", "`adopt` without bytes is sent", "parked"),
];

/// One stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) link: LinkId,
    pub(super) wire: WireId,
    phase: Phase,
    /// Bytes of data since the agent opened it.
    pub(super) counters: Counters,
    /// `counters.sent` when this engine got it: the engine counts from there.
    pub(super) base: u64,
    /// `counters.sent` when it was last parked: what came later was not delivered if the agent
    /// says so.
    pub(super) mark: u64,
    /// What may still be sent.
    pub(super) send_credit: u64,
    /// Written and not sent for want of credit.
    pub(super) queue: VecDeque<Bytes>,
    /// What the agent may send before the first grant.
    pub(super) window: u32,
    /// What the agent may still send.
    pub(super) receive_credit: u64,
    /// Bytes that came and have not left the engine's buffers.
    pub(super) held: u64,
    /// Bytes that have left them and were not granted again yet.
    pub(super) owed: u64,
    /// A reset was sent: whatever comes is dropped, until the stream is gone.
    pub(super) given_up: bool,
}

impl Stream {
    pub(super) fn new(
        link: LinkId,
        wire: WireId,
        phase: Phase,
        counters: Counters,
        send: Windows,
        receive: Windows,
    ) -> Self {
        Self {
            link,
            wire,
            phase,
            counters,
            base: counters.sent,
            mark: counters.sent,
            send_credit: send.stream.into(),
            queue: VecDeque::new(),
            window: receive.stream,
            receive_credit: receive.stream.into(),
            held: 0,
            owed: 0,
            given_up: false,
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    /// The only door between phases.
    pub(super) fn enter(&mut self, phase: Phase) {
        let (from, to) = (self.phase.name(), phase.name());
        debug_assert!(
            STREAMS.iter().any(|&(a, _, b)| (a, b) == (from, to)),
            "a stream does not go from {from} to {to}"
        );
        if phase == Phase::Parked {
            self.mark = self.counters.sent;
        }
        self.phase = phase;
    }

    /// True while the agent holds it parked.
    pub(super) fn is_parked(&self) -> bool {
        self.phase != Phase::Live
    }

    /// Bytes of the engine's that were sent, or can have been delivered.
    pub(super) fn accepted(&self, nothing_delivered: bool) -> u64 {
        let until = if nothing_delivered { self.mark } else { self.counters.sent };
        until.saturating_sub(self.base)
    }
}
