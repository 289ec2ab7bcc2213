//! What a client sent and no session got yet.
//!
//! Messages stay as they came, one behind the other in the chunk that brought them, and are cut again
//! when it is their turn: looking at a header twice costs less than a place in a queue.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};
use pierhead_wire::pg::scan::{HEADER, Message, Piece, ScanError, Scanner};
use pierhead_wire::pg::tag::frontend as tag;

/// Messages in the order they came.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    /// What comes next; empty if nothing does.
    head: Lump,
    rest: VecDeque<Lump>,
    bytes: usize,
    /// Messages that ask for something now.
    wants: usize,
}

/// Bytes that came together.
#[derive(Debug, Default)]
pub(crate) struct Lump {
    bytes: Bytes,
    /// A part of bulk messages; otherwise they are whole messages, none of them bulk.
    bulk: Option<Bulk>,
}

/// The beginning of what a lump has.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Part {
    bytes: usize,
    wants: usize,
}

impl Part {
    /// True if it has nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Adds the next piece.
    pub(crate) fn add(&mut self, piece: &Piece<&[u8]>) {
        self.bytes += piece.bytes().len();
        self.wants += usize::from(asks_now(piece));
    }
}

#[derive(Clone, Copy, Debug)]
struct Bulk {
    tag: u8,
    first: bool,
    last: bool,
}

impl Inbox {
    /// Adds the next bytes of a client. What is not whole yet, the scanner holds.
    pub(crate) fn receive(
        &mut self,
        scanner: &mut Scanner,
        mut bytes: Bytes,
    ) -> Result<(), ScanError> {
        loop {
            let mut rest: &[u8] = &bytes;
            let mut end = rest;
            while let Some(Piece::Message(message)) = scanner.next_whole(&mut rest) {
                self.wants += usize::from(asks(message.tag));
                end = rest;
            }
            match (bytes.len() - end.len(), end.len()) {
                (0, _) => {}
                (_, 0) => {
                    self.push(Lump { bytes, bulk: None });
                    return Ok(());
                }
                (whole, _) => self.push(Lump { bytes: bytes.split_to(whole), bulk: None }),
            }
            match scanner.next_piece(&mut bytes)? {
                None => return Ok(()),
                Some(Piece::Message(message)) => {
                    self.wants += usize::from(asks(message.tag));
                    self.push(Lump { bytes: message.raw, bulk: None });
                }
                Some(Piece::Bulk { tag, first, last, bytes }) => {
                    self.push(Lump { bytes, bulk: Some(Bulk { tag, first, last }) });
                }
            }
        }
    }

    fn push(&mut self, lump: Lump) {
        self.bytes += lump.bytes.len();
        if self.head.bytes.is_empty() {
            self.head = lump;
        } else {
            self.rest.push_back(lump);
        }
    }

    /// Messages that must be sent once more, ahead of all others: whole ones, none of them bulk.
    pub(crate) fn put_back(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        self.bytes += bytes.len();
        let head = std::mem::replace(&mut self.head, Lump { bytes, bulk: None });
        self.wants += self.head.pieces().filter(|piece| asks_now(piece)).count();
        if !head.bytes.is_empty() {
            self.rest.push_front(head);
        }
    }

    /// What comes next.
    #[inline]
    pub(crate) fn peek(&self) -> Option<Piece<&[u8]>> {
        self.head.first(0)
    }

    /// What came together and comes next.
    #[inline]
    pub(crate) fn next(&self) -> Option<&Lump> {
        (!self.head.bytes.is_empty()).then_some(&self.head)
    }

    /// All of it.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = Piece<&[u8]>> {
        std::iter::once(&self.head).chain(&self.rest).flat_map(Lump::pieces)
    }

    /// What comes next was dealt with.
    pub(crate) fn skip(&mut self) {
        let mut part = Part::default();
        if let Some(piece) = self.head.first(0) {
            part.add(&piece);
        }
        self.skip_part(part);
    }

    /// This part of what came together and comes next was dealt with.
    pub(crate) fn skip_part(&mut self, part: Part) {
        self.bytes -= part.bytes;
        self.wants -= part.wants;
        if part.bytes < self.head.bytes.len() {
            self.head.bytes.advance(part.bytes);
            return;
        }
        match self.rest.pop_front() {
            Some(next) => self.head = next,
            None => {
                self.head = Lump::default();
                // An idle client costs no more than it must.
                if self.rest.capacity() > 0 {
                    self.rest = VecDeque::new();
                }
            }
        }
    }

    /// All of what came together and comes next was dealt with, and is given away.
    pub(crate) fn take_lump(&mut self, all: Part) -> Bytes {
        let bytes = std::mem::take(&mut self.head.bytes);
        debug_assert_eq!(bytes.len(), all.bytes, "a lump is given away when all of it is sent");
        self.skip_part(all);
        bytes
    }

    /// Bytes in it.
    pub(crate) fn len(&self) -> usize {
        self.bytes
    }

    /// Messages in it that ask for something now.
    pub(crate) fn wants(&self) -> usize {
        self.wants
    }
}

