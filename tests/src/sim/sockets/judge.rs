//! Rules that are checked against the whole world.

use std::collections::BTreeMap;

use pierhead_engine::limits::{
    ANSWER_UNTAKEN_MAX, BACKOFF_UNREACHABLE, CANCELS_IN_FLIGHT_MAX, CLIENT_WINDOW,
    OPENS_IN_FLIGHT_MAX, READ_WINDOW,
};

use pierhead_agent::core::limits::CANCELS_IN_FLIGHT_MAX as OF_AGENT;

use super::World;
use super::callers::LATE;
use super::driver::Life as DriverLife;
use super::net::PIECE_MAX;
use super::stream::Life;
use crate::sim::answer;
use crate::sim::ground::Purpose;

/// Codes of Pierhead's own errors at sockets, each with its name in the coverage.
pub(super) const CODES: [(&str, &str); 19] = [
    ("08001", "told: 08001"),
    ("08006", "told: 08006"),
    ("08007", "told: 08007"),
    ("08P01", "told: 08P01"),
    ("0A000", "told: 0A000"),
    ("25P03", "told: 25P03"),
    ("25P04", "told: 25P04"),
    ("28000", "told: 28000"),
    ("28P01", "told: 28P01"),
    ("3D000", "told: 3D000"),
    ("53000", "told: 53000"),
    ("53200", "told: 53200"),
    ("53300", "told: 53300"),
    ("53400", "told: 53400"),
    ("54000", "told: 54000"),
    ("55000", "told: 55000"),
    ("57014", "told: 57014"),
    ("57P01", "told: 57P01"),
    ("57P05", "told: 57P05"),
];

/// How long a client may take to start up, in milliseconds.
const START_UP_TIMEOUT: u64 = 10_000;

/// Codes that say that nothing of the segment was executed.
const UNTOUCHED: [&str; 5] = ["08001", "08006", "53300", "53400", "28P01"];

impl World {
    /// A client is told an error of Pierhead's: a documented one, and with reason?
    pub(super) fn check_code(&mut self, index: usize, code: &str, fatal: bool) {
        let number = self.drivers[index].number;
        if code == "26000" && self.drivers[index].refused {
            // A refused query may have dropped the unnamed statement, or not.
            return;
        }
        if code == "XX000" && self.trouble {
            // A server spoke out of turn to whom it belongs for now, and that is its end.
            self.drivers[index].model.ended = Some(code.to_owned());
            return;
        }
        self.drivers[index].refused = true;
        let Some((_, name)) = CODES.iter().find(|(known, _)| *known == code) else {
            return self.broken("codes", format!("client {number} is told {code:?}"));
        };
        self.coverage.add(name);
        let driver = &mut self.drivers[index];
        driver.untouched |= fatal && UNTOUCHED.contains(&code);
        let settings = &self.plan.settings;
        let silent = self.now.saturating_sub(driver.heard);
        let clock = super::CLOCK_STEP_MAX + 1;
        let after = |limit: u64| limit > 0 && silent + clock >= limit;
        let reason = match code {
            "25P03" => after(settings.idle_in_transaction_timeout.0) && fatal,
            "57P05" if !driver.model.greeted => {
                self.now.saturating_sub(driver.opened) + clock >= START_UP_TIMEOUT && fatal
            }
            "57P05" => after(settings.client_idle_timeout.0) && fatal,
            "08P01" => driver.model.malformed || !driver.model.greeted || self.trouble,
            // Somebody may hold a session for as long as a request may take.
            "53400" if self.now > settings.query_timeout.0 => return,
            "57014" if driver.cancels > 0 => {
                // It met the request while that waited.
                driver.cancels -= 1;
                return;
            }
            _ => true,
        };
        if !reason {
            self.broken("codes", format!("client {number} is told {code} after {silent} ms"));
        } else if self.plan.quiet && !self.may_hear_in_quiet(index, code) {
            self.broken("quiet", format!("client {number} is told {code} without a reason"));
        }
    }

