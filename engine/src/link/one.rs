//! One link, as the coordinator sees it.
//!
//! ```text
//!             hello           all offers here, epoch stored
//! ┌────────┐ ───────▶ ┌─────────┐ ───────▶ ┌────┐  drain   ┌──────────┐
//! │ Opened │          │ Greeted │          │ Up │ ───────▶ │ Draining │
//! └────────┘          └─────────┘          └────┘          └──────────┘
//!                          restored             ▲ here          ▲ drain
//!                         ─────────▶ ┌────────┐ │               │
//!                                    │ Waking │─┴───────────────┘
//!                                    └────────┘
//! ```
//!
//! From every state it may end. [`Link::enter`] is the only door.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use pierhead_wire::tunnel::{LinkState, Offered, Outbox, StreamId as WireId};

use crate::ids::StreamId;
use crate::link::attachment::Terms;

/// How far a link is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// The agent has not said hello.
    Opened,
    /// It has; its offers come, or the epoch is being stored.
    Greeted {
        /// Streams whose offers are still to come.
        left: u16,
    },
    /// The object woke, and the agent has not shown that it lives.
    Waking {
        /// The number of the `wake`.
        number: u32,
    },
    /// Streams may be opened.
    Up,
    /// The agent wants no new streams.
    Draining,
}

impl Phase {
    /// The states that the agent may see its end in.
    pub(super) fn seen_by_agent(self) -> &'static [LinkState] {
        match self {
            Self::Opened => &[LinkState::New],
            Self::Greeted { .. } => &[LinkState::Greeted],
            Self::Waking { .. } | Self::Up => {
                &[LinkState::Settling, LinkState::Up, LinkState::Draining]
            }
            Self::Draining => &[LinkState::Draining],
        }
    }
}

/// One link.
#[derive(Debug)]
pub(super) struct Link {
    phase: Phase,
    /// What hello and welcome said; absent before the hello.
    pub(super) terms: Option<Terms>,
    /// The epoch it was welcomed with.
    pub(super) epoch: Option<u64>,
    /// The last index given to a stream opened here.
    pub(super) last_index: u32,
    /// Offers kept until the welcome.
    pub(super) offers: Vec<Offered>,
    /// Offered streams beyond what the pool could use: released at the welcome.
    pub(super) surplus: Vec<WireId>,
    pub(super) send_credit: u64,
    pub(super) receive_credit: u64,
    /// Bytes that have left the engine's buffers and were not granted again yet.
    pub(super) owed: u64,
    /// Streams with something queued, in the order in which they get the link's credit.
    pub(super) blocked: VecDeque<StreamId>,
    /// Streams whose credit may be granted with the next message.
    pub(super) owing: BTreeSet<StreamId>,
    /// Streams given up here, until the agent says that they are gone.
    pub(super) given_up: BTreeSet<WireId>,
    /// Offered streams that are taken over, and whose agent was not told yet.
    pub(super) settling: Vec<StreamId>,
    pub(super) outbox: Outbox,
    pub(super) attached: Bytes,
}

impl Link {
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Opened,
            terms: None,
            epoch: None,
            last_index: 0,
            offers: Vec::new(),
            surplus: Vec::new(),
            send_credit: 0,
            receive_credit: 0,
            owed: 0,
            blocked: VecDeque::new(),
            owing: BTreeSet::new(),
            given_up: BTreeSet::new(),
            settling: Vec::new(),
            outbox: Outbox::default(),
            attached: Bytes::new(),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    /// The only door between phases.
    pub(super) fn enter(&mut self, phase: Phase) {
        self.phase = phase;
    }

    /// Starts the link's credit afresh, in both directions.
    pub(super) fn refresh_credit(&mut self) {
        if let Some(terms) = &self.terms {
            self.send_credit = terms.send.link.into();
            self.receive_credit = terms.receive.link.into();
            self.owed = 0;
        }
    }

    /// True if a stream may be opened.
    pub(super) fn takes_streams(&self) -> bool {
        matches!(self.phase, Phase::Up | Phase::Waking { .. })
    }
}
