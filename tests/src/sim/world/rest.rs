//! The course of a schedule: trouble, calm, a last question, sleep.

use super::World;
use super::stream::Life;
use crate::sim::caller::Caller;
use pierhead_wire::envelope::Status;

/// How long after the faults everybody must have been answered: longer than every timeout of the
/// plan together.
const CALM_MS: u64 = 120_000;

/// How long it may take until sessions are opened again: longer than the longest pause.
const RECOVERY_MS: u64 = 20_000;

/// How long an unused pool may live: longer than the longest idle timeout and its alarms.
const SLEEP_MS: u64 = 400_000;

impl World {
    /// Runs the whole schedule.
    pub(super) fn live(&mut self) {
        let end = self.plan.horizon + CALM_MS;
        while self.step(end, self.sleepless()) {}
        self.come_to_rest("after the faults");
        self.smooth();
        let asked: Vec<usize> = (0..3).map(|turn| self.invite_plain(turn * 5)).collect();
        let end = self.now + CALM_MS;
        while self.step(end, false) {}
        self.come_to_rest("after the last question");
        for index in asked {
            let outcome = self.clients[index].outcome.as_ref();
            let served =
                outcome.is_some_and(|o| matches!(o.status, Status::Completed | Status::Error));
            if !served {
                self.broken("liveness", format!("the pool does not work again: {outcome:?}"));
            }
        }
        let end = self.now + SLEEP_MS;
        while self.step(end, true) {}
        self.fall_asleep();
        self.cover_server();
    }

    /// The last question is asked when the engine may have got over everything, on a network that
    /// is quick enough for any timeout.
    fn smooth(&mut self) {
        self.now += RECOVERY_MS;
        self.cut_hung();
        self.plan.delay = 0;
        self.plan.open_delay = 0;
        self.plan.crumbs = 0;
        self.plan.late_accepts = 0;
    }

    /// Whether housekeeping is served now; it may be slept through.
    fn sleepless(&self) -> bool {
        !self.plan.clients.is_multiple_of(4)
    }

    /// Nothing more happens by itself: everybody has been answered, nobody is waited for.
    fn come_to_rest(&mut self, when: &str) {
        if self.violation.is_some() {
            return;
        }
        if let Some((at, event)) = self.events.first_key_value() {
            let detail = format!("{event:?} at {at:?} is still to come {when}");
            return self.broken("liveness", detail);
        }
        if let Some(deadline) = self.engine.poll_timeout().active {
            return self.broken("liveness", format!("{deadline:?} is set at rest {when}"));
        }
        if let Some(index) = self.clients.iter().position(Caller::is_open) {
            let detail = format!("client {} has no answer {when}", index + 1);
            return self.broken("liveness", detail);
        }
        let status = self.engine.status();
        let at_work =
            status.opening + status.leased + status.resetting + status.draining + status.ending;
        if at_work + status.waiting + status.clients > 0
            || status.request_bytes + status.answer_bytes > 0
        {
            return self.broken("liveness", format!("at rest {when}, and yet: {status:?}"));
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
        if open > 0 || timeouts.active.is_some() || timeouts.housekeeping.is_some() {
            let detail = format!("{open} streams are open, and {timeouts:?}, long after the end");
            self.broken("sleep", detail);
        }
        if self.db.connections > 0 {
            self.broken("sleep", format!("{} backends are left", self.db.connections));
        }
    }

    fn cover_server(&mut self) {
        let seen = self.db.seen;
        self.coverage.add_many("server: login", seen.logins);
        self.coverage.add_many("server: refused (53300)", seen.refused_full);
        self.coverage.add_many("server: discard", seen.discards);
        self.coverage.add_many("server: rollback", seen.rollbacks);
        self.coverage.add_many("server: copy failed", seen.copies_failed);
        let status = self.engine.status();
        if status.scram_derivations > 1 {
            let detail = format!("{} derivations for one salt", status.scram_derivations);
            self.broken("thrift", detail);
        }
        self.coverage.add_many("engine: SCRAM key derived", status.scram_derivations);
        let counters = status.counters;
        self.coverage.add_many("engine: retries", counters.retries);
        self.coverage.add_many("engine: resets", counters.resets);
        self.coverage.add_many("engine: orphans", counters.orphans);
        self.coverage.add_many("engine: rolled back", counters.rolled_back);
    }
}
