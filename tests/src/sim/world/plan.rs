//! What one schedule is like: drawn once from its seed.

use pierhead_engine::settings::{ResetPolicy, Settings, Way};
use pierhead_engine::time::Millis;

use super::faults::Fault;
use crate::sim::rng::Rng;
use crate::sim::script::Taste;
use crate::sim::server::auth::Method;
use crate::sim::server::database::Database;

/// One schedule's circumstances.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The pool's settings.
    pub(super) settings: Settings,
    /// How many clients come, over how many milliseconds.
    pub(super) clients: u64,
    /// When the last of them comes and the faults end.
    pub(super) horizon: u64,
    /// What they ask for.
    pub(super) taste: Taste,
    /// Of a hundred clients, so many name a deadline, are ended by their owner, or die.
    pub(super) impatient: u64,
    /// Of a hundred readers of streams, so many are slow.
    pub(super) slow_readers: u64,
    /// Greatest delay of bytes in one direction.
    pub(super) delay: u64,
    /// Greatest delay of opening a stream.
    pub(super) open_delay: u64,
    /// In a hundred chunks, so many are a single byte long, and so many are cut anywhere.
    pub(super) crumbs: u64,
    /// Milliseconds between faults; 0 for none.
    pub(super) fault_every: u64,
    /// The kind of most faults.
    pub(super) favourite: Option<Fault>,
    /// In a hundred opens, so many are refused, and so many hang.
    pub(super) refused: u64,
    /// See `refused`.
    pub(super) hanging: u64,
    /// Nothing goes wrong.
    pub(super) quiet: bool,
    /// So many opens are refused before one succeeds.
    pub(super) refused_first: u64,
    /// Requests are cut off before they are sent, again and again.
    pub(super) torn: bool,
    /// In a hundred writes, so many are accepted late.
    pub(super) late_accepts: u64,
}

impl Plan {
    /// Whether the tunnel holds back what was not granted.
    pub(super) fn holds_back(&self) -> bool {
        self.settings.ways != [Way::Cloudflared]
    }

    /// Draws the circumstances.
    #[must_use]
    pub(super) fn draw(rng: &mut Rng, db: &mut Database) -> Self {
        let large = rng.chance(4);
        let settings = settings(rng);
        draw_database(rng, db, settings.pool_size);
        let plan = Self {
            clients: rng.within(3, 24),
            horizon: rng.pick(&[500, 2_000, 6_000, 20_000]),
            taste: Taste {
                large: if large { 30 } else { 0 },
                slow: rng.pick(&[0, 5, 25]),
                slow_ms: rng.pick(&[20, 400, 5_000]),
            },
            impatient: rng.pick(&[0, 10, 40]),
            slow_readers: rng.pick(&[0, 50, 100]),
            delay: rng.pick(&[0, 5, 40, 40, 300]),
            open_delay: rng.pick(&[0, 30, 400]),
            crumbs: rng.pick(&[0, 0, 10, 60]),
            fault_every: rng.pick(&[0, 2_000, 500, 80]),
            favourite: rng.chance(40).then(|| {
                rng.pick(&[Fault::Cut, Fault::Cut, Fault::Kill, Fault::Mischief, Fault::Hang])
            }),
            refused: rng.pick(&[0, 0, 5, 40]),
            hanging: rng.pick(&[0, 0, 5, 20]),
            late_accepts: rng.pick(&[0, 10, 50, 100]),
            torn: false,
            quiet: false,
            refused_first: 0,
            settings,
        };
        let refused_first = rng.pick(&[0, 0, 1, 3]);
        match rng.below(100) {
            0..2 => plan.torn(),
            2..12 => {
                db.max_connections = 1_000;
                plan.quiet(refused_first)
            }
            _ => plan,
        }
    }

    /// Nothing goes wrong, but for the first opens perhaps, and nobody is in a hurry: everybody
    /// must be served.
    fn quiet(mut self, refused_first: u64) -> Self {
        self.refused_first = refused_first;
        self.settings.wait_timeout = Millis(600_000);
        self.settings.query_timeout = Millis(600_000);
        self.settings.connect_timeout = Millis(600_000);
        self.impatient = 0;
        self.slow_readers = 0;
        self.delay = self.delay.min(40);
        self.crumbs = self.crumbs.min(10);
        self.fault_every = 0;
        self.refused = 0;
        self.hanging = 0;
        self.quiet = true;
        self
    }

    /// A network that takes a request late and breaks before it has.
    fn torn(mut self) -> Self {
        self.settings.wait_timeout = Millis(10_000);
        self.settings.query_timeout = Millis(30_000);
        self.settings.connect_timeout = Millis(10_000);
        self.taste.large = 0;
        self.delay = 60;
        self.open_delay = 30;
        self.refused = 0;
        self.hanging = 0;
        self.impatient = 0;
        self.late_accepts = 100;
        self.favourite = Some(Fault::Cut);
        self.fault_every = 12;
        self.torn = true;
        self
    }
}

fn settings(rng: &mut Rng) -> Settings {
    Settings {
        user: "sim".into(),
        password: Some("geheim".into()),
        database: "sim".into(),
        pool_size: rng.size(1, 6),
        max_waiters: rng.pick(&[1, 4, 30]),
        wait_timeout: Millis(rng.pick(&[100, 1_500, 10_000, 10_000])),
        query_timeout: Millis(rng.pick(&[300, 3_000, 30_000, 30_000])),
        connect_timeout: Millis(rng.pick(&[200, 2_000, 10_000])),
        idle_timeout: Millis(rng.pick(&[300, 5_000, 60_000])),
        max_lifetime: Millis(rng.pick(&[1_000, 10_000, 1_800_000])),
        reset: rng.pick(&[ResetPolicy::Detected, ResetPolicy::Always]),
        start_tls: rng.chance(20),
        ways: vec![if rng.chance(50) { Way::Direct } else { Way::Cloudflared }],
        verbose: true,
        ..Settings::default()
    }
}

fn draw_database(rng: &mut Rng, db: &mut Database, pool_size: usize) {
    db.user = "sim".into();
    db.password = "geheim".into();
    db.auth = rng.pick(&[
        Method::Trust,
        Method::Cleartext,
        Method::Md5,
        Method::Scram(3),
        Method::Scram(7),
    ]);
    if rng.chance(15) {
        db.max_connections = rng.size(1, pool_size);
    }
    db.refuses_late = rng.chance(50);
    db.loses_sync = rng.chance(30);
    db.discard_fails_in_transaction = rng.chance(70);
}
