//! What is to be said on a link at one moment: as few messages as their size allows.

use bytes::{Bytes, BytesMut};
use pierhead_wire::limits::{TUNNEL_DATA_BYTES_MAX, TUNNEL_MESSAGE_BYTES_MAX};
use pierhead_wire::tunnel::{Frame, StreamId, put_data};

#[derive(Default)]
pub(super) struct Outbox {
    full: Vec<Bytes>,
    open: BytesMut,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(super) fn put(&mut self, frame: &Frame) {
        let start = self.open.len();
        let written = frame.encode(&mut self.open);
        debug_assert!(written.is_ok(), "what the agent says keeps the limits: {written:?}");
        self.split(start);
    }

    /// `bytes` of a stream, at most one frame's.
    pub(super) fn put_data(&mut self, stream: StreamId, bytes: &[u8]) {
        debug_assert!(bytes.len() <= TUNNEL_DATA_BYTES_MAX, "one frame at a time");
        let start = self.open.len();
        put_data(&mut self.open, stream, bytes);
        self.split(start);
    }

    /// Begins another message at `start` if this one has become too long.
    fn split(&mut self, start: usize) {
        if self.open.len() > TUNNEL_MESSAGE_BYTES_MAX {
            let rest = self.open.split_off(start);
            let full = std::mem::replace(&mut self.open, rest);
            self.full.push(full.freeze());
        }
    }

    /// All messages, in order.
    pub(super) fn take(&mut self) -> Vec<Bytes> {
        let mut messages = std::mem::take(&mut self.full);
        if !self.open.is_empty() {
            messages.push(self.open.split().freeze());
        }
        messages
    }
}
