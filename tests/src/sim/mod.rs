//! Seeded simulation of the engine, a scripted server, callers, and everything between them.
//!
//! A seed fixes one schedule: who comes and asks for what ([`script`]), how bytes are delayed and
//! cut, what breaks and when ([`world`]). The database is a scripted backend ([`server`]) with real
//! start-up, transactions, COPY and error skipping. What each answer must be is not guessed: the
//! same script runs on a fresh backend of its own, undisturbed ([`expect`]), and the answer is
//! compared with that, message by message; what was committed is compared with what was told.
//!
//! Three worlds stand on this: [`world`] has one engine and opens streams outwards; in [`tunnel`]
//! agents dial in, objects sleep, wake, die and exist twice, and sessions outlive all that; in
//! [`sockets`] clients speak the protocol themselves, each compared with a server of its own.
//!
//! [`runner`] runs many schedules and, when one breaks a rule, tells which seed repeats it.
//! [`coverage`] counts what happened, so that a simulation that has gone stale is noticed.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code: a broken simulation must fail loudly, with its seed"
)]

mod answer;
mod caller;
#[macro_use]
mod kinds;
pub mod corpus;
pub mod coverage;
pub mod expect;
pub mod message;
pub mod rng;
pub mod runner;
pub mod script;
pub mod server;
pub mod sockets;
pub mod tunnel;
pub mod world;

/// A rule was broken.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Which.
    pub rule: &'static str,
    /// How.
    pub detail: String,
    /// What happened before, if it was recorded.
    pub trace: Vec<String>,
}
