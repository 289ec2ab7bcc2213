//! The agent without I/O: links, streams, parking, the cap. A shell (tokio in the program, the
//! simulation in tests) calls [`Agent::handle`] with the time and one [`Input`], drains
//! [`Agent::poll_output`], and wakes it at [`Agent::poll_timeout`].

pub mod io;

pub use io::{ConnId, DatabaseNo, Event, Input, Level, LinkNo, Output};
