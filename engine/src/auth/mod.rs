//! Logging in: from an open stream to the first ready point; and who logs in here.

pub(crate) mod guard;
pub(crate) mod handshake;
pub(crate) mod scram;
