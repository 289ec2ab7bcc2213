//! The agent without I/O: links, streams, parking, the cap. A shell (tokio in the program, the
//! simulation in tests) calls [`Agent::handle`] with the time and one [`Input`], drains
//! [`Agent::poll_output`], and wakes it at [`Agent::poll_timeout`].

use std::collections::VecDeque;

pub mod io;
pub mod limits;
mod rng;
#[cfg(sabotage)]
pub mod sabotage;
mod settings;
mod status;
mod time;

pub use io::{ConnId, DatabaseNo, Event, Input, Level, LinkNo, Output};
pub use settings::{DatabaseSettings, Settings};
pub use status::{DatabaseStatus, LinkStatus, Status, Totals};
pub use time::{Instant, Millis};

use rng::Rng;

/// One agent process.
#[derive(Debug)]
pub struct Agent {
    now: Instant,
    settings: Settings,
    life: [u8; 16],
    rng: Rng,
    outputs: VecDeque<Output>,
}

impl Agent {
    /// An agent that dials at once; drain its outputs. `life` names the process and must be
    /// random, as must `seed`, which spreads its reconnects.
    #[must_use]
    pub fn new(now: Instant, settings: Settings, life: [u8; 16], seed: [u8; 32]) -> Self {
        Self { now, settings, life, rng: Rng::new(seed), outputs: VecDeque::new() }
    }

    /// Takes in one thing that happened. Drain [`Agent::poll_output`] before the next.
    pub fn handle(&mut self, now: Instant, _input: Input) {
        self.now = self.now.max(now);
        let _ = (&self.settings, self.life, self.rng.up_to(1));
    }

    /// What to do now, in order.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::TimePassed`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// A picture of the agent.
    #[must_use]
    pub fn status(&self) -> Status {
        Status::default()
    }
}
