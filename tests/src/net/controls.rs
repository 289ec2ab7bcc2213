//! What a test holds of a running path: where it listens, its knobs, its counters.

use std::net::SocketAddr;

use super::{Counters, Knobs, Server, Stats};

/// A running path on a loopback port; ends with its value, and every stream with it.
#[derive(Debug)]
pub struct Controls {
    server: Server,
    knobs: Knobs,
    counters: Counters,
}

impl Controls {
    pub(crate) fn new(server: Server, knobs: Knobs, counters: Counters) -> Self {
        Self { server, knobs, counters }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// The knobs.
    pub fn knobs(&self) -> &Knobs {
        &self.knobs
    }

    /// The counters and limits.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The counters now.
    pub fn stats(&self) -> Stats {
        self.counters.stats()
    }

    /// Panics if a limit was broken or a client's frame was truncated.
    #[track_caller]
    pub fn assert_clean(&self) {
        self.counters.assert_clean();
    }
}
