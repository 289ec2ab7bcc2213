//! How often interesting things happened, so that a simulation that no longer meets them is
//! noticed.

use std::collections::BTreeMap;
use std::fmt;

use pierhead_engine::states::SESSIONS;

/// Counters by name.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    counts: BTreeMap<&'static str, Count>,
}

/// How often something happened, and in how many schedules.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    times: u64,
    schedules: u64,
}

/// What every long run of the world of one engine must meet.
pub const MUST_HAPPEN: [&str; 47] = [
    "abort: answered",
    "abort: nobody",
    "answer: streamed",
    "cancel: hit",
    "cancel: missed",
    "client: gone while waiting",
    "client: gone while running",
    "client: slow reader",
    "engine: SCRAM key derived",
    "fault: chatter",
    "fault: cut",
    "fault: cut before acceptance",
    "fault: database down",
    "fault: ghost",
    "fault: hang",
    "fault: killed (57P01)",
    "fault: mischief while busy",
    "fault: mischief while idle",
    "fault: password changed",
    "fault: restart",
    "fault: role dropped",
    "fault: TLS off",
    "fault: tunnel denies",
    "grant: after the first",
    "open: hangs",
    "open: refused",
    "outcome: 08001",
    "outcome: 08006",
    "outcome: 08007",
    "outcome: 08P01",
    "outcome: 28P01",
    "outcome: 53200",
    "outcome: 53300",
    "outcome: 53400",
    "outcome: 57014",
    "outcome: completed",
    "outcome: error",
    "outcome: refused",
    "outcome: rolled back",
    "outcome: unknown",
    "probe: alive",
    "probe: dead",
    "probe: silence",
    "server: copy failed",
    "server: discard",
    "server: refused (53300)",
    "server: rollback",
];

impl Coverage {
    /// It happened.
    pub fn add(&mut self, name: &'static str) {
        self.add_many(name, 1);
    }

    /// The log says something; if it is that a session changes its state, it happened.
    pub fn note_log(&mut self, text: &str) {
        if text.contains(" -> ")
            && let Some(known) = SESSIONS.iter().find(|t| t.line == text)
        {
            self.add(known.line);
        }
    }

    /// Ways of sessions from state to state that a usual run of `simulation` is to meet, and that
    /// did not happen.
    #[must_use]
    pub fn missing_transitions(&self, simulation: &str) -> Vec<&'static str> {
        let wanted = SESSIONS.iter().filter(|t| t.met_by == simulation && t.rare.is_none());
        wanted.map(|t| t.line).filter(|line| self.count(line) == 0).collect()
    }

    /// It happened so many times, in the one schedule that this counts for.
    pub fn add_many(&mut self, name: &'static str, times: u64) {
        if times > 0 {
            let count = self.counts.entry(name).or_default();
            count.times += times;
            count.schedules = 1;
        }
    }

    /// How often it happened.
    #[must_use]
    pub fn count(&self, name: &str) -> u64 {
        self.counts.get(name).map_or(0, |count| count.times)
    }

    /// In how many schedules it happened.
    #[must_use]
    pub fn schedules(&self, name: &str) -> u64 {
        self.counts.get(name).map_or(0, |count| count.schedules)
    }

    /// Adds another run's counts.
    pub fn merge(&mut self, other: &Self) {
        for (name, more) in &other.counts {
            let count = self.counts.entry(name).or_default();
            count.times += more.times;
            count.schedules += more.schedules;
        }
    }

    /// What of `wanted` did not happen.
    #[must_use]
    pub fn missing(&self, wanted: &[&'static str]) -> Vec<&'static str> {
        wanted.iter().copied().filter(|name| self.count(name) == 0).collect()
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>10} {:>10}", "times", "schedules")?;
        for (name, Count { times, schedules }) in &self.counts {
            writeln!(f, "{times:>10} {schedules:>10}  {name}")?;
        }
        Ok(())
    }
}