impl Lump {
    /// The piece that begins here.
    #[inline]
    fn first(&self, at: usize) -> Option<Piece<&[u8]>> {
        let bytes = self.bytes.get(at..)?;
        if let Some(Bulk { tag, first, last }) = self.bulk {
            return (!bytes.is_empty()).then_some(Piece::Bulk { tag, first, last, bytes });
        }
        let [tag, a, b, c, d, ..] = *bytes else { return None };
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let raw = bytes.get(..length.saturating_add(HEADER - 4))?;
        Some(Piece::Message(Message { tag, raw }))
    }

    /// What it is cut out of.
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Its pieces, one by one.
    #[inline]
    pub(crate) fn pieces(&self) -> impl Iterator<Item = Piece<&[u8]>> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let piece = self.first(at)?;
            at += piece.bytes().len();
            Some(piece)
        })
    }
}

/// True for what a client sends when it wants an answer.
fn asks(tag: u8) -> bool {
    matches!(tag, tag::SYNC | tag::QUERY | tag::FLUSH | tag::FUNCTION_CALL | tag::TERMINATE)
}

fn asks_now(piece: &Piece<&[u8]>) -> bool {
    matches!(piece, Piece::Message(message) if asks(message.tag))
}

#[cfg(test)]
mod tests {
    use pierhead_wire::pg::scan::Direction;

    use super::*;

    const SAID: &[u8] =
        b"P\0\0\0\x08s\0\0\0S\0\0\0\x04d\0\0\0\x06xyd\0\0\0\x05zc\0\0\0\x04Q\0\0\0\x05\0";

    /// What an inbox gives, message by message, if it is told in these chunks.
    fn told(chunks: &[&[u8]]) -> Vec<u8> {
        let (mut inbox, mut scanner) = (Inbox::default(), Scanner::new(Direction::Frontend));
        for chunk in chunks {
            inbox.receive(&mut scanner, Bytes::copy_from_slice(chunk)).unwrap();
        }
        assert_eq!((inbox.len(), inbox.wants()), (SAID.len(), 2));
        let all: Vec<u8> = inbox.pieces().flat_map(|piece| piece.bytes().to_vec()).collect();
        assert_eq!(all, SAID, "looking takes nothing out");
        let mut given = Vec::new();
        while let Some(piece) = inbox.peek() {
            given.extend_from_slice(piece.bytes());
            inbox.skip();
        }
        assert_eq!((inbox.len(), inbox.wants(), inbox.rest.capacity()), (0, 0, 0));
        given
    }

    #[test]
    fn it_gives_what_it_was_told_wherever_chunks_end() {
        assert_eq!(told(&[SAID]), SAID);
        for cut in 0..SAID.len() {
            let (a, b) = SAID.split_at(cut);
            assert_eq!(told(&[a, b]), SAID, "cut at {cut}");
        }
        assert_eq!(told(&SAID.chunks(1).collect::<Vec<_>>()), SAID);
    }

    #[test]
    fn what_is_put_back_comes_first() {
        let (mut inbox, mut scanner) = (Inbox::default(), Scanner::new(Direction::Frontend));
        inbox.receive(&mut scanner, Bytes::from_static(b"S\0\0\0\x04")).unwrap();
        inbox.put_back(Bytes::from_static(b"H\0\0\0\x04X\0\0\0\x04"));
        assert_eq!((inbox.len(), inbox.wants()), (15, 3));
        let tags: Vec<u8> = inbox.pieces().map(|piece| piece.bytes()[0]).collect();
        assert_eq!(tags, b"HXS");
    }
}
