//! What all worlds stand on: alarms as a shell sets them, what a first packet says a stream is for,
//! whose bytes are in a text, and how a trace shows bytes.

use std::collections::VecDeque;

use pierhead_engine::time::{Deadline, Timeouts};

use super::rng::Rng;
use super::server::{CANCEL_CODE, STARTUP_CODE};

/// Whether the database can be reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Road {
    /// It can.
    Open,
    /// Nobody answers.
    Down,
    /// The tunnel turns us away.
    Denied,
}

/// When a shell will wake its engine.
#[derive(Clone, Copy, Debug)]
struct Alarm {
    deadline: Deadline,
    rings: u64,
}

/// For the active deadline, a timer; for the other kind, an alarm.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Alarms([Option<Alarm>; 2]);

impl Alarms {
    /// Arms what a shell would, now and then late.
    pub(super) fn set(&mut self, timeouts: Timeouts, now: u64, rng: &mut Rng) {
        for (index, deadline) in [timeouts.active, timeouts.housekeeping].into_iter().enumerate() {
            if self.0[index].map(|alarm| alarm.deadline) == deadline {
                continue;
            }
            let late = match index {
                0 if rng.chance(90) => 0,
                0 => rng.below(20),
                _ => rng.pick(&[0, 0, 500, 5_000]),
            };
            self.0[index] =
                deadline.map(|deadline| Alarm { deadline, rings: deadline.at.0.max(now) + late });
        }
    }

    /// When the next rings; housekeeping may be slept through.
    pub(super) fn next(&self, housekeeping: bool) -> Option<u64> {
        let count = if housekeeping { 2 } else { 1 };
        self.0.iter().take(count).flatten().map(|alarm| alarm.rings).min()
    }
}

/// The last lines of a story, kept only where somebody wants to read it.
#[derive(Debug)]
pub(super) struct Trace(Option<VecDeque<String>>, usize);

impl Trace {
    /// Keeps so many lines, if any are wanted.
    pub(super) fn new(wanted: bool, length: usize) -> Self {
        Self(wanted.then(VecDeque::new), length)
    }

    /// Whether lines are kept: otherwise none need be written.
    pub(super) fn is_wanted(&self) -> bool {
        self.0.is_some()
    }

    /// Remembers a line of this moment.
    pub(super) fn push(&mut self, now: u64, line: &str) {
        let Some(lines) = &mut self.0 else { return };
        if lines.len() >= self.1 {
            lines.pop_front();
        }
        lines.push_back(format!("{now:>8}  {line}"));
    }

    pub(super) fn into_lines(self) -> Vec<String> {
        self.0.unwrap_or_default().into()
    }
}

/// What a stream is for, as its first packet tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    /// Nothing was written yet.
    Unknown,
    /// A session.
    Session,
    /// A cancel request.
    Cancel,
}

impl Purpose {
    /// What is known of it after this was written, too.
    pub(super) fn after(self, bytes: &[u8]) -> Self {
        if self != Self::Unknown {
            return self;
        }
        match bytes.get(4..8).map(|code| u32::from_be_bytes([code[0], code[1], code[2], code[3]])) {
            Some(CANCEL_CODE) => Self::Cancel,
            Some(STARTUP_CODE) => Self::Session,
            _ => Self::Unknown,
        }
    }
}

/// A mark in a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    /// Where it ends.
    pub(super) end: usize,
    /// Whose it is.
    pub(super) client: u64,
}

/// Every whole mark in `bytes`.
pub(super) fn marks(bytes: &[u8]) -> impl Iterator<Item = Mark> {
    let starts = bytes.windows(3).enumerate().filter(|(_, w)| *w == b"/*c");
    starts.filter_map(|(at, _)| {
        let rest = &bytes[at + 3..];
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let whole = rest[digits..].starts_with(b"*/");
        let client = rest[..digits].iter().fold(0, |n, digit| n * 10 + u64::from(digit - b'0'));
        whole.then_some(Mark { end: at + 5 + digits, client })
    })
}

/// The client whose mark is the first in `text`.
pub(super) fn marked_client(text: &str) -> Option<u64> {
    marks(text.as_bytes()).next().map(|mark| mark.client)
}

/// So many bytes, and how they begin.
pub(super) fn short(bytes: &[u8]) -> String {
    const SHOWN: usize = 100;
    let shown = bytes.get(..SHOWN).unwrap_or(bytes).escape_ascii();
    format!("{} bytes \"{shown}\"", bytes.len())
}
