//! Tests of the tunnel's frames: the specification's own bytes, random frames, malformed bytes.

mod golden;
mod malformed;
mod random;
mod rules;

use bytes::{Bytes, BytesMut};

use super::{Frame, FrameError, Frames};

fn parse(message: &[u8]) -> Result<Vec<Frame>, FrameError> {
    Frames::new(Bytes::copy_from_slice(message))?.collect()
}

fn encode(frames: &[Frame]) -> BytesMut {
    let mut out = BytesMut::new();
    for frame in frames {
        frame.encode(&mut out).unwrap();
    }
    out
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn specification() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/protocol.md");
    std::fs::read_to_string(path).unwrap()
}