    /// Whether a client may be told this although nothing goes wrong.
    fn may_hear_in_quiet(&self, index: usize, code: &str) -> bool {
        match code {
            "53000" | "57P05" | "25P03" | "08P01" => true,
            "08001" if self.has_waited_for_room(index) => true,
            _ => self.drivers[index].model.is_over(),
        }
    }

    /// Whether a client has waited for a first session for as long as it may, and a connection takes
    /// a place that has been ending for as long, but for a pause between two tries.
    fn has_waited_for_room(&self, index: usize) -> bool {
        let waited = self.now.saturating_sub(self.drivers[index].opened);
        let ending = self.streams.values().filter(|s| s.life == Life::Closing);
        let longest = ending.filter_map(|s| s.told_to_end).min();
        let (_, pause) = BACKOFF_UNREACHABLE;
        waited >= START_UP_TIMEOUT
            && longest.is_some_and(|at| at + START_UP_TIMEOUT <= self.now + pause.0)
    }

    /// Whether a client's request may have been ended by a time limit.
    pub(super) fn may_be_out_of_time(&self, index: usize) -> bool {
        let since = self.drivers[index].busy.unwrap_or(self.now);
        let settings = &self.plan.settings;
        let limits = [settings.query_timeout.0, settings.transaction_timeout.0];
        let least = limits.into_iter().filter(|ms| *ms > 0).min();
        least.is_some_and(|ms| since + ms <= self.now + super::CLOCK_STEP_MAX)
    }

    /// A cancel met a statement of this client: may it have?
    pub(super) fn check_victim(&mut self, number: u64) {
        let driver = self.drivers.iter().position(|d| d.number == number);
        if self.plan.between.is_some() && self.trouble {
            // An agent cancels what it gives up, also before the engine knows.
            return;
        }
        let unwanted = match driver {
            Some(index) => {
                let driver = &self.drivers[index];
                driver.life == DriverLife::Open
                    && driver.aimed_at == 0
                    && !driver.said_goodbye
                    && !self.may_be_out_of_time(index)
            }
            None => self.exchanges.iter().any(|e| e.number == number && e.caller.is_open()),
        };
        if unwanted {
            self.broken("7 cancel", format!("it hit client {number}, which wants its answer"));
        }
    }

    /// The cap, and the opens in flight.
    pub(super) fn check_caps(&mut self) {
        let cap = self.plan.settings.pool_size;
        let most = match self.plan.between {
            Some(_) => OF_AGENT,
            None => CANCELS_IN_FLIGHT_MAX,
        };
        let (mut all, mut opening, mut cancels, mut sessions) = (0, 0, 0, 0);
        for stream in self.streams.values().filter(|s| s.life != Life::Finished) {
            let counts = !stream.is_overdue(self.now);
            let live = stream.is_live();
            all += usize::from(live && counts);
            opening += usize::from(stream.life == Life::Opening);
            cancels += usize::from(live && stream.purpose == Purpose::Cancel);
            sessions += usize::from(counts && stream.purpose == Purpose::Session);
        }
        if all > cap + most || sessions > cap || cancels > most {
            let detail =
                format!("{sessions} sessions, {cancels} cancels, {all} in all; the cap is {cap}");
            self.broken("5 cap", detail);
        } else if opening > OPENS_IN_FLIGHT_MAX + most {
            self.broken("5 cap", format!("{opening} opens in flight"));
        }
    }

    /// Nobody is let say, or owed, more than a window; so nothing grows without bound.
    pub(super) fn check_memory(&mut self) {
        let most = if self.plan.holds_back() {
            2 * READ_WINDOW
        } else {
            ANSWER_UNTAKEN_MAX + 2 * PIECE_MAX
        };
        let wrong = self.drivers.iter().find(|driver| {
            driver.granted > CLIENT_WINDOW as u64
                || (driver.untaken.len() > most && driver.life == DriverLife::Open)
        });
        if let Some(driver) = wrong {
            let detail = format!(
                "client {} may say {} bytes and is owed {}",
                driver.number,
                driver.granted,
                driver.untaken.len()
            );
            self.broken("6 memory", detail);
        }
    }

