//! The answer of an exchange: records of data, then the outcome (`docs/protocol.md`, 1.3).

use std::collections::VecDeque;
use std::fmt;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{Outcome, OutcomeError, VERSION};
use crate::limits::OUTCOME_BYTES_MAX;

const KIND_DATA: u8 = b'D';
const KIND_OUTCOME: u8 = b'O';
const HEADER_BYTES: usize = 5;

/// Puts the version that an answer begins with.
pub fn put_version(out: &mut BytesMut) {
    out.put_u8(VERSION);
}

/// The header of a data record whose payload has `length` bytes and follows by itself, so that
/// data is never copied.
#[must_use]
pub const fn data_header(length: u32) -> [u8; 5] {
    let [a, b, c, d] = length.to_be_bytes();
    [KIND_DATA, a, b, c, d]
}

/// Bytes of the whole outcome record.
#[must_use]
pub fn outcome_record_len(outcome: &Outcome) -> usize {
    HEADER_BYTES + outcome.encoded_len()
}

/// Puts the whole outcome record, after which nothing may follow.
pub fn put_outcome(out: &mut BytesMut, outcome: &Outcome) {
    let length = outcome.encoded_len();
    out.reserve(HEADER_BYTES + length);
    // Outcomes are below OUTCOME_BYTES_MAX by their texts' limits.
    let [a, b, c, d] = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    out.put_slice(&[KIND_OUTCOME, a, b, c, d]);
    outcome.put(out);
}

/// One thing that an answer holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A piece of data: not necessarily a whole record, let alone a whole message; never empty.
    Data(Bytes),
    /// How it ended. Nothing follows.
    Outcome(Outcome),
}

/// Reads an answer as it arrives, cut anywhere. Data comes out in slices of what was pushed;
/// besides an outcome, at most [`OUTCOME_BYTES_MAX`], nothing is copied or kept.
///
/// ```text
/// Version ──▶ Header ──D──▶ Data ──▶ Header
///               └────O──▶ Outcome ──▶ Done
/// ```
#[derive(Debug, Default)]
pub struct AnswerReader {
    input: VecDeque<Bytes>,
    state: State,
    /// A header or an outcome of which only a part has arrived.
    partial: BytesMut,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Version,
    Header,
    Data {
        left: usize,
    },
    Outcome {
        length: usize,
    },
    Done,
}

impl AnswerReader {
    /// A reader before the first byte.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the answer.
    pub fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.input.push_back(bytes);
        }
    }

    /// The next record, or nothing until more is pushed.
    ///
    /// # Errors
    /// When the bytes are no answer. The answer is then broken for good.
    #[expect(clippy::should_implement_trait, reason = "nothing yet is not the end")]
    pub fn next(&mut self) -> Result<Option<Record>, AnswerError> {
        loop {
            match self.state {
                State::Version => {
                    let Some(version) = self.take_exactly(1) else { return Ok(None) };
                    match version.first() {
                        Some(&VERSION) => self.state = State::Header,
                        other => return Err(AnswerError::Version(other.copied().unwrap_or(0))),
                    }
                }
                State::Header => {
                    let Some(header) = self.take_exactly(HEADER_BYTES) else { return Ok(None) };
                    self.state = after_header(header)?;
                }
                State::Data { left: 0 } => self.state = State::Header,
                State::Data { left } => {
                    let Some(data) = self.take_up_to(left) else { return Ok(None) };
                    self.state = State::Data { left: left - data.len() };
                    return Ok(Some(Record::Data(data)));
                }
                State::Outcome { length } => {
                    let Some(payload) = self.take_exactly(length) else { return Ok(None) };
                    self.state = State::Done;
                    let outcome = Outcome::parse(payload).map_err(AnswerError::Outcome)?;
                    return Ok(Some(Record::Outcome(outcome)));
                }
                State::Done if self.input.is_empty() => return Ok(None),
                State::Done => return Err(AnswerError::AfterOutcome),
            }
        }
    }

    /// Says that no more bytes come.
    ///
    /// # Errors
    /// When the outcome is missing: it is unknown, whatever data arrived before.
    pub fn finish(&self) -> Result<(), AnswerError> {
        match self.state {
            State::Done if self.input.is_empty() => Ok(()),
            State::Done => Err(AnswerError::AfterOutcome),
            State::Version | State::Header | State::Data { .. } | State::Outcome { .. } => {
                Err(AnswerError::NoOutcome)
            }
        }
    }

    /// Some of the next `max` bytes, in one slice.
    fn take_up_to(&mut self, max: usize) -> Option<Bytes> {
        let first = self.input.front_mut()?;
        if first.len() > max {
            return Some(first.split_to(max));
        }
        self.input.pop_front()
    }

    /// All of the next `length` bytes; what there is of them is kept until the rest arrives.
    fn take_exactly(&mut self, length: usize) -> Option<Bytes> {
        while self.partial.len() < length {
            let bytes = self.take_up_to(length - self.partial.len())?;
            if self.partial.is_empty() && bytes.len() == length {
                return Some(bytes);
            }
            self.partial.put_slice(&bytes);
        }
        Some(self.partial.split().freeze())
    }
}

