//! Logging in: from an open stream to the first ready point.

pub(crate) mod handshake;
pub(crate) mod scram;
