//! The benchmark: every comparison side by side in one run, repeated, as medians and ratios.
//! Absolute figures belong to the machine; ratios travel better. Results go to standard output.
#![allow(clippy::print_stdout, reason = "a command line program: printing is what it is for")]
#![allow(clippy::indexing_slicing, reason = "JSON indexed by a missing name is null, no panic")]

mod large;
mod opening;
mod steady;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use pierhead_tests::show::{Stage, StageConfig, interrupted};

const HELP: &str = "\
cargo xtask bench [--smoke]

  Compares a Worker that connects to PostgreSQL for each request with one that goes through the
  coordinator: latency, requests per second; large results over both tunnels; what it costs to open
  a session. About two minutes.

  --smoke   the same in seconds: proves that it runs, measures nothing
  --help    this text
";

/// What a shell reports for a program that was ended by Ctrl-C.
const INTERRUPTED: u8 = 130;

/// How much is measured.
#[derive(Clone, Copy)]
struct Plan {
    /// Latency: requests of each way at each distance.
    requests: usize,
    /// Throughput and large results: repetitions.
    rounds: usize,
    /// Throughput: time of one repetition.
    time: Duration,
    /// Large results, in MiB.
    large_mib: usize,
    /// Openings of each kind.
    openings: usize,
}

const FULL: Plan = Plan {
    requests: 100,
    rounds: 5,
    time: Duration::from_millis(1_500),
    large_mib: 50,
    openings: 10,
};

const SMOKE: Plan =
    Plan { requests: 4, rounds: 1, time: Duration::from_millis(100), large_mib: 2, openings: 1 };

fn main() -> ExitCode {
    let plan = match parse(std::env::args().skip(1)) {
        Ok(Some(plan)) => plan,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprint!("bench: {error}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match start(plan) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// `None`: help was asked for.
fn parse(arguments: impl Iterator<Item = String>) -> Result<Option<Plan>> {
    let mut plan = FULL;
    for argument in arguments {
        match argument.as_str() {
            "--smoke" => plan = SMOKE,
            "--help" | "-h" => return Ok(None),
            other => bail!("there is no flag `{other}`"),
        }
    }
    Ok(Some(plan))
}

fn start(plan: Plan) -> Result<ExitCode> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let interrupted = interrupted()?;
        tokio::select! {
            // What has been started ends with the future that is dropped.
            result = run(plan) => result.map(|()| ExitCode::SUCCESS),
            () = interrupted => Ok(ExitCode::from(INTERRUPTED)),
        }
    })
}

async fn run(plan: Plan) -> Result<()> {
    let began = Instant::now();
    // The direct Worker must not fail for want of connections: that is the demo's point.
    let config = StageConfig { max_connections: 300, crash_control: true, ..Default::default() };
    let stage = Arc::new(Stage::set(config, |step| eprintln!("{step}")).await?);
    eprintln!("latency");
    println!("\nLatency of a small query\n\n{}", steady::latencies(&stage, plan).await?);
    println!("Requests per second, pool_size 10\n\n{}", steady::rates(&stage, plan).await?);
    println!("One result of {} MiB\n\n{}", plan.large_mib, large::both(&stage, plan).await?);
    println!("The first query on a new session\n\n{}", opening::costs(&stage, plan).await?);
    stage.tunnel().assert_clean();
    eprintln!("done in {:.0} s", began.elapsed().as_secs_f64());
    Ok(())
}
