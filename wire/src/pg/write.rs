//! What writing has in common, whoever speaks.

use bytes::{BufMut, BytesMut};

/// Writes one message: type, length, and what `body` writes.
pub(super) fn message(tag: u8, out: &mut BytesMut, body: impl FnOnce(&mut BytesMut)) {
    out.put_u8(tag);
    let start = out.len();
    out.put_u32(0);
    body(out);
    let length = length(out.len().saturating_sub(start));
    if let Some(field) = out.get_mut(start..start.saturating_add(4)) {
        field.copy_from_slice(&length.to_be_bytes());
    }
}

/// A length field. Every message is far below what it can say.
pub(super) fn length(bytes: usize) -> u32 {
    debug_assert!(u32::try_from(bytes).is_ok(), "a message of {bytes} bytes");
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Writes a zero-terminated string; what lies behind a zero byte inside is left out.
pub(super) fn put_c_string(text: &[u8], out: &mut BytesMut) {
    let end = memchr::memchr(0, text).unwrap_or(text.len());
    out.put_slice(text.get(..end).unwrap_or_default());
    out.put_u8(0);
}
