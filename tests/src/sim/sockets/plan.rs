//! One schedule as data: who comes and does what, what goes wrong, and on what ground. Drawn from a
//! seed; parts can be left out of it by name.

use std::collections::BTreeSet;

use pierhead_engine::io::Mode;
use pierhead_engine::settings::{ResetPolicy, Settings, Way};
use pierhead_engine::time::Millis;

use super::agents::Between;
use super::faults::{FAULTS, Fault};
use super::machine::Disturbance;
use super::steps::{Step, Writer};
use crate::sim::rng::Rng;
use crate::sim::script::{self, Script, Taste};
use crate::sim::server::auth::Method;
use crate::sim::server::database::Database;

/// Draws a schedule from a seed.
type Draw = fn(u64) -> Plan;

/// The worlds that are made of such schedules, and how each draws them.
const WORLDS: [(&str, Draw); 4] = [
    ("sockets", Plan::of),
    ("crowd", Plan::crowd),
    ("medley", Plan::medley),
    ("agents", Plan::agents),
];

/// One schedule.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Which world it is a schedule of.
    pub(super) world: &'static str,
    /// What delays and cuts follow from.
    pub(super) noise: u64,
    pub(super) settings: Settings,
    /// The database as the schedule finds it.
    pub(super) database: Database,
    pub(super) clients: Vec<Client>,
    pub(super) faults: Vec<Misfortune>,
    /// When faults end.
    pub(super) horizon: u64,
    pub(super) net: Net,
    /// Nothing goes wrong, and everybody must be served.
    pub(super) quiet: bool,
    /// Who is served when is held against the bound of fairness.
    pub(super) counted: bool,
    /// What lies between the engine and the database, if there is an agent.
    pub(super) between: Option<Between>,
}

/// What clients are like.
#[derive(Clone, Copy, Debug)]
struct Manner {
    taste: Taste,
    /// Habits of one story, at most.
    few: u64,
    leisure: u64,
    /// Their statements are those whose plans break.
    stars: bool,
    /// They notify each other, and call functions.
    sociable: bool,
}

/// One client.
#[derive(Clone, Debug)]
pub(super) struct Client {
    /// Its name in everything it says.
    pub(super) number: u64,
    /// When it comes.
    pub(super) comes: u64,
    pub(super) class: &'static str,
    /// It takes what it is told slowly.
    pub(super) slow_reader: bool,
    pub(super) kind: Kind,
}

/// What a client is.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// It speaks the protocol.
    Socket { mode: Mode, steps: Vec<Step> },
    /// A transaction over several requests.
    Lease { requests: Vec<Vec<u8>> },
    /// One request, with a deadline in milliseconds, or 0.
    Exchange { script: Script, remaining: u32, reset: bool },
}

/// Something that goes wrong.
#[derive(Clone, Copy, Debug)]
pub(super) struct Misfortune {
    /// Its number, which stays when others are left out.
    pub(super) number: u64,
    pub(super) at: u64,
    pub(super) fault: Fault,
    /// What chooses whom it meets.
    pub(super) chance: u64,
}

/// How bytes travel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Net {
    /// Greatest delay in one direction between the engine and the database.
    pub(super) delay: u64,
    /// Greatest delay in one direction between clients and the engine.
    pub(super) near: u64,
    /// Greatest delay of opening a stream.
    pub(super) open_delay: u64,
    /// In a hundred pieces, so many are cut anywhere, most of them into single bytes.
    pub(super) crumbs: u64,
    /// In a hundred writes, so many are accepted late.
    pub(super) late_accepts: u64,
    /// In a hundred opens, so many are refused, and so many hang.
    pub(super) refused: u64,
    pub(super) hanging: u64,
}

