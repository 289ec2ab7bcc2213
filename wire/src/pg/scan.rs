//! Cutting a byte stream into messages.
//!
//! ```text
//!            ┌──────── chunk used up, header incomplete ────────┐
//!            ▼                                                  │
//!        ┌────────┐  header of a bulk message   ┌─────────┐     │
//!   ───▶ │ Header │ ───────────────────────────▶│ Passing │─────┤ all bytes passed
//!        └────────┘                             └─────────┘     │
//!            │  header of any other message     ┌───────────┐   │
//!            └─────────────────────────────────▶│ Gathering │───┘ message handed over
//!                                               └───────────┘
//! ```
//!
//! A header or body that lies whole in one chunk is a slice of it; only what a chunk's end cuts in
//! two is gathered in a buffer.

use bytes::{Bytes, BytesMut};

use super::tag;
use crate::limits::{PG_BULK_MAX, PG_GATHERED_MAX_BACKEND, PG_GATHERED_MAX_FRONTEND};

/// Bytes of a message header: type and length.
pub const HEADER: usize = 5;

/// Which side's messages are scanned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Messages of the database.
    Backend,
    /// Messages of a client, after its start-up message.
    Frontend,
}

/// What a scan finds next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Piece {
    /// One whole message that is not bulk.
    Message(Message),
    /// Bytes of one bulk message; its first piece contains the header.
    Bulk {
        /// The message's type.
        tag: u8,
        /// True for the message's first piece.
        first: bool,
        /// True for the message's last piece.
        last: bool,
        /// The bytes, a slice of the chunk they came in.
        bytes: Bytes,
    },
}

/// A whole message, header included.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// Its type.
    pub tag: u8,
    /// Its bytes, header included.
    pub raw: Bytes,
}

impl Message {
    /// The bytes after the header.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.raw.get(HEADER..).unwrap_or_default()
    }
}

/// Bytes that are no messages of the protocol. Nothing after them can be trusted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ScanError {
    /// A type byte that this direction does not have.
    UnknownType(u8),
    /// A length below 4, or above the limit for the type.
    BadLength {
        /// The message's type.
        tag: u8,
        /// The length field.
        length: u32,
    },
}

impl std::fmt::Display for ScanError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::UnknownType(tag) => write!(f, "unknown message type {tag:#04x}"),
            Self::BadLength { tag, length } => {
                write!(f, "message type {tag:#04x} with impossible length {length}")
            }
        }
    }
}

impl std::error::Error for ScanError {}

#[derive(Debug)]
enum State {
    /// Between messages; `partial` may hold the beginning of a header.
    Header,
    /// Inside a message whose rest (`missing` bytes) passes through.
    Passing { tag: u8, missing: usize },
    /// Inside a message that is gathered in `partial` up to `total` bytes.
    Gathering { tag: u8, total: usize },
    /// After an error; yields nothing more.
    Broken,
}

/// Cuts one direction of one connection into messages.
#[derive(Debug)]
pub struct Scanner {
    direction: Direction,
    state: State,
    chunk: Bytes,
    partial: BytesMut,
}

impl Scanner {
    /// A scanner at the beginning of a message.
    #[must_use]
    pub fn new(direction: Direction) -> Self {
        Self { direction, state: State::Header, chunk: Bytes::new(), partial: BytesMut::new() }
    }

    /// Adds the next chunk. Call only when [`Scanner::next_piece`] has returned `None`.
    pub fn push(&mut self, chunk: Bytes) {
        debug_assert!(self.chunk.is_empty(), "pieces of the last chunk were not taken");
        self.chunk = chunk;
    }

