//! Judges answers and the engine's account of itself.

use pierhead_wire::envelope::{Outcome, Retry, Status};

use super::World;
use super::client::Client;
use super::stream::{Life, Purpose};
use crate::sim::expect::{Expected, sqlstate};
use crate::sim::message::{self, Message};

/// How late a simulated shell's timer may be, in milliseconds, and one more.
const LATE: u64 = 25;

/// How an answer compares with the one to expect.
#[derive(PartialEq, Eq, Debug)]
enum Match {
    /// The same.
    Whole,
    /// It breaks off.
    Part,
    /// It is another one, from this message on.
    Differs(usize),
}

impl World {
    /// A client has its outcome: is it the right one?
    pub(super) fn judge(&mut self, index: usize) {
        let client = &self.clients[index];
        let Some(outcome) = client.outcome.clone() else { return };
        self.cover_outcome(index, &outcome);
        let verdict = self.verdict(index, &outcome);
        if let Err((rule, detail)) = verdict {
            let kind = self.clients[index].script.kind;
            let detail = format!("client {} ({kind:?}): {detail}; {outcome:?}", index + 1);
            self.broken(rule, detail);
        }
    }

    fn verdict(&self, index: usize, outcome: &Outcome) -> Result<(), (&'static str, String)> {
        let client = &self.clients[index];
        let own = "1 own bytes";
        if let Some(other) = foreign(&client.data, index as u64 + 1) {
            return Err((own, format!("a value of client {other} in its answer")));
        }
        let text = format!("{}{}", outcome.message, outcome.hint);
        if text.contains("geheim") || text.contains("/*c") {
            return Err(("secrets", text));
        }
        let limit = match client.remaining {
            0 => self.plan.settings.query_timeout.0,
            ms => ms,
        };
        let came = client.came.unwrap_or(self.now);
        if self.now > came + limit + LATE {
            return Err(("deadline", format!("answered after {} ms of {limit}", self.now - came)));
        }
        let Some(expected) = &client.expected else {
            let right = outcome.status == Status::Refused && client.grants == 0;
            return if right { Ok(()) } else { Err(("refused", "it is not allowed".into())) };
        };
        self.fits(client, expected, outcome)
    }

    fn fits(
        &self,
        client: &Client,
        expected: &Expected,
        outcome: &Outcome,
    ) -> Result<(), (&'static str, String)> {
        let matched = compare(&client.data, &expected.answer);
        if let Match::Differs(at) = matched {
            return Err(("1 own bytes", format!("message {at} is not the expected one")));
        }
        let outran = !self.plan.holds_back() && outcome.sqlstate.as_str() == "53200";
        let excused = (outcome.status != Status::OutcomeUnknown || outran)
            && (outcome.status != Status::Refused
                || matches!(outcome.sqlstate.as_str(), "53300" | "08P01"));
        if self.plan.quiet && !self.db.loses_sync && !excused {
            return Err(("quiet", "nothing went wrong, and yet it was not served".into()));
        }
        let whole = matched == Match::Whole;
        let fits = match outcome.status {
            Status::Completed => whole && expected.status == b'I' && expected.errors.is_empty(),
            Status::RolledBack => whole && expected.status != b'I',
            Status::Error => {
                let known = expected.errors.iter().any(|e| e == outcome.sqlstate.as_str());
                whole && expected.status == b'I' && known
            }
            Status::Refused => client.data.is_empty(),
            Status::OutcomeUnknown => true,
        };
        if !fits {
            let detail = format!("the outcome does not fit its answer ({matched:?})");
            return Err(("1 well-formed", detail));
        }
        self.effects(client, expected, outcome)
    }

    /// What is committed when the outcome is told. (What is committed later is checked at rest.)
    fn effects(
        &self,
        client: &Client,
        expected: &Expected,
        outcome: &Outcome,
    ) -> Result<(), (&'static str, String)> {
        let told = matches!(outcome.status, Status::Completed | Status::RolledBack | Status::Error);
        for id in &client.script.inserts {
            let times = self.db.committed.get(id).copied().unwrap_or_default();
            let wanted = expected.committed.contains(id);
            let wrong = times > 1
                || (told && (times == 1) != wanted)
                || (outcome.status == Status::Refused && times > 0)
                || (outcome.retry == Retry::Safe && times > 0);
            if wrong {
                let detail = format!("insert {id} is committed {times} times (expected: {wanted})");
                return Err(("3 at most once", detail));
            }
        }
        Ok(())
    }

