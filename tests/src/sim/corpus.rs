//! Schedules that broke a rule once, each on a line of `tests/corpus/simulation.txt`: the world, the
//! seed, what is left out of it, and behind `#` what was wrong. They are run first.

use std::collections::BTreeSet;

use super::runner::{self, WORLDS, caught};
use super::sockets::plan::{Part, Plan};
use super::sockets::run_plan;
use super::sockets::shrink::parts_of;

const TEXT: &str = include_str!("../../corpus/simulation.txt");

/// Runs all of them; the stories of those that break a rule again.
#[must_use]
pub fn replay() -> Vec<String> {
    let lines = TEXT.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines.filter_map(|line| again(line).err()).collect()
}

fn again(line: &str) -> Result<(), String> {
    let (name, story) = line.split_once('#').unwrap_or((line, ""));
    let words: Vec<&str> = name.split_whitespace().collect();
    let [world, seed, parts @ ..] = words.as_slice() else {
        return Err(format!("not a schedule: {line}"));
    };
    let seed: u64 = seed.parse().map_err(|_| format!("not a seed: {line}"))?;
    let run = if let Some(plan) = Plan::named(world, seed) {
        let left_out: BTreeSet<Part> = parts_of(parts)?;
        caught(|| run_plan(plan.without(&left_out), false))
    } else {
        let known = WORLDS.into_iter().find(|known| known.test == *world);
        let known = known.ok_or_else(|| format!("no such world: {line}"))?;
        runner::run_one(known, seed, false)
    };
    match run {
        Ok(_) => Ok(()),
        Err(v) => Err(format!("{name}({}): {}: {}", story.trim(), v.rule, v.detail)),
    }
}
