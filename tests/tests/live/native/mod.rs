//! The engine against real PostgreSQL, through the native shell: no workerd, no tunnel.

mod alike;
mod cancels;
mod copying;
mod exchanges;
mod following;
mod leaks;
mod leaving;
mod names;
mod pgbench;
mod pinning;
mod pipelining;
mod prepared;
pub(crate) mod raw;
mod restart;
pub(crate) mod say;
mod scene;
mod timeouts;
