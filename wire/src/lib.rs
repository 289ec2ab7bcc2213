//! Bytes that two sides share, without I/O: PostgreSQL message framing and the exchange envelope.
//!
//! Layouts of our own are specified in `docs/protocol.md`.

pub mod envelope;
pub mod limits;
pub mod pg;
