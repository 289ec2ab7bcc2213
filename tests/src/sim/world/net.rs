//! What streams do by themselves: open or not, carry bytes late and in pieces, end.

use bytes::Bytes;
use pierhead_engine::ids::StreamId;
use pierhead_engine::io::{Input, Refusal, RefusalKind};

use super::World;
use super::events::Event;
use super::stream::Life;
use crate::sim::caller::Caller;
use crate::sim::ground::Road;

/// The most bytes that travel together.
pub(super) const PIECE_MAX: usize = 256 * 1024;

impl World {
    /// A moment within a direction's delay.
    fn lag(&mut self) -> u64 {
        self.rng.within(0, self.plan.delay)
    }

    /// How much of `available` bytes travels together.
    fn piece(&mut self, available: usize) -> usize {
        let available = available.min(PIECE_MAX);
        if self.rng.chance(self.plan.crumbs) {
            if available < 400 && self.rng.chance(50) {
                return 1;
            }
            return self.rng.size(available / 8 + 1, available);
        }
        // Even a whole buffer is cut now and then.
        if available > 1 && self.rng.chance(10) {
            return self.rng.size(1, available).max(available / 8);
        }
        available
    }

    /// Decides what becomes of an open.
    pub(super) fn open(&mut self, id: u64) {
        let delay = self.rng.within(0, self.plan.open_delay);
        self.opens += 1;
        let refused = self.opens <= self.plan.refused_first
            || (!self.calm && self.rng.chance(self.plan.refused));
        if self.road != Road::Open || refused {
            self.coverage.add("open: refused");
            self.after(delay, Event::Refused(id));
        } else if !self.calm && self.rng.chance(self.plan.hanging) {
            self.coverage.add("open: hangs");
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
            Road::Open => self.rng.pick(&[RefusalKind::Unreachable, RefusalKind::Failed]),
        };
        let refusal = Refusal { kind, detail: "as simulated".into() };
        self.feed(Input::StreamRefused { stream: StreamId(id), refusal });
    }

    /// Starts whatever pump of the stream has something to move.
    pub(super) fn pump(&mut self, id: u64) {
        let (deliver, arrive) = (self.lag(), self.lag());
        let backpressure = self.plan.holds_back();
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.hung {
            return;
        }
        let delivers = !stream.to_server.is_empty() && !stream.scheduled.deliver;
        let readable = !stream.to_engine.is_empty() && (!backpressure || stream.granted > 0);
        let ends = stream.to_engine.is_empty() && stream.server_ended;
        let arrives = (readable || ends)
            && !stream.scheduled.arrive
            && matches!(stream.life, Life::Open | Life::Closing);
        stream.scheduled.deliver |= delivers;
        stream.scheduled.arrive |= arrives;
        if delivers {
            self.after(deliver, Event::Deliver(id));
        }
        if arrives {
            self.after(arrive, Event::Arrive(id));
        }
    }

    pub(super) fn accept(&mut self, id: u64) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.scheduled.accept = false;
        if stream.life != Life::Open || stream.hung {
            return;
        }
        let waiting = stream.unaccepted.len();
        let count = if self.plan.torn && self.rng.chance(40) { 1 } else { self.piece(waiting) };
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.accept(count);
        if !stream.unaccepted.is_empty() {
            stream.scheduled.accept = true;
            let lag = self.lag();
            self.after(lag, Event::Accept(id));
        }
        self.pump(id);
    }

    pub(super) fn deliver(&mut self, id: u64) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.scheduled.deliver = false;
        if stream.hung {
            return;
        }
        let available = stream.to_server.len();
        let count = self.piece(available);
        self.hand_to_server(id, count);
        self.pump(id);
    }

    /// The server gets the next `count` bytes.
    pub(super) fn hand_to_server(&mut self, id: u64, count: usize) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let bytes: Vec<u8> = stream.to_server.drain(..count.min(stream.to_server.len())).collect();
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
            stream.to_engine.extend(output);
        }
        stream.server_ended |= stream.backend.ended();
        let wake = stream.backend.busy_until();
        let cancel = stream.backend.cancel.take();
        if let Some(until) = wake {
            self.after(until.saturating_sub(self.now), Event::Wake(id));
        }
        if let Some((process, secret)) = cancel {
            self.cancel(process, secret);
        }
        self.pump(id);
    }

    fn cancel(&mut self, process: i32, secret: i32) {
        let found = self
            .streams
            .iter()
            .find(|(_, s)| s.backend.process == process && s.backend.secret == secret)
            .map(|(id, _)| *id);
        let Some(id) = found else {
            return self.broken("7 cancel", "a cancel request names a process that never was");
        };
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let victim = stream.backend.busy_with().and_then(crate::sim::ground::marked_client);
        let hit = stream.backend.cancelled(&mut self.db, self.now);
        self.coverage.add(if hit { "cancel: hit" } else { "cancel: missed" });
        self.note(|_| format!("  cancel reached stream {id}, hit {hit}, client {victim:?}"));
        if let Some(client) = victim
            && self.clients.get(client as usize - 1).is_some_and(Caller::is_open)
        {
            self.broken(
                "7 cancel",
                format!("it hit client {client}, which still wants its answer"),
            );
        }
        self.after_backend(id);
    }

    pub(super) fn arrive(&mut self, id: u64) {
        let backpressure = self.plan.holds_back();
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.scheduled.arrive = false;
        if stream.hung || !matches!(stream.life, Life::Open | Life::Closing) {
            return;
        }
        if stream.to_engine.is_empty() {
            if stream.server_ended {
                self.closed(id);
            }
            return;
        }
        let mut available = stream.to_engine.len();
        if backpressure {
            available = available.min(usize::try_from(stream.granted).unwrap_or(usize::MAX));
        }
        if available > 0 {
            let count = self.piece(available);
            self.hand_to_engine(id, count);
        }
        self.pump(id);
    }

    /// The engine gets the next `count` bytes.
    pub(super) fn hand_to_engine(&mut self, id: u64, count: usize) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let bytes: Vec<u8> = stream.to_engine.drain(..count.min(stream.to_engine.len())).collect();
        stream.granted = stream.granted.saturating_sub(bytes.len() as u64);
        if !bytes.is_empty() {
            let bytes = Bytes::from(bytes);
            self.feed(Input::StreamData { stream: StreamId(id), bytes });
        }
    }

    pub(super) fn secured(&mut self, id: u64) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.life == Life::Open {
            stream.secured = true;
            self.feed(Input::StreamSecured { stream: StreamId(id) });
        }
    }

    /// The engine is told that the stream has ended; the server is told as well.
    pub(super) fn closed(&mut self, id: u64) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.life == Life::Finished {
            return;
        }
        stream.life = Life::Finished;
        stream.to_engine.clear();
        let accepted = stream.accepted;
        let waiting = stream.to_server.len();
        let arrives = match self.rng.below(3) {
            0 => 0,
            1 => self.rng.size(0, waiting),
            _ => waiting,
        };
        self.hand_to_server(id, arrives);
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.to_server.clear();
            stream.backend.peer_closed(&mut self.db);
        }
        self.after_backend(id);
        let detail = "as simulated".into();
        self.feed(Input::StreamClosed { stream: StreamId(id), orderly: false, accepted, detail });
    }
}
