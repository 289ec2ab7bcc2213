//! The frames of our own tunnel (`docs/protocol.md`, section 2): what an agent and a coordinator
//! say on a link.
//!
//! [`Frames`] reads the frames of one WebSocket message, one after the other; everything they hold
//! is a slice of the message. [`Frame::encode`] appends one frame to the next message.

mod error;
mod field;
mod frames;
mod items;
mod options;
mod outbox;
mod reason;
mod rules;
#[cfg(test)]
mod tests;

use std::fmt;

use bytes::{Buf, BufMut, Bytes, BytesMut};

pub use error::{Fault, FrameError};
pub use field::{AgentLife, Amount, Blob, Field, List, Payload, StreamId, Text};
pub use frames::{
    Adopt, Cancel, Cancelled, Credit, Data, Describe, Drain, Finish, Frame, GoAway, Gone, Hello,
    Here, Kind, LinkCredit, ListParked, Offer, Open, Opened, Park, Refused, Release, Reset, Wake,
    Welcome,
};
pub use items::{Advice, Counters, Database, Description, Name, Offered, ParkedCount};
pub use options::Options;
pub use outbox::Outbox;
pub use reason::{DrainReason, GoAwayReason, GoneReason, Mode, RefusedReason, ResetReason};
pub use rules::{LinkState, Sender};

use crate::limits::{TUNNEL_BODY_BYTES_MAX, TUNNEL_DATA_BYTES_MAX, TUNNEL_MESSAGE_BYTES_MAX};

/// The newest version that this release speaks.
pub const VERSION: u8 = 1;

/// The oldest version that this release accepts.
pub const VERSION_OLDEST: u8 = 1;

/// Bytes of a frame's header: code and length of the body.
pub const HEADER: usize = 3;

/// Codes from here on must be understood by the reader; lower ones are skipped if unknown.
const CODES_CRITICAL: u8 = 0x80;

/// The version that two sides speak: the newest that both know, if each accepts it.
#[must_use]
pub const fn agree(newest: u8, oldest: u8) -> Option<u8> {
    let version = if newest < VERSION { newest } else { VERSION };
    if version >= oldest && version >= VERSION_OLDEST { Some(version) } else { None }
}

impl Frame {
    /// Appends the frame to `out`, which is left as it was on an error.
    ///
    /// # Errors
    /// When a field or the frame is beyond its limit.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), FrameError> {
        let start = out.len();
        let result = self.put(out);
        if result.is_err() {
            out.truncate(start);
        }
        result
    }

    fn put(&self, out: &mut BytesMut) -> Result<(), FrameError> {
        let kind = self.kind();
        out.put_u8(kind.code());
        let at = out.len();
        out.put_u16(0);
        let body = out.len();
        self.put_body(out).map_err(|(field, fault)| FrameError::Field { kind, field, fault })?;
        let length = out.len().saturating_sub(body);
        let too_long = FrameError::BodyTooLong { code: kind.code(), length };
        if length > TUNNEL_BODY_BYTES_MAX {
            return Err(too_long);
        }
        let field = u16::try_from(length).map_err(|_| too_long)?.to_be_bytes();
        if let Some(place) = out.get_mut(at..body) {
            place.copy_from_slice(&field);
        }
        Ok(())
    }
}

/// Appends `bytes` of a stream as data frames, none above [`TUNNEL_DATA_BYTES_MAX`]. The caller
/// sees to credit and to the size of the message.
pub fn put_data(out: &mut BytesMut, stream: StreamId, bytes: &[u8]) {
    for chunk in bytes.chunks(TUNNEL_DATA_BYTES_MAX) {
        out.put_u8(Kind::Data.code());
        out.put_u16(u16::try_from(chunk.len().saturating_add(8)).unwrap_or(u16::MAX));
        out.put_u32(stream.link);
        out.put_u32(stream.index);
        out.put_slice(chunk);
    }
}

impl Kind {
    /// Its code on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The frames of one WebSocket message, in order. Ends after the first error: nothing behind it
/// can be trusted.
#[derive(Clone, Debug)]
pub struct Frames {
    rest: Bytes,
    skipped: u32,
}

impl Frames {
    /// Reads `message`, the whole payload of one binary WebSocket message.
    ///
    /// # Errors
    /// When it is empty or too long.
    pub fn new(message: Bytes) -> Result<Self, FrameError> {
        if message.is_empty() {
            return Err(FrameError::Empty);
        }
        if message.len() > TUNNEL_MESSAGE_BYTES_MAX {
            return Err(FrameError::MessageTooLong(message.len()));
        }
        Ok(Self { rest: message, skipped: 0 })
    }

    /// Frames of later releases that were skipped so far.
    #[must_use]
    pub const fn skipped(&self) -> u32 {
        self.skipped
    }

    fn step(&mut self) -> Result<Option<Frame>, FrameError> {
        while self.rest.has_remaining() {
            let (code, mut body) = self.cut()?;
            let Some(kind) = Kind::from_code(code) else {
                if code >= CODES_CRITICAL {
                    return Err(FrameError::UnknownKind(code));
                }
                self.skipped = self.skipped.saturating_add(1);
                continue;
            };
            let frame = Frame::take_body(kind, &mut body)
                .map_err(|(field, fault)| FrameError::Field { kind, field, fault })?;
            if body.has_remaining() {
                let fault = Fault::Trailing(body.len());
                return Err(FrameError::Field { kind, field: "end", fault });
            }
            return Ok(Some(frame));
        }
        Ok(None)
    }

    /// The code and the body of the next frame.
    fn cut(&mut self) -> Result<(u8, Bytes), FrameError> {
        let [code, high, low, ..] = *self.rest else {
            return Err(FrameError::Header(self.rest.len()));
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length > TUNNEL_BODY_BYTES_MAX {
            return Err(FrameError::BodyTooLong { code, length });
        }
        self.rest.advance(HEADER);
        if length > self.rest.len() {
            return Err(FrameError::Body { code, length, present: self.rest.len() });
        }
        Ok((code, self.rest.split_to(length)))
    }
}

impl Iterator for Frames {
    type Item = Result<Frame, FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        let result = self.step();
        if result.is_err() {
            self.rest = Bytes::new();
        }
        result.transpose()
    }
}