impl Plan {
    /// The schedule of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self::draw(seed, false)
    }

    /// The schedule of a seed in one of the worlds that are made of such schedules.
    #[must_use]
    pub fn named(world: &str, seed: u64) -> Option<Self> {
        let (_, draw) = WORLDS.iter().find(|(name, _)| *name == world)?;
        Some(draw(seed))
    }

    pub(super) fn draw(seed: u64, sociable: bool) -> Self {
        let mut rng = Rng::new(seed);
        let quiet = rng.chance(25);
        let settings = settings(&mut rng, quiet);
        let database = database(&mut rng, settings.pool_size, quiet);
        let horizon = rng.pick(&[300, 1_500, 5_000]);
        let net = net(&mut rng, quiet);
        let noise = rng.number();
        let taste = Taste {
            large: rng.pick(&[0, 0, 0, 5]),
            slow: rng.pick(&[0, 5, 25]),
            slow_ms: rng.pick(&[20, 400, 5_000]),
        };
        let cancelling = rng.chance(12);
        let taste = if cancelling { Taste { large: 0, slow: 60, slow_ms: 50 } } else { taste };
        let clients = rng.within(1, 9);
        let few = rng.pick(&[2, 5, 9]);
        let leisure = rng.pick(&[0, 20, 300]);
        let stars = rng.chance(15);
        let manner = Manner { taste, few, leisure, stars, sociable };
        let clients = (1..=clients)
            .map(|number| {
                let comes = rng.below(horizon);
                client(&mut rng, number, comes, manner)
            })
            .collect();
        let mut plan = Self {
            world: "sockets",
            noise,
            settings,
            database,
            clients,
            faults: Vec::new(),
            horizon,
            net,
            quiet,
            counted: false,
            between: None,
        };
        if !quiet {
            plan.draw_faults(&mut rng);
        }
        if cancelling {
            // Statements that end when their cancels come, and somebody who waits for the session.
            plan.settings.pool_size = 1;
            plan.settings.pinned_max = 1;
            plan.net.delay = plan.net.delay.min(30);
        }
        if stars {
            plan.settings.reset = ResetPolicy::Detected;
            plan.settings.plan_cache = true;
            plan.migrate(&mut rng);
        }
        plan
    }

    fn draw_faults(&mut self, rng: &mut Rng) {
        let favourite = rng.chance(40).then(|| rng.weighted(&FAULTS.map(|(_, weight)| weight)));
        for number in 0..rng.pick(&[0, 1, 3, 12]) {
            let index = favourite.filter(|_| rng.chance(70));
            let index = index.unwrap_or_else(|| rng.weighted(&FAULTS.map(|(_, weight)| weight)));
            self.faults.push(Misfortune {
                number,
                at: rng.below(self.horizon + 200),
                fault: FAULTS[index].0,
                chance: rng.number(),
            });
        }
    }

    /// Migrations while everybody works.
    fn migrate(&mut self, rng: &mut Rng) {
        for number in 100..100 + rng.within(1, 8) {
            let at = rng.below(self.horizon + 200);
            self.faults.push(Misfortune { number, at, fault: Fault::Alter, chance: 0 });
        }
    }

    /// Links that break, and objects that die.
    pub(super) fn draw_disturbances(&mut self, rng: &mut Rng) {
        for number in 300..300 + rng.pick(&[0, 1, 3, 8]) {
            let crashes = rng.chance(15);
            let what = if crashes { Disturbance::Crash } else { Disturbance::CutLink };
            let (at, chance) = (rng.below(self.horizon + 200), rng.number());
            self.faults.push(Misfortune { number, at, fault: Fault::Between(what), chance });
        }
    }

    /// The schedule without some of its parts.
    #[must_use]
    pub fn without(&self, left_out: &BTreeSet<Part>) -> Self {
        let mut plan = self.clone();
        plan.clients.retain(|c| !left_out.contains(&Part::Client(c.number)));
        plan.faults.retain(|f| !left_out.contains(&Part::Fault(f.number)));
        for client in &mut plan.clients {
            let number = client.number;
            if let Kind::Socket { steps, .. } = &mut client.kind {
                steps.retain(|s| !left_out.contains(&Part::Step(number, s.number)));
            }
        }
        if left_out.contains(&Part::Delays) {
            plan.net.delay = 0;
            plan.net.near = 0;
            plan.net.open_delay = 0;
        }
        if left_out.contains(&Part::Crumbs) {
            plan.net.crumbs = 0;
        }
        if left_out.contains(&Part::Refusals) {
            (plan.net.refused, plan.net.hanging, plan.net.late_accepts) = (0, 0, 0);
        }
        plan
    }

    /// Everything that can be left out, from the greatest to the least.
    #[must_use]
    pub fn parts(&self) -> Vec<Part> {
        let clients = self.clients.iter().map(|c| Part::Client(c.number));
        let faults = self.faults.iter().map(|f| Part::Fault(f.number));
        let steps = self.clients.iter().flat_map(|client| match &client.kind {
            Kind::Socket { steps, .. } => {
                steps.iter().map(|s| Part::Step(client.number, s.number)).collect()
            }
            Kind::Exchange { .. } | Kind::Lease { .. } => Vec::new(),
        });
        let ground = [Part::Refusals, Part::Crumbs, Part::Delays];
        clients.chain(faults).chain(steps).chain(ground).collect()
    }

    /// Whether clients call functions.
    pub(super) fn calls(&self) -> bool {
        self.world == "medley"
    }

    /// Whether a neighbour may hold all the memory there is.
    pub(super) fn is_crowded(&self) -> bool {
        self.world == "neighbours"
    }

    /// Whether the tunnel holds back what was not granted.
    pub(super) fn holds_back(&self) -> bool {
        self.settings.ways != [Way::Cloudflared]
    }
}

