//! Rust's drivers.

use std::process::Command;

use crate::matrix;
use crate::program;
use crate::stage::{folder, installed, live};
use crate::target::{Mode, Place, Target};

/// A program of `tests/drivers/rust`.
fn rust(program: &str, place: &Place) -> Command {
    let mut command = program::command(installed("PIERHEAD_RUST_DRIVERS").join(program), place);
    command.current_dir(folder("rust"));
    command
}

#[test]
fn sqlx() {
    live(matrix::SQLX.is_alike(|place| rust("sqlx", place)));
}

#[test]
fn tokio_postgres() {
    live(matrix::TOKIO_POSTGRES.is_alike(|place| rust("tokio-postgres", place)));
}

/// Two at once: one waits for the other's advisory lock, which ends with its session.
#[test]
fn sqlx_migrates_in_session_mode() {
    let program = |place: &Place| {
        let mut command = rust("sqlx", place);
        command.arg("migrate");
        command
    };
    live(matrix::SQLX_MIGRATE.is_alike(program));
}

/// A tool that dies holds its lock no longer: the pool ends what was only for it.
#[test]
fn a_lock_ends_with_the_tool_that_died() {
    live(async {
        for target in [&[Target::Direct], Target::POOLED].concat() {
            let place = Place::make(target, Mode::Session, 2).await;
            let mut dying = rust("sqlx", &place);
            dying.arg("die with a lock");
            let ran = program::run("sqlx", &place, dying).await;
            assert_eq!(ran.out, "locked\n", "{}", ran.errors);
            assert!(!ran.status.success(), "it does not die");
            let mut migrating = rust("sqlx", &place);
            migrating.arg("migrate");
            let told = program::run("sqlx", &place, migrating).await.well("sqlx", &place);
            assert!(told.ends_with("done\n"), "{told}");
            place.is_left_clean().await;
        }
    });
}
