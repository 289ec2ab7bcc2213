//! Bytes on their way to a session, in as few pieces as is cheap: small messages are copied
//! together, large ones passed on as they are.

use bytes::{Bytes, BytesMut};

use crate::limits::COPIED_BYTES_MAX;

/// Bytes of room for small messages to begin with: a query with a few parameters.
const SCRATCH: usize = 256;

/// Bytes to be written.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    pieces: Vec<Bytes>,
    scratch: BytesMut,
    total: usize,
}

impl Outgoing {
    /// Adds bytes of a client.
    pub(crate) fn push(&mut self, bytes: &Bytes) {
        self.total += bytes.len();
        if bytes.len() <= COPIED_BYTES_MAX {
            self.begin();
            self.scratch.extend_from_slice(bytes);
        } else {
            self.flush();
            self.pieces.push(bytes.clone());
        }
    }

    /// Adds bytes that are made here.
    pub(crate) fn write<T>(&mut self, write: impl FnOnce(&mut BytesMut) -> T) -> T {
        self.begin();
        let before = self.scratch.len();
        let result = write(&mut self.scratch);
        self.total += self.scratch.len() - before;
        result
    }

    /// Bytes in all.
    pub(crate) fn len(&self) -> usize {
        self.total
    }

    /// Everything, in order.
    pub(crate) fn take(&mut self) -> Vec<Bytes> {
        self.flush();
        self.total = 0;
        std::mem::take(&mut self.pieces)
    }

    fn flush(&mut self) {
        if !self.scratch.is_empty() {
            self.pieces.push(std::mem::take(&mut self.scratch).freeze());
        }
    }

    /// Makes room at once for what is usual: growing there costs more than the copying.
    fn begin(&mut self) {
        if self.scratch.is_empty() {
            self.scratch.reserve(SCRATCH);
        }
    }
}
