//! What connections to the database do: stand or not, carry bytes late and in pieces, end.

use bytes::Bytes;
use pierhead_agent::core as agent;
use pierhead_engine::ids::StreamId;
use pierhead_engine::io as engine;
use pierhead_wire::tunnel::RefusedReason;

use super::World;
use super::conn::{Conn, Life, Owner};
use super::events::Event;
use crate::sim::server::Backend;

/// The most bytes that travel together.
const PIECE_MAX: usize = 256 * 1024;

/// The most bytes that a system takes before the server has read them.
const SYSTEM_BUFFER: usize = 128 * 1024;

/// Bytes of a mark that may lie before a chunk.
const MARK_MAX: usize = 12;

impl World {
    fn lag(&mut self) -> u64 {
        self.rng.within(0, self.plan.tcp_delay)
    }

    /// How much of `available` bytes travels together.
    fn piece(&mut self, available: usize) -> usize {
        let available = available.min(PIECE_MAX);
        if self.rng.chance(self.plan.crumbs) {
            if available < 400 && self.rng.chance(50) {
                return 1.min(available);
            }
            return self.rng.size(available / 8 + 1, available.max(1)).min(available);
        }
        if available > 1 && self.rng.chance(10) {
            return self.rng.size(1, available).max(available / 8);
        }
        available
    }

    pub(super) fn conn_of(&self, owner: Owner) -> Option<u64> {
        self.conns.iter().rev().find(|(_, c)| c.owner == owner).map(|(id, _)| *id)
    }

    /// The connection, if its owner may still name it.
    fn live_conn(&mut self, owner: Owner, what: &str) -> Option<u64> {
        let id = self.conn_of(owner);
        let live = id.and_then(|id| self.conns.get(&id)).is_some_and(Conn::is_live);
        if !live {
            let life = id.and_then(|id| self.conns.get(&id)).map(|c| c.life);
            self.broken("2 one life", format!("{what} names {owner:?}, which is {life:?}"));
            return None;
        }
        id
    }

    /// Somebody wants a connection.
    pub(super) fn connect(&mut self, owner: Owner) {
        if self.conn_of(owner).is_some() {
            return self.broken("2 one life", format!("{owner:?} is opened a second time"));
        }
        let process = self.db.next_process();
        let backend = Backend::new(process, self.rng.bytes());
        let id = self.number();
        self.conns.insert(id, Conn::new(owner, backend));
        if !self.calm && self.rng.chance(self.plan.hanging) {
            self.coverage.add("conn: hangs while opening");
            // The system gives up in the end.
            return self.after(30_000, Event::Connected(id));
        }
        let delay = self.rng.within(0, self.plan.open_delay);
        self.after(delay, Event::Connected(id));
    }

    pub(super) fn connected(&mut self, id: u64) {
        let refused = !self.road || (!self.calm && self.rng.chance(self.plan.refused));
        let Some(conn) = self.conns.get_mut(&id) else { return };
        if conn.life == Life::Closing && matches!(conn.owner, Owner::Direct { .. }) {
            return;
        }
        if conn.life != Life::Opening {
            return;
        }
        let owner = conn.owner;
        conn.life = if refused { Life::Finished } else { Life::Open };
        if refused {
            self.coverage.add("conn: refused");
        }
        self.tell_connected(owner, refused);
        self.pump(id);
    }

    fn tell_connected(&mut self, owner: Owner, refused: bool) {
        let detail = "as simulated".to_owned();
        match owner {
            Owner::Agent { slot, conn, .. } if refused => {
                let reason = self.rng.pick(&[RefusedReason::Connect, RefusedReason::Timeout]);
                self.feed_agent(slot, agent::Input::ConnectFailed { conn, reason, detail });
            }
            Owner::Agent { slot, conn, .. } => {
                self.feed_agent(slot, agent::Input::Connected { conn });
            }
            Owner::Direct { site, stream, .. } => {
                let stream = StreamId(stream);
                let kind = engine::RefusalKind::Unreachable;
                let refusal = engine::Refusal { kind, detail };
                let input = if refused {
                    engine::Input::StreamRefused { stream, refusal }
                } else {
                    engine::Input::StreamOpened { stream }
                };
                self.feed(site, input);
            }
        }
    }

