//! Bytes on their way to a client, in as few pieces as is cheap: neighbours in one chunk are one
//! piece, and few bytes are copied together.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

use crate::limits::ANSWER_JOINED_MAX;
use crate::parts::{Parts, part_of};

/// Bytes that wait to be passed on.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    list: Parts,
    /// What came last, behind the list: neighbours in one chunk, not cut out of it yet.
    run: Option<Run>,
    total: usize,
}

/// A part of a chunk.
#[derive(Debug)]
struct Run {
    chunk: Bytes,
    part: Range<usize>,
}

impl Run {
    fn cut(self) -> Bytes {
        if self.part == (0..self.chunk.len()) { self.chunk } else { self.chunk.slice(self.part) }
    }
}

impl Pieces {
    /// Adds bytes that came in a chunk, or elsewhere. Those that continue the last ones in memory
    /// extend their piece, so that a chunk full of rows is one.
    #[inline]
    pub(crate) fn push(&mut self, chunk: &Bytes, bytes: &[u8]) {
        let Some(part) = part_of(chunk, bytes) else {
            return self.add(Bytes::copy_from_slice(bytes));
        };
        self.total += bytes.len();
        match &mut self.run {
            Some(run) if run.part.end == part.start && same(&run.chunk, chunk) => {
                run.part.end = part.end;
            }
            _ => {
                self.close_run();
                self.run = Some(Run { chunk: chunk.clone(), part });
            }
        }
    }

    /// Adds a chunk, which nobody else needs.
    #[inline]
    pub(crate) fn push_all(&mut self, chunk: Bytes) {
        self.total += chunk.len();
        self.close_run();
        let part = 0..chunk.len();
        self.run = Some(Run { chunk, part });
    }

    /// Adds bytes that are made here.
    pub(crate) fn add(&mut self, bytes: Bytes) {
        self.total += bytes.len();
        self.close_run();
        self.list.push(bytes);
    }

    /// Bytes in all.
    pub(crate) fn len(&self) -> usize {
        self.total
    }

    /// True if there are so few that copying them is cheaper than passing pieces on.
    pub(crate) fn is_small(&self) -> bool {
        self.total <= ANSWER_JOINED_MAX
    }

    /// Everything, with nothing before and behind it.
    pub(crate) fn take(&mut self) -> Parts {
        let several = self.list.len() + usize::from(self.run.is_some()) > 1;
        if several && self.is_small() {
            let mut all = BytesMut::with_capacity(self.total);
            self.copy_to(&mut all);
            return all.freeze().into();
        }
        self.total = 0;
        self.close_run();
        std::mem::take(&mut self.list)
    }

    /// Copies everything, which is gone then.
    pub(crate) fn copy_to(&mut self, out: &mut BytesMut) {
        for piece in self.list.iter() {
            out.put_slice(piece);
        }
        if let Some(Run { chunk, part }) = self.run.take() {
            out.put_slice(chunk.get(part).unwrap_or_default());
        }
        // Idle clients cost no more than they must.
        *self = Self::default();
    }

    /// Hands everything over as it is.
    pub(crate) fn move_to(&mut self, out: &mut Parts) {
        self.close_run();
        out.extend(std::mem::take(self).list);
    }

    fn close_run(&mut self) {
        if let Some(run) = self.run.take() {
            self.list.push(run.cut());
        }
    }
}

/// True if both are the same bytes in memory.
fn same(a: &Bytes, b: &Bytes) -> bool {
    a.as_ptr() == b.as_ptr() && a.len() == b.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_bytes_become_one_piece() {
        let chunk = Bytes::from_static(b"abcdef");
        let mut pieces = Pieces::default();
        pieces.push(&chunk, &chunk.slice(0..2));
        pieces.push(&chunk, &chunk.slice(2..4));
        pieces.push(&chunk, &chunk.slice(5..6));
        pieces.add(Bytes::from_static(b"made"));
        pieces.push(&chunk, &Bytes::from_static(b"elsewhere"));
        assert_eq!(pieces.len(), 18);
        assert_eq!(*pieces.take(), [&b"abcdfmadeelsewhere"[..]]);
        assert_eq!((pieces.len(), pieces.take().len()), (0, 0));
    }

    #[test]
    fn a_chunk_that_nobody_else_needs_is_passed_on_as_it_is() {
        let chunk = Bytes::from(vec![b'x'; 10]);
        let place = chunk.as_ptr();
        let mut pieces = Pieces::default();
        pieces.push_all(chunk);
        let taken = pieces.take();
        assert_eq!((taken.len(), taken[0].len(), taken[0].as_ptr()), (1, 10, place));
        assert_eq!(pieces.len(), 0);
    }

    #[test]
    fn many_bytes_are_not_copied_and_neighbours_in_one_chunk_are_one_piece() {
        let chunk = Bytes::from(vec![b'x'; ANSWER_JOINED_MAX + 6]);
        let mut pieces = Pieces::default();
        pieces.push(&chunk, &chunk.slice(0..2));
        pieces.push(&chunk, &chunk.slice(2..ANSWER_JOINED_MAX));
        pieces.push(&chunk, &chunk.slice(ANSWER_JOINED_MAX + 1..ANSWER_JOINED_MAX + 3));
        let next = Bytes::from(vec![b'y'; ANSWER_JOINED_MAX + 6]);
        pieces.push(&next, &next.slice(ANSWER_JOINED_MAX + 3..));
        let taken = pieces.take();
        let lengths: Vec<_> = taken.iter().map(Bytes::len).collect();
        assert_eq!(lengths, [ANSWER_JOINED_MAX, 2, 3]);
        assert_eq!(taken[0].as_ptr(), chunk.as_ptr());
        assert_eq!(taken[2], b"yyy"[..]);
    }
}
