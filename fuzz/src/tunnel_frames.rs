//! Any message is frames or an error; and frames have one form only: what is read is written as
//! the same bytes again (`docs/protocol.md`, section 2).

use bytes::{Bytes, BytesMut};
use pierhead_wire::tunnel::Frames;

pub fn run(data: &[u8]) {
    let Ok(mut frames) = Frames::new(Bytes::copy_from_slice(data)) else { return };
    let mut written = BytesMut::new();
    let mut whole = true;
    for frame in frames.by_ref() {
        match frame {
            Ok(frame) => {
                assert!(!format!("{frame:?}").is_empty());
                frame.encode(&mut written).expect("what was read can be written");
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                whole = false;
            }
        }
    }
    assert!(frames.next().is_none(), "nothing follows the end or an error");
    if frames.skipped() == 0 {
        assert!(data.starts_with(&written), "frames have one form");
        assert_eq!(whole, written.len() == data.len());
    }
}
