//! The engine's end of our own tunnel, told as short stories with a hand-played agent.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a story that breaks off fails")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a story looks at the frames it is about")]

mod drain;
mod links;
mod parking;
mod story;
