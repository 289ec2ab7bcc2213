//! One simulated WebSocket between an agent and an object: two ordered queues of whole messages,
//! each of which may be late, lose its end, or stand still.

use std::collections::VecDeque;

use bytes::Bytes;
use pierhead_agent::core::LinkNo;

use super::monitor::Monitor;

/// One end of a WebSocket, as the side itself knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// Not open yet.
    Absent,
    /// Open.
    Open,
    /// The side asked for its end and was not told of it.
    Closing,
    /// The side was told of the end, or is no more.
    Closed,
}

/// What travels in one direction.
#[derive(Clone, Debug)]
pub(super) enum Item {
    /// A message.
    Message(Bytes),
    /// The end of the WebSocket.
    End,
}

/// One direction.
#[derive(Clone, Debug, Default)]
pub(super) struct Lane {
    /// On the way, in order.
    pub(super) items: VecDeque<Item>,
    /// An event will move some.
    pub(super) scheduled: bool,
    /// What is sent from here on is lost.
    pub(super) severed: bool,
}

impl Lane {
    /// The sender sends something.
    pub(super) fn push(&mut self, item: Item) {
        if !self.severed {
            self.severed = matches!(item, Item::End);
            self.items.push_back(item);
        }
    }

    /// Bytes of messages on the way.
    pub(super) fn bytes(&self) -> usize {
        let size = |item: &Item| if let Item::Message(bytes) = item { bytes.len() } else { 0 };
        self.items.iter().map(size).sum()
    }

    /// The first `kept` messages still arrive, and then the end.
    pub(super) fn cut(&mut self, kept: usize) {
        self.items.truncate(kept);
        self.severed = false;
        if !matches!(self.items.back(), Some(Item::End)) {
            self.push(Item::End);
        }
        self.severed = true;
    }
}

/// One link.
#[derive(Debug)]
pub(super) struct Link {
    /// Which machine's agent dialled it.
    pub(super) slot: usize,
    /// Which process of that agent.
    pub(super) process: u64,
    /// Its number there.
    pub(super) no: LinkNo,
    /// The agent's end.
    pub(super) agent: End,
    /// Where the dial arrived.
    pub(super) site: usize,
    /// The object's end.
    pub(super) object: End,
    /// The life of the object that knows it, if any does.
    pub(super) known: Option<u64>,
    /// What the object keeps with it.
    pub(super) attachment: Bytes,
    /// From the agent to the object.
    pub(super) up: Lane,
    /// From the object to the agent.
    pub(super) down: Lane,
    /// Nothing moves, and nobody says so.
    pub(super) silent: bool,
    /// It was closed by either side or cut.
    pub(super) over: bool,
    /// What may be said on it.
    pub(super) monitor: Monitor,
}

impl Link {
    /// A link that was dialled.
    #[must_use]
    pub(super) fn new(slot: usize, process: u64, no: LinkNo) -> Self {
        Self {
            slot,
            process,
            no,
            agent: End::Absent,
            site: 0,
            object: End::Absent,
            known: None,
            attachment: Bytes::new(),
            up: Lane::default(),
            down: Lane::default(),
            silent: false,
            over: false,
            monitor: Monitor::default(),
        }
    }

    /// Whether messages of it are on their way.
    #[must_use]
    pub(super) fn is_busy(&self) -> bool {
        !self.up.items.is_empty() || !self.down.items.is_empty()
    }

    /// Whether both sides take it for open.
    #[must_use]
    pub(super) fn is_whole(&self) -> bool {
        self.agent == End::Open && self.object == End::Open && !self.over
    }
}
