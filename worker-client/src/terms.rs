//! What a caller says of itself: runs of options, as in the envelope (`docs/protocol.md`, 1.1).

use bytes::{BufMut, BytesMut};
use pierhead_wire::envelope::Options;

/// Where the code of a start-up packet stands: no version of the protocol, but ours.
const TERMS_CODE: u32 = 0x04d2_5048;

/// The options with which a lease begins.
pub(crate) fn caller(options: &Options) -> BytesMut {
    Options { caller: options.caller.clone(), ..Options::default() }.encode()
}

/// The packet ahead of everything else that is said to a coordinator's socket.
pub(crate) fn packet(options: &Options) -> BytesMut {
    let options = caller(options);
    let mut out = BytesMut::with_capacity(8 + options.len());
    // A caller's name: far below what the packet may have.
    out.put_u32(u32::try_from(8 + options.len()).unwrap_or(u32::MAX));
    out.put_u32(TERMS_CODE);
    out.put_slice(&options);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_packet() {
        let options = Options { caller: Some("shop".into()), ..Options::default() };
        let expected: &[u8] = b"\0\0\0\x0f\x04\xd2PH\x01\0\x04shop";
        assert_eq!(packet(&options), expected);
        assert_eq!(packet(&Options::default()), &b"\0\0\0\x08\x04\xd2PH"[..]);
        assert_eq!(caller(&Options::default()).len(), 0);
    }
}
