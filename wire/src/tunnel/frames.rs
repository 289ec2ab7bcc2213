//! Every frame, field by field in the order of the wire (`docs/protocol.md`, 2.4 to 2.9).

use bytes::{Bytes, BytesMut};

use super::Options;
use super::field::{AgentLife, Amount, Blob, Field, List, Payload, StreamId};
use super::items::{
    Advice, Counters, Database, Description, FieldFault, Name, Offered, ParkedCount, fields,
};
use super::reason::{DrainReason, GoAwayReason, GoneReason, RefusedReason, ResetReason};
use crate::limits::{
    TUNNEL_CANCEL_BYTES_MAX, TUNNEL_DATA_BYTES_MAX, TUNNEL_DATABASES_MAX,
    TUNNEL_OFFERS_PER_PAGE_MAX, TUNNEL_REPLACES_MAX,
};

macro_rules! frames {
    ($( $(#[$doc:meta])* $code:literal $text:literal $name:ident {
        $( $(#[$field_doc:meta])* $field:ident: $type:ty, )*
    } )*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Eq)]
            pub struct $name { $( $(#[$field_doc])* pub $field: $type, )* }

            fields! { $name { $($field: $type,)* } }

            impl From<$name> for Frame {
                fn from(frame: $name) -> Self { Self::$name(frame) }
            }
        )*

        /// One frame.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each variant is the struct of its name")]
        pub enum Frame { $( $name($name), )* }

        /// Which frame.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "each variant is the struct of its name")]
        pub enum Kind { $( $name = $code, )* }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$( Self::$name, )*];

            /// The kind with this code.
            #[must_use]
            pub const fn from_code(code: u8) -> Option<Self> {
                match code {
                    $( $code => Some(Self::$name), )*
                    _ => None,
                }
            }

            /// Its name in the specification.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $( Self::$name => $text, )* }
            }
        }

        impl Frame {
            /// Which frame it is.
            #[must_use]
            pub const fn kind(&self) -> Kind {
                match self { $( Self::$name(_) => Kind::$name, )* }
            }

            pub(super) fn put_body(&self, out: &mut BytesMut) -> Result<(), FieldFault> {
                match self { $( Self::$name(frame) => frame.put_fields(out), )* }
            }

            pub(super) fn take_body(kind: Kind, body: &mut Bytes) -> Result<Self, FieldFault> {
                Ok(match kind { $( Kind::$name => Self::$name($name::take_fields(body)?), )* })
            }
        }
    };
}

