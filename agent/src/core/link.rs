//! One link: what its coordinator may say, and what it was told.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use pierhead_wire::time::Instant;
use pierhead_wire::tunnel::{Frame, Gone, Kind, LinkState, Outbox, Sender, StreamId};

use super::io::{DatabaseNo, LinkNo};
use super::limits::SAID_MAX;
use super::window::{Allowance, Window};

/// How far a link is.
///
/// ```text
/// Dialling ──opened: hello──▶ Greeted ──welcome──▶ Welcome(copy)
/// ```
///
/// A link that ends is forgotten at once; its streams stay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    Dialling,
    Greeted,
    Welcome(Copy),
}

/// A copy of the coordinator: one object in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Copy {
    pub(super) epoch: u64,
    pub(super) object_life: u64,
}

/// One link. Not `Debug`: it holds bytes of sessions.
pub(super) struct Link {
    pub(super) no: LinkNo,
    pub(super) database: DatabaseNo,
    pub(super) slot: usize,
    pub(super) phase: Phase,
    /// What the copy behind it was before it woke.
    pub(super) former: Option<Copy>,
    /// Orders the hellos of all links.
    pub(super) hello: u64,
    /// Links that its hello replaced.
    pub(super) replaces: Vec<u32>,
    pub(super) welcome_at: Option<Instant>,
    /// Initial windows of the coordinator.
    pub(super) peer_stream_window: u32,
    pub(super) peer_link_window: u32,
    pub(super) drain_in: bool,
    pub(super) drain_out: bool,
    /// Offered after the hello, and neither adopted, released nor gone.
    pub(super) unsettled: BTreeSet<StreamId>,
    /// Offered, and nobody's: may be adopted here.
    pub(super) offered: BTreeSet<StreamId>,
    /// The streams that are this link's.
    pub(super) streams: BTreeSet<StreamId>,
    pub(super) last_index: u32,
    pub(super) said: Said,
    /// Ends of parked streams that nobody need be woken for.
    pub(super) held: VecDeque<Gone>,
    pub(super) out: Outbox,
    /// What the coordinator may send.
    pub(super) window: Window,
    /// What we may send.
    pub(super) allowance: Allowance,
    /// Streams with something to send, in turn.
    pub(super) ready: VecDeque<StreamId>,
    /// Streams with credit to give back.
    pub(super) grants: BTreeSet<StreamId>,
    pub(super) heard: Instant,
    /// When a ping was sent whose answer is awaited.
    pub(super) pinged: Option<Instant>,
}

impl Link {
    pub(super) fn new(
        no: LinkNo,
        database: DatabaseNo,
        slot: usize,
        window: Window,
        now: Instant,
    ) -> Self {
        Self {
            no,
            database,
            slot,
            phase: Phase::Dialling,
            former: None,
            hello: 0,
            replaces: Vec::new(),
            welcome_at: None,
            peer_stream_window: 0,
            peer_link_window: 0,
            drain_in: false,
            drain_out: false,
            unsettled: BTreeSet::new(),
            offered: BTreeSet::new(),
            streams: BTreeSet::new(),
            last_index: 0,
            said: Said::default(),
            held: VecDeque::new(),
            out: Outbox::default(),
            window,
            allowance: Allowance::default(),
            ready: VecDeque::new(),
            grants: BTreeSet::new(),
            heard: now,
            pinged: None,
        }
    }

    /// The copy that said `welcome`.
    pub(super) fn copy(&self) -> Option<Copy> {
        if let Phase::Welcome(copy) = self.phase { Some(copy) } else { None }
    }

    /// True if the coordinator can be in a state in which it may send this frame, counting what is
    /// under way.
    pub(super) fn may_receive(&self, kind: Kind) -> bool {
        let allowed = |state| kind.allowed(Sender::Coordinator, state);
        match self.phase {
            Phase::Dialling => false,
            Phase::Greeted => allowed(LinkState::Greeted),
            Phase::Welcome(_) if self.drain_in => allowed(LinkState::Draining),
            Phase::Welcome(_) => {
                let up = self.unsettled.is_empty();
                allowed(if up { LinkState::Up } else { LinkState::Settling })
                    || (self.drain_out && allowed(LinkState::Draining))
            }
        }
    }

    /// Adds a frame to what is said next, behind what was held back for it.
    pub(super) fn put(&mut self, frame: impl Into<Frame>) {
        self.put_held();
        self.out.frame(frame);
    }

    /// Says what was held back.
    pub(super) fn put_held(&mut self) {
        // Nothing but a `go-away` is said before a `welcome`.
        if self.copy().is_some() {
            for gone in self.held.drain(..) {
                self.out.frame(gone);
            }
        }
    }

    /// Adds bytes of a stream, at most one frame's, behind what was held back.
    pub(super) fn put_data(&mut self, id: StreamId, bytes: Bytes) {
        self.put_held();
        self.out.data(id, bytes);
    }

    /// Adds a frame ahead of what is held back.
    pub(super) fn put_first(&mut self, frame: impl Into<Frame>) {
        self.out.frame(frame);
    }

    /// Forgets a stream that is gone or another link's.
    pub(super) fn forget(&mut self, id: StreamId) {
        self.streams.remove(&id);
        self.offered.remove(&id);
        self.unsettled.remove(&id);
        self.grants.remove(&id);
    }
}

/// The streams that a link has said `gone` or `refused` for: the last ones.
#[derive(Debug, Default)]
pub(super) struct Said {
    ids: BTreeSet<StreamId>,
    order: VecDeque<StreamId>,
}

impl Said {
    /// Notes one; false if it was noted before.
    pub(super) fn insert(&mut self, id: StreamId) -> bool {
        if !self.ids.insert(id) {
            return false;
        }
        self.order.push_back(id);
        if self.order.len() > SAID_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }

    /// Forgets one, which is offered again.
    pub(super) fn remove(&mut self, id: StreamId) {
        if self.ids.remove(&id) {
            self.order.retain(|noted| *noted != id);
        }
    }

    pub(super) fn clear(&mut self) {
        self.ids.clear();
        self.order.clear();
    }
}
