//! What the program says while it works.

use std::time::{Duration, Instant};

/// Between two lines about the same section.
const TICK: Duration = Duration::from_secs(5);

pub(crate) struct Progress {
    began: Instant,
    section: Instant,
    name: String,
    told: Instant,
}

impl Progress {
    pub(crate) fn start() -> Self {
        let now = Instant::now();
        Self { began: now, section: now, name: String::new(), told: now }
    }

    /// Says what comes next.
    pub(crate) fn step(&mut self, step: &str) {
        eprintln!("{:>5.0} s  {step}", self.began.elapsed().as_secs_f64());
        self.told = Instant::now();
    }

    /// Begins a section.
    pub(crate) fn section(&mut self, name: &str) {
        self.section = Instant::now();
        self.name = name.to_owned();
        self.step(name);
    }

    /// So much of the section is done; said now and then.
    pub(crate) fn at(&mut self, done: usize, of: usize, what: &str) {
        if self.told.elapsed() >= TICK {
            let percent = done * 100 / of.max(1);
            self.step(&format!("{} {percent} % ({what})", self.name.clone()));
        }
    }

    /// Since the section began.
    pub(crate) fn in_section(&self) -> Duration {
        self.section.elapsed()
    }
}