frames! {
    /// An agent presents itself; the first frame of a link. Holds no secret.
    0x81 "hello" Hello {
        /// The newest version it speaks.
        newest: u8,
        /// The oldest version it accepts.
        oldest: u8,
        /// Its process.
        life: AgentLife,
        /// The number of this link, rising within one life.
        link: u32,
        /// What the coordinator may send on each stream before the first grant.
        stream_credit: Amount,
        /// What the coordinator may send on the link before the first grant.
        link_credit: Amount,
        /// Links of the same life that this one takes over.
        replaces: List<u32, TUNNEL_REPLACES_MAX>,
        /// The databases it serves.
        databases: List<Database, TUNNEL_DATABASES_MAX>,
        /// How many parked streams the following offers hold.
        parked: ParkedCount,
        /// What later releases add.
        options: Options,
    }

    /// The coordinator accepts the link.
    0x82 "welcome" Welcome {
        /// The version spoken from here on.
        version: u8,
        /// The coordinator's epoch.
        epoch: u64,
        /// Random name of this object in memory.
        object_life: u64,
        /// What the agent may send on each stream before the first grant.
        stream_credit: Amount,
        /// What the agent may send on the link before the first grant.
        link_credit: Amount,
        /// What later releases add.
        options: Options,
    }

    /// The last frame of a link, from the side that ends it.
    0x83 "go-away" GoAway {
        /// Why.
        reason: GoAwayReason,
        /// Milliseconds to wait before the next attempt; `0` if there is no advice.
        retry_after_ms: u32,
        /// What a person can do about it.
        advice: Advice,
    }

    /// No new streams from here on; what runs may finish.
    0x84 "drain" Drain {
        /// Why.
        reason: DrainReason,
        /// Milliseconds until the sender ends the link.
        deadline_ms: u32,
    }

    /// The coordinator woke without its memory.
    0x85 "wake" Wake {
        /// Returned by `here`.
        number: u32,
        /// The coordinator's epoch, unchanged.
        epoch: u64,
        /// Random name of the object that woke.
        object_life: u64,
    }

    /// The agent's prompt answer to `wake`.
    0x86 "here" Here {
        /// The number of the `wake`.
        number: u32,
    }

    /// More bytes may be sent on the link, over all streams.
    0x87 "link-credit" LinkCredit {
        /// How many more.
        bytes: Amount,
    }

    /// Opens a stream. Data may follow at once.
    0x90 "open" Open {
        /// The stream: this link's number, and the next index.
        stream: StreamId,
        /// Which database.
        database: Name,
    }

    /// The stream's connection to the database stands.
    0x91 "opened" Opened {
        /// The stream.
        stream: StreamId,
    }

    /// The stream was not opened; not a byte reached the database.
    0x92 "refused" Refused {
        /// The stream.
        stream: StreamId,
        /// Why.
        reason: RefusedReason,
        /// What a person can do about it.
        advice: Advice,
    }

    /// Bytes of a stream.
    0x93 "data" Data {
        /// The stream.
        stream: StreamId,
        /// The bytes.
        bytes: Payload<1, TUNNEL_DATA_BYTES_MAX>,
    }

    /// More bytes may be sent on the stream.
    0x94 "credit" Credit {
        /// The stream.
        stream: StreamId,
        /// How many more.
        bytes: Amount,
    }

    /// No more data from this side; the other direction goes on.
    0x95 "finish" Finish {
        /// The stream.
        stream: StreamId,
    }

    /// This side gives up the stream, both directions.
    0x96 "reset" Reset {
        /// The stream.
        stream: StreamId,
        /// Why.
        reason: ResetReason,
        /// What a person can do about it.
        advice: Advice,
    }

    /// The stream no longer exists and its place under the cap is free.
    0x97 "gone" Gone {
        /// The stream.
        stream: StreamId,
        /// True if no byte that was sent after it was last parked reached the database.
        nothing_delivered: bool,
        /// Why.
        reason: GoneReason,
    }

    /// Describes the session on a stream: once, when it has opened.
    0xa0 "describe" Describe {
        /// The stream.
        stream: StreamId,
        /// What the agent writes to a new connection to cancel what the session runs.
        cancel: Blob<TUNNEL_CANCEL_BYTES_MAX>,
        /// Opaque to the agent.
        blob: Description,
    }

    /// The stream may be parked.
    0xa1 "park" Park {
        /// The stream.
        stream: StreamId,
        /// The coordinator's counters.
        counters: Counters,
        /// Milliseconds that it may stay without use.
        max_idle_ms: u32,
        /// Milliseconds until its total time is over.
        expires_in_ms: u32,
    }

    /// A page of the agent's parked streams.
    0xa2 "offer" Offer {
        /// The number of the `list` that asked; `0` after a `hello`.
        number: u32,
        /// Streams on later pages.
        left: u16,
        /// The streams of this page.
        streams: List<Offered, TUNNEL_OFFERS_PER_PAGE_MAX>,
    }

    /// Takes a parked stream over, with the bytes of its first request if there is one.
    0xa3 "adopt" Adopt {
        /// The stream.
        stream: StreamId,
        /// The counters it was offered with.
        counters: Counters,
        /// True to be sent its description before any data.
        describe: bool,
        /// First bytes; if there are none the stream stays parked.
        bytes: Payload<0, TUNNEL_DATA_BYTES_MAX>,
    }

    /// The agent is to end a parked stream.
    0xa4 "release" Release {
        /// The stream.
        stream: StreamId,
    }

    /// Asks for the parked streams of this link.
    0xa5 "list" ListParked {
        /// Returned by the pages; not `0`.
        number: u32,
    }

    /// Cancels what runs on the stream.
    0xb0 "cancel" Cancel {
        /// The stream.
        stream: StreamId,
        /// Names this cancel.
        request: u32,
    }

    /// The end of a cancel.
    0xb1 "cancelled" Cancelled {
        /// The stream.
        stream: StreamId,
        /// The cancel's name.
        request: u32,
        /// True if the database ended the cancel's connection: it cannot hit a later request.
        proved: bool,
    }
}
