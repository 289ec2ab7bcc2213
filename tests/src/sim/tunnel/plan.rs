//! What one schedule is like: drawn once from its seed.

use pierhead_agent::core as agent;
use pierhead_engine::settings::{ResetPolicy, Settings, Way};
use pierhead_engine::time::Millis;

use super::faults::Fault;
use crate::sim::rng::Rng;
use crate::sim::script::Taste;
use crate::sim::server::auth::Method;
use crate::sim::server::database::Database;

/// Milliseconds from wave to wave: time to be parked, to be lost and to be found again.
pub(super) const WAVE_MS: u64 = 4_000;

/// Sessions of a vast pool: an attachment notes some five hundred.
const VAST: usize = 600;

/// Places of a database that has enough.
const PLENTY: usize = 1_000;

/// The name under which agents know the database.
const NAME: &str = "main";

/// One schedule's circumstances.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The pool's settings at the beginning.
    pub(super) settings: Settings,
    /// Machines with an agent.
    pub(super) agents: usize,
    /// Connections that each of them allows itself.
    pub(super) cap: u16,
    /// Links that each of them keeps.
    pub(super) links: u16,
    /// What a coordinator may send ahead.
    pub(super) stream_window: u32,
    /// See `stream_window`.
    pub(super) link_window: u32,
    /// How long parked streams outlive a lost link.
    pub(super) park_ttl: u64,
    /// How long an agent waits for a database's end, in milliseconds.
    pub(super) end_timeout: u64,
    /// How many clients come.
    pub(super) clients: u64,
    /// When the last of them comes and the faults end.
    pub(super) horizon: u64,
    /// What they ask for.
    pub(super) taste: Taste,
    /// Of a hundred clients, so many name a deadline, are ended by their owner, or die.
    pub(super) impatient: u64,
    /// Of a hundred readers of streams, so many are slow.
    pub(super) slow_readers: u64,
    /// Greatest delay of a message on a link.
    pub(super) delay: u64,
    /// Greatest delay between an agent and the database.
    pub(super) tcp_delay: u64,
    /// Greatest delay of making a connection.
    pub(super) open_delay: u64,
    /// In a hundred chunks, so many are a single byte long, and so many are cut anywhere.
    pub(super) crumbs: u64,
    /// In a hundred writes, so many are taken late.
    pub(super) late_accepts: u64,
    /// Milliseconds between faults; 0 for none.
    pub(super) fault_every: u64,
    /// The kind of most faults.
    pub(super) favourite: Option<Fault>,
    /// In a hundred connections, so many are refused, and so many hang.
    pub(super) refused: u64,
    /// See `refused`.
    pub(super) hanging: u64,
    /// In a hundred dials, so many are refused.
    pub(super) dials_refused: u64,
    /// How soon an idle object sleeps, in milliseconds.
    pub(super) doze: [u64; 3],
    /// Of a hundred lives, so many begin with another configuration.
    pub(super) reconfigured: u64,
    /// Copies have one storage.
    pub(super) one_storage: bool,
    /// Nothing goes wrong: everybody must be served.
    pub(super) quiet: bool,
    /// There are hundreds of sessions.
    pub(super) vast: bool,
    /// Clients give up all the time.
    pub(super) hasty: bool,
    /// Clients come in waves, and a fault comes while everything is parked between two of them.
    pub(super) waves: bool,
}

