//! PostgreSQL's own programs: `psql` as people and scripts use it, `pg_dump` with `pg_restore`, and
//! `pgbench` with ten clients for each session.

use std::path::PathBuf;
use std::process::Command;

use crate::compare::Entry;
use crate::matrix;
use crate::program;
use crate::stage::{folder, installed, live};
use crate::target::{Mode, Place, Target};

/// The server's programs. Some packages of it come without these.
fn bin() -> Option<PathBuf> {
    let bin = installed("PIERHEAD_PG_BIN");
    let whole =
        ["psql", "pg_dump", "pg_restore", "pgbench"].iter().all(|name| bin.join(name).exists());
    if !whole {
        eprintln!("NOT RUN: this PostgreSQL comes without its clients");
    }
    whole.then_some(bin)
}

fn script(name: &str, place: &Place) -> Command {
    let bin = installed("PIERHEAD_PG_BIN");
    let mut command = program::command("bash", place);
    command.current_dir(folder("psql")).arg(name);
    command.env("PSQL", bin.join("psql")).env("BIN", bin);
    command
}

fn psql(mode: Mode) {
    let Some(_) = bin() else { return };
    let entry = Entry { mode, ..matrix::PSQL };
    live(entry.is_alike(|place| script("psql.sh", place)));
}

#[test]
fn psql_in_transaction_mode() {
    psql(Mode::Transaction);
}

#[test]
fn psql_in_session_mode() {
    psql(Mode::Session);
}

/// It imports a snapshot into several connections, each of which it keeps.
#[test]
fn pg_dump_and_pg_restore_in_session_mode() {
    let Some(_) = bin() else { return };
    live(matrix::PG_DUMP.is_alike(|place| script("dump.sh", place)));
}

/// Sums that a lost or a doubled transaction would tear apart.
const BOOKS: &str = "select (select sum(abalance) from pgbench_accounts) = sum(delta) \
                     and (select sum(tbalance) from pgbench_tellers) = \
                     (select sum(bbalance) from pgbench_branches) from pgbench_history";

#[test]
fn pgbench_with_fifty_clients_on_five_sessions() {
    let Some(bin) = bin() else { return };
    live(async {
        for target in Target::POOLED {
            let place = Place::make(*target, Mode::Transaction, 5).await;
            let run = async |program: &str, arguments: &[&str]| {
                let mut command = program::command(bin.join(program), &place);
                command.args(arguments);
                let ran = program::run(program, &place, command).await;
                assert!(!ran.errors.contains("error"), "{}", ran.errors);
                ran.well(program, &place)
            };
            run("pgbench", &["-i", "-q", "-s", "1"]).await;
            for protocol in ["simple", "extended", "prepared"] {
                let arguments = ["-n", "-M", protocol, "-c", "50", "-j", "2", "-T", "3"];
                let summary = run("pgbench", &arguments).await;
                let failed = "number of failed transactions: 0 (0.000%)";
                assert!(summary.contains(failed), "{protocol}: {summary}");
                assert!(place.sessions().await <= 5);
                let speed =
                    summary.lines().find(|line| line.starts_with("tps")).unwrap_or_default();
                eprintln!("pgbench through {}, {protocol}: {speed}", target.name());
            }
            let books = run("psql", &["-X", "-At", "-c", BOOKS]).await;
            assert_eq!(books.trim(), "t");
            place.is_left_clean().await;
        }
    });
}
