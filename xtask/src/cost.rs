//! `cargo xtask bench --instructions`: what the engine costs, in figures that repeat.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::apt;
use crate::layout::Layout;
use crate::process;

/// Counts twice: as other poolers are built, and as the coordinator is.
pub(crate) fn run(layout: &Layout) -> Result<()> {
    ensure_valgrind()?;
    for (level, what) in [("3", "for speed, as other poolers are"), ("s", "as the Worker is")] {
        eprintln!("\n== engine built {what} (opt-level {level})");
        for bench in ["instructions", "memory"] {
            let mut command = Command::new("cargo");
            command.current_dir(&layout.root).env("CARGO_PROFILE_BENCH_OPT_LEVEL", level);
            command.args(["bench", "--quiet", "--package", "pierhead-engine", "--bench", bench]);
            let status = process::foreground(&mut command)?;
            if !status.success() {
                bail!("{} ({status}): see above", process::shown(&command));
            }
        }
    }
    Ok(())
}

fn ensure_valgrind() -> Result<()> {
    let version = || process::probe(Command::new("valgrind").arg("--version"));
    if version().is_none() {
        apt::install(&["valgrind"], "counting instructions")?;
    }
    let version = version().context("valgrind was installed and does not start")?;
    eprintln!("counting with {version}");
    Ok(())
}
