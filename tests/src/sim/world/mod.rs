//! The world around one engine: a clock, streams, a database, callers, and what goes wrong.
//!
//! Everything that happens is an event at a moment; events of one moment happen in the order in
//! which they were made. All chance comes from one seed, so a seed is a schedule.

mod callers;
mod drain;
mod events;
mod faults;
mod judge;
mod net;
mod plan;
mod rest;
mod stream;

use std::collections::BTreeMap;

use pierhead_engine::Engine;
use pierhead_engine::io::Input;
use pierhead_engine::time::Instant;

use self::events::Event;
use self::faults::Fault;
use self::plan::Plan;
use self::stream::Stream;
use super::Violation;
use super::caller::Caller;
use super::coverage::Coverage;
use super::ground::{Alarms, Road, Trace};
use super::kinds::input_kind;
use super::rng::Rng;
use super::server::database::Database;

/// Milliseconds by which the shell's clock may step back.
const CLOCK_STEP_MAX: u64 = 50;

/// Steps of one schedule; the longest take some thousands.
const STEPS_MAX: u64 = 20_000;

/// Events of the trace that a failure shows.
const TRACE_LENGTH: usize = 60;

/// One schedule.
pub struct World {
    now: u64,
    rng: Rng,
    plan: Plan,
    db: Database,
    engine: Engine,
    events: BTreeMap<(u64, u64), Event>,
    made: u64,
    streams: BTreeMap<u64, Stream>,
    clients: Vec<Caller>,
    came: usize,
    /// When the shell will wake the engine: for its active deadline, and for the other kind.
    alarms: Alarms,
    /// Wakes in a row after which a deadline was still due.
    futile: u32,
    steps: u64,
    /// Streams asked for.
    opens: u64,
    /// Faults are over.
    calm: bool,
    /// The way to the database.
    road: Road,
    violation: Option<Violation>,
    trace: Trace,
    coverage: Coverage,
}

/// What can happen by itself.
pub const KINDS: &[&str] = Event::KINDS;

/// What can go wrong.
pub const FAULTS: &[&str] = Fault::KINDS;

/// Runs the schedule of one seed; with `traced`, a violation tells what happened before it.
///
/// # Errors
/// The rule that was broken.
pub fn run(seed: u64, traced: bool) -> Result<Coverage, Box<Violation>> {
    let mut world = World::new(seed, traced);
    world.live();
    match world.violation {
        Some(mut violation) => {
            violation.trace = world.trace.into_lines();
            Err(Box::new(violation))
        }
        None => Ok(world.coverage),
    }
}

impl World {
    fn new(seed: u64, traced: bool) -> Self {
        let mut rng = Rng::new(seed);
        let mut db = Database::new();
        let plan = Plan::draw(&mut rng, &mut db);
        let engine = Engine::new(Instant(0), plan.settings.clone(), rng.bytes());
        let mut world = Self {
            now: 0,
            rng,
            plan,
            db,
            engine,
            events: BTreeMap::new(),
            made: 0,
            streams: BTreeMap::new(),
            clients: Vec::new(),
            came: 0,
            alarms: Alarms::default(),
            futile: 0,
            steps: 0,
            opens: 0,
            calm: false,
            road: Road::Open,
            violation: None,
            trace: Trace::new(traced, TRACE_LENGTH),
            coverage: Coverage::default(),
        };
        world.note(|world| format!("{:?} {:?}", world.plan, world.db));
        world.invite();
        if world.plan.fault_every > 0 {
            world.after(world.plan.fault_every, Event::Fault);
        }
        world.after(world.plan.horizon + 1, Event::Calm);
        world
    }

    /// Makes something happen in `ms` milliseconds.
    fn after(&mut self, ms: u64, event: Event) {
        self.made += 1;
        self.events.insert((self.now + ms, self.made), event);
    }

    /// Breaks off the run: a rule is broken.
    fn broken(&mut self, rule: &'static str, detail: impl Into<String>) {
        if self.violation.is_none() {
            let detail = format!("at {} ms: {}", self.now, detail.into());
            self.violation = Some(Violation { rule, detail, trace: Vec::new() });
        }
    }

    /// Remembers a line for the trace.
    fn note(&mut self, line: impl FnOnce(&Self) -> String) {
        if self.trace.is_wanted() {
            let line = line(self);
            self.trace.push(self.now, &line);
        }
    }

    /// Feeds the engine one input and does everything it says.
    fn feed(&mut self, input: Input) {
        if self.violation.is_some() {
            return;
        }
        self.note(|_| format!("> {}", events::describe_input(&input)));
        self.coverage.add(input_kind(&input));
        // A shell's clock may step back; the engine must not.
        let steps_back = input != Input::TimePassed && self.rng.chance(1);
        let step_back = if steps_back { self.rng.below(CLOCK_STEP_MAX) } else { 0 };
        self.engine.handle(Instant(self.now.saturating_sub(step_back)), input);
        self.drain();
        self.set_alarms();
    }

    /// Arms what a shell would: a timer for the active deadline, an alarm for the other one.
    fn set_alarms(&mut self) {
        self.alarms.set(self.engine.poll_timeout(), self.now, &mut self.rng);
    }

    /// Lets the next thing happen, if it happens before `end`. False if there is none.
    fn step(&mut self, end: u64, housekeeping: bool) -> bool {
        let event = self.events.first_key_value().map(|((at, _), _)| *at);
        let alarm = self.alarms.next(housekeeping);
        let Some(next) = event.into_iter().chain(alarm).min().filter(|at| *at <= end) else {
            return false;
        };
        self.now = self.now.max(next);
        self.steps += 1;
        if self.steps > STEPS_MAX {
            self.broken("livelock", "the schedule does not end");
        }
        if event.is_some_and(|at| at <= next) {
            if let Some((_, event)) = self.events.pop_first() {
                self.happen(event);
            }
        } else {
            self.wake();
        }
        self.violation.is_none()
    }

    /// Tells the engine that time passed, and sees to it that this was of use.
    fn wake(&mut self) {
        self.alarms = Alarms::default();
        self.feed(Input::TimePassed);
        let due = self.engine.poll_timeout().active.filter(|deadline| deadline.at.0 <= self.now);
        match due {
            Some(deadline) if self.futile >= 2 => {
                self.broken("livelock", format!("{deadline:?} stays due after it was served"));
            }
            Some(_) => self.futile += 1,
            None => self.futile = 0,
        }
    }
}
