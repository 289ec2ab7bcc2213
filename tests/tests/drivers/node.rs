//! Node's drivers.

use std::process::Command;

use crate::matrix;
use crate::program;
use crate::stage::{folder, installed, live};
use crate::target::Place;

/// A program of `tests/drivers/node`.
fn node(program: &str, place: &Place) -> Command {
    let mut command = program::command(installed("PIERHEAD_NODE"), place);
    command.current_dir(folder("node")).arg(program);
    command
}

#[test]
fn pg_with_cursors_and_streams() {
    live(matrix::PG.is_alike(|place| node("pg.mjs", place)));
}

#[test]
fn postgres_js() {
    live(matrix::POSTGRES_JS.is_alike(|place| node("postgres.mjs", place)));
}

/// Each of its fifty connections sends SETs when it opens: they are followed, and keep no session. The
/// one that makes the tables does, because it makes an enumeration by DO.
#[test]
fn sequelize_with_fifty_clients_on_five_sessions() {
    live(async {
        for seen in matrix::SEQUELIZE.is_alike(|place| node("sequelize.mjs", place)).await {
            assert!(seen.sockets_opened >= 50, "{seen:#?}");
            assert!(seen.pins <= 1, "its SETs keep sessions: {seen:#?}");
        }
    });
}

#[test]
fn drizzle_kit_migrates() {
    live(matrix::DRIZZLE.is_alike(|place| node("drizzle.mjs", place)));
}

/// By its schema engine in wasm, over its adapter for `pg`. The native engine is no package.
#[test]
fn prisma_migrates_in_session_mode() {
    live(matrix::PRISMA.is_alike(|place| node("prisma.mjs", place)));
}
