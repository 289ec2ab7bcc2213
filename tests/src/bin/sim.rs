//! Many schedules of the simulation, on all processors: `cargo xtask sim`.
#![allow(clippy::print_stdout, reason = "a command line program: printing is what it is for")]

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use pierhead_tests::sim::coverage::Coverage;
use pierhead_tests::sim::runner::{SOCKETS, Simulation, WORLDS, run_one};
use pierhead_tests::sim::sockets::plan::Plan;
use pierhead_tests::sim::sockets::shrink::{parts_of, shrink};

const HELP: &str = "\
sim [flags] [again...]

  --world W       sockets, crowd, medley, pool or tunnel (default: sockets)
  --schedules N   how many (default: 10,000)
  --seed S        the first seed; the next ones count up (default: 2026)
  --jobs J        threads (default: as many as processors)
  --failures F    stop after so many (default: 3)
  --bug B         plant a bug (builds with --cfg sabotage)
  WORLD SEED -c1 -c2.3 -f0 …   one schedule again, without some of its parts
";

struct Options {
    world: Simulation,
    schedules: u64,
    seed: u64,
    jobs: usize,
    failures: usize,
    bug: Option<String>,
    again: Vec<String>,
}

/// What the threads share.
#[derive(Default)]
struct Shared {
    next: AtomicU64,
    stop: AtomicBool,
    coverage: Mutex<Coverage>,
    events: Mutex<Vec<u32>>,
    failed: Mutex<Vec<(u64, &'static str, String)>>,
}

fn main() -> Result<ExitCode> {
    let Some(options) = parse(std::env::args().skip(1))? else {
        print!("{HELP}");
        return Ok(ExitCode::SUCCESS);
    };
    plant(options.bug.as_deref())?;
    // A panic breaks a rule, and is told as such.
    std::panic::set_hook(Box::new(|_| {}));
    if let [world, seed, parts @ ..] = options.again.as_slice() {
        return again(world, seed, parts);
    }
    let start = Instant::now();
    let shared = Shared::default();
    std::thread::scope(|scope| {
        for _ in 0..options.jobs {
            scope.spawn(|| work(&options, &shared));
        }
        watch(&options, &shared, start);
    });
    report(&options, shared, start)
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Options>> {
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut options = Options {
        world: SOCKETS,
        schedules: 10_000,
        seed: 2_026,
        jobs,
        failures: 3,
        bug: None,
        again: Vec::new(),
    };
    while let Some(arg) = args.next() {
        if arg == "--help" {
            return Ok(None);
        }
        if !arg.starts_with("--") {
            options.again = std::iter::once(arg).chain(args.by_ref()).collect();
            break;
        }
        let value = args.next().with_context(|| format!("{arg} needs a value"))?;
        let number = || value.parse::<u64>().with_context(|| format!("{arg} {value:?}"));
        match arg.as_str() {
            "--world" => options.world = world(&value)?,
            "--schedules" => options.schedules = number()?,
            "--seed" => options.seed = number()?,
            "--jobs" => options.jobs = usize::try_from(number()?)?.max(1),
            "--failures" => options.failures = usize::try_from(number()?)?.max(1),
            "--bug" => options.bug = Some(value),
            _ => bail!("unknown flag {arg}\n{HELP}"),
        }
    }
    Ok(Some(options))
}

fn world(name: &str) -> Result<Simulation> {
    let known = WORLDS.into_iter().find(|world| world.test == name);
    known.with_context(|| format!("there is no world {name:?}"))
}

#[cfg(sabotage)]
fn plant(bug: Option<&str>) -> Result<()> {
    use pierhead_engine::sabotage::{Bug, set_everywhere};
    let Some(name) = bug else { return Ok(()) };
    let bug = Bug::ALL.into_iter().find(|bug| format!("{bug:?}") == name);
    set_everywhere(Some(bug.with_context(|| format!("there is no bug {name:?}"))?));
    Ok(())
}

#[cfg(not(sabotage))]
fn plant(bug: Option<&str>) -> Result<()> {
    match bug {
        Some(_) => bail!("--bug needs a build with --cfg sabotage"),
        None => Ok(()),
    }
}

fn work(options: &Options, shared: &Shared) {
    while !shared.stop.load(Ordering::Relaxed) {
        let index = shared.next.fetch_add(1, Ordering::Relaxed);
        if index >= options.schedules {
            return;
        }
        let seed = options.seed.wrapping_add(index);
        match run_one(options.world, seed, false) {
            Ok(run) => {
                let events = u32::try_from(run.count("events")).unwrap_or(u32::MAX);
                if let (Ok(mut all), Ok(mut coverage)) =
                    (shared.events.lock(), shared.coverage.lock())
                {
                    all.push(events);
                    coverage.merge(&run);
                }
            }
            Err(violation) => {
                let Ok(mut failed) = shared.failed.lock() else { return };
                failed.push((seed, violation.rule, violation.detail));
                if failed.len() >= options.failures {
                    shared.stop.store(true, Ordering::Relaxed);
                }
            }
        }
    }
}

/// Shows how far it is until it is done.
fn watch(options: &Options, shared: &Shared, start: Instant) {
    let mut shown = Instant::now();
    loop {
        let done = shared.next.load(Ordering::Relaxed).min(options.schedules);
        if done >= options.schedules || shared.stop.load(Ordering::Relaxed) {
            return;
        }
        if shown.elapsed() > Duration::from_secs(10) {
            shown = Instant::now();
            let seconds = start.elapsed().as_secs_f64();
            let failed = shared.failed.lock().map_or(0, |failed| failed.len());
            println!("{done} of {} schedules, {seconds:.0} s, {failed} failed", options.schedules);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn report(options: &Options, shared: Shared, start: Instant) -> Result<ExitCode> {
    let seconds = start.elapsed().as_secs_f64();
    let poisoned = || anyhow::anyhow!("a thread panicked");
    let coverage = shared.coverage.into_inner().map_err(|_| poisoned())?;
    let mut events = shared.events.into_inner().map_err(|_| poisoned())?;
    let mut failed = shared.failed.into_inner().map_err(|_| poisoned())?;
    failed.sort_unstable();
    events.sort_unstable();
    let ran = events.len() + failed.len();
    print!("{coverage}");
    println!(
        "{ran} schedules of the {} in {seconds:.1} s on {} threads: {:.2} ms of a thread each, \
         {} events at the median",
        options.world.test,
        options.jobs,
        seconds * 1_000.0 * options.jobs as f64 / ran.max(1) as f64,
        events.get(events.len() / 2).copied().unwrap_or(0)
    );
    for (seed, rule, detail) in &failed {
        println!("seed {seed}: {rule}: {detail}");
    }
    let missing = coverage.missing(&options.world.meets());
    if failed.is_empty() && !missing.is_empty() {
        println!("never met: {}", missing.join(", "));
    }
    if let Some((seed, ..)) = failed.first()
        && let Some(story) = shrink(options.world.test, *seed, [].into())
    {
        println!("\n{story}");
    }
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One schedule again, with its story.
fn again(world: &str, seed: &str, parts: &[String]) -> Result<ExitCode> {
    let seed: u64 = seed.parse().with_context(|| format!("a seed: {seed:?}"))?;
    let words: Vec<&str> = parts.iter().map(String::as_str).collect();
    let left_out = parts_of(&words).map_err(|word| anyhow::anyhow!("no part: {word:?}"))?;
    if Plan::named(world, seed).is_some() {
        return Ok(match shrink(world, seed, left_out) {
            Some(story) => {
                println!("{story}");
                ExitCode::FAILURE
            }
            None => {
                println!("it breaks no rule");
                ExitCode::SUCCESS
            }
        });
    }
    match run_one(self::world(world)?, seed, true) {
        Ok(coverage) => {
            println!("{coverage}it breaks no rule");
            Ok(ExitCode::SUCCESS)
        }
        Err(violation) => {
            violation.trace.iter().for_each(|line| println!("{line}"));
            println!("{}: {}", violation.rule, violation.detail);
            Ok(ExitCode::FAILURE)
        }
    }
}
