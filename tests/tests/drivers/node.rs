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
