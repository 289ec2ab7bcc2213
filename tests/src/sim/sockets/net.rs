//! What streams to the database do by themselves: open or not, carry bytes late and in pieces,
//! report what they took, end.

use pierhead_engine::ids::StreamId;
use pierhead_engine::io::{Input, Refusal, RefusalKind};

use super::events::Event;
use super::stream::Life;
use super::{Road, World};
use crate::sim::rng::Rng;

/// The most bytes that travel together.
pub(super) const PIECE_MAX: usize = 256 * 1024;

/// A ready point outside of a transaction.
const READY: &[u8] = b"Z\0\0\0\x05I";

/// How much of `available` bytes travels together, where so many pieces in a hundred are cut.
pub(super) fn piece(noise: &mut Rng, crumbs: u64, available: usize) -> usize {
    let available = available.min(PIECE_MAX);
    if crumbs > 0 && noise.chance(crumbs) {
        if available < 400 && noise.chance(50) {
            return 1.min(available);
        }
        return noise.size((available / 8 + 1).min(available), available);
    }
    available
}

impl World {
    /// Decides what becomes of an open.
    pub(super) fn open(&mut self, id: u64) {
        let (net, calm) = (self.plan.net, self.calm);
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let delay = stream.noise.within(0, net.open_delay);
        let refused = !calm && stream.noise.chance(net.refused);
        let hangs = !calm && stream.noise.chance(net.hanging);
        if self.road != Road::Open || refused {
            self.coverage.add("open: refused");
            self.trouble = true;
            self.after(delay, Event::Refused(id));
        } else if hangs {
            self.coverage.add("open: hangs");
            self.trouble = true;
        } else {
            self.after(delay, Event::Opened(id));
        }
    }

