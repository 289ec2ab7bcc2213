//! How much is measured, and which sections.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::ways::Way;

pub(crate) const HELP: &str = "\
cargo xtask bench [SECTION…] [--quick | --smoke] [--write]
cargo xtask bench --render

  Measures Pierhead beside what people use instead, and beside the least that any coordinator must
  do: all in one run, in turns, repeated. Sections, in this order unless some are named:

    latency      the first and each further query, a batch, a transaction, at five distances
    throughput   queries per second and processor time, with 1 to 1,000 callers
    large        results of 1, 10 and 100 MB
    storms       1,000 invocations at once, on a coordinator in three states and without one
    idle         memory of clients and sessions that do nothing, first answers after sleep, messages
    weight       bytes of a deployment, starts of isolates, an agent's memory, instructions
    soak         only if named: memory over twenty minutes of load

  A full run writes docs/benchmarks/<section>.json, and docs/benchmarks.md with its charts anew; any
  other, and one with --only, writes to target/bench/.

  --profile WAY [--callers N]
            no figures: 200 or N callers by this way, and what workerd's isolates do meanwhile, as files
            for a browser's tools in target/bench/ and as a list
  --only WAY,WAY,…
            only these contenders
  --minutes N
            how long soak takes
  --quick   fewer rounds: some five minutes in all
  --smoke   seconds: proves that it runs, measures nothing
  --write   writes to docs/ whatever the plan
  --render  measures nothing: makes docs/benchmarks.md and its charts from docs/benchmarks/*.json
  --help    this text
";

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// `full`, `quick` or `smoke`.
    pub(crate) name: &'static str,
    /// Rounds of everything; each visits all contenders in turn.
    pub(crate) rounds: usize,
    /// Latency: samples of each contender in a round; of those that connect, fewer.
    pub(crate) samples: usize,
    pub(crate) samples_connecting: usize,
    /// Latency: emulated round trips in milliseconds. The first is none.
    pub(crate) distances: &'static [u64],
    /// Throughput: how many callers, and for how long in a round.
    pub(crate) callers: &'static [usize],
    pub(crate) time: Duration,
    /// Large results, in megabytes.
    pub(crate) megabytes: &'static [usize],
    /// Idle: how many clients, and how many sessions; the fewest first.
    pub(crate) clients: &'static [usize],
    pub(crate) sessions: &'static [usize],
    /// Idle: queries whose messages are counted, and how often an object is woken at each distance.
    pub(crate) queries: usize,
    pub(crate) wakes: usize,
    /// Soak: how long, with how many callers, and how long between two looks.
    pub(crate) soak: Duration,
    pub(crate) soak_callers: usize,
    pub(crate) soak_turn: Duration,
    /// Storms: invocations at once.
    pub(crate) storm: usize,
    /// Weight: queries that an agent carries before its memory is looked at.
    pub(crate) carried: usize,
}

const FULL: Plan = Plan {
    name: "full",
    rounds: 3,
    samples: 12,
    samples_connecting: 4,
    distances: &[0, 2, 20, 40, 80],
    callers: &[1, 10, 50, 200, 1_000],
    time: Duration::from_millis(1_500),
    megabytes: &[1, 10, 100],
    clients: &[1_000, 10_000],
    sessions: &[100, 1_000],
    queries: 1_000,
    wakes: 5,
    soak: Duration::from_secs(20 * 60),
    soak_callers: 200,
    soak_turn: Duration::from_secs(30),
    storm: 1_000,
    carried: 10_000,
};

const QUICK: Plan = Plan {
    name: "quick",
    rounds: 2,
    samples: 4,
    samples_connecting: 1,
    distances: &[0, 40],
    callers: &[1, 200],
    time: Duration::from_millis(700),
    megabytes: &[1, 10],
    clients: &[1_000],
    sessions: &[100],
    queries: 400,
    wakes: 2,
    soak: Duration::from_secs(2 * 60),
    soak_callers: 200,
    soak_turn: Duration::from_secs(15),
    storm: 1_000,
    carried: 10_000,
};

const SMOKE: Plan = Plan {
    name: "smoke",
    rounds: 1,
    samples: 1,
    samples_connecting: 1,
    distances: &[0, 2],
    callers: &[2],
    time: Duration::from_millis(100),
    megabytes: &[1],
    clients: &[20],
    sessions: &[10],
    queries: 10,
    wakes: 1,
    soak: Duration::from_secs(1),
    soak_callers: 4,
    soak_turn: Duration::from_millis(500),
    storm: 20,
    carried: 100,
};

/// Callers that are profiled unless a number is given.
const PROFILED: usize = 200;

/// What makes pages of what is there; all by itself.
pub(crate) const RENDER: &str = "--render";

/// What was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) plan: Plan,
    /// Names of sections, in their order; none for all.
    pub(crate) sections: Vec<String>,
    /// Who is measured; none for all.
    pub(crate) only: Vec<Way>,
    /// The way to profile, instead of measuring.
    pub(crate) profile: Option<Way>,
    /// How many callers are profiled.
    pub(crate) callers: usize,
    /// Whether results belong to the documents.
    pub(crate) write: bool,
}

impl Request {
    /// `None`: help was asked for. `known` are the names of sections.
    pub(crate) fn parse(
        mut arguments: impl Iterator<Item = String>,
        known: &[&str],
    ) -> Result<Option<Self>> {
        let (mut plan, mut sections, mut write) = (FULL, Vec::new(), false);
        let (mut only, mut profile, mut minutes) = (Vec::new(), None, None);
        let mut callers = PROFILED;
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--quick" => plan = QUICK,
                "--smoke" => plan = SMOKE,
                "--write" => write = true,
                "--minutes" => minutes = Some(whole(&argument, arguments.next(), 1_440)?),
                "--callers" => callers = whole(&argument, arguments.next(), 10_000)? as usize,
                "--profile" => profile = Some(way(&arguments.next().unwrap_or_default())?),
                "--only" => only = ways(&arguments.next().unwrap_or_default())?,
                "--help" | "-h" => return Ok(None),
                RENDER => bail!("{RENDER} measures nothing; give it alone"),
                name if known.contains(&name) => sections.push(name.to_owned()),
                flag if flag.starts_with('-') => bail!("there is no flag `{flag}`"),
                other => bail!("there is no section `{other}`; there are {}", known.join(", ")),
            }
        }
        if let Some(minutes) = minutes {
            plan.soak = Duration::from_secs(60 * minutes);
        }
        let write = write || plan.name == "full" && only.is_empty();
        Ok(Some(Self { plan, sections, only, profile, callers, write }))
    }

    /// Whether a section is to be measured: `usual` ones are unless others are named.
    pub(crate) fn wants(&self, section: &str, usual: bool) -> bool {
        let named = self.sections.iter().any(|name| name == section);
        named || (usual && self.sections.is_empty())
    }
}

/// The number behind a flag, from 1 to `most`.
fn whole(flag: &str, argument: Option<String>, most: u64) -> Result<u64> {
    let argument = argument.unwrap_or_default();
    match argument.parse() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => bail!("{flag} takes a whole number from 1 to {most}, not `{argument}`"),
    }
}

fn ways(names: &str) -> Result<Vec<Way>> {
    names.split(',').map(way).collect()
}

fn way(name: &str) -> Result<Way> {
    let found = Way::ALL.into_iter().find(|way| way.id() == name);
    found.with_context(|| {
        let names: Vec<_> = Way::ALL.iter().map(|way| way.id()).collect();
        format!("there is no contender `{name}`; there are {}", names.join(", "))
    })
}
