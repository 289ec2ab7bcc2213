//! The demo: real parts on this machine, example queries, and what a pool at the edge gains,
//! measured in this run. Progress goes to standard error, results to standard output.
#![allow(clippy::print_stdout, reason = "a command line program: printing is what it is for")]
#![allow(clippy::indexing_slicing, reason = "JSON indexed by a missing name is null, no panic")]

mod compare;
mod keep;
mod progress;
mod queries;
mod survive;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, bail};
use pierhead_tests::show::{Stage, StageConfig, interrupted};

use progress::Progress;

const HELP: &str = "\
cargo xtask demo [--keep | --tunnel agent]

  Starts a throw-away PostgreSQL with sample data, an emulated cloudflared tunnel, and workerd with
  a coordinator and Workers; runs example queries; compares a Worker that connects for each request
  with one that goes through the coordinator. Stops everything and removes it at the end.

  --keep            leave it running until Ctrl-C, and say how to call it
  --tunnel agent    instead: let coordinators sleep, crash and lose their connections, and show what
                    is left of their pools through the agent, beside cloudflared and direct TCP
  --help            this text
";

/// What a shell reports for a program that was ended by Ctrl-C.
const INTERRUPTED: u8 = 130;

#[derive(Default)]
struct Options {
    keep: bool,
    /// Show what survives, instead of queries and the comparison.
    survive: bool,
}

fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprint!("demo: {error}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match start(&options) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("\ndemo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// `None`: help was asked for.
fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Option<Options>> {
    let mut options = Options::default();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--keep" => options.keep = true,
            "--tunnel" => match arguments.next().as_deref() {
                Some("agent") => options.survive = true,
                Some(other) => bail!("there is no demo of the tunnel `{other}`, only of `agent`"),
                None => bail!("--tunnel needs a tunnel: `--tunnel agent`"),
            },
            "--help" | "-h" => return Ok(None),
            other => bail!("there is no flag `{other}`"),
        }
    }
    if options.keep && options.survive {
        bail!("--keep and --tunnel are two different demos");
    }
    Ok(Some(options))
}

fn start(options: &Options) -> Result<ExitCode> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let interrupted = interrupted()?;
        tokio::select! {
            // What has been started ends with the future that is dropped.
            result = run(options) => result.map(|()| ExitCode::SUCCESS),
            () = interrupted => {
                eprintln!("\nstopped");
                Ok(ExitCode::from(if options.keep { 0 } else { INTERRUPTED }))
            }
        }
    })
}

async fn run(options: &Options) -> Result<()> {
    let mut progress = Progress::default();
    if options.survive {
        return survive::run(&mut progress).await;
    }
    let stage = Stage::set(StageConfig::default(), |step| progress.step(step)).await?;
    let stage = Arc::new(stage);
    progress.done();
    queries::run(&stage).await?;
    compare::run(&stage, &mut progress).await?;
    if options.keep {
        return keep::run(&stage).await;
    }
    progress.step("stopping everything");
    drop(stage);
    progress.done();
    Ok(())
}
