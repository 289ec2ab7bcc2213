//! The states of what the engine keeps, as tables: `docs/states.md` is made of them, and the
//! simulation holds every schedule against them.

pub use crate::link::STREAMS;
pub use crate::pool::places::{CLIENTS, PLACES, Step};
pub use crate::pool::stages::{Passage, SOCKETS, STAGES};
pub use crate::pool::transitions::{SESSIONS, STATES, Transition};