    pub(super) fn opened(&mut self, id: u64) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        match stream.life {
            Life::Opening => stream.life = Life::Open,
            // The news crosses with the engine's wish to close it.
            Life::Closing => {}
            Life::Open | Life::Finished => return,
        }
        self.feed(Input::StreamOpened { stream: StreamId(id) });
    }

    pub(super) fn refused(&mut self, id: u64) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if !matches!(stream.life, Life::Opening | Life::Closing) {
            return;
        }
        stream.life = Life::Finished;
        let kind = match self.road {
            Road::Denied => RefusalKind::Denied,
            Road::Down => RefusalKind::Unreachable,
            Road::Open => RefusalKind::Failed,
        };
        let refusal = Refusal { kind, detail: "as simulated".into() };
        self.feed(Input::StreamRefused { stream: StreamId(id), refusal });
    }

    /// Starts whatever pump of the stream has something to move.
    pub(super) fn pump(&mut self, id: u64) {
        let backpressure = self.plan.holds_back();
        let delay = self.plan.net.delay;
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.hung {
            return;
        }
        let delivers = !stream.to_server.is_empty() && !stream.delivering;
        let readable = !stream.to_engine.is_empty() && (!backpressure || stream.granted > 0);
        let ends = stream.to_engine.is_empty() && stream.server_ended;
        let arrives = (readable || ends)
            && !stream.arriving
            && matches!(stream.life, Life::Open | Life::Closing);
        stream.delivering |= delivers;
        stream.arriving |= arrives;
        let lags = [stream.noise.within(0, delay), stream.noise.within(0, delay)];
        if delivers {
            self.after(lags[0], Event::Deliver(id));
        }
        if arrives {
            self.after(lags[1], Event::Arrive(id));
        }
    }

    /// The transport takes what was written, now or later.
    pub(super) fn take_in(&mut self, id: u64) {
        let net = self.plan.net;
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.hung || stream.accepting {
            return;
        }
        let late = stream.noise.chance(net.late_accepts);
        let lag = if late { stream.noise.within(0, net.delay.max(5) * 2) } else { 0 };
        stream.accepting = true;
        self.after(lag, Event::Accept(id));
    }

    pub(super) fn accept(&mut self, id: u64) {
        let net = self.plan.net;
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.accepting = false;
        if stream.life != Life::Open || stream.hung {
            return;
        }
        let crumbs = if net.late_accepts > 0 { net.crumbs } else { 0 };
        let count = piece(&mut stream.noise, crumbs, stream.unaccepted.len());
        let taken = stream.accept(count);
        if !stream.unaccepted.is_empty() {
            self.take_in(id);
        }
        self.pump(id);
        if taken > 0 {
            self.feed(Input::StreamTook { stream: StreamId(id), bytes: taken });
        }
    }

    pub(super) fn deliver(&mut self, id: u64) {
        let crumbs = self.plan.net.crumbs;
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.delivering = false;
        if stream.hung {
            return;
        }
        let count = piece(&mut stream.noise, crumbs, stream.to_server.len());
        self.hand_to_server(id, count);
        self.pump(id);
    }

    /// The server gets the next `count` bytes.
    pub(super) fn hand_to_server(&mut self, id: u64, count: usize) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let bytes = stream.to_server.split_to(count.min(stream.to_server.len()));
        stream.backend.receive(&mut self.db, self.now, &bytes);
        self.after_backend(id);
    }

    pub(super) fn wake_backend(&mut self, id: u64) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.backend.wake(&mut self.db, self.now);
        self.after_backend(id);
    }

    /// The backend did something: its output leaves, its slow statement gets an end, its end
    /// becomes the stream's.
    pub(super) fn after_backend(&mut self, id: u64) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let output = stream.backend.take_output();
        if !stream.server_ended && matches!(stream.life, Life::Open | Life::Closing) {
            stream.to_engine.extend_from_slice(&output);
        }
        stream.server_ended |= stream.backend.ended();
        let wake = stream.backend.busy_until();
        let cancel = stream.backend.cancel.take();
        if let Some(until) = wake {
            self.after(until.saturating_sub(self.now), Event::Wake(id));
        }
        if let Some((process, secret)) = cancel {
            self.cancelled_at_server(process, secret);
        }
        self.pump(id);
        self.deliver_mail();
    }

    pub(super) fn arrive(&mut self, id: u64) {
        let backpressure = self.plan.holds_back();
        let crumbs = self.plan.net.crumbs;
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.arriving = false;
        if stream.hung || !matches!(stream.life, Life::Open | Life::Closing) {
            return;
        }
        if stream.to_engine.is_empty() {
            if stream.server_ended {
                self.closed(id, true);
            }
            return;
        }
        let mut available = stream.to_engine.len();
        if backpressure {
            available = available.min(usize::try_from(stream.granted).unwrap_or(usize::MAX));
        }
        if available > 0 {
            let count = piece(&mut stream.noise, crumbs, available);
            self.hand_to_engine(id, count);
        }
        self.pump(id);
    }

    /// The engine gets the next `count` bytes.
    pub(super) fn hand_to_engine(&mut self, id: u64, count: usize) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let bytes = stream.to_engine.split_to(count.min(stream.to_engine.len())).freeze();
        stream.granted = stream.granted.saturating_sub(bytes.len() as u64);
        if bytes.ends_with(READY) {
            self.count_released(id);
        }
        if !bytes.is_empty() {
            self.feed(Input::StreamData { stream: StreamId(id), bytes });
        }
    }

    /// Whether anything waits to be read on a stream: if so, it is.
    pub(super) fn peeked(&mut self, id: u64) {
        let Some(stream) = self.streams.get(&id) else { return };
        if stream.life != Life::Open || stream.hung {
            return;
        }
        if stream.to_engine.is_empty() && !stream.server_ended {
            self.engine.quiet(StreamId(id));
            self.drain();
        } else {
            self.pump(id);
        }
    }

    pub(super) fn secured(&mut self, id: u64) {
        if self.streams.get(&id).is_some_and(|stream| stream.life == Life::Open) {
            self.feed(Input::StreamSecured { stream: StreamId(id) });
        }
    }

    /// The engine is told that the stream has ended, in order if the server did so; the server is
    /// told as well.
    pub(super) fn closed(&mut self, id: u64, by_server: bool) {
        let direct = self.plan.holds_back();
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.life == Life::Finished {
            return;
        }
        stream.life = Life::Finished;
        stream.to_engine.clear();
        let accepted = stream.accepted;
        let waiting = stream.to_server.len();
        let all_read = stream.unaccepted.is_empty() && waiting == 0;
        let orderly = direct && by_server && all_read && stream.noise.chance(90);
        let arrives = match stream.noise.below(3) {
            0 => 0,
            1 => stream.noise.size(0, waiting),
            _ => waiting,
        };
        self.hand_to_server(id, arrives);
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.to_server.clear();
            stream.backend.peer_closed(&mut self.db);
        }
        self.after_backend(id);
        let detail = "as simulated".into();
        self.feed(Input::StreamClosed { stream: StreamId(id), orderly, accepted, detail });
    }
}
