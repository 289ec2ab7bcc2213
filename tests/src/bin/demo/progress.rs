//! Lines on standard error that say what is going on, and how long it took.

use std::io::Write as _;
use std::time::Instant;

/// The step under way.
#[derive(Default)]
pub(crate) struct Progress {
    began: Option<Instant>,
}

impl Progress {
    /// Ends the step before, if any, and begins another.
    pub(crate) fn step(&mut self, what: &str) {
        self.done();
        eprint!("{what} …");
        std::io::stderr().flush().ok();
        self.began = Some(Instant::now());
    }

    /// Shows how far the step is, four times.
    pub(crate) fn count(&self, done: usize, all: usize) {
        if done.is_multiple_of(all.div_ceil(4)) {
            eprint!(" {done}");
            std::io::stderr().flush().ok();
        }
    }

    /// Ends the step.
    pub(crate) fn done(&mut self) {
        if let Some(began) = self.began.take() {
            eprintln!(" {:.1} s", began.elapsed().as_secs_f64());
        }
    }
}
