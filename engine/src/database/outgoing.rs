//! Bytes on their way to a session, in as few pieces as is cheap: what is short is copied together,
//! what is long, or a whole chunk, passed on as it is.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use crate::limits::{COPIED_BYTES_MAX, SPARE_BYTES_MAX};
use crate::parts::{Parts, part_of};

/// Bytes to be written.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    pieces: Parts,
    scratch: BytesMut,
    /// What comes behind that: neighbours in the chunk that is at hand, not copied yet.
    run: Range<usize>,
    total: usize,
}

/// Bytes to be written, with the chunk at hand in which a client's messages lie.
pub(crate) struct Excerpt<'a> {
    out: &'a mut Outgoing,
    chunk: &'a Bytes,
}

impl<'a> Excerpt<'a> {
    /// What the messages lie in.
    pub(crate) fn chunk(&self) -> &'a Bytes {
        self.chunk
    }

    /// Adds bytes as they lie in the chunk.
    #[inline]
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.out.push(self.chunk, bytes);
    }

    /// Adds bytes that are made here, behind those of the chunk that were added.
    pub(crate) fn write<T>(&mut self, write: impl FnOnce(&mut BytesMut) -> T) -> T {
        self.out.settle(self.chunk);
        self.out.write(write)
    }

    /// Bytes in all.
    pub(crate) fn len(&self) -> usize {
        self.out.total
    }
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

    /// The same with a chunk at hand, until [`Outgoing::settle`] or [`Outgoing::push_whole`].
    pub(crate) fn with<'a>(&'a mut self, chunk: &'a Bytes) -> Excerpt<'a> {
        Excerpt { out: self, chunk }
    }

    #[inline]
    fn push(&mut self, chunk: &Bytes, bytes: &[u8]) {
        self.total += bytes.len();
        let Some(part) = part_of(chunk, bytes) else {
            self.settle(chunk);
            return self.scratch.extend_from_slice(bytes);
        };
        if self.run.end == part.start && !self.run.is_empty() {
            self.run.end = part.end;
        } else {
            self.settle(chunk);
            self.run = part;
        }
    }

    /// True if there is nothing but all of the chunk that is at hand, as it came.
    pub(crate) fn is_whole(&self, chunk: &Bytes) -> bool {
        self.run == (0..chunk.len()) && self.total == chunk.len()
    }

    /// Adds the chunk that is at hand, all of which was to be added.
    pub(crate) fn push_whole(&mut self, chunk: Bytes) {
        self.run = 0..0;
        self.pieces.push(chunk);
    }

    /// The chunk that is at hand is put away.
    #[inline]
    pub(crate) fn settle(&mut self, chunk: &Bytes) {
        if !self.run.is_empty() {
            self.settle_run(chunk);
        }
    }

    fn settle_run(&mut self, chunk: &Bytes) {
        let run = std::mem::take(&mut self.run);
        if run.len() > COPIED_BYTES_MAX {
            self.flush();
            self.pieces.push(chunk.slice(run));
        } else {
            self.scratch.extend_from_slice(chunk.get(run).unwrap_or_default());
        }
    }

    /// Adds bytes that are made here, and are few.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.write(|out| out.extend_from_slice(bytes));
    }

    /// Adds bytes that are made here.
    pub(crate) fn write<T>(&mut self, write: impl FnOnce(&mut BytesMut) -> T) -> T {
        debug_assert!(self.run.is_empty(), "what comes before is in a chunk at hand");
        let before = self.scratch.len();
        let result = write(&mut self.scratch);
        self.total += self.scratch.len() - before;
        result
    }

    /// True if nothing is to be written.
    pub(crate) fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Everything, in order.
    pub(crate) fn take(&mut self) -> Parts {
        debug_assert!(self.run.is_empty(), "a chunk is at hand still");
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
