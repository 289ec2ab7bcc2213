//! Node's drivers.

use std::process::Command;

use crate::compare::{CHAPTERS, Entry};
use crate::program;
use crate::stage::{folder, installed, live};
use crate::target::{Mode, Place};

/// A program of `tests/drivers/node`.
fn node(program: &str, place: &Place) -> Command {
    let mut command = program::command(installed("PIERHEAD_NODE"), place);
    command.current_dir(folder("node")).arg(program);
    command
}

#[test]
fn pg_with_cursors_and_streams() {
    let entry = Entry { name: "pg", mode: Mode::Transaction, sessions: 3, chapters: CHAPTERS };
    live(entry.is_alike(|place| node("pg.mjs", place)));
}

#[test]
fn postgres_js() {
    let entry =
        Entry { name: "postgres", mode: Mode::Transaction, sessions: 3, chapters: CHAPTERS };
    live(entry.is_alike(|place| node("postgres.mjs", place)));
}

/// Each of its fifty connections sends SETs when it opens: they are followed, and keep no session. The
/// one that makes the tables does, because it makes an enumeration by DO.
#[test]
fn sequelize_with_fifty_clients_on_five_sessions() {
    let chapters = &["types", "prepared", "transactions", "big result", "two clients"];
    let entry = Entry { name: "sequelize", mode: Mode::Transaction, sessions: 5, chapters };
    live(async {
        for place in entry.is_alike(|place| node("sequelize.mjs", place)).await {
            let Some(status) = place.status().await else { continue };
            assert!(status.counters.sockets >= 50, "{status:#?}");
            assert!(status.counters.pins <= 1, "its SETs keep sessions: {status:#?}");
        }
    });
}

#[test]
fn drizzle_kit_migrates() {
    let chapters = &["migrations", "types", "prepared", "transactions", "two clients"];
    let entry = Entry { name: "drizzle", mode: Mode::Transaction, sessions: 3, chapters };
    live(entry.is_alike(|place| node("drizzle.mjs", place)));
}
