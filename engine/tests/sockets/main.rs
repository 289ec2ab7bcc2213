//! Short stories about sockets and leases: clients that stay.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod cancel;
mod found;
mod inside;
mod leases;
mod login;
mod lost;
mod neighbours;
mod start_up;
mod state;
mod statements;
mod story;
mod terms;
mod times;
mod turns;
