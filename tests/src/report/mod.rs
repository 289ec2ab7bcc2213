//! What the benchmark measured, kept as `docs/benchmarks/<section>.json`, and the page and charts that
//! are made from it.

mod bars;
mod charts;
mod contenders;
pub mod figures;
mod layout;
mod machine;
mod markdown;
mod number;
pub mod page;
mod svg;
#[cfg(test)]
mod tests;
mod verdict;

pub use figures::{Figure, Section};
pub use machine::Machine;
