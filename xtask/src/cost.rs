//! `cargo xtask bench --instructions`: what the engine costs, and PgBouncer beside it, in figures that
//! repeat.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::apt;
use crate::layout::Layout;
use crate::process;
use crate::setup::{self, Scope};

/// Counts twice: as other poolers are built, and as the coordinator is.
pub(crate) fn run(layout: &Layout) -> Result<()> {
    ensure_valgrind()?;
    for (level, what) in [("3", "for speed, as other poolers are"), ("s", "as the Worker is")] {
        eprintln!("\n== engine built {what} (opt-level {level})");
        for bench in ["instructions", "memory"] {
            let mut command = Command::new("cargo");
            command.current_dir(&layout.root).env("CARGO_PROFILE_BENCH_OPT_LEVEL", level);
            command.args(["bench", "--quiet", "--package", "pierhead-engine", "--bench", bench]);
            must(&mut command)?;
        }
    }
    pgbouncer(layout)
}

/// The same messages to PgBouncer, with a PostgreSQL behind it.
fn pgbouncer(layout: &Layout) -> Result<()> {
    let tools = setup::run(layout, Scope::Run)?;
    let Some(program) = setup::ensure_pgbouncer(layout)? else { return Ok(()) };
    eprintln!("\n== PgBouncer, with its input and output in user space");
    let mut command = Command::new("cargo");
    command.current_dir(&layout.root).env(setup::PGBOUNCER, program);
    // It runs no agent.
    command.envs(tools.variables(layout, Path::new("")));
    command.args(["run", "--quiet", "--package", "pierhead-tests", "--bin", "instructions"]);
    must(&mut command)
}

fn must(command: &mut Command) -> Result<()> {
    let status = process::foreground(command)?;
    if !status.success() {
        bail!("{} ({status}): see above", process::shown(command));
    }
    Ok(())
}

/// The program that counts.
pub(crate) fn ensure_valgrind() -> Result<()> {
    let version = || process::probe(Command::new("valgrind").arg("--version"));
    if version().is_none() {
        apt::install(&["valgrind"], "counting instructions")?;
    }
    let version = version().context("valgrind was installed and does not start")?;
    eprintln!("counting with {version}");
    Ok(())
}
