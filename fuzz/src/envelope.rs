//! Requests and answers of the exchange envelope: what is read can be written and read again, and
//! an answer says the same wherever its bytes are cut (`docs/protocol.md`, section 1). The first
//! byte of the input says how long the pieces are; requests are read from what follows it too.

use bytes::Bytes;
use pierhead_wire::envelope::{AnswerReader, Outcome, Record, Request};

/// Data and outcome of an answer; nothing if it is malformed.
fn answer(data: &[u8], piece: usize) -> Option<(Vec<u8>, Option<Outcome>)> {
    let mut reader = AnswerReader::new();
    let mut rows = Vec::new();
    let mut outcome = None;
    for piece in data.chunks(piece) {
        reader.push(Bytes::copy_from_slice(piece));
        while let Some(record) = reader.next().ok()? {
            match record {
                Record::Data(bytes) => {
                    assert!(!bytes.is_empty());
                    rows.extend_from_slice(&bytes);
                }
                Record::Outcome(end) => outcome = Some(end),
            }
        }
    }
    Some((rows, outcome))
}

pub fn run(data: &[u8]) {
    let Some((&piece, data)) = data.split_first() else { return };
    if let Ok(request) = Request::parse(Bytes::copy_from_slice(data)) {
        assert_eq!(Request::parse(request.encode().freeze()), Ok(request));
    }
    let whole = answer(data, data.len().max(1));
    let cut = answer(data, usize::from(piece) + 1);
    assert_eq!(whole, cut, "the same answer");
}
