//! What the core is told of links and their streams.

use bytes::Bytes;
use pierhead_wire::tunnel::{Counters, GoneReason, Offered, RefusedReason, StreamId as WireId};

use crate::ids::{LinkId, StreamId};
use crate::link::attachment::{Row, Terms};
use crate::time::Millis;

/// A stream that was lost with its link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Lost {
    pub(crate) stream: StreamId,
    pub(crate) wire: WireId,
    pub(crate) counters: Counters,
    /// Its agent holds it, to be offered again.
    pub(crate) parked: bool,
    /// Bytes of what was written that may have been delivered.
    pub(crate) accepted: u64,
}

/// Something that happened on a link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Event {
    /// `overdue` is to be called if nothing is heard within this time.
    Await { link: LinkId, within: Millis },
    /// What was awaited has come.
    Came { link: LinkId },
    /// The link carries streams. Each of `offers` must be adopted or released now; each of
    /// `surplus` released.
    Up { link: LinkId, offers: Vec<Offered>, surplus: Vec<WireId> },
    /// A link's attachment, after a wake; `usable` if its sessions are of this configuration.
    Noted { link: LinkId, rows: Vec<Row>, usable: bool },
    /// An agent's answer to a list; each may be adopted.
    Listed { link: LinkId, streams: Vec<Offered> },
    /// The agent wants no new streams.
    Draining { link: LinkId },
    /// The link is gone, with these streams.
    Down {
        link: LinkId,
        /// Absent if it was never welcomed.
        terms: Option<Terms>,
        lost: Vec<Lost>,
        detail: String,
    },
    /// The agent could not open a stream; not a byte reached the database.
    Refused { stream: StreamId, reason: RefusedReason, advice: String },
    /// What was written when an adopted stream's session opened.
    Described { stream: StreamId, blob: Bytes },
    /// The answer to a cancel; if `proved`, it cannot hit anything any more.
    Cancelled { stream: StreamId, request: u32, proved: bool },
    /// Bytes of the database.
    Data { stream: StreamId, bytes: Bytes },
    /// The stream carries nothing more; the agent still ends its connection.
    Broken { stream: StreamId, accepted: u64, detail: String },
    /// The stream is no more, and neither is its connection.
    Gone { stream: StreamId, accepted: u64, reason: GoneReason },
}
