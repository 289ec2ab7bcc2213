//! Runs many schedules and tells about the first that breaks a rule.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::coverage::{self, Coverage};
use super::{Violation, sockets, tunnel, world};

/// A world to run schedules of.
#[derive(Clone, Copy, Debug)]
pub struct Simulation {
    /// The test that runs it.
    pub test: &'static str,
    /// Runs the schedule of a seed, with or without a trace.
    run: fn(u64, bool) -> Result<Coverage, Box<Violation>>,
    /// What a long run must meet.
    pub must_happen: &'static [&'static [&'static str]],
}

/// One engine against a scripted server.
pub const POOL: Simulation = Simulation {
    test: "pool",
    run: world::run,
    must_happen: &[&coverage::MUST_HAPPEN, world::KINDS],
};

/// Objects and agents, with links between them.
pub const TUNNEL: Simulation = Simulation {
    test: "tunnel",
    run: tunnel::run,
    must_happen: &[&tunnel::MUST_HAPPEN, tunnel::KINDS],
};

/// Clients that speak the protocol themselves, through one engine.
pub const SOCKETS: Simulation = Simulation {
    test: "sockets",
    run: sockets::run,
    must_happen: &[&sockets::MUST_HAPPEN, sockets::KINDS],
};

/// Clients of several classes that want more sessions than there are.
pub const CROWD: Simulation =
    Simulation { test: "crowd", run: sockets::run_crowd, must_happen: &[&sockets::CROWD_MEETS] };

/// Clients that notify each other, other policies, and a clock that leaps.
pub const MEDLEY: Simulation =
    Simulation { test: "medley", run: sockets::run_medley, must_happen: &[&sockets::MEDLEY_MEETS] };

/// Clients that speak the protocol themselves, with an agent in between.
pub const AGENTS: Simulation =
    Simulation { test: "agents", run: sockets::run_agents, must_happen: &[&sockets::AGENTS_MEET] };

/// Two objects that share the isolate's allowance.
pub const NEIGHBOURS: Simulation = Simulation {
    test: "neighbours",
    run: sockets::run_neighbours,
    must_happen: &[&sockets::NEIGHBOURS_MEET],
};

/// All of them.
pub const WORLDS: [Simulation; 7] = [POOL, TUNNEL, SOCKETS, CROWD, MEDLEY, AGENTS, NEIGHBOURS];

/// A schedule that broke a rule.
#[derive(Debug)]
pub struct Failure {
    /// The world's test.
    pub test: &'static str,
    /// The seed that repeats it.
    pub seed: u64,
    /// Schedules that ran, with this one.
    pub runs: u64,
    /// What it broke, with what happened before.
    pub violation: Violation,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Violation { rule, detail, trace } = &self.violation;
        for line in trace {
            writeln!(f, "{line}")?;
        }
        writeln!(f, "\nrule broken: {rule}\n{detail}\nseed {}, schedule {}", self.seed, self.runs)?;
        write!(
            f,
            "again: PIERHEAD_SIM_SEED={} PIERHEAD_SIM_RUNS=1 \
             cargo test -p pierhead-tests --test simulation {}_rules -- --nocapture",
            self.seed, self.test
        )
    }
}

/// Runs `runs` schedules: seeds `base`, `base + 1`, and so on.
///
/// # Errors
/// The first schedule that breaks a rule, run a second time for its trace.
pub fn run_many(world: Simulation, base: u64, runs: u64) -> Result<Coverage, Box<Failure>> {
    let mut coverage = Coverage::default();
    for index in 0..runs {
        let seed = base.wrapping_add(index);
        match run_one(world, seed, false) {
            Ok(run) => coverage.merge(&run),
            Err(first) => {
                let violation = match run_one(world, seed, true) {
                    Err(again) => again,
                    Ok(_) => Box::new(Violation {
                        rule: "determinism",
                        detail: format!("only the first of two runs broke a rule: {first:?}"),
                        trace: Vec::new(),
                    }),
                };
                let violation = *violation;
                return Err(Box::new(Failure {
                    test: world.test,
                    seed,
                    runs: index + 1,
                    violation,
                }));
            }
        }
    }
    Ok(coverage)
}

/// Runs one schedule; a panic breaks a rule, too.
///
/// # Errors
/// The rule that was broken.
pub fn run_one(world: Simulation, seed: u64, traced: bool) -> Result<Coverage, Box<Violation>> {
    caught(|| (world.run)(seed, traced))
}

/// A run that may panic, which breaks a rule as well.
pub(super) fn caught(
    run: impl FnOnce() -> Result<Coverage, Box<Violation>>,
) -> Result<Coverage, Box<Violation>> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(Box::new(Violation {
            rule: "no panic",
            detail: text.unwrap_or("a panic without a text").to_owned(),
            trace: Vec::new(),
        }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_schedule() {
        for (world, seed) in WORLDS.into_iter().flat_map(|w| (0..20).map(move |s| (w, s))) {
            let [first, second] = [false, true].map(|traced| (world.run)(seed, traced));
            let counts = |run: Result<Coverage, Box<Violation>>| {
                run.map(|coverage| coverage.to_string()).map_err(|v| v.detail)
            };
            assert_eq!(counts(first), counts(second), "{world:?}, seed {seed}");
        }
    }
}
