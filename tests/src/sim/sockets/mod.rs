//! The world of clients that speak the protocol themselves, through one engine.
//!
//! A schedule is data ([`plan`]): who comes and does what, and what goes wrong. Each client has a
//! private server that nothing disturbs ([`model`]), and must be told what that one says.

mod agents;
mod awkward;
mod callers;
mod crowd;
mod driver;
mod errands;
mod events;
mod fair;
mod faults;
mod habits;
mod judge;
mod leases;
mod machine;
mod medley;
mod model;
mod must;
mod neighbours;
mod net;
mod obey;
pub mod plan;
#[cfg(test)]
mod relay;
mod rest;
pub mod shrink;
mod steps;
mod stream;

use std::collections::BTreeMap;

use pierhead_engine::Engine;
use pierhead_engine::ids::ClientId;
use pierhead_engine::io::{Input, Mode};
use pierhead_engine::settings::StatePolicy;
use pierhead_engine::time::Instant;

use self::agents::Agency;
use self::callers::Exchange;
use self::driver::Driver;
use self::errands::Errand;
use self::events::Event;
use self::fair::Fair;
use self::faults::Fault;
use self::leases::Lease;
use self::machine::Machine;
use self::model::Model;
pub use self::must::{AGENTS_MEET, CROWD_MEETS, MEDLEY_MEETS, MUST_HAPPEN, NEIGHBOURS_MEET};
pub use self::neighbours::run_neighbours;
use self::plan::{Kind, Plan};
use self::stream::Stream;
use super::Violation;
use super::coverage::Coverage;
use super::ground::{Alarms, Road, Trace};
use super::kinds::input_kind;
use super::rng::Rng;
use super::server::database::Database;

/// Milliseconds by which the shell's clock may step back.
const CLOCK_STEP_MAX: u64 = 50;

/// Events of one schedule; the longest take some thousands.
const STEPS_MAX: u64 = 50_000;

/// Events of the story that a failure shows.
const TRACE_LENGTH: usize = 200;

/// One schedule.
#[derive(Debug)]
struct World {
    now: u64,
    plan: Plan,
    noise: Rng,
    db: Database,
    engine: Box<dyn Machine>,
    events: BTreeMap<(u64, u64), Event>,
    made: u64,
    streams: BTreeMap<u64, Stream>,
    drivers: Vec<Driver>,
    exchanges: Vec<Exchange>,
    leases: Vec<Lease>,
    errands: Vec<Errand>,
    /// Who has which of the shell's numbers.
    clients: Vec<Who>,
    /// When the shell will wake the engine: for its active deadline, and for the other kind.
    alarms: Alarms,
    futile: u32,
    steps: u64,
    calm: bool,
    /// Something has gone wrong.
    trouble: bool,
    road: Road,
    violation: Option<Violation>,
    trace: Trace,
    coverage: Coverage,
    /// Who is served when, in a crowd.
    fair: Option<Fair>,
    /// Milliseconds by which the clock has leapt.
    leapt: u64,
}

/// A client, by kind and place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Who {
    Driver(usize),
    Exchange(usize),
    Errand(usize),
    Lease(usize),
    /// A request of a lease, by the lease's place.
    Request(usize),
}

/// Runs the schedule of one seed; with `traced`, a violation tells what happened before it.
///
/// # Errors
/// The rule that was broken.
pub fn run(seed: u64, traced: bool) -> Result<Coverage, Box<Violation>> {
    run_plan(Plan::of(seed), traced)
}

/// What can happen by itself.
pub const KINDS: &[&str] = Event::KINDS;

/// What can go wrong.
pub const FAULTS: &[&str] = Fault::KINDS;

/// Runs the crowd of one seed.
///
/// # Errors
/// The rule that was broken.
pub fn run_crowd(seed: u64, traced: bool) -> Result<Coverage, Box<Violation>> {
    run_plan(Plan::crowd(seed), traced)
}

/// Runs the medley of one seed.
///
/// # Errors
/// The rule that was broken.
pub fn run_medley(seed: u64, traced: bool) -> Result<Coverage, Box<Violation>> {
    run_plan(Plan::medley(seed), traced)
}

/// Runs the schedule of one seed with an agent in between.
///
/// # Errors
/// The rule that was broken.
pub fn run_agents(seed: u64, traced: bool) -> Result<Coverage, Box<Violation>> {
    run_plan(Plan::agents(seed), traced)
}

/// Runs one schedule.
///
/// # Errors
/// The rule that was broken.
pub fn run_plan(plan: Plan, traced: bool) -> Result<Coverage, Box<Violation>> {
    if let Some(between) = plan.between {
        let agency = Agency::new(&plan, between);
        return run_machine(plan, Box::new(agency), traced);
    }
    let mut noise = Rng::new(plan.noise);
    let engine = Engine::new(Instant(0), plan.settings.clone(), noise.bytes());
    run_machine(plan, Box::new(engine), traced)
}

fn run_machine(
    plan: Plan,
    machine: Box<dyn Machine>,
    traced: bool,
) -> Result<Coverage, Box<Violation>> {
    let mut world = World::new(plan, machine, traced);
    world.live();
    world.end()
}

