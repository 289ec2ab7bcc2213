//! Seeded simulation of the engine, a scripted server, callers and everything between them.
//!
//! `PIERHEAD_SIM_SEED` and `PIERHEAD_SIM_RUNS` choose other schedules than the usual ones, or one
//! again that failed. See `tests/README.md`, "Simulation".
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails loudly")]

use std::time::Instant;

use pierhead_tests::sim::runner::run_many;

/// Schedules of a usual run.
const RUNS: u64 = 10_000;

/// Below this many, what the schedules met says nothing.
const RUNS_FOR_COVERAGE: u64 = 2_000;

/// The first seed of a usual run.
const SEED: u64 = 2_026;

fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} must be a number: {text:?}")),
        Err(_) => default,
    }
}

#[test]
fn rules_hold_in_every_schedule() {
    let (seed, runs) = (setting("PIERHEAD_SIM_SEED", SEED), setting("PIERHEAD_SIM_RUNS", RUNS));
    println!("simulation: {runs} schedules from seed {seed}");
    let start = Instant::now();
    let coverage = run_many(seed, runs).unwrap_or_else(|failure| panic!("{failure}"));
    println!("{coverage}{runs} schedules in {:.1} s", start.elapsed().as_secs_f64());
    let missing = coverage.missing();
    assert!(
        runs < RUNS_FOR_COVERAGE || missing.is_empty(),
        "the schedules no longer meet: {missing:?}"
    );
}

/// The test of the test: bugs planted in the engine must be found.
#[cfg(sabotage)]
#[test]
fn planted_bugs_are_found() {
    use pierhead_engine::sabotage::{self, Bug};

    /// Schedules within which each bug must be found.
    const BUDGET: u64 = 2_000;

    let seed = setting("PIERHEAD_SIM_SEED", SEED);
    sabotage::set(None);
    if let Err(failure) = run_many(seed, 300) {
        panic!("no bug is planted, and yet: {failure}");
    }
    for bug in Bug::ALL {
        sabotage::set(Some(bug));
        let result = run_many(seed, BUDGET);
        sabotage::set(None);
        match result {
            Ok(_) => panic!("{bug:?} was not found in {BUDGET} schedules"),
            Err(found) => println!(
                "{bug:?}: found in schedule {} by rule {:?}: {}",
                found.runs, found.violation.rule, found.violation.detail
            ),
        }
    }
}
