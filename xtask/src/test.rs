//! `cargo xtask test`: everything that must hold before a change lands. The live tests run last,
//! so that the last thing printed is cargo's own summary of them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Result, bail};

use crate::agent;
use crate::layout::Layout;
use crate::package;
use crate::process;
use crate::setup::{self, Scope, Tools};
use crate::smoke;
use crate::steps::Steps;
use crate::workers::{self, Profile};

/// What to run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// Only what needs neither tools nor Workers.
    fast: bool,
    /// Only the driver matrix.
    drivers: bool,
    /// Arguments of the test programs: filters by name, and flags like `--nocapture`. With any,
    /// only tests run.
    filter: Vec<String>,
}

impl Options {
    /// Reads the arguments after `test`.
    pub(crate) fn parse(args: &[String]) -> Result<Self> {
        let mut options = Self::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--fast" => options.fast = true,
                "--drivers" => options.drivers = true,
                "--" => options.filter = args.by_ref().cloned().collect(),
                other => bail!("unknown argument `{other}` of test; filters follow after `--`"),
            }
        }
        Ok(options)
    }
}

/// Runs it all; the exit code is a failure if any step failed.
pub(crate) fn run(layout: &Layout, options: &Options) -> Result<ExitCode> {
    let mut steps = Steps::default();
    if options.drivers {
        return only_drivers(layout, options);
    }
    let mut prepared = None;
    if !options.fast {
        prepared = prepare(layout, &mut steps);
        if prepared.is_none() {
            eprint!("{}", steps.table());
            return Ok(ExitCode::FAILURE);
        }
    }
    if options.filter.is_empty() {
        check_sources(layout, &mut steps);
    }
    unit_tests(layout, options, &mut steps);
    let Some((tools, agent)) = prepared else {
        simulation(layout, options, &mut steps);
        eprint!("{}", steps.table());
        return Ok(verdict(steps.passed()));
    };
    if options.filter.is_empty() {
        steps.step("wrangler deploy --dry-run", || smoke::dry_run(layout, &tools));
        steps.step("wrangler dev", || smoke::dev(layout, &tools));
    }
    if options.filter.is_empty() {
        steps.step("unit tests of the npm package", || package::test(layout, &tools));
    }
    simulation(layout, options, &mut steps);
    driver_matrix(layout, options, &tools, &agent, &mut steps);
    eprint!("{}live tests: their summary follows\n\n", steps.table());
    let mut live = cargo(layout, &["test", "--package", "pierhead-tests", "--test", "live"]);
    live.envs(tools.variables(layout, &agent)).args(live_arguments(options));
    let live = process::foreground(&mut live)?.success();
    Ok(verdict(live && steps.passed()))
}

/// Other people's drivers and tools, with what they print shown.
fn only_drivers(layout: &Layout, options: &Options) -> Result<ExitCode> {
    let tools = setup::run(layout, Scope::Run)?;
    workers::build_named(layout, &tools, Profile::Release, &["coordinator", "app", "typescript"])?;
    let agent = agent::build(layout)?;
    let mut matrix = matrix(layout, options, &tools, &agent)?;
    let programs = process::foreground(&mut matrix)?.success();
    let Some(filter) = worker_entries(options) else { return Ok(verdict(programs)) };
    let mut live = cargo(layout, &["test", "--package", "pierhead-tests", "--test", "live", "--"]);
    live.envs(tools.variables(layout, &agent)).args(filter);
    let workers = process::foreground(&mut live)?.success();
    Ok(verdict(programs && workers))
}

/// Which of the matrix' entries that are Workers to run, of the live tests: all if no name is given.
fn worker_entries(options: &Options) -> Option<Vec<String>> {
    const ENTRIES: &str = "entries::";
    if options.filter.is_empty() {
        return Some(vec![ENTRIES.to_owned()]);
    }
    let named = options.filter.iter().any(|filter| filter.starts_with("workers"));
    named.then(|| options.filter.clone())
}

fn driver_matrix(
    layout: &Layout,
    options: &Options,
    tools: &Tools,
    agent: &Path,
    steps: &mut Steps,
) {
    steps.step("drivers", || {
        must(&mut matrix(layout, options, tools, agent)?, "the driver and its words are above")
    });
}

fn matrix(layout: &Layout, options: &Options, tools: &Tools, agent: &Path) -> Result<Command> {
    let drivers = setup::ensure_drivers(layout)?;
    // One of them runs the package's program.
    package::assemble(layout, tools)?;
    let args = ["test", "--package", "pierhead-tests", "--test", "drivers", "--", "--nocapture"];
    let mut command = cargo(layout, &args);
    command.envs(tools.variables(layout, agent)).envs(drivers.variables()).args(&options.filter);
    Ok(command)
}