fn after_header(mut header: Bytes) -> Result<State, AnswerError> {
    let kind = header.try_get_u8().unwrap_or_default();
    let length = header.try_get_u32().unwrap_or_default() as usize;
    match kind {
        KIND_DATA => Ok(State::Data { left: length }),
        KIND_OUTCOME if length > OUTCOME_BYTES_MAX => Err(AnswerError::OutcomeTooLong(length)),
        KIND_OUTCOME => Ok(State::Outcome { length }),
        kind => Err(AnswerError::Kind(kind)),
    }
}

/// Why bytes are not an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerError {
    /// The answer has another version.
    Version(u8),
    /// A record has this kind, which does not exist.
    Kind(u8),
    /// The outcome has this many bytes, above [`OUTCOME_BYTES_MAX`].
    OutcomeTooLong(usize),
    /// The outcome is malformed.
    Outcome(OutcomeError),
    /// Bytes follow the outcome.
    AfterOutcome,
    /// The answer ended without an outcome.
    NoOutcome,
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(
                f,
                "the answer has envelope version {version}, this caller speaks {VERSION}: build \
                 the caller with a newer Pierhead"
            ),
            Self::Kind(kind) => write!(f, "the answer has a record of unknown kind {kind:#04x}"),
            Self::OutcomeTooLong(length) => {
                write!(f, "the answer's outcome has {length} bytes, at most {OUTCOME_BYTES_MAX}")
            }
            Self::Outcome(error) => error.fmt(f),
            Self::AfterOutcome => f.write_str("bytes follow the answer's outcome"),
            Self::NoOutcome => f.write_str("the answer ended without an outcome"),
        }
    }
}

impl std::error::Error for AnswerError {}

#[cfg(test)]
mod tests {
    use super::super::outcome::tests::{GOLDEN as OUTCOME, refused};
    use super::*;

    fn golden() -> Vec<u8> {
        let mut bytes = vec![1];
        bytes.extend(b"D\0\0\0\x03abc");
        bytes.extend(b"D\0\0\0\0");
        bytes.extend(b"D\0\0\0\x02de");
        bytes.extend(b"O\0\0\0\x22");
        bytes.extend(OUTCOME);
        bytes
    }

    fn read(pieces: &[&[u8]]) -> Result<(Vec<u8>, Option<Outcome>), AnswerError> {
        let mut reader = AnswerReader::new();
        let (mut data, mut outcome) = (Vec::new(), None);
        for piece in pieces {
            reader.push(Bytes::copy_from_slice(piece));
            while let Some(record) = reader.next()? {
                match record {
                    Record::Data(bytes) => {
                        assert!(!bytes.is_empty());
                        data.extend(bytes);
                    }
                    Record::Outcome(end) => outcome = Some(end),
                }
            }
        }
        reader.finish()?;
        Ok((data, outcome))
    }

    #[test]
    fn golden_answer() {
        let mut out = BytesMut::new();
        put_version(&mut out);
        for data in ["abc", "", "de"] {
            out.put_slice(&data_header(u32::try_from(data.len()).unwrap()));
            out.put_slice(data.as_bytes());
        }
        put_outcome(&mut out, &refused());
        assert_eq!(out.as_ref(), golden());
        assert_eq!(data_header(0x0102_0304), *b"D\x01\x02\x03\x04");
    }

    #[test]
    fn an_answer_may_be_cut_anywhere() {
        let golden = golden();
        let expected = Ok((b"abcde".to_vec(), Some(refused())));
        for cut in 0..=golden.len() {
            assert_eq!(read(&[&golden[..cut], &golden[cut..]]), expected, "{cut}");
        }
        let bytes: Vec<&[u8]> = golden.chunks(1).collect();
        assert_eq!(read(&bytes), expected);
    }

    #[test]
    fn data_is_passed_on_before_its_record_is_whole_and_without_a_copy() {
        let mut reader = AnswerReader::new();
        let piece = Bytes::from_static(b"\x01D\0\x10\0\0abc");
        reader.push(piece.clone());
        let Ok(Some(Record::Data(data))) = reader.next() else { panic!("data") };
        assert_eq!(data, "abc");
        assert_eq!(data.as_ptr(), piece[6..].as_ptr());
        assert_eq!(reader.next(), Ok(None));
        assert_eq!(reader.finish(), Err(AnswerError::NoOutcome));
    }

    #[test]
    fn an_answer_that_breaks_off_has_no_outcome() {
        let golden = golden();
        for length in 0..golden.len() {
            assert_eq!(read(&[&golden[..length]]), Err(AnswerError::NoOutcome), "{length}");
        }
    }

    #[test]
    fn nothing_follows_the_outcome() {
        let mut golden = golden();
        golden.push(b'D');
        assert_eq!(read(&[&golden]), Err(AnswerError::AfterOutcome));
    }

    #[test]
    fn malformed_answers_are_refused() {
        assert_eq!(read(&[b"\x02"]), Err(AnswerError::Version(2)));
        assert_eq!(read(&[b"\x01X\0\0\0\0"]), Err(AnswerError::Kind(b'X')));
        let long = b"\x01O\0\0\x40\x01";
        assert_eq!(read(&[long]), Err(AnswerError::OutcomeTooLong(16_385)));
        let short = b"\x01O\0\0\0\x01\0";
        assert_eq!(read(&[short]), Err(AnswerError::Outcome(OutcomeError("sqlstate"))));
    }
}
