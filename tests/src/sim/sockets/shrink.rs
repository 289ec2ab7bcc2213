//! Makes a failing schedule small: leaves out clients, then faults, then steps, then the ground's
//! unevenness, as long as the same rule breaks.

use std::collections::BTreeSet;
use std::fmt;

use super::plan::{Kind, Part, Plan};
use super::run_plan;
use super::steps::Deed;
use crate::sim::Violation;
use crate::sim::runner::caught;

/// Schedules that one search may run.
const RUNS_MAX: u32 = 2_000;

/// A schedule with everything left out that could be.
#[derive(Debug)]
pub struct Story {
    /// The world it happens in.
    pub world: &'static str,
    /// The seed it was drawn from.
    pub seed: u64,
    /// What was left out of it.
    pub left_out: BTreeSet<Part>,
    /// What is left.
    pub plan: Plan,
    /// What it still breaks, and what happens before.
    pub violation: Violation,
}

/// The smallest schedule found that breaks the same rule as `seed` does without `left_out`; `None`
/// if that breaks none, or there is no such world of plans.
#[must_use]
pub fn shrink(world: &str, seed: u64, left_out: BTreeSet<Part>) -> Option<Story> {
    let whole = Plan::named(world, seed)?;
    let breaks = |left_out: &BTreeSet<Part>, traced| {
        let plan = whole.without(left_out);
        caught(|| run_plan(plan, traced)).err()
    };
    let rule = breaks(&left_out, false)?.rule;
    let same = |left_out: &BTreeSet<Part>| breaks(left_out, false).is_some_and(|v| v.rule == rule);
    let mut best = left_out;
    let mut runs = 0;
    loop {
        let before = best.len();
        let parts: Vec<Part> = whole.without(&best).parts();
        let parts: Vec<Part> = parts.into_iter().filter(|part| !best.contains(part)).collect();
        let mut size = (parts.len() / 2).max(1);
        while size > 0 {
            for group in parts.chunks(size) {
                let mut fewer = best.clone();
                fewer.extend(group);
                if fewer.len() == best.len() {
                    continue;
                }
                runs += 1;
                if runs <= RUNS_MAX && same(&fewer) {
                    best = fewer;
                }
            }
            size = if size == 1 { 0 } else { size.div_ceil(2).min(size - 1) };
        }
        if best.len() == before || runs > RUNS_MAX {
            break;
        }
    }
    // What belongs to a client that is left out needs no mention.
    let clients = best.clone();
    best.retain(|part| match part {
        Part::Step(client, _) => !clients.contains(&Part::Client(*client)),
        Part::Client(_) | Part::Fault(_) | Part::Delays | Part::Crumbs | Part::Refusals => true,
    });
    let violation = *breaks(&best, true)?;
    let plan = whole.without(&best);
    Some(Story { world: whole.world, seed, plan, left_out: best, violation })
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = &self.plan;
        let s = &plan.settings;
        writeln!(
            f,
            "pool of {}, {:?}, reset {:?}, state {:?}, min_idle {}, waiters {}, pinned {}, class {}, \
             plans {}; \
             ms: wait {}, query {}, connect {}, idle {}, life {}, transaction {}, \
             idle in transaction {}, client idle {}",
            s.pool_size,
            s.ways,
            s.reset,
            s.state,
            s.min_idle,
            s.max_waiters,
            s.pinned_max,
            s.class_size,
            s.plan_cache,
            s.wait_timeout.0,
            s.query_timeout.0,
            s.connect_timeout.0,
            s.idle_timeout.0,
            s.max_lifetime.0,
            s.transaction_timeout.0,
            s.idle_in_transaction_timeout.0,
            s.client_idle_timeout.0,
        )?;
        writeln!(f, "{:?}, {:?} (quiet: {})", plan.net, plan.database.auth, plan.quiet)?;
        for client in &plan.clients {
            writeln!(
                f,
                "client {} comes at {} ms, class {:?}, slow reader: {}",
                client.number, client.comes, client.class, client.slow_reader
            )?;
            tell_client(&client.kind, f)?;
        }
        for fault in &plan.faults {
            writeln!(f, "fault {} at {} ms: {:?}", fault.number, fault.at, fault.fault)?;
        }
        for line in &self.violation.trace {
            writeln!(f, "{line}")?;
        }
        writeln!(f, "rule broken: {}\n{}", self.violation.rule, self.violation.detail)?;
        write!(f, "again: {}", self.name())
    }
}

impl Story {
    /// What names this schedule on the command line and in the corpus.
    #[must_use]
    pub fn name(&self) -> String {
        let mut name = format!("{} {}", self.world, self.seed);
        for part in &self.left_out {
            name.push_str(&match part {
                Part::Client(client) => format!(" -c{client}"),
                Part::Step(client, step) => format!(" -c{client}.{step}"),
                Part::Fault(fault) => format!(" -f{fault}"),
                Part::Delays => " -delays".into(),
                Part::Crumbs => " -crumbs".into(),
                Part::Refusals => " -refusals".into(),
            });
        }
        name
    }
}

/// Reads the words behind the seed of a name.
///
/// # Errors
/// The word that names no part.
pub fn parts_of(words: &[&str]) -> Result<BTreeSet<Part>, String> {
    words.iter().map(|word| part_of(word).ok_or_else(|| (*word).to_owned())).collect()
}

fn part_of(word: &str) -> Option<Part> {
    match word {
        "-delays" => return Some(Part::Delays),
        "-crumbs" => return Some(Part::Crumbs),
        "-refusals" => return Some(Part::Refusals),
        _ => {}
    }
    if let Some(fault) = word.strip_prefix("-f") {
        return fault.parse().ok().map(Part::Fault);
    }
    let client = word.strip_prefix("-c")?;
    match client.split_once('.') {
        Some((client, step)) => Some(Part::Step(client.parse().ok()?, step.parse().ok()?)),
        None => client.parse().ok().map(Part::Client),
    }
}

fn tell_client(kind: &Kind, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let steps = match kind {
        Kind::Socket { mode, steps } => {
            writeln!(f, "    by {mode:?}")?;
            steps
        }
        Kind::Lease { requests } => {
            for request in requests {
                writeln!(f, "    lease: {}", request.escape_ascii())?;
            }
            return Ok(());
        }
        Kind::Exchange { script, remaining, reset } => {
            let text = script.protocol.escape_ascii();
            return writeln!(f, "    exchange ({remaining} ms, reset {reset}): {text}");
        }
    };
    for step in steps {
        match &step.deed {
            Deed::Say { what, bytes, awaits } => {
                let wait = if *awaits { ", waits" } else { "" };
                let text = bytes.escape_ascii().to_string().replace("\\x00", "·");
                writeln!(f, "    {} +{} ms {what}{wait}: {text}", step.number, step.pause)?;
            }
            deed @ (Deed::Cancel { .. } | Deed::Terminate | Deed::Cut { .. }) => {
                writeln!(f, "    {} +{} ms {deed:?}", step.number, step.pause)?;
            }
        }
    }
    Ok(())
}
