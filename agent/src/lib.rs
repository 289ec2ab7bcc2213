//! The agent: the native program beside the database that dials in and holds the far end of a
//! tunnel. This library is its core, without I/O, and every limit; the program around it is in
//! `main.rs`.

pub mod core;
pub mod limits;