    /// True between two messages, with nothing left over.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        matches!(self.state, State::Header) && self.partial.is_empty() && self.chunk.is_empty()
    }

    /// The next piece, or `None` when the chunk is used up.
    ///
    /// # Errors
    /// When the bytes are no messages; the scanner then yields nothing more.
    pub fn next_piece(&mut self) -> Result<Option<Piece>, ScanError> {
        let result = self.step();
        if result.is_err() {
            self.state = State::Broken;
            self.chunk = Bytes::new();
            self.partial = BytesMut::new();
        }
        result
    }

    fn step(&mut self) -> Result<Option<Piece>, ScanError> {
        loop {
            if self.chunk.is_empty() {
                return Ok(None);
            }
            match self.state {
                State::Broken => return Ok(None),
                State::Passing { tag, missing } => return Ok(Some(self.pass(tag, false, missing))),
                State::Gathering { tag, total } => return Ok(self.gather(tag, total)),
                State::Header => {
                    if let Some(piece) = self.header()? {
                        return Ok(Some(piece));
                    }
                }
            }
        }
    }

    /// Reads a header, and the message behind it as far as the chunk goes.
    fn header(&mut self) -> Result<Option<Piece>, ScanError> {
        if self.partial.is_empty() && self.chunk.len() >= HEADER {
            let (tag, total) = self.check(&self.chunk)?;
            if self.is_bulk(tag) {
                return Ok(Some(self.pass(tag, true, total)));
            }
            if self.chunk.len() >= total {
                let raw = self.chunk.split_to(total);
                return Ok(Some(Piece::Message(Message { tag, raw })));
            }
            self.state = State::Gathering { tag, total };
            return Ok(None);
        }
        let want = HEADER.saturating_sub(self.partial.len()).min(self.chunk.len());
        self.partial.extend_from_slice(&self.chunk.split_to(want));
        if self.partial.len() < HEADER {
            return Ok(None);
        }
        let (tag, total) = self.check(&self.partial)?;
        if self.is_bulk(tag) {
            let bytes = std::mem::take(&mut self.partial).freeze();
            let missing = total.saturating_sub(HEADER);
            self.state = if missing == 0 { State::Header } else { State::Passing { tag, missing } };
            return Ok(Some(Piece::Bulk { tag, first: true, last: missing == 0, bytes }));
        }
        if total == HEADER {
            let raw = std::mem::take(&mut self.partial).freeze();
            return Ok(Some(Piece::Message(Message { tag, raw })));
        }
        self.state = State::Gathering { tag, total };
        Ok(None)
    }

    fn pass(&mut self, tag: u8, first: bool, missing: usize) -> Piece {
        let bytes = self.chunk.split_to(missing.min(self.chunk.len()));
        let left = missing.saturating_sub(bytes.len());
        self.state = if left == 0 { State::Header } else { State::Passing { tag, missing: left } };
        Piece::Bulk { tag, first, last: left == 0, bytes }
    }

    fn gather(&mut self, tag: u8, total: usize) -> Option<Piece> {
        let missing = total.saturating_sub(self.partial.len()).min(self.chunk.len());
        self.partial.extend_from_slice(&self.chunk.split_to(missing));
        if self.partial.len() < total {
            return None;
        }
        self.state = State::Header;
        let raw = std::mem::take(&mut self.partial).freeze();
        Some(Piece::Message(Message { tag, raw }))
    }

    fn is_bulk(&self, tag: u8) -> bool {
        match self.direction {
            Direction::Backend => tag::backend::is_bulk(tag),
            Direction::Frontend => tag::frontend::is_bulk(tag),
        }
    }

    /// The type and total size of the message that begins here.
    fn check(&self, bytes: &[u8]) -> Result<(u8, usize), ScanError> {
        let [tag, a, b, c, d, ..] = *bytes else { return Err(ScanError::UnknownType(0)) };
        let length = u32::from_be_bytes([a, b, c, d]);
        let (known, gathered_max) = match self.direction {
            Direction::Backend => (tag::backend::is_known(tag), PG_GATHERED_MAX_BACKEND),
            Direction::Frontend => (tag::frontend::is_known(tag), PG_GATHERED_MAX_FRONTEND),
        };
        if !known {
            return Err(ScanError::UnknownType(tag));
        }
        let limit = if self.is_bulk(tag) { PG_BULK_MAX } else { gathered_max };
        match usize::try_from(length) {
            Ok(size) if (4..=limit).contains(&size) => Ok((tag, size + 1)),
            _ => Err(ScanError::BadLength { tag, length }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(direction: Direction, chunks: &[&[u8]]) -> Result<Vec<Piece>, ScanError> {
        let mut scanner = Scanner::new(direction);
        let mut pieces = Vec::new();
        for chunk in chunks {
            scanner.push(Bytes::copy_from_slice(chunk));
            while let Some(piece) = scanner.next_piece()? {
                pieces.push(piece);
            }
        }
        Ok(pieces)
    }

    /// Joins the pieces of each message again.
    fn joined(pieces: &[Piece]) -> Vec<(u8, Vec<u8>)> {
        let mut messages: Vec<(u8, Vec<u8>)> = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Message(m) => messages.push((m.tag, m.raw.to_vec())),
                Piece::Bulk { tag, first: true, bytes, .. } => {
                    messages.push((*tag, bytes.to_vec()))
                }
                Piece::Bulk { bytes, .. } => {
                    messages.last_mut().unwrap().1.extend_from_slice(bytes)
                }
            }
        }
        messages
    }

    const REPLY: &[u8] =
        b"2\0\0\0\x04T\0\0\0\x06\0\0D\0\0\0\x0b\0\x01\0\0\0\x01xC\0\0\0\x0dSELECT 1\0Z\0\0\0\x05I";

    #[test]
    fn a_reply_is_cut_into_its_messages() {
        let messages = joined(&all(Direction::Backend, &[REPLY]).unwrap());
        assert_eq!(messages.iter().map(|m| m.0).collect::<Vec<_>>(), b"2TDCZ");
        assert_eq!(messages.concat_bytes(), REPLY);
    }

    #[test]
    fn it_does_not_matter_where_chunks_end() {
        let whole = joined(&all(Direction::Backend, &[REPLY]).unwrap());
        for cut in 0..REPLY.len() {
            let (a, b) = REPLY.split_at(cut);
            assert_eq!(joined(&all(Direction::Backend, &[a, b]).unwrap()), whole, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = REPLY.chunks(1).collect();
        assert_eq!(joined(&all(Direction::Backend, &bytes).unwrap()), whole);
    }

    #[test]
    fn bodies_inside_one_chunk_are_not_copied() {
        let chunk = Bytes::from_static(REPLY);
        let mut scanner = Scanner::new(Direction::Backend);
        scanner.push(chunk.clone());
        while let Some(piece) = scanner.next_piece().unwrap() {
            let bytes = match piece {
                Piece::Message(m) => m.raw,
                Piece::Bulk { bytes, .. } => bytes,
            };
            assert!(chunk.as_ptr_range().contains(&bytes.as_ptr()));
        }
        assert!(scanner.is_clean());
    }

    #[test]
    fn a_row_larger_than_any_buffer_passes_through() {
        let mut scanner = Scanner::new(Direction::Backend);
        scanner.push(Bytes::from_static(b"D\x20\0\0\0"));
        let first = scanner.next_piece().unwrap().unwrap();
        assert!(matches!(first, Piece::Bulk { first: true, last: false, .. }));
        scanner.push(Bytes::from_static(&[0; 1000]));
        assert!(matches!(scanner.next_piece(), Ok(Some(Piece::Bulk { first: false, .. }))));
        assert!(scanner.next_piece().unwrap().is_none());
    }

    #[test]
    fn nonsense_is_refused_and_nothing_follows_it() {
        let unknown = all(Direction::Backend, &[b"?\0\0\0\x04Z\0\0\0\x05I"]);
        assert_eq!(unknown, Err(ScanError::UnknownType(b'?')));
        let short = all(Direction::Backend, &[b"Z\0\0\0\x03"]);
        assert_eq!(short, Err(ScanError::BadLength { tag: b'Z', length: 3 }));
        let huge = all(Direction::Backend, &[b"C\x7f\xff\xff\xff"]);
        assert_eq!(huge, Err(ScanError::BadLength { tag: b'C', length: 0x7fff_ffff }));

        let mut scanner = Scanner::new(Direction::Backend);
        scanner.push(Bytes::from_static(b"?\0\0\0\x04Z\0\0\0\x05I"));
        assert!(scanner.next_piece().is_err());
        scanner.push(Bytes::from_static(b"Z\0\0\0\x05I"));
        assert_eq!(scanner.next_piece(), Ok(None));
    }

    #[test]
    fn a_client_can_not_send_what_only_a_server_sends() {
        assert_eq!(all(Direction::Frontend, &[b"Z\0\0\0\x05I"]), Err(ScanError::UnknownType(b'Z')));
    }

    trait ConcatBytes {
        fn concat_bytes(&self) -> Vec<u8>;
    }
    impl ConcatBytes for Vec<(u8, Vec<u8>)> {
        fn concat_bytes(&self) -> Vec<u8> {
            self.iter().flat_map(|m| m.1.clone()).collect()
        }
    }
}
