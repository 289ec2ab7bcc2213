//! One simulated connection to the database: a TCP stream's two directions with everything that
//! can lie in them, and the backend at its far end.

use bytes::BytesMut;
use pierhead_agent::core::ConnId;
use pierhead_wire::tunnel::StreamId;

use super::plan::Plan;
use crate::sim::server::Backend;

/// Whose near end it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Owner {
    /// An agent's.
    Agent {
        /// Which machine.
        slot: usize,
        /// Which process there.
        process: u64,
        /// Its number.
        conn: ConnId,
    },
    /// An object's, by `Way::Direct`.
    Direct {
        /// Which site.
        site: usize,
        /// Which life there.
        life: u64,
        /// The engine's number.
        stream: u64,
    },
}

/// Where a connection is in its one life, as its owner knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Life {
    /// Asked for.
    Opening,
    /// Carries bytes.
    Open,
    /// The owner closed it and was not told of it.
    Closing,
    /// The owner was told of its end, or is no more.
    Finished,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Conn {
    /// Whose.
    pub(super) owner: Owner,
    /// Where it is in its life.
    pub(super) life: Life,
    /// The far end.
    pub(super) backend: Backend,
    /// Bytes that the system took.
    pub(super) accepted: u64,
    /// Bytes that the owner was given.
    pub(super) given: u64,
    /// Written, not taken by the system.
    pub(super) unaccepted: BytesMut,
    /// Taken, on the way.
    pub(super) to_server: BytesMut,
    /// Sent by the server, on the way.
    pub(super) to_owner: BytesMut,
    /// Waiting to be read by the owner.
    pub(super) arrived: BytesMut,
    /// Bytes the owner is ready for.
    pub(super) granted: u64,
    /// The owner closed its direction.
    pub(super) finished: bool,
    /// The server was told so.
    pub(super) finish_told: bool,
    /// The server has ended; what is on its way still arrives.
    pub(super) server_ended: bool,
    /// The owner was told so.
    pub(super) end_told: bool,
    /// Nothing moves any more.
    pub(super) hung: bool,
    /// The network broke it: the owner cannot know when the server notices.
    pub(super) cut: bool,
    /// When the owner first wanted its end.
    pub(super) told_to_end: Option<u64>,
    /// The client (from 1) whose request was written last.
    pub(super) holder: Option<u64>,
    /// The last bytes that were taken, for marks across chunks.
    pub(super) tail: Vec<u8>,
    /// Everything that its owner wrote.
    pub(super) written: Vec<u8>,
    /// The stream whose connection it is, once that is known.
    pub(super) stream: Option<StreamId>,
    /// While nobody used it, something was sent on it that no server may send.
    pub(super) poisoned: bool,
    /// Which of its pumps have an event under way.
    pub(super) scheduled: Scheduled,
}

/// The events of one connection that are under way.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Scheduled {
    /// Acceptance of what was written.
    pub(super) accept: bool,
    /// Arrival at the server.
    pub(super) deliver: bool,
    /// Arrival at the owner.
    pub(super) arrive: bool,
}

impl Conn {
    /// A connection that was asked for.
    #[must_use]
    pub(super) fn new(owner: Owner, backend: Backend) -> Self {
        Self {
            owner,
            life: Life::Opening,
            backend,
            accepted: 0,
            given: 0,
            unaccepted: BytesMut::new(),
            to_server: BytesMut::new(),
            to_owner: BytesMut::new(),
            arrived: BytesMut::new(),
            granted: 0,
            finished: false,
            finish_told: false,
            server_ended: false,
            end_told: false,
            hung: false,
            cut: false,
            told_to_end: None,
            holder: None,
            tail: Vec::new(),
            written: Vec::new(),
            stream: None,
            poisoned: false,
            scheduled: Scheduled::default(),
        }
    }

    /// Whether the owner may still name it.
    #[must_use]
    pub(super) fn is_live(&self) -> bool {
        matches!(self.life, Life::Opening | Life::Open)
    }

    /// Whether nothing is on its way in either direction.
    #[must_use]
    pub(super) fn is_still(&self) -> bool {
        self.unaccepted.is_empty()
            && self.to_server.is_empty()
            && self.to_owner.is_empty()
            && self.arrived.is_empty()
    }

    /// Whether its backend waits for a request with nothing on its way there; or has ended.
    #[must_use]
    pub(super) fn is_at_rest(&self) -> bool {
        let still = self.unaccepted.is_empty() && self.to_server.is_empty();
        self.backend.ended() || (still && self.backend.is_idle())
    }

    /// Whether the database holds a session for it that its owner must still count.
    #[must_use]
    pub(super) fn is_counted(&self, now: u64, plan: &Plan) -> bool {
        let orphan = self.told_to_end.is_some_and(|at| now >= at + plan.end_timeout);
        self.backend.has_place() && !self.cut && !orphan
    }
}
