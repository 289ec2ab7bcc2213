//! Just enough WebSocket (RFC 6455), by hand: the emulated tunnel has to misbehave below the level
//! that a library lets one reach.

mod client;
mod frame;
mod reader;

pub use client::{Client, Refused};
pub use frame::{BINARY, CLOSE, PING, PONG, TEXT, put_frame};
pub use reader::{Message, MessageReader};

use base64::Engine as _;
use sha1::{Digest, Sha1};

/// The value of `Sec-WebSocket-Accept` that answers `key`.
pub fn accept_key(key: &str) -> String {
    let mut sha1 = Sha1::new();
    sha1.update(key.as_bytes());
    sha1.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    base64::engine::general_purpose::STANDARD.encode(sha1.finalize())
}

#[cfg(test)]
mod tests {
    #[test]
    fn accept_key_of_the_rfc() {
        assert_eq!(super::accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
