//! Live tests: real workerd, real PostgreSQL, the emulated tunnel between them. `cargo xtask test`
//! sets up what they need and says where it is; without it they fail and say so.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "test code: a failed step must fail the test, at the place where it failed"
)]

#[path = "live/a_long_rest.rs"]
mod a_long_rest;
#[path = "live/agent/mod.rs"]
mod agent;
#[path = "live/app.rs"]
mod app;
#[path = "live/auth.rs"]
mod auth;
#[path = "live/client/mod.rs"]
mod client;
#[path = "live/crash.rs"]
mod crash;
#[path = "live/crowd.rs"]
mod crowd;
#[path = "live/deadline.rs"]
mod deadline;
#[path = "live/development.rs"]
mod development;
#[path = "live/direct.rs"]
mod direct;
#[path = "live/direct_stream.rs"]
mod direct_stream;
#[path = "live/entries.rs"]
mod entries;
#[path = "live/errors.rs"]
mod errors;
#[path = "live/examples.rs"]
mod examples;
#[path = "live/faults.rs"]
mod faults;
#[path = "live/gateway/mod.rs"]
mod gateway;
#[path = "live/harness.rs"]
mod harness;
#[path = "live/large.rs"]
mod large;
#[path = "live/leases.rs"]
mod leases;
#[path = "live/listed.rs"]
mod listed;
#[path = "live/load.rs"]
mod load;
#[path = "live/native/mod.rs"]
mod native;
#[path = "live/package.rs"]
mod package;
#[path = "live/programs.rs"]
mod programs;
#[path = "live/round_trip.rs"]
mod round_trip;
#[path = "live/rust_entry.rs"]
mod rust_entry;
#[path = "live/scripted_server/mod.rs"]
mod scripted_server;
#[path = "live/sockets/mod.rs"]
mod sockets;
#[path = "live/state.rs"]
mod state;
#[path = "live/tunnel.rs"]
mod tunnel;
#[path = "live/types.rs"]
mod types;
#[path = "live/typescript.rs"]
mod typescript;
#[path = "live/workers.rs"]
mod workers;
#[path = "live/world.rs"]
mod world;
