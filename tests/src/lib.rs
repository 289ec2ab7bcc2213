//! Pierhead's test harness, as a library: everything that a live test, the demo or the benchmark
//! needs around the real parts.
//!
//! - [`tunnel`]: the origin half of cloudflared's TCP over WebSocket, emulated, with faults;
//! - [`proxy`]: a plain TCP proxy with the same knobs, for direct connections;
//! - [`postgres`]: a throw-away PostgreSQL server;
//! - [`pgbouncer`]: PgBouncer in front of it, to compare with;
//! - [`tls_front`]: TLS from the first byte in front of it;
//! - [`agent`]: the program `pierhead agent`, its log, its memory, its end;
//! - [`workerd`]: workerd with several Workers, its logs, its heap, its crashes;
//! - [`native`]: the engine behind TCP ports, without workerd;
//! - [`peers`]: an echo and a source of bytes, the floors of the benchmark;
//! - [`http`]: the client that calls those Workers;
//! - [`instructions`]: what PgBouncer spends on a query, under callgrind;
//! - [`report`]: what the benchmark measured, kept as JSON;
//! - [`sim`]: the seeded simulation of the engine, without any of the above.
//!
//! Everything listens on loopback only, on free ports, and ends with its value or, at the latest,
//! with the process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code: a broken harness must fail the test loudly, at the place where it broke"
)]

pub mod agent;
#[cfg(test)]
mod docs;
pub mod http;
pub mod instructions;
pub mod native;
pub mod net;
pub mod peers;
pub mod pgbouncer;
pub mod postgres;
pub mod process;
pub mod proxy;
pub mod report;
pub mod show;
pub mod sim;
pub mod tls_front;
pub mod tunnel;
pub mod websocket;
pub mod workerd;
