//! The agent's core, told as short stories: a scripted coordinator on one side, a scripted
//! database on the other, no clock and no sockets.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a story that breaks off fails"
)]
#![allow(clippy::indexing_slicing, reason = "the same")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a story looks at the frames it is about")]

mod copies;
mod credit;
mod ending;
mod links;
mod monkey;
mod parking;
mod shutdown;
mod stage;
mod streams;
