//! `cargo xtask demo` and `bench`: programs of the tests crate, run with the tools and Workers.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::agent;
use crate::cost;
use crate::layout::Layout;
use crate::process;
use crate::setup::{self, Scope};
use crate::workers::{self, Profile};

/// Sets up, builds the Workers and becomes the program; what measures nothing needs no set-up.
pub(crate) fn run(layout: &Layout, program: &str, args: &[String]) -> Result<ExitCode> {
    let binaries = layout.root.join("tests/src/bin");
    let file = binaries.join(format!("{program}.rs"));
    if !file.exists() && !binaries.join(program).exists() {
        bail!("there is no program `{program}` yet: {} does not exist", file.display());
    }
    let mut command = Command::new("cargo");
    command.current_dir(&layout.root);
    let idle = ["--help", "-h", "--render"];
    let measures = !args.iter().any(|arg| idle.contains(&arg.as_str()));
    let profile = if measures && program == "bench" { agent::MEASURED } else { "dev" };
    command.args(["run", "--quiet", "--profile", profile, "--package", "pierhead-tests"]);
    command.args(["--bin", program, "--"]).args(args);
    if measures {
        let tools = setup::run(layout, Scope::Run)?;
        workers::build_all(layout, &tools, Profile::Release)?;
        command.envs(tools.variables(layout, &agent::build_as(layout, profile)?));
        if program == "bench" {
            let found = setup::ensure_pgbouncer(layout)?;
            command.envs(found.map(|program| (setup::PGBOUNCER, program)));
            if let Err(error) = cost::ensure_valgrind() {
                eprintln!("instructions are left out: {error:#}");
            }
        }
        eprintln!("compiling and starting {program} (the first time takes a minute)");
    }
    // Replaces this process: signals and the exit code are the program's own.
    let error = command.exec();
    Err(error).with_context(|| format!("cannot start {}", process::shown(&command)))
}
