//! What a coordinator sent for a backend, and what the backend's connection was given: the same
//! bytes, in the same order. And what a parked stream is: a backend at rest, all of whose bytes
//! both sides have counted.

use std::collections::BTreeMap;

use pierhead_wire::tunnel::{Describe, Offered, StreamId};

use super::World;
use super::conn::{Conn, Life, Owner};

/// A stream of one agent's process: machine, process, name.
type Name = (usize, u64, StreamId);

/// What was heard for a stream on one link.
#[derive(Debug)]
struct Tape {
    /// Bytes of the stream before this tape.
    base: usize,
    bytes: Vec<u8>,
}

/// Everything heard, and which connection is which stream's.
#[derive(Default, Debug)]
pub(super) struct Tapes {
    heard: BTreeMap<(u64, StreamId), Tape>,
    conns: BTreeMap<Name, u64>,
}

impl Tapes {
    /// The agent hears of a stream, whose first `base` bytes are over.
    pub(super) fn begin(&mut self, link: u64, stream: StreamId, base: u64, bytes: &[u8]) {
        let base = usize::try_from(base).unwrap_or(usize::MAX);
        let tape =
            self.heard.entry((link, stream)).or_insert_with(|| Tape { base, bytes: Vec::new() });
        match base.checked_sub(tape.base) {
            Some(kept) if kept <= tape.bytes.len() => tape.bytes.truncate(kept),
            _ => *tape = Tape { base, bytes: Vec::new() },
        }
        tape.bytes.extend(bytes);
    }

    /// The agent hears data.
    pub(super) fn data(&mut self, link: u64, stream: StreamId, bytes: &[u8]) {
        if let Some(tape) = self.heard.get_mut(&(link, stream)) {
            tape.bytes.extend(bytes);
        }
    }

    /// Whether this was heard for the stream on any of these links.
    fn heard(&self, links: impl Iterator<Item = u64>, stream: StreamId, written: &[u8]) -> bool {
        links.filter_map(|link| self.heard.get(&(link, stream))).any(|tape| {
            let after = written.get(tape.base..);
            after.is_some_and(|after| tape.bytes.starts_with(after))
        })
    }
}

impl World {
    /// The object describes a stream: from the key in it the connection is known.
    pub(super) fn described(&mut self, link: u64, describe: &Describe) {
        let Some(link) = self.links.get(&link) else { return };
        let name = (link.slot, link.process, describe.stream);
        let number = |at: usize| -> Option<i32> {
            Some(i32::from_be_bytes(describe.cancel.0.get(at..at + 4)?.try_into().ok()?))
        };
        let (Some(process), Some(secret)) = (number(8), number(12)) else { return };
        let key = |c: &Conn| c.backend.process == process && c.backend.secret == secret;
        let Some(id) = self.conns.iter().find(|(_, c)| key(c)).map(|(id, _)| *id) else {
            return self.broken("7 cancel", format!("{:?} describes nobody", describe.stream));
        };
        self.tapes.conns.insert(name, id);
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.stream = Some(describe.stream);
        }
        self.check_tape(id);
    }

    /// What the connection was given is what was heard for it.
    pub(super) fn check_tape(&mut self, id: u64) {
        let Some(conn) = self.conns.get(&id) else { return };
        let (Some(stream), Owner::Agent { slot, process, .. }) = (conn.stream, conn.owner) else {
            return;
        };
        let links = self.links.iter().filter(|(_, l)| l.slot == slot && l.process == process);
        if !self.tapes.heard(links.map(|(id, _)| *id), stream, &conn.written) {
            let detail = format!(
                "connection {id} of {stream:?} was given {} bytes that nobody sent so",
                conn.written.len()
            );
            self.broken("bytes in order", detail);
        }
    }

    /// The sessions of a life that ended may hold names that the next one wants for itself.
    pub(super) fn leave_statements(&mut self, life: u64) {
        let last = self.drivers.iter().filter(|(_, driver)| **driver == life);
        let conns = last.filter_map(|(name, _)| self.tapes.conns.get(name));
        for id in conns.copied().collect::<Vec<_>>() {
            if let Some(conn) = self.conns.get_mut(&id)
                && conn.is_at_rest()
            {
                conn.backend.leave_statement("s1", "echo old");
            }
        }
    }

    fn conn_of_stream(&self, link: u64, stream: StreamId) -> Option<(u64, &Conn)> {
        let link = self.links.get(&link)?;
        let id = *self.tapes.conns.get(&(link.slot, link.process, stream))?;
        Some((id, self.conns.get(&id)?))
    }

    /// The object wants a stream parked: its backend must be at rest.
    pub(super) fn check_park(&mut self, link: u64, stream: StreamId) {
        let Some((id, conn)) = self.conn_of_stream(link, stream) else { return };
        if conn.life == Life::Open && !conn.is_at_rest() {
            let detail = format!("connection {id} is parked and not at rest: {:?}", conn.backend);
            self.broken("parked at rest", detail);
        }
    }

    /// An agent offers a stream: its backend is at rest, and every byte is counted.
    pub(super) fn check_offer(&mut self, link: u64, offered: &Offered) {
        let Some((id, conn)) = self.conn_of_stream(link, offered.stream) else { return };
        let (sent, received) = (offered.counters.sent, offered.counters.received);
        let counted = sent == conn.written.len() as u64 && received == conn.given;
        if conn.life == Life::Open && !(conn.is_at_rest() && counted) {
            let detail = format!(
                "connection {id} is offered with {sent}/{received} of {}/{}: {:?}",
                conn.written.len(),
                conn.given,
                conn.backend
            );
            self.broken("parked at rest", detail);
        }
    }
}
