//! Seeded simulations of the engine and of the agent, with a scripted server, callers and everything
//! between them.
//!
//! `PIERHEAD_SIM_SEED` and `PIERHEAD_SIM_RUNS` choose other schedules than the usual ones, or one
//! again that failed. See `tests/README.md`, "Simulation".
#![allow(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails loudly, and a long one says what it did"
)]

use std::time::Instant;

use pierhead_tests::sim::corpus;
use pierhead_tests::sim::runner::{
    AGENTS, CROWD, MEDLEY, NEIGHBOURS, POOL, SOCKETS, Simulation, TUNNEL, run_many,
};

/// Schedules of a usual run of one engine.
const POOL_RUNS: u64 = 10_000;

/// Schedules of a usual run of objects and agents.
const TUNNEL_RUNS: u64 = 10_000;

/// Schedules of a usual run of clients that speak the protocol.
const SOCKETS_RUNS: u64 = 10_000;

/// Schedules of a usual run of a crowd.
const CROWD_RUNS: u64 = 1_000;

/// Schedules of a usual run of the medley.
const MEDLEY_RUNS: u64 = 4_000;

/// Schedules of a usual run with an agent in between.
const AGENTS_RUNS: u64 = 2_000;

/// Schedules of a usual run of neighbours.
const NEIGHBOURS_RUNS: u64 = 1_000;

/// Below this many, what the schedules met says nothing.
const RUNS_FOR_COVERAGE: u64 = 1_000;

/// Below this many, some transitions are met by chance only.
const RUNS_FOR_TRANSITIONS: u64 = 10_000;

/// The first seed of a usual run.
const SEED: u64 = 2_026;

fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} must be a number: {text:?}")),
        Err(_) => default,
    }
}

#[test]
fn pool_rules_hold_in_every_schedule() {
    rules_hold(POOL, POOL_RUNS);
}

#[test]
fn tunnel_rules_hold_in_every_schedule() {
    rules_hold(TUNNEL, TUNNEL_RUNS);
}

#[test]
fn sockets_rules_hold_in_every_schedule() {
    rules_hold(SOCKETS, SOCKETS_RUNS);
}

#[test]
fn crowd_rules_hold_in_every_schedule() {
    rules_hold(CROWD, CROWD_RUNS);
}

#[test]
fn medley_rules_hold_in_every_schedule() {
    rules_hold(MEDLEY, MEDLEY_RUNS);
}

#[test]
fn agents_rules_hold_in_every_schedule() {
    rules_hold(AGENTS, AGENTS_RUNS);
}

#[test]
fn neighbours_rules_hold_in_every_schedule() {
    rules_hold(NEIGHBOURS, NEIGHBOURS_RUNS);
}

#[test]
fn what_failed_once_does_not_fail_again() {
    let failed = corpus::replay();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

fn rules_hold(world: Simulation, runs: u64) {
    let (seed, runs) = (setting("PIERHEAD_SIM_SEED", SEED), setting("PIERHEAD_SIM_RUNS", runs));
    println!("simulation of the {}: {runs} schedules from seed {seed}", world.test);
    let start = Instant::now();
    let coverage = run_many(world, seed, runs).unwrap_or_else(|failure| panic!("{failure}"));
    println!("{coverage}{runs} schedules in {:.1} s", start.elapsed().as_secs_f64());
    let missing = coverage.missing(&world.meets());
    assert!(
        runs < RUNS_FOR_COVERAGE || missing.is_empty(),
        "the schedules no longer meet: {missing:?}"
    );
    let missing = coverage.missing_transitions(world.test);
    assert!(
        runs < RUNS_FOR_TRANSITIONS || missing.is_empty(),
        "the schedules no longer meet these transitions of sessions: {missing:?}"
    );
}

/// The test of the test: planted bugs must be found.
#[cfg(sabotage)]
mod planted {
    use pierhead_agent::core::sabotage as agent;
    use pierhead_engine::sabotage as engine;

    use pierhead_tests::sim::runner::WORLDS;

    use super::{
        AGENTS, CROWD, MEDLEY, NEIGHBOURS, POOL, SEED, SOCKETS, Simulation, TUNNEL, run_many,
        setting,
    };

    /// Schedules within which each bug must be found.
    const BUDGET: u64 = 2_000;

    /// Schedules that must be right while nothing is planted.
    const RIGHT: u64 = 300;

    #[test]
    fn planted_bugs_of_the_engine_are_found() {
        let seed = setting("PIERHEAD_SIM_SEED", SEED);
        for world in WORLDS {
            right(world, seed);
        }
        for bug in engine::Bug::ALL {
            engine::set(Some(bug));
            let world = world_of(bug);
            found(world, seed, &format!("{bug:?}"));
            engine::set(None);
        }
    }

    #[test]
    fn planted_bugs_of_the_agent_are_found() {
        let seed = setting("PIERHEAD_SIM_SEED", SEED);
        for bug in agent::Bug::ALL {
            agent::set(Some(bug));
            found(TUNNEL, seed, &format!("{bug:?} (agent)"));
            agent::set(None);
        }
    }

    /// Where a bug of the engine must be found.
    fn world_of(bug: engine::Bug) -> Simulation {
        use engine::Bug;
        match bug {
            Bug::ReleaseBeforeReset
            | Bug::RetryAfterSend
            | Bug::SkipReset
            | Bug::FreeSeatEarly
            | Bug::CompletedOnLoss => POOL,
            Bug::YoungestFirst | Bug::LeasesForNothing => CROWD,
            Bug::ListenerNotKept | Bug::StateNotRejected | Bug::MinIdleForgotten => MEDLEY,
            Bug::ShareKept => NEIGHBOURS,
            Bug::ParkHalfSent
            | Bug::StaleStatement
            | Bug::OpenBeforeSettled
            | Bug::OtherConfiguration
            | Bug::CreditLeak => TUNNEL,
            Bug::CancelNotFenced
            | Bug::AnswerToWrongClient
            | Bug::ReleaseBeforeLastSync
            | Bug::ReuseAfterMismatch
            | Bug::DoubleApproval
            | Bug::LostWaiter
            | Bug::NameCollision
            | Bug::StateLeftBehind
            | Bug::ReplayToWrongClient
            | Bug::DeadlineIgnoredInQueue
            | Bug::UnboundedBuffer
            | Bug::StaleHandle
            | Bug::CureTwice
            | Bug::SkipRollback => SOCKETS,
        }
    }

    fn right(world: Simulation, seed: u64) {
        if let Err(failure) = run_many(world, seed, RIGHT) {
            panic!("no bug is planted, and yet: {failure}");
        }
    }

    fn found(world: Simulation, seed: u64, bug: &str) {
        match run_many(world, seed, BUDGET) {
            Ok(_) => panic!("{bug} was not found in {BUDGET} schedules"),
            Err(found) => println!(
                "{bug}: found in schedule {} by rule {:?}: {}",
                found.runs, found.violation.rule, found.violation.detail
            ),
        }
    }
}
