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

/// What a scan finds next: with bytes of its own, or with a view of those of a chunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Piece<B = Bytes> {
    /// One whole message that is not bulk.
    Message(Message<B>),
    /// Bytes of a bulk message, or of several rows or several pieces of COPY data that follow one
    /// another: whoever reads neither has no use for the borders between them.
    Bulk {
        /// The messages' type.
        tag: u8,
        /// True if the bytes begin with a message's header; otherwise they go on with the message
        /// of the last piece.
        first: bool,
        /// True if the bytes end where a message does.
        last: bool,
        /// The bytes, a slice of the chunk they came in.
        bytes: B,
    },
}

/// A whole message, header included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Message<B = Bytes> {
    /// Its type.
    pub tag: u8,
    /// Its bytes, header included.
    pub raw: B,
}

impl<B: AsRef<[u8]>> Message<B> {
    /// The bytes after the header.
    #[must_use]
    #[inline]
    pub fn body(&self) -> &[u8] {
        self.raw.as_ref().get(HEADER..).unwrap_or_default()
    }
}

impl<B: AsRef<[u8]>> Piece<B> {
    /// All its bytes.
    #[must_use]
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Message(message) => message.raw.as_ref(),
            Self::Bulk { bytes, .. } => bytes.as_ref(),
        }
    }

    /// The type of its message, or of its messages.
    #[must_use]
    #[inline]
    pub fn tag(&self) -> u8 {
        match self {
            Self::Message(message) => message.tag,
            Self::Bulk { tag, .. } => *tag,
        }
    }

    /// A view of it.
    #[must_use]
    #[inline]
    pub fn view(&self) -> Piece<&[u8]> {
        match self {
            Self::Message(Message { tag, raw }) => {
                Piece::Message(Message { tag: *tag, raw: raw.as_ref() })
            }
            Self::Bulk { tag, first, last, bytes } => {
                Piece::Bulk { tag: *tag, first: *first, last: *last, bytes: bytes.as_ref() }
            }
        }
    }
}

impl Piece<&[u8]> {
    /// The same, holding on to the chunk that it is a view of.
    #[must_use]
    pub fn hold(&self, chunk: &Bytes) -> Piece {
        match *self {
            Self::Message(Message { tag, raw }) => {
                Piece::Message(Message { tag, raw: chunk.slice_ref(raw) })
            }
            Self::Bulk { tag, first, last, bytes } => {
                Piece::Bulk { tag, first, last, bytes: chunk.slice_ref(bytes) }
            }
        }
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
    partial: BytesMut,
}

impl Scanner {
    /// A scanner at the beginning of a message.
    #[must_use]
    pub fn new(direction: Direction) -> Self {
        Self { direction, state: State::Header, partial: BytesMut::new() }
    }

    /// True between two messages, with nothing held of the next one.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        matches!(self.state, State::Header) && self.partial.is_empty()
    }

    /// The type of the message of which a part has come that is not handed over yet.
    #[must_use]
    pub fn begun(&self) -> Option<u8> {
        match self.state {
            State::Gathering { tag, .. } => Some(tag),
            State::Header => self.partial.first().copied(),
            State::Passing { .. } | State::Broken => None,
        }
    }

    /// Bytes held of a message that is not whole yet.
    #[must_use]
    pub fn gathered(&self) -> usize {
        self.partial.len()
    }

    /// Bytes missing from a message that is handed over only when it is whole.
    #[must_use]
    pub fn missing(&self) -> usize {
        match self.state {
            State::Gathering { total, .. } => total.saturating_sub(self.partial.len()),
            State::Header if !self.partial.is_empty() => HEADER.saturating_sub(self.partial.len()),
            State::Header | State::Passing { .. } | State::Broken => 0,
        }
    }

