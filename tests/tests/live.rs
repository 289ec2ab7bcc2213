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

#[path = "live/harness.rs"]
mod harness;
#[path = "live/tunnel.rs"]
mod tunnel;