/// Something that can be left out of a schedule.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Part {
    /// A client, by number.
    Client(u64),
    /// A step of a client.
    Step(u64, usize),
    /// A fault, by number.
    Fault(u64),
    /// All delays.
    Delays,
    /// The cutting of bytes.
    Crumbs,
    /// Refused, hanging and late opens and writes.
    Refusals,
}

fn client(rng: &mut Rng, number: u64, comes: u64, manner: Manner) -> Client {
    let Manner { taste, few, leisure, stars, sociable } = manner;
    let class = rng.pick(&["", "a", "a", "b"]);
    let slow_reader = rng.chance(10);
    if rng.chance(15) {
        let large = if sociable { taste.large } else { 0 };
        let script = script::write(rng, number, Taste { large, ..taste });
        let remaining = if rng.chance(15) { rng.pick(&[20, 300, 2_000]) } else { 0 };
        let kind = Kind::Exchange { script, remaining, reset: rng.chance(10) };
        return Client { number, comes, class, slow_reader, kind };
    }
    if rng.chance(12) {
        let requests = Writer::new(rng, number, taste, leisure).lease();
        return Client { number, comes, class, slow_reader, kind: Kind::Lease { requests } };
    }
    let mode = if rng.chance(12) { Mode::Session } else { Mode::Transaction };
    let count = rng.within(1, few);
    let mut writer = Writer::new(rng, number, taste, leisure);
    writer.stars = stars;
    writer.sociable = sociable;
    writer.pins = writer.rng.pick(&[0, 0, 0, 30]);
    writer.start_up("sim", "sim");
    writer.story(count);
    let kind = Kind::Socket { mode, steps: writer.steps };
    Client { number, comes, class, slow_reader, kind }
}

fn net(rng: &mut Rng, quiet: bool) -> Net {
    let mut net = Net {
        delay: rng.pick(&[0, 5, 30, 200]),
        near: rng.pick(&[0, 0, 5, 30]),
        open_delay: rng.pick(&[0, 30, 400]),
        crumbs: rng.pick(&[0, 0, 10, 60]),
        late_accepts: rng.pick(&[0, 10, 50]),
        refused: rng.pick(&[0, 0, 0, 20]),
        hanging: rng.pick(&[0, 0, 0, 10]),
    };
    if quiet {
        net.refused = 0;
        net.hanging = 0;
        net.delay = net.delay.min(30);
        net.open_delay = net.open_delay.min(30);
    }
    net
}

fn settings(rng: &mut Rng, quiet: bool) -> Settings {
    let mut settings = Settings {
        user: "sim".into(),
        password: Some("geheim".into()),
        database: "sim".into(),
        pool_size: rng.size(1, 4),
        max_waiters: rng.pick(&[1, 30, 30]),
        wait_timeout: Millis(rng.pick(&[100, 1_500, 10_000, 10_000])),
        query_timeout: Millis(rng.pick(&[300, 3_000, 30_000, 30_000])),
        connect_timeout: Millis(rng.pick(&[200, 2_000, 10_000])),
        idle_timeout: Millis(rng.pick(&[300, 5_000, 60_000])),
        max_lifetime: Millis(rng.pick(&[1_000, 10_000, 1_800_000])),
        reset: rng.pick(&[ResetPolicy::Detected, ResetPolicy::Detected, ResetPolicy::Always]),
        pinned_max: 1,
        class_size: rng.pick(&[0, 0, 0, 1]),
        transaction_timeout: Millis(rng.pick(&[0, 0, 500, 5_000])),
        idle_in_transaction_timeout: Millis(rng.pick(&[0, 200, 3_000])),
        client_idle_timeout: Millis(rng.pick(&[0, 1_000, 60_000])),
        plan_cache: rng.chance(85),
        ways: vec![if rng.chance(60) { Way::Direct } else { Way::Cloudflared }],
        verbose: true,
        ..Settings::default()
    };
    settings.pinned_max = rng.size(1, settings.pool_size);
    if quiet {
        settings.max_waiters = 1_000;
        settings.wait_timeout = Millis(600_000);
        settings.query_timeout = Millis(600_000);
        settings.connect_timeout = Millis(600_000);
        settings.transaction_timeout = Millis(0);
        // Longer than opening a session takes.
        settings.max_lifetime = Millis(settings.max_lifetime.0.max(20_000));
        settings.idle_in_transaction_timeout = Millis(20_000);
        settings.client_idle_timeout = Millis(60_000);
    }
    settings
}

fn database(rng: &mut Rng, pool_size: usize, quiet: bool) -> Database {
    let mut db = Database::new();
    db.auth = rng.pick(&[Method::Trust, Method::Trust, Method::Md5, Method::Scram(2)]);
    if !quiet && rng.chance(10) {
        db.max_connections = rng.size(1, pool_size);
    }
    db.refuses_late = rng.chance(50);
    db.loses_sync = true;
    db.discard_fails_in_transaction = true;
    db
}