    /// The engine's own account agrees with what it did.
    pub(super) fn check_status(&mut self) {
        let status = self.engine.status();
        let sum = status.opening + status.idle + status.leased + status.resetting;
        let sum = sum + status.draining + status.ending + status.parked + status.away;
        let owned = self.streams.values().filter(|s| {
            s.life != Life::Finished && s.purpose == Purpose::Session && !s.is_overdue(self.now)
        });
        // What an agent holds is known to the engine when it is offered.
        let owned = if self.plan.between.is_some() { 0 } else { owned.count() };
        if sum > status.cap || sum < owned {
            let detail = format!("{sum} sessions in all states, {owned} owned; {status:?}");
            self.broken("2 one place", detail);
        }
    }

    /// What was committed, against what was told, when nothing can change any more.
    pub(super) fn judge_effects(&mut self) {
        for index in 0..self.drivers.len() {
            if let Err(detail) = self.effects_of(index) {
                let number = self.drivers[index].number;
                return self.broken("3 at most once", format!("client {number}: {detail}"));
            }
        }
        for index in 0..self.leases.len() {
            let request = self.last_request(index);
            let [least, most] = self.leases[index].effects(&request);
            let number = self.leases[index].number;
            if let Err(detail) = bounded(number, &self.db.committed, &least, &most) {
                return self.broken("3 at most once", format!("lease {number}: {detail}"));
            }
        }
        for index in 0..self.exchanges.len() {
            let caller = &self.exchanges[index].caller;
            if let Err((rule, detail)) = answer::judge_at_rest(caller, &self.db) {
                let number = self.exchanges[index].number;
                return self.broken(rule, format!("exchange {number} at rest: {detail}"));
            }
        }
    }

    fn effects_of(&mut self, index: usize) -> Result<(), String> {
        let driver = &mut self.drivers[index];
        let told = driver.model.committed.clone();
        let whole = driver.life == DriverLife::Open && driver.model.is_answered();
        let most = if driver.untouched || whole {
            told.clone()
        } else if driver.cancelled || driver.model.asked_for_slow() {
            // A cancel, of its own or because it left, decides what of the rest is done.
            driver.model.inserts_said()
        } else {
            driver.model.finish()
        };
        bounded(driver.number, &self.db.committed, &told, &most)
    }

    /// Every answer comes within its time, and a little more.
    pub(super) fn check_deadlines(&mut self) {
        let settings = &self.plan.settings;
        let most = settings.wait_timeout.0 + settings.query_timeout.0 + settings.connect_timeout.0;
        let most = most + 30_000 + LATE;
        let overdue = self.drivers.iter().find(|driver| {
            driver.life == DriverLife::Open
                && !driver.model.malformed
                && driver.asked.is_some_and(|at| self.now > at + most)
                && driver.awaits
        });
        if let Some(driver) = overdue {
            let (number, asked) = (driver.number, driver.asked);
            self.broken("deadline", format!("client {number} has waited since {asked:?}"));
        }
    }
}

/// Whether each insert of this client was done no less and no more often than may be.
fn bounded(
    number: u64,
    done: &BTreeMap<u64, u32>,
    least: &BTreeMap<u64, u32>,
    most: &BTreeMap<u64, u32>,
) -> Result<(), String> {
    let count = |of: &BTreeMap<u64, u32>, id| of.get(id).copied().unwrap_or(0);
    let ids = done.range(number * 100..number * 100 + 100).map(|(id, _)| id);
    for id in ids.chain(least.keys()) {
        let (low, times, high) = (count(least, id), count(done, id), count(most, id));
        if times < low || times > high.max(low) {
            return Err(format!("insert {id} was done {times} times, not {low}..={high}"));
        }
    }
    Ok(())
}
