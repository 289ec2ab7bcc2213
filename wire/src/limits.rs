//! Sizes fixed by a protocol.

// The exchange envelope (`docs/protocol.md`, section 1).

/// Bytes of a request's options. Enough for dozens, small enough to keep beside every waiter.
pub const OPTIONS_BYTES_MAX: usize = 4_096;

/// Bytes of a caller's name: it is printed in one line of a log.
pub const CALLER_BYTES_MAX: usize = 64;

/// PostgreSQL bytes of one request: half of what the platform lets one RPC message carry (32 MiB),
/// and little enough that a few of them fit one isolate.
pub const PROTOCOL_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes of an outcome's message, and of its hint: a paragraph.
pub const OUTCOME_TEXT_BYTES_MAX: usize = 1_024;

/// Bytes of an outcome record, the only part of an answer that is kept while it arrives. Leaves
/// room for fields of later versions.
pub const OUTCOME_BYTES_MAX: usize = 16 * 1024;

const _: () = assert!(24 + 2 * OUTCOME_TEXT_BYTES_MAX <= OUTCOME_BYTES_MAX);
const _: () = assert!(3 + CALLER_BYTES_MAX + 4 <= OPTIONS_BYTES_MAX);

// PostgreSQL framing. The protocol itself allows 2 GiB less a byte for any message.

/// Length field of a bulk message (rows, COPY data, descriptions), whose body is never held: the
/// server's own limit for one value and so for one row.
pub const PG_BULK_MAX: usize = 0x4000_0000;

/// Length field of any other message of the database. The largest honest ones are errors that
/// quote a statement.
pub const PG_GATHERED_MAX_BACKEND: usize = 1024 * 1024;

/// Length field of any other message of a client: one statement with its parameters, as large as
/// a whole request may be.
pub const PG_GATHERED_MAX_FRONTEND: usize = PROTOCOL_BYTES_MAX;

// Our own tunnel (`docs/protocol.md`, section 2).

/// Bytes of one WebSocket message: enough to put sixteen full frames into one billed message, and
/// a quarter of the smallest limit that any WebSocket host is known to set (1 MiB).
pub const TUNNEL_MESSAGE_BYTES_MAX: usize = 256 * 1024;

/// Bytes of a stream's data in one frame: other streams wait behind it for at most 13 ms at
/// 10 Mbit/s.
pub const TUNNEL_DATA_BYTES_MAX: usize = 16 * 1024;

/// Bytes of any frame's body: the data of one frame and the fields before it.
pub const TUNNEL_BODY_BYTES_MAX: usize = TUNNEL_DATA_BYTES_MAX + 64;

/// Bytes of the name of a database, an agent or a coordinator: printed in one line of a log. Also
/// what PostgreSQL allows a name, and one more.
pub const TUNNEL_NAME_BYTES_MAX: usize = 64;

/// Bytes of the text beside a reason: a sentence and what to do about it.
pub const TUNNEL_TEXT_BYTES_MAX: usize = 512;

/// Bytes of the blob that describes a session: the reported parameters fit several times; three
/// blobs of this size fit one page of offers.
pub const TUNNEL_BLOB_BYTES_MAX: usize = 4_096;

/// Bytes that cancel whatever a session runs. PostgreSQL's `CancelRequest` with the longest key
/// (256 bytes) has 268.
pub const TUNNEL_CANCEL_BYTES_MAX: usize = 512;

/// Bytes of the options of a `hello` or a `welcome`: dozens.
pub const TUNNEL_OPTIONS_BYTES_MAX: usize = 1_024;

/// Links that one `hello` replaces. An agent has a handful; the rest are long dead.
pub const TUNNEL_REPLACES_MAX: usize = 64;

/// Databases that one `hello` names. A link serves one coordinator, so there are few.
pub const TUNNEL_DATABASES_MAX: usize = 64;

/// Parked streams of one page of offers: few enough to handle within one event, and with blobs of
/// 200 bytes as many as a frame holds.
pub const TUNNEL_OFFERS_PER_PAGE_MAX: usize = 64;

/// Parked streams of one link, and so offers after a `hello` or a `list`: eight
/// times what one coordinator's attachment can list, and with the largest blobs 17 MiB.
pub const TUNNEL_PARKED_MAX: u16 = 4_096;

/// Bytes that one grant of credit adds, and the most that may be outstanding for one stream or
/// link: an eighth of the isolate's memory.
pub const TUNNEL_CREDIT_MAX: u32 = 16 * 1024 * 1024;

const _: () = assert!(3 + TUNNEL_BODY_BYTES_MAX <= TUNNEL_MESSAGE_BYTES_MAX);
const _: () = assert!(TUNNEL_BODY_BYTES_MAX <= u16::MAX as usize);
const _: () = assert!(8 + 3 * (34 + TUNNEL_BLOB_BYTES_MAX) <= TUNNEL_BODY_BYTES_MAX);
const _: () = assert!(TUNNEL_DATABASES_MAX * (2 + TUNNEL_NAME_BYTES_MAX + 3) < 8 * 1024);
const _: () = assert!(TUNNEL_PARKED_MAX as usize >= TUNNEL_OFFERS_PER_PAGE_MAX);