    /// A view of the next piece of `rest`, which is moved behind it, if nothing is held of what came
    /// before and the piece lies whole in there. `None` if not, or if it is no message:
    /// [`Scanner::next_piece`] finds out.
    #[inline]
    pub fn next_whole<'a>(&self, rest: &mut &'a [u8]) -> Option<Piece<&'a [u8]>> {
        if !self.is_clean() {
            return None;
        }
        let Header { tag, bulk, total } = self.check(rest).ok()?;
        let total = if bulk { run(rest, tag, total) } else { total };
        let (bytes, behind) = rest.split_at_checked(total)?;
        *rest = behind;
        Some(if bulk {
            Piece::Bulk { tag, first: true, last: true, bytes }
        } else {
            Piece::Message(Message { tag, raw: bytes })
        })
    }

    /// Cuts the next piece off the chunk that came next; `None` when it is used up, what is left of it
    /// being held.
    ///
    /// # Errors
    /// When the bytes are no messages; the scanner then yields nothing more.
    pub fn next_piece(&mut self, chunk: &mut Bytes) -> Result<Option<Piece>, ScanError> {
        let result = self.step(chunk);
        if result.is_err() {
            self.state = State::Broken;
            chunk.clear();
            self.partial = BytesMut::new();
        }
        result
    }

    fn step(&mut self, chunk: &mut Bytes) -> Result<Option<Piece>, ScanError> {
        loop {
            if chunk.is_empty() {
                return Ok(None);
            }
            match self.state {
                State::Broken => return Ok(None),
                State::Passing { tag, missing } => {
                    return Ok(Some(self.pass(chunk, tag, false, missing)));
                }
                State::Gathering { tag, total } => return Ok(self.gather(chunk, tag, total)),
                State::Header => {
                    if let Some(piece) = self.header(chunk)? {
                        return Ok(Some(piece));
                    }
                }
            }
        }
    }

    /// Reads a header, and the message behind it as far as the chunk goes.
    fn header(&mut self, chunk: &mut Bytes) -> Result<Option<Piece>, ScanError> {
        if self.partial.is_empty() && chunk.len() >= HEADER {
            let Header { tag, bulk, total } = self.check(chunk)?;
            if bulk {
                let run = run(chunk, tag, total);
                return Ok(Some(self.pass(chunk, tag, true, run)));
            }
            if chunk.len() >= total {
                let raw = chunk.split_to(total);
                return Ok(Some(Piece::Message(Message { tag, raw })));
            }
            self.state = State::Gathering { tag, total };
            return Ok(None);
        }
        let want = HEADER.saturating_sub(self.partial.len()).min(chunk.len());
        self.partial.extend_from_slice(&chunk.split_to(want));
        if self.partial.len() < HEADER {
            return Ok(None);
        }
        let Header { tag, bulk, total } = self.check(&self.partial)?;
        if bulk {
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

    fn pass(&mut self, chunk: &mut Bytes, tag: u8, first: bool, missing: usize) -> Piece {
        let bytes = chunk.split_to(missing.min(chunk.len()));
        let left = missing.saturating_sub(bytes.len());
        self.state = if left == 0 { State::Header } else { State::Passing { tag, missing: left } };
        Piece::Bulk { tag, first, last: left == 0, bytes }
    }

    fn gather(&mut self, chunk: &mut Bytes, tag: u8, total: usize) -> Option<Piece> {
        let missing = total.saturating_sub(self.partial.len()).min(chunk.len());
        self.partial.extend_from_slice(&chunk.split_to(missing));
        if self.partial.len() < total {
            return None;
        }
        self.state = State::Header;
        let raw = std::mem::take(&mut self.partial).freeze();
        Some(Piece::Message(Message { tag, raw }))
    }

    /// The header of the message that begins here.
    #[inline]
    fn check(&self, bytes: &[u8]) -> Result<Header, ScanError> {
        let [tag, a, b, c, d, ..] = *bytes else { return Err(ScanError::UnknownType(0)) };
        let length = u32::from_be_bytes([a, b, c, d]);
        let (classes, gathered_max) = match self.direction {
            Direction::Backend => (&BACKEND, PG_GATHERED_MAX_BACKEND),
            Direction::Frontend => (&FRONTEND, PG_GATHERED_MAX_FRONTEND),
        };
        let (bulk, limit) = match classes.get(usize::from(tag)) {
            Some(Class::Whole) => (false, gathered_max),
            Some(Class::Bulk) => (true, PG_BULK_MAX),
            Some(Class::Unknown) | None => return Err(ScanError::UnknownType(tag)),
        };
        match usize::try_from(length) {
            Ok(size) if (4..=limit).contains(&size) => Ok(Header { tag, bulk, total: size + 1 }),
            _ => Err(ScanError::BadLength { tag, length }),
        }
    }
}

/// Bytes of the bulk message at the chunk's beginning, of `total` bytes, and of those of its kind
/// that follow it in the chunk. Only the last of them may end outside. Descriptions are taken
/// one by one: each answers a message of its own.
fn run(chunk: &[u8], tag: u8, total: usize) -> usize {
    let mut end = total;
    if !matches!(tag, tag::backend::DATA_ROW | tag::backend::COPY_DATA) {
        return end;
    }
    while let Some(&[next, a, b, c, d, ..]) = chunk.get(end..)
        && next == tag
        && let Some(total) = bulk_total(u32::from_be_bytes([a, b, c, d]))
    {
        end = end.saturating_add(total);
    }
    end
}

/// What a header says.
struct Header {
    tag: u8,
    bulk: bool,
    /// Bytes of the message, with the header.
    total: usize,
}

/// What becomes of messages of a type.
#[derive(Clone, Copy)]
enum Class {
    Unknown,
    Whole,
    Bulk,
}

static BACKEND: [Class; 256] = classes(Direction::Backend);
static FRONTEND: [Class; 256] = classes(Direction::Frontend);

#[expect(clippy::indexing_slicing, reason = "a table that is made when the program is compiled")]
const fn classes(direction: Direction) -> [Class; 256] {
    let mut classes = [Class::Unknown; 256];
    let mut tag = 0;
    while tag < 255 {
        let (known, bulk) = match direction {
            Direction::Backend => (tag::backend::is_known(tag), tag::backend::is_bulk(tag)),
            Direction::Frontend => (tag::frontend::is_known(tag), tag::frontend::is_bulk(tag)),
        };
        classes[tag as usize] = match (known, bulk) {
            (false, _) => Class::Unknown,
            (true, false) => Class::Whole,
            (true, true) => Class::Bulk,
        };
        tag += 1;
    }
    classes
}

/// Bytes of a bulk message with this length field, if it may have it.
fn bulk_total(length: u32) -> Option<usize> {
    let size = usize::try_from(length).ok()?;
    (4..=PG_BULK_MAX).contains(&size).then_some(size + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(direction: Direction, chunks: &[&[u8]]) -> Result<Vec<Piece>, ScanError> {
        let mut scanner = Scanner::new(direction);
        let mut pieces = Vec::new();
        for chunk in chunks {
            let mut chunk = Bytes::copy_from_slice(chunk);
            while let Some(piece) = scanner.next_piece(&mut chunk)? {
                pieces.push(piece);
            }
        }
        Ok(pieces)
    }

    /// Joins the pieces, and cuts them again at the borders of messages.
    fn joined(pieces: &[Piece]) -> Vec<(u8, Vec<u8>)> {
        let mut bytes: Vec<u8> = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Message(m) => bytes.extend_from_slice(&m.raw),
                Piece::Bulk { bytes: more, .. } => bytes.extend_from_slice(more),
            }
        }
        let mut messages = Vec::new();
        while let [tag, a, b, c, d, ..] = bytes[..] {
            let rest = bytes.split_off(1 + u32::from_be_bytes([a, b, c, d]) as usize);
            messages.push((tag, std::mem::replace(&mut bytes, rest)));
        }
        assert!(bytes.is_empty());
        messages
    }

    fn tags(pieces: &[Piece]) -> Vec<(u8, bool, bool)> {
        let piece = |piece: &Piece| match piece {
            Piece::Message(m) => (m.tag, true, true),
            Piece::Bulk { tag, first, last, .. } => (*tag, *first, *last),
        };
        pieces.iter().map(piece).collect()
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

    const ROWS: &[u8] = b"D\0\0\0\x06\0\0D\0\0\0\x06\0\0D\0\0\0\x06\0\0C\0\0\0\x04";

    #[test]
    fn rows_that_follow_one_another_are_one_piece() {
        let pieces = all(Direction::Backend, &[ROWS]).unwrap();
        assert_eq!(tags(&pieces), [(b'D', true, true), (b'C', true, true)]);
        assert_eq!(joined(&pieces).len(), 4);
    }

    #[test]
    fn a_row_that_is_cut_ends_the_piece_and_goes_on_in_the_next() {
        let (a, b) = ROWS.split_at(13);
        let pieces = all(Direction::Backend, &[a, b]).unwrap();
        let expected =
            [(b'D', true, false), (b'D', false, true), (b'D', true, true), (b'C', true, true)];
        assert_eq!(tags(&pieces), expected);
    }

    #[test]
    fn a_malformed_row_behind_others_is_refused_when_they_are_passed_on() {
        let mut scanner = Scanner::new(Direction::Backend);
        let mut chunk = Bytes::from_static(b"D\0\0\0\x06\0\0D\0\0\0\x03");
        assert!(matches!(scanner.next_piece(&mut chunk), Ok(Some(Piece::Bulk { last: true, .. }))));
        let refused = ScanError::BadLength { tag: b'D', length: 3 };
        assert_eq!(scanner.next_piece(&mut chunk), Err(refused));
    }

    /// The pieces, viewed where they can be.
    fn viewed(chunks: &[&[u8]]) -> Vec<Piece> {
        let mut scanner = Scanner::new(Direction::Backend);
        let mut pieces = Vec::new();
        for chunk in chunks {
            let mut chunk = Bytes::copy_from_slice(chunk);
            loop {
                let mut rest: &[u8] = &chunk;
                if let Some(piece) = scanner.next_whole(&mut rest) {
                    pieces.push(piece.hold(&chunk));
                    chunk = chunk.slice_ref(rest);
                } else if let Some(piece) = scanner.next_piece(&mut chunk).unwrap() {
                    pieces.push(piece);
                } else {
                    break;
                }
            }
        }
        pieces
    }

    #[test]
    fn what_is_viewed_is_what_is_cut() {
        for bytes in [REPLY, ROWS] {
            for cut in 0..bytes.len() {
                let (a, b) = bytes.split_at(cut);
                let cut = all(Direction::Backend, &[a, b]).unwrap();
                assert_eq!(viewed(&[a, b]), cut);
            }
        }
        let nonsense = Scanner::new(Direction::Backend).next_whole(&mut &b"?\0\0\0\x04"[..]);
        assert_eq!(nonsense, None);
    }

    #[test]
    fn descriptions_come_one_by_one() {
        let pieces = all(Direction::Backend, &[b"T\0\0\0\x06\0\0T\0\0\0\x06\0\0"]).unwrap();
        assert_eq!(pieces.len(), 2);
    }

    #[test]
    fn bodies_inside_one_chunk_are_not_copied() {
        let chunk = Bytes::from_static(REPLY);
        let mut scanner = Scanner::new(Direction::Backend);
        let mut rest = chunk.clone();
        while let Some(piece) = scanner.next_piece(&mut rest).unwrap() {
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
        let mut chunk = Bytes::from_static(b"D\x20\0\0\0");
        let first = scanner.next_piece(&mut chunk).unwrap().unwrap();
        assert!(matches!(first, Piece::Bulk { first: true, last: false, .. }));
        let mut chunk = Bytes::from_static(&[0; 1000]);
        let piece = scanner.next_piece(&mut chunk);
        assert!(matches!(piece, Ok(Some(Piece::Bulk { first: false, .. }))));
        assert!(scanner.next_piece(&mut chunk).unwrap().is_none());
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
        let mut chunk = Bytes::from_static(b"?\0\0\0\x04Z\0\0\0\x05I");
        assert!(scanner.next_piece(&mut chunk).is_err());
        let mut chunk = Bytes::from_static(b"Z\0\0\0\x05I");
        assert_eq!(scanner.next_piece(&mut chunk), Ok(None));
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
