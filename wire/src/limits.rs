//! Sizes fixed by a protocol.
