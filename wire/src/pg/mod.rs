//! PostgreSQL message framing (protocol 3), incremental and without copying bodies.
//!
//! [`scan::Scanner`] cuts a byte stream that arrives in arbitrary chunks into messages. Bodies of
//! bulk messages (rows, COPY data) are never gathered: they pass through as slices of the chunk
//! they came in. Everything else is handed over whole, within a hard limit.

pub mod errors;
pub mod frontend;
pub mod scan;
pub mod tag;
