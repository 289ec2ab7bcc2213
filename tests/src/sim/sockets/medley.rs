//! The world of a medley: the sockets' own schedules, with clients that listen, notify and call
//! functions, with policies that those do not have, and with a clock that leaps.

use std::collections::BTreeMap;

use pierhead_engine::settings::StatePolicy;
use pierhead_engine::time::Millis;

use super::World;
use super::driver::Life as DriverLife;
use super::faults::Fault;
use super::plan::{Kind, Misfortune, Plan};
use super::stream::Life;
use crate::sim::rng::Rng;

/// How far the clock leaps, in milliseconds: a minute, an hour, a day.
const LEAPS: [(u64, &str); 3] =
    [(60_000, "leap: a minute"), (3_600_000, "leap: an hour"), (86_400_000, "leap: a day")];

/// Numbers of leaps among the faults.
const FIRST_LEAP: u64 = 200;

impl Plan {
    /// The medley of a seed.
    #[must_use]
    pub fn medley(seed: u64) -> Self {
        let mut plan = Self { world: "medley", ..Self::draw(seed, true) };
        let mut rng = Rng::new(seed ^ 0x006d_6564_6c65_7900);
        if rng.chance(25) {
            plan.settings.state = StatePolicy::Reject;
            // What an exchange is told is judged by what a session of its own would allow.
            plan.clients.retain(|client| !matches!(client.kind, Kind::Exchange { .. }));
        }
        if rng.chance(30) {
            plan.settings.min_idle = rng.size(1, plan.settings.pool_size);
            // They can be opened, and are not replaced all the time.
            plan.settings.connect_timeout = Millis(10_000);
            plan.settings.max_lifetime = Millis(1_800_000);
        }
        if !plan.quiet && rng.chance(25) {
            for number in FIRST_LEAP..FIRST_LEAP + rng.within(1, 3) {
                let at = rng.below(plan.horizon + 200);
                let chance = rng.number();
                plan.faults.push(Misfortune { number, at, fault: Fault::Leap, chance });
            }
        }
        plan
    }
}

impl World {
    /// Much time passes at once: nothing happened meanwhile, or all that was under way comes late.
    pub(super) fn leap(&mut self, chance: u64) {
        let (ms, name) = LEAPS[usize::try_from((chance >> 8) % 3).unwrap_or(0)];
        self.coverage.add(name);
        self.now += ms;
        self.leapt += ms;
        if chance.is_multiple_of(2) {
            let events = std::mem::take(&mut self.events);
            self.events =
                events.into_iter().map(|((at, n), event)| ((at + ms, n), event)).collect();
        }
        // Nobody waited through it.
        for driver in &mut self.drivers {
            driver.asked = driver.asked.map(|at| at + ms);
        }
        for exchange in &mut self.exchanges {
            exchange.caller.came = exchange.caller.came.map(|at| at + ms);
        }
    }

    /// Idle sessions are told what was notified to them.
    pub(super) fn deliver_mail(&mut self) {
        if self.db.mail.is_empty() {
            return;
        }
        let due = self.streams.iter().filter(|(_, s)| {
            s.life == Life::Open
                && s.backend.is_idle()
                && self.db.mail.contains_key(&s.backend.process)
        });
        let due: Vec<u64> = due.map(|(id, _)| *id).collect();
        for id in due {
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.backend.deliver(&mut self.db);
            }
            self.after_backend(id);
        }
    }

    /// A notification reached a client: it listens, and is told no more than its session was.
    pub(super) fn notified(&mut self, index: usize, channel: &str) {
        let driver = &mut self.drivers[index];
        let number = driver.number;
        if channel != format!("l{number}") || !driver.model.listened() {
            let detail = format!("client {number} is notified on {channel:?}, unasked");
            return self.broken("notifications", detail);
        }
        self.coverage.add("socket: notified");
        driver.notified += 1;
        if driver.notified > self.db.notified.get(channel).copied().unwrap_or(0) {
            self.broken("notifications", format!("client {number} is told twice"));
        }
    }

    /// Whoever is there has been told everything that the database told the session it holds.
    pub(super) fn check_notified(&mut self) {
        let sent: BTreeMap<String, u64> = self.db.notified.clone();
        for driver in self.drivers.iter().filter(|d| d.life != DriverLife::Before) {
            let sent = sent.get(&format!("l{}", driver.number)).copied().unwrap_or(0);
            let got = driver.notified;
            let whole = driver.life == DriverLife::Open && !driver.said_goodbye;
            // Within a transaction it is only about to.
            let rests = driver.model.is_answered() && driver.model.status == b'I';
            let listens = whole && rests && driver.model.listens();
            if listens && !self.db.has_listener(&format!("l{}", driver.number)) {
                let detail = format!("client {} listens, and its session does not", driver.number);
                return self.broken("notifications", detail);
            }
            if got > sent || (whole && rests && got < sent) {
                let number = driver.number;
                let detail = format!("client {number} was told {got} times, not {sent}");
                return self.broken("notifications", detail);
            }
        }
    }

    /// So many sessions are kept when nobody wants any.
    pub(super) fn check_kept(&mut self) {
        if self.clients.is_empty() {
            // Nobody ever came, so the object never began to live.
            return;
        }
        let kept = self.plan.settings.min_idle;
        let open = self.streams.values().filter(|s| s.life == Life::Open).count();
        let idle = self.engine.status().idle;
        if open != kept || idle != kept {
            let detail = format!("{open} streams are open and {idle} sessions idle, not {kept}");
            return self.broken("min_idle", detail);
        }
        self.coverage.add("pool: keeps min_idle");
    }
}