    /// The same check for everybody when nothing can change any more.
    pub(super) fn judge_effects(&mut self) {
        for index in 0..self.clients.len() {
            let client = &self.clients[index];
            let verdict = match (&client.outcome, &client.expected) {
                (Some(outcome), Some(expected)) => self.effects(client, expected, outcome),
                (outcome, expected) => {
                    let refused = expected.is_none()
                        || outcome.as_ref().is_some_and(|o| o.status == Status::Refused);
                    let most = u32::from(!refused);
                    let times = |id| self.db.committed.get(id).copied().unwrap_or_default();
                    match client.script.inserts.iter().find(|id| times(*id) > most) {
                        Some(id) => {
                            Err(("3 at most once", format!("insert {id}: {} times", times(id))))
                        }
                        None => Ok(()),
                    }
                }
            };
            if let Err((rule, detail)) = verdict {
                return self.broken(rule, format!("client {} at rest: {detail}", index + 1));
            }
        }
    }

    fn cover_outcome(&mut self, index: usize, outcome: &Outcome) {
        self.coverage.add(match outcome.status {
            Status::Completed => "outcome: completed",
            Status::RolledBack => "outcome: rolled back",
            Status::Refused => "outcome: refused",
            Status::OutcomeUnknown => "outcome: unknown",
            Status::Error => "outcome: error",
        });
        if matches!(outcome.status, Status::Refused | Status::OutcomeUnknown) {
            self.coverage.add(match outcome.sqlstate.as_str() {
                "08001" => "outcome: 08001",
                "08006" => "outcome: 08006",
                "08007" => "outcome: 08007",
                "08P01" => "outcome: 08P01",
                "0A000" => "outcome: 0A000",
                "28P01" => "outcome: 28P01",
                "53200" => "outcome: 53200",
                "53300" => "outcome: 53300",
                "53400" => "outcome: 53400",
                "57014" => "outcome: 57014",
                _ => "outcome: another code",
            });
        }
        if self.clients[index].aborted {
            self.coverage.add("abort: answered");
        }
    }

    /// The engine's own account agrees with what it did.
    pub(super) fn check_status(&mut self) {
        let status = self.engine.status();
        let sum = status.opening + status.idle + status.leased + status.resetting + status.ending;
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

/// The first value in `data` that belongs to another client than `own`.
fn foreign(data: &[u8], own: u64) -> Option<u64> {
    let mut at = 0;
    while let Some(found) = data.get(at..)?.iter().position(|b| *b == b'c') {
        at += found + 1;
        let digits = data[at..].iter().take_while(|b| b.is_ascii_digit()).count();
        if digits > 0 && data.get(at + digits) == Some(&b'v') {
            let number = std::str::from_utf8(&data[at..at + digits]).ok()?.parse().ok()?;
            if number != own {
                return Some(number);
            }
        }
    }
    None
}

/// Compares messages; what a server says of its own accord does not count.
fn compare(data: &[u8], expected: &[u8]) -> Match {
    let mut data = data;
    let mut expected = expected;
    let mut count = 0;
    while let Some(got) = message::take(&mut data) {
        if is_chatter(&got) {
            continue;
        }
        if is_fatal(&got) {
            return if data.is_empty() { Match::Part } else { Match::Differs(count) };
        }
        count += 1;
        match message::take(&mut expected) {
            Some(wanted) if equal(&got, &wanted) => {}
            _ => return Match::Differs(count),
        }
    }
    if expected.is_empty() && data.is_empty() {
        return Match::Whole;
    }
    // A piece of one more message, unless nothing more should have come.
    if expected.is_empty() && data.first().is_some_and(|tag| *tag != b'N' && *tag != b'E') {
        return Match::Differs(count + 1);
    }
    Match::Part
}

fn is_chatter(message: &Message<'_>) -> bool {
    message.tag == b'N' && message::field(message.body, b'M').as_deref() == Some("async")
}

fn is_fatal(message: &Message<'_>) -> bool {
    message.tag == b'E' && message::field(message.body, b'S').as_deref() == Some("FATAL")
}

fn equal(got: &Message<'_>, wanted: &Message<'_>) -> bool {
    // The texts of errors may differ, as the reasons given for ending a COPY do.
    (got.tag == b'E' && wanted.tag == b'E' && sqlstate(got) == sqlstate(wanted)) || got == wanted
}
