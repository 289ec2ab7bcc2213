//! `cargo xtask`: everything that is not `cargo build`: set-up of the tools, building the Workers,
//! sizes, the whole test run, the demo. What set-up does and why is in `docs/building.md`.
#![allow(clippy::print_stdout, reason = "a command line program: printing is what it is for")]

mod agent;
mod apt;
mod cost;
mod layout;
mod package;
mod process;
mod programs;
mod setup;
mod sim;
mod size;
mod smoke;
mod stamp;
mod steps;
mod test;
mod versions;
mod workers;

use std::process::ExitCode;

use anyhow::{Result, bail};

use layout::Layout;
use setup::Scope;
use workers::Profile;

const HELP: &str = "\
cargo xtask <command>

  setup                  install whatever is missing (quick when nothing is)
  build [--dev]          build the coordinator Worker (the build command of wrangler.toml)
  build --all [--dev]    build every Worker that the demo and the tests run
  build NAME… [--dev]    build these of them: app, bound, guide, sea-orm, …
  test [--fast] [-- F]   set up, build, format, clippy, unit, simulation, wrangler, drivers, live tests;
                         --fast: only what needs no Worker; F: run only tests whose name contains F
  test --drivers [-- F]  only the driver matrix: other people's drivers and tools on a port, and in
                         Workers (`workers_…`)
  sim [args]             schedules of the simulation on all processors (`cargo xtask sim --help`)
  smoke                  set up, build, try `wrangler deploy --dry-run` and `wrangler dev`
  package                build the coordinator and the npm package; target/package/pierhead-*.tgz
  demo [args]            set up, build, run the demo (`cargo xtask demo --help` shows its flags)
  bench [args]           set up, build, run the benchmark
  bench --render         make docs/benchmarks.md and its charts from what was measured; measures nothing
  bench --instructions   count the engine's instructions and bytes of memory, and PgBouncer's
                         instructions, with valgrind
  size                   wasm and JavaScript of the coordinator, raw and gzipped
  env [--drivers] [--bench]
                         print the variables that tests, demo and benchmark read, for `eval`;
                         --drivers: also those of the driver matrix; --bench: also PgBouncer
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Result<ExitCode> {
    let Some((command, rest)) = args.split_first() else {
        print!("{HELP}");
        return Ok(ExitCode::FAILURE);
    };
    match command.as_str() {
        "setup" => {
            no_more(rest)?;
            setup::run(&Layout::find()?, Scope::Run).map(|_| ExitCode::SUCCESS)
        }
        "build" => build(rest),
        "test" => test::run(&Layout::find()?, &test::Options::parse(rest)?),
        "sim" => sim::run(&Layout::find()?, rest),
        "bench" if matches!(rest, [only] if only == "--instructions") => {
            cost::run(&Layout::find()?).map(|()| ExitCode::SUCCESS)
        }
        "demo" | "bench" => programs::run(&Layout::find()?, command, rest),
        "smoke" => {
            no_more(rest)?;
            smoke(&Layout::find()?).map(|()| ExitCode::SUCCESS)
        }
        "package" => {
            no_more(rest)?;
            let layout = Layout::find()?;
            let tools = setup::run(&layout, Scope::Build)?;
            workers::build_coordinator(&layout, &tools, Profile::Release)?;
            println!("{}", package::pack(&layout, &tools)?.display());
            Ok(ExitCode::SUCCESS)
        }
        "size" => {
            no_more(rest)?;
            size::run(&Layout::find()?).map(|()| ExitCode::SUCCESS)
        }
        "env" => env(rest),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        other => bail!("unknown command `{other}`; `cargo xtask help` lists the commands"),
    }
}

fn env(args: &[String]) -> Result<ExitCode> {
    let (mut drivers, mut bench) = (false, false);
    for arg in args {
        match arg.as_str() {
            "--drivers" => drivers = true,
            "--bench" => bench = true,
            other => bail!("unknown argument `{other}` of env; it has --drivers and --bench"),
        }
    }
    let layout = Layout::find()?;
    let tools = setup::run(&layout, Scope::Run)?;
    let mut variables = tools.variables(&layout, &agent::build(&layout)?);
    if drivers {
        variables.extend(setup::ensure_drivers(&layout)?.variables());
    }
    if bench {
        variables.extend(setup::ensure_pgbouncer(&layout)?.map(|found| (setup::PGBOUNCER, found)));
    }
    for (name, value) in variables {
        println!("export {name}='{}'", value.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn build(args: &[String]) -> Result<ExitCode> {
    let (mut all, mut profile, mut names) = (false, Profile::Release, Vec::new());
    for arg in args {
        match arg.as_str() {
            "--all" => all = true,
            "--dev" => profile = Profile::Dev,
            name if !name.starts_with('-') => names.push(name),
            other => bail!("unknown flag `{other}` of build; it has --all and --dev"),
        }
    }
    let layout = Layout::find()?;
    let tools = setup::run(&layout, Scope::Build)?;
    if all {
        workers::build_all(&layout, &tools, profile)?;
    } else if names.is_empty() {
        workers::build_coordinator(&layout, &tools, profile)?;
    } else {
        workers::build_named(&layout, &tools, profile, &names)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn smoke(layout: &Layout) -> Result<()> {
    let tools = setup::run(layout, Scope::Build)?;
    workers::build_coordinator(layout, &tools, Profile::Release)?;
    smoke::dry_run(layout, &tools)?;
    smoke::dev(layout, &tools)
}

fn no_more(args: &[String]) -> Result<()> {
    match args.first() {
        None => Ok(()),
        Some(arg) => bail!("unexpected argument `{arg}`; `cargo xtask help` lists what there is"),
    }
}
