//! `cargo xtask sim`: as many schedules of the simulation as one likes, in an optimized build.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::layout::Layout;
use crate::process;
use crate::test;

/// Builds and runs the program `sim`; with `--bug`, with the planted bugs compiled in.
pub(crate) fn run(layout: &Layout, args: &[String]) -> Result<ExitCode> {
    let program = ["run", "--quiet", "--profile", "sim", "--package", "pierhead-tests"];
    let program = [&program[..], &["--bin", "sim", "--"]].concat();
    let mut command = if args.iter().any(|arg| arg == "--bug") {
        test::sabotaged(layout, &program)?
    } else {
        let mut command = Command::new("cargo");
        command.current_dir(&layout.root).args(program);
        command
    };
    let status = process::foreground(command.args(args))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