    /// The owner writes.
    pub(super) fn obey_write(&mut self, owner: Owner, bytes: &[u8]) {
        let Some(id) = self.live_conn(owner, "Write") else { return };
        let Some(conn) = self.conns.get_mut(&id) else { return };
        if conn.life != Life::Open || conn.finished || bytes.is_empty() {
            return self.broken("boundary", format!("an empty, early or late write to {owner:?}"));
        }
        conn.unaccepted.extend_from_slice(bytes);
        conn.written.extend_from_slice(bytes);
        self.check_tape(id);
        let Some(conn) = self.conns.get_mut(&id) else { return };
        if conn.scheduled.accept || conn.hung {
            return;
        }
        conn.scheduled.accept = true;
        let late = self.rng.chance(self.plan.late_accepts);
        let lag = if late { self.lag().max(3) } else { 0 };
        self.after(lag, Event::Accept(id));
    }

    pub(super) fn accept(&mut self, id: u64) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        conn.scheduled.accept = false;
        if conn.life != Life::Open || conn.hung {
            return;
        }
        let room = SYSTEM_BUFFER.saturating_sub(conn.to_server.len());
        let waiting = conn.unaccepted.len().min(room);
        let count = self.piece(waiting);
        self.take(id, count);
        let lag = self.lag().max(1);
        let Some(conn) = self.conns.get_mut(&id) else { return };
        if !conn.unaccepted.is_empty() && !conn.scheduled.accept && conn.life == Life::Open {
            conn.scheduled.accept = true;
            self.after(lag, Event::Accept(id));
        }
        self.pump(id);
    }

    /// The system takes `count` bytes.
    fn take(&mut self, id: u64, count: usize) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let bytes = conn.unaccepted.split_to(count.min(conn.unaccepted.len()));
        if bytes.is_empty() {
            return;
        }
        conn.accepted += bytes.len() as u64;
        let known = conn.tail.len();
        conn.tail.extend_from_slice(&bytes);
        let text = std::mem::take(&mut conn.tail);
        conn.tail = text[text.len().saturating_sub(MARK_MAX)..].to_vec();
        conn.to_server.extend_from_slice(&bytes);
        let owner = conn.owner;
        self.check_requests(id, &text, known);
        if let Owner::Agent { slot, process, conn } = owner
            && self.slots[slot].process() == Some(process)
        {
            self.feed_agent(slot, agent::Input::Wrote { conn, bytes: bytes.len() });
        }
    }

    /// The owner is ready for more.
    pub(super) fn grant(&mut self, owner: Owner, bytes: usize) {
        let Some(id) = self.live_conn(owner, "Read") else { return };
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.granted += bytes as u64;
        }
        self.pump(id);
    }

    /// The owner wants to know whether anything waits.
    pub(super) fn peek(&mut self, owner: Owner) {
        let Some(id) = self.live_conn(owner, "Peek") else { return };
        let lag = self.rng.pick(&[0, 0, 1, 5]);
        self.after(lag, Event::Peeked(id));
    }

    pub(super) fn peeked(&mut self, id: u64) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let Owner::Agent { slot, conn: no, .. } = conn.owner else { return };
        if conn.life != Life::Open || conn.hung {
            return;
        }
        let ended = conn.server_ended && conn.to_owner.is_empty();
        if conn.arrived.is_empty() && !ended {
            self.coverage.add("conn: peek finds nothing");
            return self.feed_agent(slot, agent::Input::Quiet { conn: no });
        }
        self.coverage.add("conn: peek finds something");
        self.hand_to_owner(id, PIECE_MAX);
    }

    /// The owner closes its direction.
    pub(super) fn finish(&mut self, owner: Owner) {
        let Some(id) = self.live_conn(owner, "Finish") else { return };
        let now = self.now;
        let Some(conn) = self.conns.get_mut(&id) else { return };
        if conn.finished || conn.life != Life::Open {
            return self.broken("2 one life", format!("{owner:?} is finished twice or too early"));
        }
        conn.finished = true;
        conn.told_to_end.get_or_insert(now);
        self.pump(id);
    }

    /// The owner closes both directions.
    pub(super) fn close(&mut self, owner: Owner) {
        let Some(id) = self.live_conn(owner, "Close") else { return };
        let (now, lag, flushed) = (self.now, self.lag(), self.rng.chance(50));
        let Some(conn) = self.conns.get_mut(&id) else { return };
        conn.life = Life::Closing;
        conn.told_to_end.get_or_insert(now);
        if flushed {
            let rest = std::mem::take(&mut conn.unaccepted);
            conn.to_server.extend_from_slice(&rest);
        }
        self.after(lag, Event::Closed(id));
    }

    pub(super) fn conn_closed(&mut self, id: u64) {
        let Some(conn) = self.conns.get(&id) else { return };
        if conn.life != Life::Finished {
            self.end_conn(id);
        }
    }

    /// Starts whatever pump of the connection has something to move.
    pub(super) fn pump(&mut self, id: u64) {
        let (deliver, arrive) = (self.lag(), self.lag());
        let Some(conn) = self.conns.get_mut(&id) else { return };
        if conn.hung {
            return;
        }
        let finishes = conn.finished && !conn.finish_told && conn.unaccepted.is_empty();
        let delivers = (!conn.to_server.is_empty() || finishes) && !conn.scheduled.deliver;
        let readable = !conn.to_owner.is_empty() || (!conn.arrived.is_empty() && conn.granted > 0);
        let ends = conn.server_ended && conn.arrived.is_empty() && !conn.end_told;
        let arrives = (readable || ends) && !conn.scheduled.arrive && conn.life == Life::Open;
        conn.scheduled.deliver |= delivers;
        conn.scheduled.arrive |= arrives;
        if delivers {
            self.after(deliver, Event::Deliver(id));
        }
        if arrives {
            self.after(arrive, Event::Arrive(id));
        }
    }

    pub(super) fn deliver(&mut self, id: u64) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        conn.scheduled.deliver = false;
        if conn.hung {
            return;
        }
        let available = conn.to_server.len();
        let count = self.piece(available);
        self.hand_to_server(id, count);
        if let Some(conn) = self.conns.get_mut(&id)
            && conn.finished
            && !conn.finish_told
            && conn.unaccepted.is_empty()
            && conn.to_server.is_empty()
        {
            conn.finish_told = true;
            conn.backend.peer_closed(&mut self.db);
            self.after_backend(id);
        }
        self.pump(id);
    }

    /// The server gets the next `count` bytes.
    fn hand_to_server(&mut self, id: u64, count: usize) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let bytes = conn.to_server.split_to(count.min(conn.to_server.len()));
        if bytes.is_empty() {
            return;
        }
        conn.backend.receive(&mut self.db, self.now, &bytes);
        if self.db.seen.garbage > 0 {
            self.broken("bytes in order", format!("the backend of {id} got what nobody may send"));
        }
        self.after_backend(id);
    }

    pub(super) fn wake_backend(&mut self, id: u64) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        conn.backend.wake(&mut self.db, self.now);
        self.after_backend(id);
    }

    /// The backend did something: its output leaves, its slow statement gets an end, its end
    /// becomes the connection's.
    pub(super) fn after_backend(&mut self, id: u64) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let output = conn.backend.take_output();
        if !conn.server_ended && matches!(conn.life, Life::Open | Life::Closing) {
            conn.to_owner.extend_from_slice(&output);
        }
        conn.server_ended |= conn.backend.ended();
        let wake = conn.backend.busy_until();
        let cancel = conn.backend.cancel.take();
        if let Some(until) = wake {
            self.after(until.saturating_sub(self.now), Event::Wake(id));
        }
        if let Some((process, secret)) = cancel {
            self.cancel(process, secret);
        }
        self.pump(id);
    }

    pub(super) fn arrive(&mut self, id: u64) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        conn.scheduled.arrive = false;
        if conn.hung || conn.life != Life::Open {
            return;
        }
        let available = conn.to_owner.len();
        let count = self.piece(available);
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let bytes = conn.to_owner.split_to(count);
        conn.arrived.unsplit(bytes);
        self.hand_to_owner(id, PIECE_MAX);
        self.pump(id);
    }

    /// The owner reads what has arrived and was granted; behind it may be the end.
    fn hand_to_owner(&mut self, id: u64, most: usize) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let granted = usize::try_from(conn.granted).unwrap_or(usize::MAX);
        let available = conn.arrived.len().min(granted).min(most);
        let count = if available > 0 { self.piece(available).max(1) } else { 0 };
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let bytes = conn.arrived.split_to(count.min(available));
        conn.granted -= bytes.len() as u64;
        conn.given += bytes.len() as u64;
        let owner = conn.owner;
        if !bytes.is_empty() {
            self.tell_bytes(owner, bytes.freeze());
        }
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let over = conn.to_owner.is_empty() && conn.arrived.is_empty() && conn.server_ended;
        if over && !conn.end_told && conn.life == Life::Open {
            conn.end_told = true;
            self.tell_end(id, owner);
        }
    }

    fn tell_bytes(&mut self, owner: Owner, bytes: Bytes) {
        match owner {
            Owner::Agent { slot, conn, .. } => {
                self.feed_agent(slot, agent::Input::Received { conn, bytes });
            }
            Owner::Direct { site, stream, .. } => {
                self.feed(site, engine::Input::StreamData { stream: StreamId(stream), bytes });
            }
        }
    }

    fn tell_end(&mut self, id: u64, owner: Owner) {
        match owner {
            Owner::Agent { slot, conn, .. } => {
                self.feed_agent(slot, agent::Input::Ended { conn });
            }
            Owner::Direct { .. } => self.end_conn(id),
        }
    }

    /// The connection is gone, by whomever; the owner is told, and in its own time the server.
    pub(super) fn end_conn(&mut self, id: u64) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        if conn.life == Life::Finished {
            return;
        }
        conn.life = Life::Finished;
        let (owner, accepted) = (conn.owner, conn.accepted);
        self.drop_far_end(id);
        let detail = "as simulated".to_owned();
        match owner {
            Owner::Agent { slot, conn, .. } => {
                self.feed_agent(slot, agent::Input::Closed { conn, detail });
            }
            Owner::Direct { site, stream, .. } => {
                let stream = StreamId(stream);
                self.feed(
                    site,
                    engine::Input::StreamClosed { stream, orderly: false, accepted, detail },
                );
            }
        }
    }

    /// A part of what is under way still reaches the server, and then the end.
    fn drop_far_end(&mut self, id: u64) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        conn.to_owner.clear();
        conn.arrived.clear();
        conn.unaccepted.clear();
        let waiting = conn.to_server.len();
        let arrives = match self.rng.below(3) {
            0 => 0,
            1 => self.rng.size(0, waiting),
            _ => waiting,
        };
        self.hand_to_server(id, arrives);
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.to_server.clear();
            conn.backend.peer_closed(&mut self.db);
        }
        self.after_backend(id);
    }

    /// The owner is no more; nobody is told of the end of its connections.
    pub(super) fn orphan_conns(&mut self, owned: impl Fn(Owner) -> bool) {
        let ids = self.conns.iter().filter(|(_, c)| owned(c.owner) && c.life != Life::Finished);
        let ids: Vec<u64> = ids.map(|(id, _)| *id).collect();
        for id in ids {
            let taken = self.conns.get(&id).map_or(0, |c| c.unaccepted.len());
            let taken = if self.rng.chance(50) { 0 } else { self.rng.size(0, taken) };
            if let Some(conn) = self.conns.get_mut(&id) {
                conn.life = Life::Finished;
                let bytes = conn.unaccepted.split_to(taken);
                conn.to_server.extend_from_slice(&bytes);
                conn.cut = true;
            }
            self.drop_far_end(id);
        }
    }
}
