//! What this world drives.

use pierhead_engine::ids::StreamId;
use pierhead_engine::io::{Input, Output};
use pierhead_engine::time::{Instant, Timeouts};
use pierhead_engine::{Engine, Status};

/// What is driven: the engine, or something plainer that tries this world itself.
pub(super) trait Machine: std::fmt::Debug {
    fn handle(&mut self, now: Instant, input: Input);
    fn poll_output(&mut self) -> Option<Output>;
    fn poll_timeout(&self) -> Timeouts;
    fn status(&self) -> Status;

    /// When something happens by itself in what lies between the engine and the world's streams.
    fn surroundings(&self) -> Option<u64> {
        None
    }

    /// It happens.
    fn surround(&mut self, _now: Instant) {}

    /// Streams of which it wants to know whether anything waits to be read.
    fn peeks(&mut self) -> Vec<StreamId> {
        Vec::new()
    }

    /// Nothing does.
    fn quiet(&mut self, _stream: StreamId) {}

    /// Something goes wrong in between.
    fn disturb(&mut self, _now: Instant, _what: Disturbance, _chance: u64) {}

    /// What has happened there since this was last asked.
    fn seen(&mut self) -> Vec<&'static str> {
        Vec::new()
    }
}

/// What goes wrong between the engine and the world's streams.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Disturbance {
    /// A link breaks.
    CutLink,
    /// The object is gone, with everybody it served.
    Crash,
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
