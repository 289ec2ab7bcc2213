//! One client's answer on its way out: held while it is small, passed on as a stream when it is
//! not (`docs/protocol.md`, section 1.3).

use bytes::{Bytes, BytesMut};
use pierhead_wire::envelope::{Outcome, data_header, put_outcome, put_version};

use crate::limits::ANSWER_WHOLE_MAX;

/// Data that waits to be passed on, and what is known of its reader.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pieces: Vec<Bytes>,
    waiting: usize,
    begun: bool,
    untaken: usize,
}

/// What to give the client.
pub(crate) enum Parcel {
    /// The first bytes of a stream.
    Begin(Vec<Bytes>),
    /// More of it.
    More(Vec<Bytes>),
}

impl Answer {
    /// Adds bytes for the client. Bytes that continue the last piece in memory extend it, so that
    /// a chunk full of rows is one piece.
    pub(crate) fn push(&mut self, chunk: &Bytes, bytes: Bytes) {
        self.waiting += bytes.len();
        if let Some(last) = self.pieces.last_mut()
            && let Some(joined) = join(chunk, last, &bytes)
        {
            *last = joined;
            return;
        }
        self.pieces.push(bytes);
    }

    /// Bytes held here and, of a stream, not taken by the reader yet.
    pub(crate) fn held(&self) -> usize {
        self.waiting + self.untaken
    }

    /// Bytes given to a stream that the reader has not taken yet.
    pub(crate) fn untaken(&self) -> usize {
        self.untaken
    }

    /// True once the answer is a stream.
    pub(crate) fn is_stream(&self) -> bool {
        self.begun
    }

    /// The reader took bytes.
    pub(crate) fn took(&mut self, bytes: usize) {
        self.untaken = self.untaken.saturating_sub(bytes);
    }

    /// What to pass on now, if anything: nothing of a small answer, everything of a large one.
    pub(crate) fn flush(&mut self) -> Option<Parcel> {
        if self.waiting == 0 || (!self.begun && self.waiting <= ANSWER_WHOLE_MAX) {
            return None;
        }
        let first = !self.begun;
        let bytes = self.records(first, None);
        self.begun = true;
        self.untaken += total(&bytes);
        Some(if first { Parcel::Begin(bytes) } else { Parcel::More(bytes) })
    }

    /// The rest of the answer: all of it, if it is no stream.
    pub(crate) fn finish(&mut self, outcome: &Outcome) -> Vec<Bytes> {
        let bytes = self.records(!self.begun, Some(outcome));
        if self.begun {
            self.untaken += total(&bytes);
        }
        bytes
    }

    fn records(&mut self, version: bool, outcome: Option<&Outcome>) -> Vec<Bytes> {
        let mut out = Vec::with_capacity(self.pieces.len() + 2);
        let mut head = BytesMut::with_capacity(6);
        if version {
            put_version(&mut head);
        }
        if self.waiting > 0 {
            head.extend_from_slice(&data_header(u32::try_from(self.waiting).unwrap_or(u32::MAX)));
        }
        if !head.is_empty() {
            out.push(head.freeze());
        }
        out.append(&mut self.pieces);
        self.waiting = 0;
        if let Some(outcome) = outcome {
            let mut tail = BytesMut::new();
            put_outcome(&mut tail, outcome);
            out.push(tail.freeze());
        }
        out
    }
}

fn total(bytes: &[Bytes]) -> usize {
    bytes.iter().map(Bytes::len).sum()
}

/// The slice of `chunk` that covers `a` and then `b`, if they are neighbours in it.
fn join(chunk: &Bytes, a: &Bytes, b: &Bytes) -> Option<Bytes> {
    let base = chunk.as_ptr().addr();
    let start = a.as_ptr().addr().checked_sub(base)?;
    let end = start.checked_add(a.len())?;
    let inside = end.checked_add(b.len())? <= chunk.len();
    let adjacent = b.as_ptr().addr().checked_sub(base)? == end;
    (inside && adjacent && !a.is_empty()).then(|| chunk.slice(start..end + b.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pierhead_wire::envelope::{AnswerReader, Record};

    fn read(parts: impl IntoIterator<Item = Bytes>) -> (Vec<u8>, usize) {
        let mut reader = AnswerReader::default();
        let (mut data, mut outcomes) = (Vec::new(), 0);
        for part in parts {
            reader.push(part);
            while let Some(record) = reader.next().unwrap() {
                match record {
                    Record::Data(bytes) => data.extend_from_slice(&bytes),
                    Record::Outcome(_) => outcomes += 1,
                }
            }
        }
        (data, outcomes)
    }

    #[test]
    fn neighbours_become_one_piece() {
        let chunk = Bytes::from_static(b"abcdef");
        let mut answer = Answer::default();
        answer.push(&chunk, chunk.slice(0..2));
        answer.push(&chunk, chunk.slice(2..4));
        answer.push(&chunk, chunk.slice(5..6));
        assert_eq!(answer.pieces, [&b"abcd"[..], b"f"]);
        let whole = answer.finish(&Outcome::completed(0, 0));
        assert_eq!(read(whole), (b"abcdf".to_vec(), 1));
    }

    #[test]
    fn a_large_answer_becomes_a_stream_and_counts_what_is_not_taken() {
        let chunk = Bytes::from(vec![7; ANSWER_WHOLE_MAX]);
        let mut answer = Answer::default();
        answer.push(&chunk, chunk.clone());
        assert!(answer.flush().is_none());
        let more = Bytes::from_static(b"x");
        answer.push(&more, more.clone());
        let Some(Parcel::Begin(mut all)) = answer.flush() else { panic!("not begun") };
        assert_eq!(answer.untaken(), ANSWER_WHOLE_MAX + 1 + 6);
        answer.took(ANSWER_WHOLE_MAX);
        assert_eq!(answer.untaken(), 7);
        all.extend(answer.finish(&Outcome::completed(0, 0)));
        let (data, outcomes) = read(all);
        assert_eq!((data.len(), outcomes), (ANSWER_WHOLE_MAX + 1, 1));
    }
}
