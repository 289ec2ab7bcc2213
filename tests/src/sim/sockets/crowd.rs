//! The world of a crowd: clients of several classes that want more sessions than there are, on even
//! ground, so that who is served when can be counted from outside.

use pierhead_engine::io::Mode;
use pierhead_engine::settings::{ResetPolicy, Settings, Way};
use pierhead_engine::time::Millis;

use super::plan::{Client, Kind, Net, Plan};
use super::steps::Writer;
use crate::sim::rng::Rng;
use crate::sim::script::{Kind as ScriptKind, Script, Taste};
use crate::sim::server::auth::Method;
use crate::sim::server::database::Database;

/// Nobody is ever late.
const NEVER: Millis = Millis(900_000);

/// Classes there may be; exchanges are of the first.
const CLASSES: [&str; 4] = ["", "a", "b", "c"];

/// What the clients of one class do.
struct Custom {
    class: &'static str,
    /// How long their statements take, in milliseconds.
    ms: u64,
    /// How often they ask.
    rounds: u64,
    leisure: u64,
}

impl Plan {
    /// The crowd of a seed.
    #[must_use]
    pub fn crowd(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let settings = settings(&mut rng);
        let mut database = Database::new();
        database.auth = Method::Trust;
        let net = Net {
            delay: rng.pick(&[0, 0, 2]),
            near: 0,
            open_delay: rng.pick(&[0, 30]),
            crumbs: 0,
            late_accepts: 0,
            refused: 0,
            hanging: 0,
        };
        let horizon = rng.pick(&[5, 300]);
        let mut clients = Vec::new();
        for class in CLASSES.into_iter().take(rng.size(2, CLASSES.len())) {
            let custom = Custom {
                class,
                ms: rng.pick(&[0, 0, 1, 5, 60, 400]),
                rounds: rng.within(2, 8),
                leisure: rng.pick(&[0, 0, 40]),
            };
            for _ in 0..rng.pick(&[1, 4, 8]) {
                let number = clients.len() as u64 + 1;
                let comes = rng.below(horizon);
                clients.push(member(&mut rng, number, comes, &custom));
            }
        }
        let noise = rng.number();
        Self {
            world: "crowd",
            noise,
            settings,
            database,
            clients,
            faults: Vec::new(),
            horizon,
            net,
            quiet: true,
            counted: true,
            between: None,
        }
    }
}

fn settings(rng: &mut Rng) -> Settings {
    let pool_size = rng.size(1, 3);
    Settings {
        user: "sim".into(),
        password: Some("geheim".into()),
        database: "sim".into(),
        pool_size,
        pinned_max: pool_size,
        max_waiters: 1_000,
        wait_timeout: NEVER,
        query_timeout: NEVER,
        connect_timeout: NEVER,
        idle_in_transaction_timeout: Millis(0),
        client_idle_timeout: Millis(0),
        class_size: if rng.chance(30) { rng.size(1, pool_size) } else { 0 },
        reset: rng.pick(&[ResetPolicy::Detected, ResetPolicy::Detected, ResetPolicy::Always]),
        ways: vec![Way::Direct],
        verbose: true,
        ..Settings::default()
    }
}

fn member(rng: &mut Rng, number: u64, comes: u64, custom: &Custom) -> Client {
    let (class, slow_reader) = (custom.class, false);
    let taste = Taste { large: 0, slow: 0, slow_ms: 0 };
    let kind = rng.weighted(&[60, 20, 40]);
    let mut writer = Writer::new(rng, number, taste, custom.leisure);
    let kind = match kind {
        0 => {
            writer.start_up_packet("sim", "sim", false);
            writer.say("starts up", true);
            for _ in 0..custom.rounds {
                writer.asks(custom.ms);
            }
            Kind::Socket { mode: Mode::Transaction, steps: writer.steps }
        }
        1 => Kind::Lease { requests: writer.turns(custom.ms, custom.rounds) },
        _ => {
            let protocol = writer.request(custom.ms);
            let script = Script { protocol, kind: ScriptKind::Simple, inserts: Vec::new() };
            Kind::Exchange { script, remaining: 0, reset: false }
        }
    };
    Client { number, comes, class, slow_reader, kind }
}

impl Writer<'_> {
    fn work(&mut self, ms: u64) -> String {
        let value = self.value();
        if ms == 0 { format!("echo {value}") } else { format!("slow {ms} {value}") }
    }

    fn request(&mut self, ms: u64) -> Vec<u8> {
        let sql = self.work(ms);
        let simple = self.rng.chance(50);
        self.either(&sql, simple);
        std::mem::take(&mut self.out)
    }

    /// One request, or a transaction of several that are sent together.
    fn asks(&mut self, ms: u64) {
        let transaction = self.rng.chance(20);
        let sql = self.work(ms);
        if transaction {
            self.query(&format!("begin; {sql}; commit"));
        } else {
            let simple = self.rng.chance(50);
            self.either(&sql, simple);
        }
        self.say("asks", true);
    }

    /// The requests of a lease, the last of which ends it.
    fn turns(mut self, ms: u64, rounds: u64) -> Vec<Vec<u8>> {
        let mut requests = Vec::new();
        for index in 0..rounds {
            let sql = self.work(ms);
            let begin = if index == 0 { "begin; " } else { "" };
            let end = if index + 1 == rounds { "; commit" } else { "" };
            self.query(&format!("{begin}{sql}{end}"));
            requests.push(std::mem::take(&mut self.out));
        }
        requests
    }
}
