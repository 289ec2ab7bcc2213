//! The world of our own tunnel: objects that sleep, wake, die and exist twice; agents that are
//! killed and restarted; links between them that break; a database behind the agents.
//!
//! ```text
//! callers ─▶ site 0: object (engine, or asleep) ◀═ links ═▶ agent process ─ conns ─▶ backends
//!            site 1: another copy, now and then ◀═ links ═▶   "                        ▲
//!               └───────────────── conns of `Way::Direct` ─────────────────────────────┘
//! ```
//!
//! Everything that happens is an event at a moment; events of one moment happen in the order in
//! which they were made. All chance comes from one seed, so a seed is a schedule.

mod callers;
mod conn;
mod copies;
mod describe;
mod events;
mod faults;
mod judge;
mod link;
mod monitor;
mod must;
mod net;
mod obey;
mod objects;
mod plan;
mod processes;
mod rest;
mod tapes;
mod wire;

use std::collections::BTreeMap;

pub use self::must::MUST_HAPPEN;

use self::callers::Guest;
use self::conn::Conn;
use self::events::Event;
use self::faults::Fault;
use self::link::Link;
use self::monitor::Drivers;
use self::objects::Site;
use self::plan::Plan;
use self::processes::Slot;
use self::tapes::Tapes;
use super::Violation;
use super::coverage::Coverage;
use super::ground::Trace;
use super::rng::Rng;
use super::server::database::Database;

/// Steps of one schedule; the longest take some thousands.
const STEPS_MAX: u64 = 60_000;

/// Of so many seeds one has a vast pool: a schedule of that takes a second or two.
const VAST_EVERY: u64 = 1_000;

/// Lines of the trace that a failure shows, unless `PIERHEAD_SIM_TRACE` says otherwise.
const TRACE_LENGTH: usize = 80;

/// One schedule.
pub struct World {
    now: u64,
    rng: Rng,
    plan: Plan,
    db: Database,
    /// Where objects live: one, and while the platform is confused a second.
    sites: Vec<Site>,
    /// Epoch counters in storage; sites share one or have their own.
    storages: Vec<u64>,
    /// Machines with an agent.
    slots: Vec<Slot>,
    links: BTreeMap<u64, Link>,
    conns: BTreeMap<u64, Conn>,
    guests: Vec<Guest>,
    came: usize,
    drivers: Drivers,
    tapes: Tapes,
    events: BTreeMap<(u64, u64), Event>,
    /// Events made so far, and every other number that must not come twice.
    made: u64,
    steps: u64,
    /// Faults are over.
    calm: bool,
    /// Agents can reach the database.
    road: bool,
    /// Agents can reach objects.
    dials: Dials,
    /// Messages on links so far.
    messages: u64,
    violation: Option<Violation>,
    trace: Trace,
    coverage: Coverage,
}

/// What becomes of an agent's dial.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Dials {
    /// It is accepted.
    Accepted,
    /// Nobody answers.
    Refused,
    /// The token is another one.
    Denied,
}

fn trace_length() -> usize {
    let wanted = std::env::var("PIERHEAD_SIM_TRACE").ok().and_then(|text| text.parse().ok());
    wanted.unwrap_or(TRACE_LENGTH)
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
        let plan = Plan::draw(&mut rng, &mut db, seed.is_multiple_of(VAST_EVERY));
        let mut world = Self {
            now: 0,
            rng,
            db,
            sites: vec![Site::new(0, plan.settings.clone())],
            storages: vec![0],
            slots: (0..plan.agents).map(|_| Slot::default()).collect(),
            links: BTreeMap::new(),
            conns: BTreeMap::new(),
            guests: Vec::new(),
            came: 0,
            drivers: Drivers::default(),
            tapes: Tapes::default(),
            events: BTreeMap::new(),
            made: 0,
            steps: 0,
            calm: false,
            road: true,
            dials: Dials::Accepted,
            messages: 0,
            violation: None,
            trace: Trace::new(traced, trace_length()),
            coverage: Coverage::default(),
            plan,
        };
        world.note(|world| format!("{:?} {:?}", world.plan, world.db));
        for slot in 0..world.slots.len() {
            let wait = world.rng.pick(&[0, 0, 10, 3_000]);
            world.after(wait, Event::Start(slot));
        }
        world.invite();
        if world.plan.fault_every > 0 {
            world.after(world.plan.fault_every, Event::Fault);
        }
        world.after(world.plan.horizon + 1, Event::Calm);
        world
    }

    /// A number that nothing else has.
    fn number(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    /// Makes something happen in `ms` milliseconds.
    fn after(&mut self, ms: u64, event: Event) {
        let number = self.number();
        self.events.insert((self.now + ms, number), event);
    }

    /// Breaks off the run: a rule is broken.
    fn broken(&mut self, rule: &'static str, detail: impl Into<String>) {
        if self.violation.is_none() {
            let detail = format!("at {} ms: {}", self.now, detail.into());
            self.note(|_| format!("BROKEN {rule}: {detail}"));
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

    /// When the next thing happens by itself. Housekeeping of objects may be slept through.
    fn next(&self, housekeeping: bool) -> Option<(u64, Due)> {
        let event = self.events.first_key_value().map(|((at, _), _)| (*at, Due::Event));
        let sites = self.sites.iter().enumerate().filter_map(|(index, site)| {
            let at = site.rings(housekeeping)?;
            Some((at, Due::Site(index)))
        });
        let slots = self.slots.iter().enumerate().filter_map(|(index, slot)| {
            let at = slot.rings()?;
            Some((at, Due::Slot(index)))
        });
        event.into_iter().chain(sites).chain(slots).min()
    }

    /// Lets the next thing happen, if it happens before `end`. False if there is none.
    fn step(&mut self, end: u64, housekeeping: bool) -> bool {
        let Some((at, due)) = self.next(housekeeping).filter(|(at, _)| *at <= end) else {
            return false;
        };
        self.now = self.now.max(at);
        self.steps += 1;
        if self.steps > STEPS_MAX {
            self.broken("livelock", "the schedule does not end");
        }
        match due {
            Due::Event => {
                if let Some((_, event)) = self.events.pop_first() {
                    self.happen(event);
                }
            }
            Due::Site(site) => self.ring_site(site),
            Due::Slot(slot) => self.ring_slot(slot),
        }
        self.violation.is_none()
    }
}

/// Whose turn it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Due {
    Event,
    Site(usize),
    Slot(usize),
}
