//! One client's answer on its way out: held while it is small, passed on as a stream when it is
//! not (`docs/protocol.md`, section 1.3).

use bytes::{Bytes, BytesMut};
use pierhead_wire::envelope::{Outcome, data_header, outcome_record_len, put_outcome, put_version};

use crate::limits::ANSWER_WHOLE_MAX;
use crate::parts::Parts;
use crate::pool::pieces::Pieces;

/// Bytes of an answer's version and of a data record's header.
const HEAD: usize = 6;

/// Data that waits to be passed on, and what is known of its reader.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    waiting: Pieces,
    begun: bool,
    untaken: usize,
}

/// What to give the client.
pub(crate) enum Parcel {
    /// The first bytes of a stream.
    Begin(Parts),
    /// More of it.
    More(Parts),
}

impl Answer {
    /// Adds bytes for the client, as they came in a chunk.
    #[inline]
    pub(crate) fn push(&mut self, chunk: &Bytes, bytes: &[u8]) {
        self.waiting.push(chunk, bytes);
    }

    /// Adds a chunk for the client, which nobody else needs.
    #[inline]
    pub(crate) fn push_all(&mut self, chunk: Bytes) {
        self.waiting.push_all(chunk);
    }

    /// Bytes held here and, of a stream, not taken by the reader yet.
    pub(crate) fn held(&self) -> usize {
        self.waiting.len() + self.untaken
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
        if self.waiting.len() == 0 || (!self.begun && self.waiting.len() <= ANSWER_WHOLE_MAX) {
            return None;
        }
        let first = !self.begun;
        let bytes = self.records(first, None);
        self.begun = true;
        self.untaken += bytes.bytes();
        Some(if first { Parcel::Begin(bytes) } else { Parcel::More(bytes) })
    }

    /// The rest of the answer: all of it, if it is no stream.
    pub(crate) fn finish(&mut self, outcome: &Outcome) -> Parts {
        let bytes = self.records(!self.begun, Some(outcome));
        if self.begun {
            self.untaken += bytes.bytes();
        }
        bytes
    }

    fn records(&mut self, version: bool, outcome: Option<&Outcome>) -> Parts {
        let tail = outcome.map_or(0, outcome_record_len);
        if self.waiting.is_small() {
            let mut all = BytesMut::with_capacity(HEAD + self.waiting.len() + tail);
            self.put_head(&mut all, version);
            self.waiting.copy_to(&mut all);
            put_tail(&mut all, outcome);
            return all.freeze().into();
        }
        let mut head = BytesMut::with_capacity(HEAD);
        self.put_head(&mut head, version);
        let mut out = Parts::from(head.freeze());
        self.waiting.move_to(&mut out);
        let mut last = BytesMut::with_capacity(tail);
        put_tail(&mut last, outcome);
        if !last.is_empty() {
            out.push(last.freeze());
        }
        out
    }

    fn put_head(&self, out: &mut BytesMut, version: bool) {
        if version {
            put_version(out);
        }
        let length = self.waiting.len();
        if length > 0 {
            out.extend_from_slice(&data_header(u32::try_from(length).unwrap_or(u32::MAX)));
        }
    }
}

fn put_tail(out: &mut BytesMut, outcome: Option<&Outcome>) {
    if let Some(outcome) = outcome {
        put_outcome(out, outcome);
    }
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
    fn a_small_answer_is_one_piece() {
        let chunk = Bytes::from_static(b"abcdef");
        let mut answer = Answer::default();
        answer.push(&chunk, &chunk.slice(0..2));
        answer.push(&chunk, &chunk.slice(3..6));
        let whole = answer.finish(&Outcome::completed(0, 0));
        assert_eq!(whole.len(), 1);
        assert_eq!(read(whole), (b"abdef".to_vec(), 1));
    }

    #[test]
    fn a_large_answer_becomes_a_stream_and_counts_what_is_not_taken() {
        let chunk = Bytes::from(vec![7; ANSWER_WHOLE_MAX]);
        let mut answer = Answer::default();
        answer.push(&chunk, &chunk);
        assert!(answer.flush().is_none());
        let more = Bytes::from_static(b"x");
        answer.push(&more, &more);
        let Some(Parcel::Begin(mut all)) = answer.flush() else { panic!("not begun") };
        assert_eq!(answer.untaken(), ANSWER_WHOLE_MAX + 1 + 6);
        answer.took(ANSWER_WHOLE_MAX);
        assert_eq!(answer.untaken(), 7);
        all.extend(answer.finish(&Outcome::completed(0, 0)));
        let (data, outcomes) = read(all);
        assert_eq!((data.len(), outcomes), (ANSWER_WHOLE_MAX + 1, 1));
    }
}
