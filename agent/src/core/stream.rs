//! One stream: a connection to the database, and its way to a coordinator.

use std::collections::VecDeque;

use bytes::Bytes;
use pierhead_wire::limits::{TUNNEL_BLOB_BYTES_MAX, TUNNEL_CANCEL_BYTES_MAX};
use pierhead_wire::tunnel::{Blob, Counters, GoneReason, Offered, StreamId};

use super::io::{ConnId, DatabaseNo, LinkNo};
use super::window::{Allowance, Window};
use pierhead_wire::time::Instant;

/// Where a stream is. [`super::Agent::enter`] is the only door.
///
/// ```text
///            open                data, adopt with bytes
///             │                  ┌──────────────────┐
///             ▼                  ▼                  │
///        Connecting ─connected─▶ Open ───park───▶ Parked
///         │      │                │                 │  idle, expired, ttl, released,
///  failed │      │reset, link lost│                 │  database spoke or ended
///         ▼      └──────────────▶ Ending ◀──────────┘
///      refused                    │    │
///                end of database  │    │ end_timeout: orphan
///                                 ▼    ▼
///                                  gone
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// The connection is being made; data that came early waits.
    Connecting,
    /// In use.
    Open,
    /// Idle and clean at both ends: may be adopted.
    Parked(Parked),
    /// The database is to end the connection; it still counts.
    Ending(Ending),
}

impl Phase {
    /// For the log.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Open => "open",
            Self::Parked(_) => "parked",
            Self::Ending(_) => "ending",
        }
    }
}

/// How long a stream stays parked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Parked {
    pub(super) idle_until: Instant,
    pub(super) expires_at: Instant,
    /// Until when it is held without a link; `None` while it has one.
    pub(super) lost_until: Option<Instant>,
}

impl Parked {
    /// When it ends, and with what reason.
    pub(super) fn end(&self) -> (Instant, GoneReason) {
        let idle = self.lost_until.map_or(self.idle_until, |lost| lost.min(self.idle_until));
        if self.expires_at <= idle {
            (self.expires_at, GoneReason::Expired)
        } else {
            (idle, GoneReason::Idle)
        }
    }
}

/// What is said when the database has ended the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ending {
    pub(super) reason: GoneReason,
    /// It was parked and ended by itself: nobody need be woken for it.
    pub(super) quiet: bool,
}

/// How the database's direction ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum DatabaseEnd {
    /// In order; the connection still stands in our direction.
    Ended,
    /// With the whole connection.
    Closed,
}

/// What `describe` said.
#[derive(Clone, Debug, Default)]
pub(super) struct Description {
    pub(super) cancel: Blob<TUNNEL_CANCEL_BYTES_MAX>,
    pub(super) blob: Blob<TUNNEL_BLOB_BYTES_MAX>,
}

/// One stream. Not `Debug`: it holds bytes of sessions.
pub(super) struct Stream {
    pub(super) id: StreamId,
    pub(super) database: DatabaseNo,
    pub(super) conn: ConnId,
    /// The link it belongs to; `None` when that is lost.
    pub(super) owner: Option<LinkNo>,
    pub(super) phase: Phase,
    /// Bytes that came from the coordinator, and that were sent to it.
    pub(super) counters: Counters,
    /// Whether a byte was written since the stream was last parked; `None` if it never was.
    pub(super) delivered: Option<bool>,
    pub(super) description: Option<Description>,
    /// The `park` that waits for the database's socket to be looked at.
    pub(super) parking: Option<Parked>,

    /// Towards the database: not given to the shell yet.
    pub(super) unwritten: Vec<Bytes>,
    /// Given to the shell and not taken by the operating system, in bytes.
    pub(super) writing: usize,
    /// What the coordinator may send.
    pub(super) window: Window,
    /// Bytes whose credit on the link is not given back yet.
    pub(super) link_debt: u32,
    /// The coordinator has finished.
    pub(super) finish_in: bool,
    /// Our direction to the database is closed, or being closed.
    pub(super) finished: bool,

    /// From the database: read and not sent.
    pub(super) unsent: VecDeque<Bytes>,
    /// Bytes of `unsent`.
    pub(super) unsent_len: usize,
    /// What we may send.
    pub(super) allowance: Allowance,
    /// Bytes that the shell may still read.
    pub(super) granted: usize,
    /// Waits for its turn on the link.
    pub(super) queued: bool,
    pub(super) database_end: Option<DatabaseEnd>,
    /// `finish` was said to the coordinator.
    pub(super) finish_out: bool,
}

impl Stream {
    pub(super) fn new(
        id: StreamId,
        database: DatabaseNo,
        conn: ConnId,
        owner: LinkNo,
        window: Window,
        allowance: Allowance,
    ) -> Self {
        Self {
            id,
            database,
            conn,
            owner: Some(owner),
            phase: Phase::Connecting,
            counters: Counters { sent: 0, received: 0 },
            delivered: None,
            description: None,
            parking: None,
            unwritten: Vec::new(),
            writing: 0,
            window,
            link_debt: 0,
            finish_in: false,
            finished: false,
            unsent: VecDeque::new(),
            unsent_len: 0,
            allowance,
            granted: 0,
            queued: false,
            database_end: None,
            finish_out: false,
        }
    }

    /// How long it is parked, if it is.
    pub(super) fn parked(&self) -> Option<Parked> {
        if let Phase::Parked(parked) = self.phase { Some(parked) } else { None }
    }

    /// True if its coordinator may sleep: it is parked, or was when it ended by itself.
    pub(super) fn is_quiet(&self) -> bool {
        match self.phase {
            Phase::Parked(_) => true,
            Phase::Ending(ending) => ending.quiet,
            Phase::Connecting | Phase::Open => false,
        }
    }

    /// True if nothing is queued in either direction.
    pub(super) fn is_clear(&self) -> bool {
        self.unwritten.is_empty() && self.writing == 0 && self.unsent.is_empty()
    }

    /// Proof that no byte sent since the stream was last parked reached the database.
    pub(super) fn nothing_delivered(&self) -> bool {
        self.delivered == Some(false)
    }

    /// Takes in bytes of the coordinator.
    pub(super) fn push(&mut self, bytes: Bytes) {
        let count = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.counters.sent = self.counters.sent.saturating_add(count.into());
        self.link_debt = self.link_debt.saturating_add(count);
        self.unwritten.push(bytes);
    }

    /// Up to `most` bytes of the database, in one piece.
    pub(super) fn next_unsent(&mut self, most: usize) -> Option<Bytes> {
        let front = self.unsent.front_mut()?;
        let piece = front.split_to(most.min(front.len()));
        if front.is_empty() {
            self.unsent.pop_front();
        }
        self.unsent_len = self.unsent_len.saturating_sub(piece.len());
        Some(piece)
    }

    /// As it stands in an offer.
    pub(super) fn offered(&self, parked: Parked, now: Instant) -> Offered {
        Offered {
            stream: self.id,
            counters: self.counters,
            idle_left_ms: parked.idle_until.since(now).as_u32(),
            expires_in_ms: parked.expires_at.since(now).as_u32(),
            blob: self.description.as_ref().map(|kept| kept.blob.clone()).unwrap_or_default(),
        }
    }
}
