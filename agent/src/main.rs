//! The program `pierhead`: the agent's core with sockets, a clock and a command line around it.
//!
//! The shell translates and decides nothing: what happens goes into the core, what it says is
//! done. Places kept for what comes later: TLS to the database and the mode *session* in
//! `shell/conn.rs`, metrics and `--check` here, `connect` in `cli.rs`.

mod cli;
mod config;
mod log;
mod shell;
mod url;

use std::process::ExitCode;

use clap::Parser as _;
use pierhead_agent::limits;

use crate::cli::{AgentArgs, Cli, Command};
use crate::config::Config;
use crate::shell::Shell;

/// The configuration is wrong: starting again does not help.
const EXIT_CONFIGURATION: u8 = 2;

fn main() -> ExitCode {
    let Command::Agent(args) = Cli::parse().command;
    let shell = match prepare(&args) {
        Ok(shell) => shell,
        Err(problem) => {
            eprintln!("pierhead: {problem}\nSee `pierhead agent --help`.");
            return ExitCode::from(EXIT_CONFIGURATION);
        }
    };
    match run(shell) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("pierhead: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// Checks everything that can be checked without dialling.
fn prepare(args: &AgentArgs) -> Result<Shell, String> {
    let variables = config::environment()?;
    let filter = args.log.as_ref().or_else(|| variables.get("PIERHEAD_LOG")).cloned();
    let config = Config::read(args, variables)?;
    let shell = Shell::new(config)?;
    let verbose = log::start(filter.as_deref().unwrap_or("info"))?;
    Ok(shell.verbose(verbose))
}

fn run(shell: Shell) -> Result<(), String> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("the program cannot start: {error}"))?
        .block_on(shell.run())
}