impl Plan {
    /// Draws the circumstances; those of a vast pool are drawn seldom.
    #[must_use]
    pub(super) fn draw(rng: &mut Rng, db: &mut Database, vast: bool) -> Self {
        let large = rng.chance(8);
        let settings = settings(rng);
        draw_database(rng, db, settings.pool_size);
        let window = rng.pick(&[1 << 20, 64 * 1024, 4_000, 700]);
        let plan = Self {
            agents: rng.pick(&[1, 1, 2]),
            cap: u16::try_from(rng.size(1, settings.pool_size + 1)).unwrap_or(1),
            links: rng.pick(&[1, 1, 2, 2, 3]),
            stream_window: window,
            link_window: window * rng.pick(&[1, 2, 4]),
            park_ttl: rng.pick(&[2_000, 60_000, 60_000]),
            end_timeout: rng.pick(&[1_000, 10_000]),
            clients: rng.within(3, 24),
            horizon: rng.pick(&[2_000, 6_000, 20_000, 60_000]),
            taste: Taste {
                large: if large { 30 } else { 0 },
                slow: rng.pick(&[0, 5, 25]),
                slow_ms: rng.pick(&[20, 400, 5_000]),
            },
            impatient: rng.pick(&[0, 10, 40]),
            slow_readers: rng.pick(&[0, 50, 100]),
            delay: rng.pick(&[0, 5, 40, 40, 300]),
            tcp_delay: rng.pick(&[0, 1, 5, 40]),
            open_delay: rng.pick(&[0, 3, 30, 400]),
            crumbs: if large { 0 } else { rng.pick(&[0, 0, 10, 60]) },
            late_accepts: rng.pick(&[0, 10, 50]),
            fault_every: rng.pick(&[0, 2_000, 500, 80]),
            favourite: rng.chance(50).then(|| {
                rng.pick(&[
                    Fault::CutLink,
                    Fault::CutLink,
                    Fault::CutConn,
                    Fault::Evict,
                    Fault::Crash,
                    Fault::KillAgent,
                    Fault::Split,
                    Fault::KillBackend,
                ])
            }),
            refused: rng.pick(&[0, 0, 5, 40]),
            hanging: rng.pick(&[0, 0, 5]),
            dials_refused: rng.pick(&[0, 0, 20]),
            doze: rng.pick(&[[1, 10, 100], [300, 600, 2_000], [10_000, 10_000, 10_000]]),
            reconfigured: rng.pick(&[0, 0, 30]),
            one_storage: rng.chance(60),
            quiet: false,
            vast: false,
            hasty: false,
            waves: false,
            settings,
        };
        if vast {
            db.max_connections = PLENTY;
            return plan.vast();
        }
        match rng.below(100) {
            0..10 => {
                db.max_connections = PLENTY;
                plan.quiet()
            }
            10..40 => plan.waves(),
            40..48 => plan.hasty(),
            _ => plan,
        }
    }

    /// More sessions than an object can note when it goes to sleep: it must ask for the others.
    fn vast(mut self) -> Self {
        self = self.quiet();
        self.settings.pool_size = VAST;
        self.settings.max_waiters = 2 * VAST;
        self.settings.ways = vec![Way::Agent];
        self.settings.idle_timeout = Millis(600_000);
        self.settings.max_lifetime = Millis(1_800_000);
        self.agents = 1;
        self.links = 1;
        self.cap = u16::try_from(VAST).unwrap_or(u16::MAX);
        self.stream_window = 64 * 1024;
        self.link_window = 1 << 20;
        self.clients = 2 * VAST as u64;
        self.horizon = 60_000;
        self.taste = Taste { large: 0, slow: 100, slow_ms: 2_000 };
        self.delay = 0;
        self.tcp_delay = 0;
        self.open_delay = 0;
        self.crumbs = 0;
        self.late_accepts = 0;
        self.vast = true;
        self
    }

    /// Few sessions, many callers who give up in the middle of slow statements, and cancels that
    /// take their time.
    fn hasty(mut self) -> Self {
        let settings = &mut self.settings;
        settings.pool_size = settings.pool_size.min(2);
        settings.wait_timeout = Millis(10_000);
        settings.query_timeout = Millis(30_000);
        self.cap = self.cap.max(2);
        self.clients = 24;
        self.horizon = 6_000;
        self.taste = Taste { large: 0, slow: 70, slow_ms: 400 };
        self.impatient = 90;
        self.delay = self.delay.min(40);
        self.tcp_delay = self.tcp_delay.min(40);
        self.open_delay = 400;
        self.fault_every = 0;
        self.refused = 0;
        self.hanging = 0;
        self.hasty = true;
        self
    }

