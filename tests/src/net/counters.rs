//! What an emulated path counts, and the limits whose breach fails a test.

use std::sync::{Arc, Mutex};

/// Limits whose breach is recorded as a violation. `None` means unlimited.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Handshakes in flight at once. The platform lets six connections of one object wait for
    /// their response headers; local workerd does not enforce it, so this does.
    pub handshakes: Option<usize>,
    /// Streams open at once: the pool's cap.
    pub streams: Option<usize>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { handshakes: Some(6), streams: None }
    }
}

/// A snapshot of the counters. "Client" is the side of the Worker, "database" the origin.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Handshakes begun and not yet answered.
    pub handshakes_now: usize,
    /// The most handshakes in flight at once.
    pub handshakes_peak: usize,
    /// Handshakes begun since the start.
    pub handshakes_total: u64,
    /// Handshakes answered with anything but acceptance, bad credentials included.
    pub refused: u64,
    /// Handshakes that failed because the database could not be dialled.
    pub dial_failures: u64,
    /// Streams open now.
    pub streams_now: usize,
    /// The most streams open at once.
    pub streams_peak: usize,
    /// Streams opened since the start.
    pub streams_total: u64,
    /// Streams ended by a knob.
    pub cuts: u64,
    /// Payload bytes from clients, truncated ones not included.
    pub bytes_from_client: u64,
    /// Payload bytes to clients.
    pub bytes_to_client: u64,
    /// Binary messages from clients (plain proxy: reads).
    pub frames_from_client: u64,
    /// Binary frames to clients (plain proxy: writes).
    pub frames_to_client: u64,
    /// Messages from clients above 16,384 bytes, whose rest was silently lost.
    pub truncated_frames: u64,
    /// Text messages from clients, discarded.
    pub text_frames: u64,
    /// Keep-alive pings sent.
    pub pings: u64,
    /// Pongs received.
    pub pongs: u64,
    /// What broke a limit or the dialect, in words; the first hundred.
    pub violations: Vec<String>,
}

/// Enough to understand what went wrong; a broken loop must not fill the memory.
const MAX_VIOLATIONS: usize = 100;

/// Shared counters of one emulated path.
#[derive(Clone, Debug)]
pub struct Counters {
    shared: Arc<Mutex<(Stats, Limits)>>,
}

impl Counters {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { shared: Arc::new(Mutex::new((Stats::default(), limits))) }
    }

    /// The counters now.
    pub fn stats(&self) -> Stats {
        self.shared.lock().unwrap().0.clone()
    }

    /// Starts the peaks again from what is open now; totals and violations stay.
    pub fn reset_peaks(&self) {
        self.update(|stats| {
            stats.handshakes_peak = stats.handshakes_now;
            stats.streams_peak = stats.streams_now;
        });
    }

    /// Changes the limits from now on.
    pub fn set_limits(&self, limits: Limits) {
        self.shared.lock().unwrap().1 = limits;
    }

    /// Panics if a limit was broken or a client's frame was truncated since the start.
    #[track_caller]
    pub fn assert_clean(&self) {
        let stats = self.stats();
        assert!(
            stats.violations.is_empty() && stats.truncated_frames == 0,
            "the emulated path saw {} truncated frames and these violations: {:#?}",
            stats.truncated_frames,
            stats.violations
        );
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut Stats)) {
        change(&mut self.shared.lock().unwrap().0);
    }

    pub(crate) fn violation(&self, text: String) {
        self.update(|stats| record(stats, text));
    }

    /// Counts a handshake as in flight until the guard is dropped.
    pub(crate) fn handshake(&self) -> Handshake {
        let mut shared = self.shared.lock().unwrap();
        let (stats, limits) = &mut *shared;
        stats.handshakes_now += 1;
        stats.handshakes_total += 1;
        stats.handshakes_peak = stats.handshakes_peak.max(stats.handshakes_now);
        if limits.handshakes.is_some_and(|max| stats.handshakes_now > max) {
            let now = stats.handshakes_now;
            record(stats, format!("{now} handshakes in flight at once"));
        }
        Handshake(self.clone())
    }

    /// Counts a stream as open until the guard is dropped.
    pub(crate) fn stream(&self) -> OpenStream {
        let mut shared = self.shared.lock().unwrap();
        let (stats, limits) = &mut *shared;
        stats.streams_now += 1;
        stats.streams_total += 1;
        stats.streams_peak = stats.streams_peak.max(stats.streams_now);
        if limits.streams.is_some_and(|max| stats.streams_now > max) {
            let now = stats.streams_now;
            record(stats, format!("{now} streams open at once, above the cap"));
        }
        OpenStream(self.clone())
    }
}

fn record(stats: &mut Stats, text: String) {
    if stats.violations.len() < MAX_VIOLATIONS {
        stats.violations.push(text);
    }
}

/// Holds one handshake in flight.
#[derive(Debug)]
pub(crate) struct Handshake(Counters);

impl Drop for Handshake {
    fn drop(&mut self) {
        self.0.update(|stats| stats.handshakes_now -= 1);
    }
}

/// Holds one stream open.
#[derive(Debug)]
pub(crate) struct OpenStream(Counters);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.update(|stats| stats.streams_now -= 1);
    }
}
