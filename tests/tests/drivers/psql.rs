//! `psql`, as people and scripts use it.

use std::process::Command;

use crate::compare::Entry;
use crate::program;
use crate::stage::{folder, installed, live};
use crate::target::{Mode, Place};

fn psql(place: &Place) -> Command {
    let mut command = program::command("bash", place);
    command.current_dir(folder("psql")).arg("psql.sh");
    command.env("PSQL", installed("PIERHEAD_PG_BIN").join("psql"));
    command
}

const CHAPTERS: &[&str] = &[
    "types",
    "prepared",
    "transactions",
    "big result",
    "cancel",
    "two clients",
    "describe",
    "copy",
];

#[test]
fn psql_in_transaction_mode() {
    let entry = Entry { name: "psql", mode: Mode::Transaction, sessions: 3, chapters: CHAPTERS };
    live(entry.is_alike(psql));
}

#[test]
fn psql_in_session_mode() {
    let entry = Entry { name: "psql", mode: Mode::Session, sessions: 3, chapters: CHAPTERS };
    live(entry.is_alike(psql));
}
