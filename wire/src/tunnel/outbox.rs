//! What is to be sent on one link, put into as few messages as the limit allows.

use bytes::{BufMut, Bytes, BytesMut};

use super::{Frame, HEADER, Kind, StreamId};
use crate::limits::TUNNEL_MESSAGE_BYTES_MAX;

/// Bytes of a data frame besides its data.
const DATA_OVERHEAD: usize = HEADER + 8;

/// Messages to come, as lists of pieces; data is not copied.
#[derive(Debug, Default)]
pub struct Outbox {
    messages: Vec<Vec<Bytes>>,
    pieces: Vec<Bytes>,
    /// Frames without data since the last piece.
    small: BytesMut,
    /// Bytes of the message that is being put together.
    length: usize,
}

impl Outbox {
    /// True if nothing is to be sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.length == 0
    }

    /// Adds a frame. One that cannot be encoded is a bug of the caller's, and left out.
    pub fn frame(&mut self, frame: impl Into<Frame>) {
        let frame = frame.into();
        let mut bytes = BytesMut::new();
        let encoded = frame.encode(&mut bytes);
        debug_assert!(encoded.is_ok(), "{frame:?}: {encoded:?}");
        if encoded.is_ok() {
            self.make_room(bytes.len());
            self.small.put_slice(&bytes);
            self.length += bytes.len();
        }
    }

    /// Adds one data frame; `bytes` are within the limit of one.
    pub fn data(&mut self, stream: StreamId, bytes: Bytes) {
        let size = bytes.len() + DATA_OVERHEAD;
        self.make_room(size);
        self.small.put_u8(Kind::Data.code());
        self.small.put_u16(u16::try_from(bytes.len() + 8).unwrap_or(u16::MAX));
        self.small.put_u32(stream.link);
        self.small.put_u32(stream.index);
        self.pieces.push(self.small.split().freeze());
        self.pieces.push(bytes);
        self.length += size;
    }

    /// All messages, each a list of pieces.
    pub fn take(&mut self) -> Vec<Vec<Bytes>> {
        self.cut();
        std::mem::take(&mut self.messages)
    }

    fn make_room(&mut self, size: usize) {
        if self.length + size > TUNNEL_MESSAGE_BYTES_MAX {
            self.cut();
        }
    }

    fn cut(&mut self) {
        if !self.small.is_empty() {
            self.pieces.push(self.small.split().freeze());
        }
        if !self.pieces.is_empty() {
            self.messages.push(std::mem::take(&mut self.pieces));
        }
        self.length = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Finish, Frames};
    use super::*;
    use crate::limits::TUNNEL_DATA_BYTES_MAX;

    #[test]
    fn frames_keep_their_order_and_no_message_is_too_long() {
        let stream = StreamId { link: 3, index: 1 };
        let mut outbox = Outbox::default();
        for _ in 0..40 {
            outbox.data(stream, Bytes::from(vec![7; TUNNEL_DATA_BYTES_MAX]));
            outbox.frame(Finish { stream });
        }
        let messages = outbox.take();
        assert_eq!(messages.len(), 3);
        let mut kinds = Vec::new();
        for message in messages {
            let frames = Frames::new(message.concat().into()).unwrap();
            kinds.extend(frames.map(|frame| frame.unwrap().kind()));
        }
        assert_eq!(kinds, [Kind::Data, Kind::Finish].repeat(40));
        assert!(outbox.is_empty());
        assert!(outbox.take().is_empty());
    }
}
