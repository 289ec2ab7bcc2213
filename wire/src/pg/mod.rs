//! PostgreSQL message framing (protocol 3), incremental and without copying bodies.
//!
//! [`scan::Scanner`] cuts a byte stream that arrives in arbitrary chunks into messages. Bodies of
//! bulk messages (rows, COPY data) are never gathered: they pass through as slices of the chunk
//! they came in. Everything else is handed over whole, within a hard limit.

pub mod backend;
pub mod errors;
pub mod frontend;
pub mod scan;
pub mod startup;
pub mod tag;
mod write;

/// Splits a zero-terminated string off the front.
fn c_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = match bytes.first()? {
        // Most names are.
        0 => 0,
        _ => memchr::memchr(0, bytes)?,
    };
    Some((bytes.get(..text)?, bytes.get(text + 1..)?))
}