impl World {
    fn new(plan: Plan, engine: Box<dyn Machine>, traced: bool) -> Self {
        let noise = Rng::new(plan.noise ^ 1);
        let mut world = Self {
            now: 0,
            noise,
            db: plan.database.clone(),
            engine,
            events: BTreeMap::new(),
            made: 0,
            streams: BTreeMap::new(),
            drivers: Vec::new(),
            exchanges: Vec::new(),
            leases: Vec::new(),
            errands: Vec::new(),
            clients: Vec::new(),
            alarms: Alarms::default(),
            futile: 0,
            steps: 0,
            calm: false,
            trouble: plan.database.max_connections < plan.settings.pool_size,
            road: Road::Open,
            violation: None,
            trace: Trace::new(traced, TRACE_LENGTH),
            coverage: Coverage::default(),
            fair: plan
                .counted
                .then(|| Fair::new(plan.settings.pool_size, plan.settings.class_size)),
            leapt: 0,
            plan,
        };
        world.invite();
        for index in 0..world.plan.faults.len() {
            let at = world.plan.faults[index].at;
            world.after(at, Event::Fault(index));
        }
        world.after(world.plan.horizon + 1, Event::Calm);
        world
    }

    /// What it met, or broke.
    fn end(mut self) -> Result<Coverage, Box<Violation>> {
        self.coverage.add_many("events", self.steps);
        match self.violation {
            Some(mut violation) => {
                violation.trace = self.trace.into_lines();
                Err(Box::new(violation))
            }
            None => Ok(self.coverage),
        }
    }

    /// Everybody of the plan will come.
    fn invite(&mut self) {
        let mut private = Database::new();
        private.tls = false;
        private.loses_sync = self.plan.database.loses_sync;
        for place in 0..self.plan.clients.len() {
            let client = &self.plan.clients[place];
            let (number, comes) = (client.number, client.comes);
            let mut noise = self.rng_of(1, number);
            let index = match &client.kind {
                Kind::Socket { mode, .. } => {
                    let mut model = Model::new(private.clone());
                    // Who has a session of its own may change it.
                    model.rejects = self.plan.settings.state == StatePolicy::Reject
                        && *mode == Mode::Transaction;
                    self.drivers.push(Driver::new(place, number, model, noise));
                    self.drivers.len() - 1
                }
                Kind::Exchange { .. } => {
                    self.exchanges.extend(callers::of(client, &mut noise));
                    self.exchanges.len() - 1
                }
                Kind::Lease { .. } => {
                    self.leases.extend(leases::of(client, place, &private, noise));
                    self.leases.len() - 1
                }
            };
            self.after(comes, Event::Come(place * 1_000 + index));
        }
    }

    fn come(&mut self, packed: usize) {
        let (place, index) = (packed / 1_000, packed % 1_000);
        match self.plan.clients[place].kind {
            Kind::Socket { .. } => self.driver_comes(index),
            Kind::Exchange { .. } => self.exchange_comes(index),
            Kind::Lease { .. } => self.lease_comes(index),
        }
    }

    /// Chance of its own for everybody, so that leaving out one changes little for the others.
    fn rng_of(&self, kind: u64, number: u64) -> Rng {
        Rng::new(self.plan.noise ^ (kind << 56) ^ (number << 32))
    }

    /// The shell's next number.
    fn next_client(&mut self, who: Who) -> ClientId {
        self.clients.push(who);
        ClientId(self.clients.len() as u64)
    }

    fn whose(&self, id: ClientId) -> Option<Who> {
        let index = usize::try_from(id.0).ok()?.checked_sub(1)?;
        self.clients.get(index).copied()
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

    /// Remembers a line of the story.
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
        if self.plan.between.is_none() {
            self.coverage.add(input_kind(&input));
        }
        // A shell's clock may step back; the engine must not.
        let steps_back = input != Input::TimePassed && !self.plan.counted && self.noise.chance(1);
        let step_back = if steps_back { self.noise.below(CLOCK_STEP_MAX) } else { 0 };
        self.engine.handle(Instant(self.now.saturating_sub(step_back)), input);
        self.drain();
        self.set_alarms();
    }

    /// Arms what a shell would: a timer for the active deadline, an alarm for the other one.
    fn set_alarms(&mut self) {
        self.alarms.set(self.engine.poll_timeout(), self.now, &mut self.noise);
    }

    /// Lets the next thing happen, if it happens before `end`. False if there is none.
    fn step(&mut self, end: u64, housekeeping: bool) -> bool {
        let event = self.events.first_key_value().map(|((at, _), _)| *at);
        let alarm = self.alarms.next(housekeeping);
        let around = self.engine.surroundings();
        let next = event.into_iter().chain(alarm).chain(around).min();
        let Some(next) = next.filter(|at| *at <= end) else {
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
        } else if around.is_some_and(|at| at <= next) {
            self.engine.surround(Instant(self.now));
            self.drain();
            self.set_alarms();
        } else {
            self.wake();
        }
        if self.steps.is_multiple_of(16) {
            self.check_deadlines();
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
