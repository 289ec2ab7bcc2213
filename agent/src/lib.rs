//! The agent: the native program beside the database that dials in and holds the far end of a
//! tunnel.

pub mod core;
