//! Bytes on their way to a session, in as few pieces as is cheap: small messages are copied
//! together, large ones passed on as they are.

use bytes::{Bytes, BytesMut};

use crate::limits::{COPIED_BYTES_MAX, SPARE_BYTES_MAX};
use crate::parts::Parts;

/// Bytes to be written.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    pieces: Parts,
    scratch: BytesMut,
    total: usize,
}

impl Outgoing {
    /// The room, with nothing in it.
    #[inline]
    pub(crate) fn begin(&mut self) -> &mut Self {
        if self.total > 0 {
            debug_assert!(false, "{} bytes were put together and not sent", self.total);
            *self = Self::default();
        }
        self
    }

    /// Adds bytes of a client, as they lie in a chunk.
    pub(crate) fn push(&mut self, chunk: &Bytes, bytes: &[u8]) {
        self.total += bytes.len();
        if bytes.len() <= COPIED_BYTES_MAX {
            self.scratch.extend_from_slice(bytes);
        } else {
            self.flush();
            self.pieces.push(chunk.slice_ref(bytes));
        }
    }

    /// Adds bytes that are made here, and are few.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.total += bytes.len();
        self.scratch.extend_from_slice(bytes);
    }

    /// Adds bytes that are made here.
    pub(crate) fn write<T>(&mut self, write: impl FnOnce(&mut BytesMut) -> T) -> T {
        let before = self.scratch.len();
        let result = write(&mut self.scratch);
        self.total += self.scratch.len() - before;
        result
    }

    /// True if nothing is to be written.
    pub(crate) fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Bytes in all.
    pub(crate) fn len(&self) -> usize {
        self.total
    }

    /// Everything, in order.
    pub(crate) fn take(&mut self) -> Parts {
        self.flush();
        self.total = 0;
        std::mem::take(&mut self.pieces)
    }

    /// Small messages are copied once more: so their piece is no longer than they are, and the room
    /// in which they were put together serves the next ones.
    fn flush(&mut self) {
        if !self.scratch.is_empty() {
            self.pieces.push(Bytes::copy_from_slice(&self.scratch));
            self.scratch.clear();
            if self.scratch.capacity() > SPARE_BYTES_MAX {
                self.scratch = BytesMut::new();
            }
        }
    }
}
