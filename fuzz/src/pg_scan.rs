//! A byte stream is cut into the same messages wherever its chunks end, and no byte is lost or
//! made up. The first byte of the input says which side speaks and how long chunks are.

use bytes::Bytes;
use pierhead_wire::pg::scan::{Direction, Piece, ScanError, Scanner};

/// What comes out: all bytes passed on, where each message begins, and whether it broke.
fn scan(direction: Direction, data: &[u8], chunk: usize) -> (Vec<u8>, Vec<(u8, usize)>, bool) {
    let mut scanner = Scanner::new(direction);
    let mut bytes = Vec::new();
    let mut starts = Vec::new();
    for chunk in data.chunks(chunk) {
        let mut chunk = Bytes::copy_from_slice(chunk);
        loop {
            match scanner.next_piece(&mut chunk) {
                Ok(None) => break,
                Ok(Some(Piece::Message(message))) => {
                    starts.push((message.tag, bytes.len()));
                    bytes.extend_from_slice(&message.raw);
                }
                Ok(Some(Piece::Bulk { tag, first, bytes: piece, .. })) => {
                    if first {
                        bulk(&piece, tag, bytes.len(), &mut starts);
                    }
                    bytes.extend_from_slice(&piece);
                }
                Err(ScanError::UnknownType(_) | ScanError::BadLength { .. }) => {
                    return (bytes, starts, true);
                }
            }
        }
    }
    if scanner.is_clean() {
        assert_eq!(bytes, data, "a clean end means that every byte was passed on");
    }
    (bytes, starts, false)
}

/// Where the messages of one kind begin in a piece, which begins with one at `from`.
fn bulk(mut piece: &[u8], tag: u8, mut from: usize, starts: &mut Vec<(u8, usize)>) {
    while let [next, a, b, c, d, ..] = *piece {
        assert_eq!(next, tag, "of one kind");
        starts.push((tag, from));
        let total = 1 + u32::from_be_bytes([a, b, c, d]) as usize;
        from += total;
        piece = piece.get(total..).unwrap_or_default();
    }
    assert!(piece.is_empty(), "a piece does not end inside a header");
}

pub fn run(data: &[u8]) {
    let Some((&mode, data)) = data.split_first() else { return };
    let direction = if mode & 1 == 0 { Direction::Backend } else { Direction::Frontend };
    let chunk = usize::from(mode >> 1) + 1;
    let whole = scan(direction, data, data.len().max(1));
    let cut = scan(direction, data, chunk);
    assert!(data.starts_with(&whole.0));
    assert!(data.starts_with(&cut.0));
    // A header that chunks cut in two comes out by itself, so the ends may differ by its bytes.
    assert!(whole.1 == cut.1, "the same messages");
    assert_eq!(whole.2, cut.2);
}