/// Tools, Workers and the agent's path; nothing when any failed, which ends the run: all else needs
/// them.
fn prepare(layout: &Layout, steps: &mut Steps) -> Option<(Tools, PathBuf)> {
    let tools = steps.value("set-up", || setup::run(layout, Scope::Run))?;
    steps.value("build of the Workers", || workers::build_all(layout, &tools, Profile::Release))?;
    let agent = steps.value("build of the agent", || agent::build(layout))?;
    Some((tools, agent))
}

fn check_sources(layout: &Layout, steps: &mut Steps) {
    steps.step("format", || {
        must(&mut cargo(layout, &["fmt", "--all", "--check"]), "run `cargo fmt --all`")
    });
    steps.step("clippy", || {
        let args = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
        must(&mut cargo(layout, &args), "see above")
    });
    steps.step("clippy with planted bugs", || {
        // Both, and nothing else, may hold planted bugs.
        for package in ["pierhead-engine", "pierhead-agent"] {
            let args = ["clippy", "--package", package, "--all-targets", "--"];
            let mut command = cargo(layout, &args);
            must(command.args(["-D", "warnings", "--cfg", "sabotage"]), "see above")?;
        }
        Ok(())
    });
}

fn unit_tests(layout: &Layout, options: &Options, steps: &mut Steps) {
    steps.step("unit tests", || {
        let args = ["test", "--workspace", "--exclude", "pierhead-tests"];
        must(cargo(layout, &args).args(after_dashes(options)), "see above")
    });
    steps.step("unit tests of the harness", || {
        let args = ["test", "--package", "pierhead-tests", "--lib", "--bins"];
        must(cargo(layout, &args).args(after_dashes(options)), "see above")
    });
    steps.step("inputs of the fuzz targets", || {
        let args = ["test", "--package", "pierhead-tests", "--test", "corpora"];
        must(cargo(layout, &args).args(after_dashes(options)), "see above")
    });
}

/// With the output shown: it names the seed and what the schedules met.
fn simulation(layout: &Layout, options: &Options, steps: &mut Steps) {
    let args = ["test", "--package", "pierhead-tests", "--test", "simulation", "--"];
    steps.step("simulation", || {
        let mut command = cargo(layout, &args);
        must(command.arg("--nocapture").args(&options.filter), "the seed is printed above")
    });
    if options.filter.is_empty() {
        steps.step("simulation finds planted bugs", || {
            let mut command = sabotaged(layout, &args)?;
            command.args(["planted_bugs", "--nocapture"]);
            must(&mut command, "a planted bug was not found")
        });
    }
}

/// Cargo with the planted bugs compiled in. The flag goes through a wrapper of the compiler that
/// applies to this workspace's crates alone: RUSTFLAGS would build every dependency again.
pub(crate) fn sabotaged(layout: &Layout, args: &[&str]) -> Result<Command> {
    let wrapper = layout.root.join("target/rustc-with-sabotage");
    fs::create_dir_all(layout.root.join("target"))?;
    fs::write(&wrapper, "#!/bin/sh\nexec \"$@\" --cfg sabotage\n")?;
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755))?;
    let mut command = cargo(layout, args);
    command.env("RUSTC_WORKSPACE_WRAPPER", wrapper);
    Ok(command)
}

fn cargo(layout: &Layout, args: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(&layout.root).args(args);
    command
}

fn after_dashes(options: &Options) -> Vec<String> {
    if options.filter.is_empty() {
        return Vec::new();
    }
    std::iter::once("--".to_owned()).chain(options.filter.iter().cloned()).collect()
}

/// Stories mostly wait, some of them for minutes: more of them at once than there are processors.
fn live_arguments(options: &Options) -> Vec<String> {
    if options.filter.is_empty() {
        return ["--", "--test-threads=4"].map(str::to_owned).into();
    }
    after_dashes(options)
}

fn must(command: &mut Command, advice: &str) -> Result<()> {
    let status = process::foreground(command)?;
    if !status.success() {
        bail!("{} ({status}): {advice}", process::shown(command));
    }
    Ok(())
}

fn verdict(passed: bool) -> ExitCode {
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Options> {
        Options::parse(&args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn filters_come_after_two_dashes() {
        let options = parse(&["--fast", "--", "pool", "--nocapture"]).unwrap();
        assert!(options.fast);
        assert_eq!(after_dashes(&options), ["--", "pool", "--nocapture"]);
        assert!(after_dashes(&parse(&[]).unwrap()).is_empty());
        assert!(parse(&["pool"]).is_err());
        assert!(parse(&["--drivers", "--", "psql"]).unwrap().drivers);
    }
}
