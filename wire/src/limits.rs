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
