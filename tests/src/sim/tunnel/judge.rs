//! Judges answers, and an object's account of itself.

use pierhead_wire::envelope::Status;

use super::World;
use crate::sim::answer;

/// How late a simulated shell's timer may be, in milliseconds, and one more.
const LATE: u64 = 25;

impl World {
    /// A client has its outcome: is it the right one?
    pub(super) fn judge(&mut self, index: usize) {
        let guest = &self.guests[index];
        let client = &guest.caller;
        let Some(outcome) = client.outcome.clone() else { return };
        answer::cover(client, &outcome, &mut self.coverage);
        let mut verdict = answer::judge(client, index as u64 + 1, &outcome, &self.db);
        let limit = match client.remaining {
            0 => self.plan.settings.query_timeout.0,
            ms => ms,
        };
        let came = client.came.unwrap_or(self.now);
        if verdict.is_ok() && self.now > came + limit + LATE {
            let detail = format!("answered after {} ms of {limit}", self.now - came);
            verdict = Err(("deadline", detail));
        }
        let unserved = match outcome.status {
            Status::OutcomeUnknown => true,
            Status::Refused => !matches!(outcome.sqlstate.as_str(), "53300" | "08P01"),
            Status::Completed | Status::RolledBack | Status::Error => false,
        };
        if verdict.is_ok() && self.plan.quiet && unserved && !self.db.loses_sync {
            let detail = "nothing went wrong, and yet it was not served".to_owned();
            verdict = Err(("quiet", detail));
        }
        if let Err((rule, detail)) = verdict {
            let kind = client.script.kind;
            let detail = format!("client {} ({kind:?}): {detail}; {outcome:?}", index + 1);
            self.broken(rule, detail);
        }
    }

    /// The check of effects when nothing can change any more.
    pub(super) fn judge_effects(&mut self) {
        for index in 0..self.guests.len() {
            let verdict = answer::judge_at_rest(&self.guests[index].caller, &self.db);
            if let Err((rule, detail)) = verdict {
                return self.broken(rule, format!("client {} at rest: {detail}", index + 1));
            }
        }
    }

    /// The engine's own account agrees with what it did.
    pub(super) fn check_status(&mut self, site: usize) {
        let Some(engine) = self.sites[site].engine() else { return };
        let (status, life) = (engine.status(), self.sites[site].life());
        let sum = status.opening + status.idle + status.leased + status.resetting + status.ending;
        let sum = sum + status.draining + status.parked + status.away;
        let mine = || self.guests.iter().filter(|g| g.life == life).map(|g| &g.caller);
        let open = mine().filter(|c| c.is_open()).count();
        let reading =
            mine().filter(|c| c.outcome.is_some() && c.streamed && !c.gone && c.untaken > 0);
        let reading = reading.count();
        let wrong = if sum > status.cap {
            format!("{sum} sessions in all states")
        } else if status.waiting + status.leased != open {
            format!("{open} clients are open")
        } else if status.clients != open + reading {
            format!("{open} clients are open, {reading} read")
        } else {
            return;
        };
        self.broken("2 one place", format!("{wrong}; {status:?}"));
    }

    /// A cancel request reached the server.
    pub(super) fn cancel(&mut self, process: i32, secret: i32) {
        let found = self
            .conns
            .iter()
            .find(|(_, c)| c.backend.process == process && c.backend.secret == secret)
            .map(|(id, _)| *id);
        let Some(id) = found else {
            return self.broken("7 cancel", "a cancel request names a process that never was");
        };
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let victim = conn.backend.busy_with().and_then(crate::sim::ground::marked_client);
        let hit = conn.backend.cancelled(&mut self.db, self.now);
        // An agent cancels what it gives up, also before the coordinator knows.
        let given_up = conn.told_to_end.is_some() || conn.cut;
        self.coverage.add(if hit { "cancel: hit" } else { "cancel: missed" });
        self.note(|_| format!("  cancel reached connection {id}, hit {hit}, client {victim:?}"));
        if let Some(client) = victim
            && !given_up
            && self.guests.get(client as usize - 1).is_some_and(|g| g.caller.is_open())
        {
            self.broken("7 cancel", format!("it hit client {client}, which waits for its answer"));
        }
        self.after_backend(id);
    }
}
