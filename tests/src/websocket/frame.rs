//! Frame headers, both directions.

use bytes::{BufMut as _, BytesMut};

/// Opcode of a continued message.
pub(crate) const CONTINUATION: u8 = 0;
/// Opcode of a text message.
pub const TEXT: u8 = 1;
/// Opcode of a binary message.
pub const BINARY: u8 = 2;
/// Opcode of the closing handshake.
pub const CLOSE: u8 = 8;
/// Opcode of a ping.
pub const PING: u8 = 9;
/// Opcode of a pong.
pub const PONG: u8 = 10;

/// A parsed frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) last: bool,
    pub(crate) opcode: u8,
    pub(crate) mask: Option<[u8; 4]>,
    pub(crate) payload: u64,
    /// Bytes of the header itself.
    pub(crate) size: usize,
}

impl Header {
    /// The header at the start of `bytes`; `None` if more bytes are needed. Reserved bits mean an
    /// extension that nobody negotiated: an error.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Self>, &'static str> {
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err("WebSocket frame with reserved bits set");
        }
        let (payload, length_size) = match second & 0x7f {
            126 => match rest.first_chunk::<2>() {
                Some(length) => (u64::from(u16::from_be_bytes(*length)), 2),
                None => return Ok(None),
            },
            127 => match rest.first_chunk::<8>() {
                Some(length) => (u64::from_be_bytes(*length), 8),
                None => return Ok(None),
            },
            short => (u64::from(short), 0),
        };
        let mut size = 2 + length_size;
        let mut mask = None;
        if second & 0x80 != 0 {
            match rest.get(length_size..).and_then(|rest| rest.first_chunk::<4>()) {
                Some(key) => mask = Some(*key),
                None => return Ok(None),
            }
            size += 4;
        }
        Ok(Some(Self { last: first & 0x80 != 0, opcode: first & 0x0f, mask, payload, size }))
    }
}

/// Appends one whole frame. Clients must give a mask, servers must not.
pub fn put_frame(out: &mut BytesMut, opcode: u8, payload: &[u8], mask: Option<[u8; 4]>) {
    let mask_bit = if mask.is_some() { 0x80 } else { 0 };
    out.reserve(payload.len() + 14);
    out.put_u8(0x80 | opcode);
    match payload.len() {
        short @ 0..=125 => out.put_u8(mask_bit | short as u8),
        medium @ 126..=0xffff => {
            out.put_u8(mask_bit | 126);
            out.put_u16(medium as u16);
        }
        long => {
            out.put_u8(mask_bit | 127);
            out.put_u64(long as u64);
        }
    }
    match mask {
        None => out.put_slice(payload),
        Some(mask) => {
            out.put_slice(&mask);
            let start = out.len();
            out.put_slice(payload);
            unmask(&mut out[start..], mask, 0);
        }
    }
}

/// Masks or unmasks `bytes`, which start `offset` bytes into their payload.
pub(crate) fn unmask(bytes: &mut [u8], mask: [u8; 4], offset: u64) {
    let shift = (offset % 4) as usize;
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte ^= mask[(i + shift) % 4];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_all_lengths_survive() {
        for length in [0usize, 125, 126, 65_535, 65_536] {
            for mask in [None, Some([1, 2, 3, 4])] {
                let mut out = BytesMut::new();
                put_frame(&mut out, BINARY, &vec![7; length], mask);
                let header = Header::parse(&out).unwrap().unwrap();
                assert_eq!(header.payload, length as u64);
                assert_eq!((header.last, header.opcode, header.mask), (true, BINARY, mask));
                assert_eq!(out.len(), header.size + length);
                for short in 0..header.size {
                    assert_eq!(Header::parse(&out[..short]).unwrap(), None);
                }
                if let Some(mask) = mask {
                    let (left, right) = out[header.size..].split_at_mut(length / 3);
                    unmask(left, mask, 0);
                    unmask(right, mask, length as u64 / 3);
                }
                assert!(out[header.size..].iter().all(|b| *b == 7));
            }
        }
    }
}
