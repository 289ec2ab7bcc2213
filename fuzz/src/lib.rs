//! What the fuzz targets do with an input. Nothing here needs a fuzzer: the tests of the whole
//! project give every committed input to its target again, on any toolchain.

pub mod agent_links;
pub mod config;
pub mod coordinator_links;
mod database;
pub mod envelope;
pub mod operations;
pub mod pg_scan;
mod script;
pub mod sql;
pub mod start_up;
pub mod tunnel_frames;

/// Panics if the input breaks what the target checks.
pub type Target = fn(&[u8]);

/// Every target, named as its program in `fuzz_targets/` and its inputs in `corpus/` are.
pub const TARGETS: &[(&str, Target)] = &[
    ("agent_links", agent_links::run),
    ("config", config::run),
    ("coordinator_links", coordinator_links::run),
    ("envelope", envelope::run),
    ("operations", operations::run),
    ("pg_scan", pg_scan::run),
    ("sql", sql::run),
    ("start_up", start_up::run),
    ("tunnel_frames", tunnel_frames::run),
];
