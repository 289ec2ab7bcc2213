//! The knobs of an emulated network path, changeable while it runs.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

/// How a handshake is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Dial the database and accept.
    Accept,
    /// 302 to a login host, as Access answers without valid credentials. The plain proxy drops.
    Redirect,
    /// This status (cloudflared: 502 when the origin is down). The plain proxy drops.
    Status(u16),
    /// End the TCP connection without a word.
    Drop,
}

/// What can be set at run time. New streams and bytes obey the settings of their moment.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Emulated round trip between client and database; each direction takes half of it.
    pub round_trip: Duration,
    /// Round trips that set-up costs before the first byte passes: 3 for a tunnel (TCP, TLS,
    /// HTTP upgrade), 1 for plain TCP.
    pub handshake_trips: u32,
    /// Extra time for each handshake, whatever the round trip.
    pub handshake_delay: Duration,
    /// How handshakes are answered.
    pub answer: Answer,
    /// While true, nothing is passed from the database to clients.
    pub paused: bool,
    /// While true, nothing is passed in either direction and no end is reported, as when a network
    /// device forgets its connections (the plain proxy only).
    pub silent: bool,
    /// Bytes per second that one stream brings from the database; `None` means as fast as it goes.
    pub bytes_per_second: Option<u64>,
    /// Every stream is cut after this many bytes from the database, counted from its start.
    pub cut_each_after: Option<u64>,
}

/// A handle on the knobs; clones turn the same ones.
#[derive(Clone, Debug)]
pub struct Knobs {
    settings: Arc<watch::Sender<Settings>>,
    cut_all: Arc<watch::Sender<Generation>>,
    cut_once: Arc<Mutex<Option<u64>>>,
}

/// Counts the cuts, and says how the latest was made.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Generation {
    count: u64,
    pub(crate) reset: bool,
}

/// What [`Knobs::allow`] decides about bytes from the database.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// All may pass.
    No,
    /// Only this many may pass, then the stream ends.
    After(usize),
}

impl Knobs {
    pub(crate) fn new(handshake_trips: u32) -> Self {
        let settings = Settings {
            round_trip: Duration::ZERO,
            handshake_trips,
            handshake_delay: Duration::ZERO,
            answer: Answer::Accept,
            paused: false,
            silent: false,
            bytes_per_second: None,
            cut_each_after: None,
        };
        Self {
            settings: Arc::new(watch::Sender::new(settings)),
            cut_all: Arc::new(watch::Sender::new(Generation::default())),
            cut_once: Arc::new(Mutex::new(None)),
        }
    }

    /// Changes any of the settings.
    pub fn set(&self, change: impl FnOnce(&mut Settings)) {
        self.settings.send_modify(change);
    }

    /// The settings now.
    pub fn settings(&self) -> Settings {
        self.settings.borrow().clone()
    }

    /// Sets the emulated round trip, in milliseconds.
    pub fn set_round_trip_ms(&self, ms: u64) {
        self.set(|s| s.round_trip = Duration::from_millis(ms));
    }

    /// Sets how the next handshakes are answered.
    pub fn answer(&self, answer: Answer) {
        self.set(|s| s.answer = answer);
    }

    /// Stops passing bytes from the database to clients.
    pub fn pause(&self) {
        self.set(|s| s.paused = true);
    }

    /// Passes bytes again, those that piled up first.
    pub fn resume(&self) {
        self.set(|s| s.paused = false);
    }

    /// Ends every stream that is open now.
    pub fn cut_all(&self) {
        self.cut(false);
    }

    /// Resets every stream that is open now: both ends see an error, not an orderly end (the plain
    /// proxy only; in a tunnel it is an ordinary cut).
    pub fn reset_all(&self) {
        self.cut(true);
    }

    fn cut(&self, reset: bool) {
        self.cut_all.send_modify(|latest| {
            latest.count += 1;
            latest.reset = reset;
        });
    }

    /// Cuts one stream, once: the one that brings the `bytes`-th byte from the database, counted
    /// over all streams from now on. That byte is the last one passed; 0 cuts at the next byte.
    pub fn cut_after(&self, bytes: u64) {
        *self.cut_once.lock().unwrap() = Some(bytes);
    }

    /// How long bytes from the database hold up those behind them.
    pub(crate) fn pace(&self, bytes: usize) -> Duration {
        match self.settings.borrow().bytes_per_second {
            Some(rate) => Duration::from_secs_f64(bytes as f64 / rate as f64),
            None => Duration::ZERO,
        }
    }

    /// Half a round trip.
    pub(crate) fn one_way(&self) -> Duration {
        self.settings.borrow().round_trip / 2
    }

    pub(crate) fn watch_cuts(&self) -> watch::Receiver<Generation> {
        self.cut_all.subscribe()
    }

    pub(crate) fn watch_settings(&self) -> watch::Receiver<Settings> {
        self.settings.subscribe()
    }

    /// How many of `len` new bytes may pass on a stream that has passed `before` already.
    pub(crate) fn allow(&self, before: u64, len: usize) -> Cut {
        if let Some(limit) = self.settings.borrow().cut_each_after {
            let left = limit.saturating_sub(before);
            if left <= len as u64 {
                return Cut::After(left as usize);
            }
        }
        let mut once = self.cut_once.lock().unwrap();
        match *once {
            Some(left) if left <= len as u64 => {
                *once = None;
                Cut::After(left as usize)
            }
            Some(left) => {
                *once = Some(left - len as u64);
                Cut::No
            }
            None => Cut::No,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cut_counts_over_all_streams_and_happens_once() {
        let knobs = Knobs::new(0);
        knobs.cut_after(100);
        assert_eq!(knobs.allow(0, 60), Cut::No);
        assert_eq!(knobs.allow(5000, 60), Cut::After(40));
        assert_eq!(knobs.allow(0, 60), Cut::No);
    }

    #[test]
    fn every_stream_is_cut_at_its_own_count() {
        let knobs = Knobs::new(0);
        knobs.set(|s| s.cut_each_after = Some(100));
        assert_eq!(knobs.allow(0, 60), Cut::No);
        assert_eq!(knobs.allow(60, 60), Cut::After(40));
        assert_eq!(knobs.allow(0, 99), Cut::No);
    }
}