    /// What is parked survives this and that, and is used by many at once afterwards.
    fn waves(mut self) -> Self {
        let settings = &mut self.settings;
        settings.pool_size = settings.pool_size.max(2);
        settings.idle_timeout = Millis(600_000);
        settings.max_lifetime = Millis(1_800_000);
        settings.wait_timeout = Millis(10_000);
        settings.query_timeout = Millis(30_000);
        self.cap = self.cap.max(2);
        self.clients = 24;
        self.horizon = WAVE_MS * 5;
        self.delay = self.delay.min(40);
        self.tcp_delay = self.tcp_delay.min(5);
        self.open_delay = self.open_delay.min(30);
        self.taste.large = 0;
        self.park_ttl = 60_000;
        self.refused = 0;
        self.hanging = 0;
        self.dials_refused = 0;
        self.fault_every = WAVE_MS;
        self.favourite = self.favourite.or(Some(Fault::Crash));
        self.waves = true;
        self
    }

    /// Nothing goes wrong and nobody is in a hurry. Objects still sleep, and sessions grow old.
    fn quiet(mut self) -> Self {
        let settings = &mut self.settings;
        settings.wait_timeout = Millis(600_000);
        settings.query_timeout = Millis(600_000);
        settings.connect_timeout = Millis(600_000);
        settings.tunnel_wait = Millis(30_000);
        self.cap = self.cap.max(u16::try_from(settings.pool_size).unwrap_or(u16::MAX));
        self.impatient = 0;
        self.slow_readers = 0;
        self.fault_every = 0;
        self.refused = 0;
        self.hanging = 0;
        self.dials_refused = 0;
        self.reconfigured = 0;
        // Longer than a `park` is under way: the platform waits for ten seconds.
        self.doze = [2_000, 5_000, 10_000];
        self.quiet = true;
        self
    }

    /// The settings of the agent on this machine.
    pub(super) fn agent(&self, slot: usize) -> agent::Settings {
        let database =
            agent::DatabaseSettings { name: NAME.into(), cap: self.cap, links: self.links };
        agent::Settings {
            park_ttl: Millis(self.park_ttl),
            end_timeout: Millis(self.end_timeout),
            stream_window: self.stream_window,
            link_window: self.link_window,
            verbose: true,
            ..agent::Settings::new(&format!("machine {slot}"), "sim", vec![database])
        }
    }
}

fn settings(rng: &mut Rng) -> Settings {
    Settings {
        user: "sim".into(),
        password: Some("geheim".into()),
        database: "sim".into(),
        name: NAME.into(),
        pool_size: rng.size(1, 6),
        max_waiters: rng.pick(&[4, 30]),
        wait_timeout: Millis(rng.pick(&[1_500, 10_000, 10_000])),
        query_timeout: Millis(rng.pick(&[300, 3_000, 30_000, 30_000])),
        connect_timeout: Millis(rng.pick(&[2_000, 10_000])),
        idle_timeout: Millis(rng.pick(&[5_000, 60_000, 600_000])),
        max_lifetime: Millis(rng.pick(&[10_000, 1_800_000, 1_800_000])),
        tunnel_wait: Millis(rng.pick(&[100, 5_000, 5_000])),
        reset: rng.pick(&[ResetPolicy::Detected, ResetPolicy::Always]),
        ways: if rng.chance(75) { vec![Way::Agent] } else { vec![Way::Agent, Way::Direct] },
        verbose: true,
        ..Settings::default()
    }
}

fn draw_database(rng: &mut Rng, db: &mut Database, pool_size: usize) {
    db.max_connections = if rng.chance(5) { rng.size(1, pool_size) } else { PLENTY };
    db.user = "sim".into();
    db.password = "geheim".into();
    db.auth = rng.pick(&[Method::Trust, Method::Cleartext, Method::Md5, Method::Scram(3)]);
    db.refuses_late = rng.chance(50);
    db.loses_sync = rng.chance(30);
    db.discard_fails_in_transaction = rng.chance(70);
}
