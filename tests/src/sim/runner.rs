//! Runs many schedules and tells about the first that breaks a rule.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::coverage::{self, Coverage};
use super::kinds::INPUTS;
use super::{Violation, sockets, tunnel, world};

/// A world to run schedules of.
#[derive(Clone, Copy, Debug)]
pub struct Simulation {
    /// The test that runs it.
    pub test: &'static str,
    /// Runs the schedule of a seed, with or without a trace.
    run: fn(u64, bool) -> Result<Coverage, Box<Violation>>,
    /// What a long run must meet.
    must_happen: &'static [&'static [&'static str]],
    /// What of that is none of this world's.
    never: &'static [&'static str],
}

impl Simulation {
    /// What a long run must meet.
    #[must_use]
    pub fn meets(&self) -> Vec<&'static str> {
        let all = self.must_happen.concat().into_iter();
        all.filter(|name| !self.never.contains(name)).collect()
    }
}

/// One engine against a scripted server.
pub const POOL: Simulation = Simulation {
    test: "pool",
    run: world::run,
    must_happen: &[&coverage::MUST_HAPPEN, world::KINDS, world::FAULTS, INPUTS],
    never: &[
        "input: EpochRaised",
        "input: LeaseOpened",
        "input: LinkClosed",
        "input: LinkMessage",
        "input: LinkOpened",
        "input: LinkRestored",
        "input: SocketData",
        "input: SocketOpened",
        "input: StreamTook",
    ],
};

/// Objects and agents, with links between them.
pub const TUNNEL: Simulation = Simulation {
    test: "tunnel",
    run: tunnel::run,
    must_happen: &[&tunnel::MUST_HAPPEN, tunnel::KINDS, tunnel::FAULTS, INPUTS],
    never: &[
        "input: LeaseOpened",
        "input: SocketData",
        "input: SocketOpened",
        "input: StreamSecured",
        "input: StreamTook",
    ],
};

/// Clients that speak the protocol themselves, through one engine.
pub const SOCKETS: Simulation = Simulation {
    test: "sockets",
    run: sockets::run,
    must_happen: &[&sockets::MUST_HAPPEN, sockets::KINDS, sockets::FAULTS, INPUTS],
    never: &[
        "drawn: Between",
        "drawn: Leap",
        "event: Peeked",
        "event: Secured",
        "event: Take",
        "input: EpochRaised",
        "input: LinkClosed",
        "input: LinkMessage",
        "input: LinkOpened",
        "input: LinkRestored",
        "input: StreamSecured",
    ],
};

/// Clients of several classes that want more sessions than there are.
pub const CROWD: Simulation = Simulation {
    test: "crowd",
    run: sockets::run_crowd,
    must_happen: &[&sockets::CROWD_MEETS],
    never: &[],
};

/// Clients that notify each other, other policies, and a clock that leaps.
pub const MEDLEY: Simulation = Simulation {
    test: "medley",
    run: sockets::run_medley,
    must_happen: &[&sockets::MEDLEY_MEETS, sockets::KINDS, sockets::FAULTS],
    never: &["drawn: Between", "event: LeaseTook", "event: Peeked", "event: Secured"],
};

/// Clients that speak the protocol themselves, with an agent in between.
pub const AGENTS: Simulation = Simulation {
    test: "agents",
    run: sockets::run_agents,
    must_happen: &[&sockets::AGENTS_MEET, sockets::KINDS, sockets::FAULTS, INPUTS],
    never: &[
        "drawn: Leap",
        "event: LeaseTook",
        "event: Secured",
        "event: Take",
        // What happens to streams happens to the agent.
        "input: StreamClosed",
        "input: StreamData",
        "input: StreamOpened",
        "input: StreamRefused",
        "input: StreamSecured",
        "input: StreamTook",
    ],
};

/// Two objects that share the isolate's allowance.
pub const NEIGHBOURS: Simulation = Simulation {
    test: "neighbours",
    run: sockets::run_neighbours,
    must_happen: &[&sockets::NEIGHBOURS_MEET],
    never: &[],
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
    fn every_kind_of_input_and_fault_must_happen_in_some_world() {
        let met: Vec<&str> = WORLDS.iter().flat_map(Simulation::meets).collect();
        let kinds = [INPUTS, sockets::KINDS, sockets::FAULTS].concat();
        let missing: Vec<&str> = kinds.into_iter().filter(|kind| !met.contains(kind)).collect();
        assert!(missing.is_empty(), "{missing:?}");
        for world in WORLDS {
            let known = world.must_happen.concat();
            let strange = world.never.iter().find(|name| !known.contains(name));
            assert_eq!(strange, None, "{world:?} names what nobody asks for");
        }
    }

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
