//! What the benchmark measured, kept as `docs/benchmarks/<section>.json`.

pub mod figures;
mod machine;

pub use figures::{Figure, Section};
pub use machine::Machine;
