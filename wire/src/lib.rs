//! Bytes that two sides share, without I/O: PostgreSQL message framing, the exchange envelope
//! and the frames of our own tunnel.
//!
//! Layouts of our own are specified in `docs/protocol.md`.

pub mod envelope;
pub mod limit;
pub mod limits;
pub mod pg;
pub mod time;
pub mod tunnel;
