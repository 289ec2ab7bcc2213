//! What this world drives.

use pierhead_engine::io::{Input, Output};
use pierhead_engine::time::{Instant, Timeouts};
use pierhead_engine::{Engine, Status};

/// What is driven: the engine, or something plainer that tries this world itself.
pub(super) trait Machine: std::fmt::Debug {
    fn handle(&mut self, now: Instant, input: Input);
    fn poll_output(&mut self) -> Option<Output>;
    fn poll_timeout(&self) -> Timeouts;
    fn status(&self) -> Status;
}

impl Machine for Engine {
    fn handle(&mut self, now: Instant, input: Input) {
        Self::handle(self, now, input);
    }

    fn poll_output(&mut self) -> Option<Output> {
        Self::poll_output(self)
    }

    fn poll_timeout(&self) -> Timeouts {
        Self::poll_timeout(self)
    }

    fn status(&self) -> Status {
        Self::status(self)
    }
}
