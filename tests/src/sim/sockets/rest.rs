//! The course of a schedule: trouble, calm, everybody's leaving, sleep.

use super::World;
use super::driver::Life as DriverLife;
use super::stream::Life;

/// How long after the faults everybody must have been answered: longer than every timeout of the
/// plan together.
const CALM_MS: u64 = 400_000;

/// How long a quiet schedule's queue may take in all.
const QUIET_MS: u64 = 900_000;

/// How long an unused pool may live: longer than the longest idle timeout and its alarms.
const SLEEP_MS: u64 = 400_000;

impl World {
    /// Runs the whole schedule.
    pub(super) fn live(&mut self) {
        self.pass(self.plan.horizon + if self.plan.quiet { QUIET_MS } else { CALM_MS }, true);
        self.come_to_rest();
        self.everybody_leaves();
        self.pass(CALM_MS, false);
        self.nothing_is_held();
        self.pass(SLEEP_MS, true);
        self.fall_asleep();
    }

    /// Lets happen what happens before `end`.
    pub(super) fn run_until(&mut self, end: u64) {
        while self.step(end, true) {}
    }

    /// Lets happen what happens in this time; leaps of the clock take none of it.
    fn pass(&mut self, ms: u64, housekeeping: bool) {
        let end = self.now + ms - self.leapt;
        while self.step(end + self.leapt, housekeeping) {}
    }

    /// Everybody who waits for an answer has been given one.
    fn come_to_rest(&mut self) {
        if self.violation.is_some() {
            return;
        }
        // What nobody may say may stay unread behind a refusal.
        let waits = self
            .drivers
            .iter()
            .find(|d| d.life == DriverLife::Open && d.awaits && !d.model.malformed);
        if let Some(driver) = waits {
            let (number, asked) = (driver.number, driver.asked);
            let detail = format!("client {number} still waits, since {asked:?}");
            return self.broken("liveness", detail);
        }
        if let Some(exchange) = self.exchanges.iter().find(|e| e.caller.is_open()) {
            let number = exchange.number;
            return self.broken("liveness", format!("exchange {number} has no answer"));
        }
        if let Some(lease) = self.leases.iter().find(|lease| lease.waits()) {
            let number = lease.number;
            return self.broken("liveness", format!("lease {number} has no answer"));
        }
        self.check_notified();
        if let Some((at, event)) = self.events.first_key_value() {
            let detail = format!("{event:?} at {at:?} is still to come");
            self.broken("liveness", detail);
        }
    }

    fn everybody_leaves(&mut self) {
        for index in 0..self.drivers.len() {
            self.driver_leaves(index);
        }
        for index in 0..self.leases.len() {
            self.dispose(index);
        }
    }

    /// Nobody is there: the engine holds nothing for anybody.
    fn nothing_is_held(&mut self) {
        if self.violation.is_some() {
            return;
        }
        if let Some(deadline) = self.engine.poll_timeout().active {
            return self.broken("liveness", format!("{deadline:?} is set at rest"));
        }
        let status = self.engine.status();
        let at_work =
            status.opening + status.leased + status.resetting + status.draining + status.ending;
        let held = status.request_bytes + status.answer_bytes;
        if at_work + status.waiting + status.clients + held > 0 {
            return self.broken("6 memory", format!("held for nobody: {status:?}"));
        }
        self.judge_effects();
    }

    /// An unused pool lets go of everything.
    fn fall_asleep(&mut self) {
        if self.violation.is_some() {
            return;
        }
        let open = self.streams.values().filter(|s| s.life != Life::Finished).count();
        let timeouts = self.engine.poll_timeout();
        if self.plan.settings.min_idle > 0 {
            self.check_kept();
        } else if open > 0 || timeouts.active.is_some() || timeouts.housekeeping.is_some() {
            let detail = format!("{open} streams are open, and {timeouts:?}, long after the end");
            self.broken("sleep", detail);
        } else if self.db.connections > 0 {
            self.broken("sleep", format!("{} backends are left", self.db.connections));
        }
        let seen = self.db.seen;
        self.coverage.add_many("server: login", seen.logins);
        self.coverage.add_many("server: refused (53300)", seen.refused_full);
        self.coverage.add_many("server: function called", seen.calls);
        self.coverage.add_many("server: discard", seen.discards);
        self.coverage.add_many("server: rollback", seen.rollbacks);
        let counters = self.engine.status().counters;
        self.coverage.add_many("engine: cures", counters.cures);
        self.coverage.add_many("engine: pins", counters.pins);
        self.coverage.add_many("engine: retries", counters.retries);
        self.coverage.add_many("engine: drained", counters.drained);
    }
}
