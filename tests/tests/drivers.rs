//! Unmodified drivers and tools, each a small program in its own language (`tests/drivers`), in front
//! of the pool: what they print must be what they print in front of PostgreSQL itself. And the corpus
//! of statements, compared message by message. `cargo xtask test --drivers` installs what they need
//! and says where it is; without it they fail and say so.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "test code: a failed step must fail the test, at the place where it failed"
)]

#[path = "drivers/compare.rs"]
mod compare;
#[path = "drivers/corpus/mod.rs"]
mod corpus;
#[path = "drivers/frameworks.rs"]
mod frameworks;
#[path = "drivers/java.rs"]
mod java;
#[path = "live/listed.rs"]
mod listed;
#[path = "drivers/matrix.rs"]
mod matrix;
#[path = "drivers/migrations.rs"]
mod migrations;
#[path = "drivers/node.rs"]
mod node;
#[path = "drivers/page.rs"]
mod page;
#[path = "drivers/pool.rs"]
mod pool;
#[path = "drivers/prisma.rs"]
mod prisma;
#[path = "drivers/program.rs"]
mod program;
#[path = "drivers/psql.rs"]
mod psql;
#[path = "drivers/python.rs"]
mod python;
#[path = "drivers/rust.rs"]
mod rust;
#[path = "drivers/stage.rs"]
mod stage;
#[path = "drivers/suite.rs"]
mod suite;
#[path = "drivers/target.rs"]
mod target;
