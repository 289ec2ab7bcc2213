//! Judges answers and the engine's account of itself.

use pierhead_wire::envelope::{Outcome, Status};

use super::World;
use super::stream::Life;
use crate::sim::answer::{self, Broken};
use crate::sim::ground::Purpose;

/// How late a simulated shell's timer may be, in milliseconds, and one more.
const LATE: u64 = 25;

impl World {
    /// A client has its outcome: is it the right one?
    pub(super) fn judge(&mut self, index: usize) {
        let client = &self.clients[index];
        let Some(outcome) = client.outcome.clone() else { return };
        answer::cover(client, &outcome, &mut self.coverage);
        if let Err((rule, detail)) = self.verdict(index, &outcome) {
            let kind = self.clients[index].script.kind;
            let detail = format!("client {} ({kind:?}): {detail}; {outcome:?}", index + 1);
            self.broken(rule, detail);
        }
    }

    fn verdict(&self, index: usize, outcome: &Outcome) -> Result<(), Broken> {
        let client = &self.clients[index];
        answer::judge(client, index as u64 + 1, outcome, &self.db)?;
        let limit = match client.remaining {
            0 => self.plan.settings.query_timeout.0,
            ms => ms,
        };
        let came = client.came.unwrap_or(self.now);
        if self.now > came + limit + LATE {
            return Err(("deadline", format!("answered after {} ms of {limit}", self.now - came)));
        }
        let outran = !self.plan.holds_back() && outcome.sqlstate.as_str() == "53200";
        let excused = (outcome.status != Status::OutcomeUnknown || outran)
            && (outcome.status != Status::Refused
                || matches!(outcome.sqlstate.as_str(), "53300" | "08P01"));
        if client.expected.is_some() && self.plan.quiet && !self.db.loses_sync && !excused {
            return Err(("quiet", "nothing went wrong, and yet it was not served".into()));
        }
        Ok(())
    }

    /// The same check for everybody when nothing can change any more.
    pub(super) fn judge_effects(&mut self) {
        for index in 0..self.clients.len() {
            if let Err((rule, detail)) = answer::judge_at_rest(&self.clients[index], &self.db) {
                return self.broken(rule, format!("client {} at rest: {detail}", index + 1));
            }
        }
    }

    /// The engine's own account agrees with what it did.
    pub(super) fn check_status(&mut self) {
        let status = self.engine.status();
        let sum = status.opening + status.idle + status.leased + status.resetting;
        let sum = sum + status.draining + status.ending;
        let live = self.streams.values().filter(|s| s.life != Life::Finished);
        let owned = live
            .clone()
            .filter(|s| s.purpose == Purpose::Session && !s.is_overdue(self.now))
            .count();
        let all = live.count();
        let open = self.clients.iter().filter(|c| c.is_open()).count();
        let reading = self
            .clients
            .iter()
            .filter(|c| c.outcome.is_some() && c.streamed && !c.gone && c.untaken > 0)
            .count();
        let wrong = if sum > status.cap || sum < owned || sum > all {
            format!("{sum} sessions in all states; streams: {owned} owned, {all} in all")
        } else if status.waiting + status.leased != open {
            format!("{open} clients are open")
        } else if status.clients != open + reading {
            format!("{open} clients are open, {reading} read")
        } else {
            return;
        };
        self.broken("2 one place", format!("{wrong}; {status:?}"));
    }
}
