//! What a coordinator sent for a backend, and what the backend's connection was given: the same
//! bytes, in the same order. And what a parked stream is: a backend at rest, all of whose bytes
//! both sides have counted.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use pierhead_wire::tunnel::{Describe, Frame, Offered, Park, StreamId};

use super::World;
use super::conn::{Conn, Life, Owner};
use super::copies::frames;
use super::events::Event;
use super::link::End;

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
    /// The link that has a stream: the first that opened or adopted it.
    owners: BTreeMap<Name, u64>,
    /// The link whose message an agent acts on.
    pub(super) acting: Option<u64>,
    /// What an agent said `gone` for since it last heard a message.
    pub(super) said_gone: BTreeSet<(u64, StreamId)>,
    /// Lives of objects by what they call them.
    lives: BTreeMap<u64, u64>,
    /// Streams whose last `park` had the right counters, and that were not used since.
    parked: BTreeSet<Name>,
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

    /// Whether the stream was heard of on this link.
    pub(super) fn knows(&self, link: u64, stream: StreamId) -> bool {
        self.heard.contains_key(&(link, stream))
    }

    /// Whether this was heard for the stream on any of these links.
    fn heard(&self, links: impl Iterator<Item = u64>, stream: StreamId, written: &[u8]) -> bool {
        links.filter_map(|link| self.heard.get(&(link, stream))).any(|tape| {
            let after = written.get(tape.base..);
            after.is_some_and(|after| tape.bytes.starts_with(after))
        })
    }
}

/// A stream of another link, and what its connection had been given.
#[derive(Debug)]
pub(super) struct Other {
    owner: u64,
    conn: u64,
    written: usize,
    ended: bool,
}

/// The stream that a frame takes, uses or gives up.
#[expect(clippy::wildcard_enum_match_arm, reason = "the frames that act on a stream")]
fn named(frame: &Frame) -> Option<StreamId> {
    match frame {
        Frame::Adopt(adopt) => Some(adopt.stream),
        Frame::Release(release) => Some(release.stream),
        Frame::Data(data) => Some(data.stream),
        _ => None,
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
        let lives = &self.tapes.lives;
        let last = self.drivers.iter().filter(|(_, driver)| lives.get(driver) == Some(&life));
        let conns = last.filter_map(|(name, _)| self.tapes.conns.get(name));
        for id in conns.copied().collect::<Vec<_>>() {
            if let Some(conn) = self.conns.get_mut(&id)
                && conn.is_at_rest()
            {
                conn.backend.leave_statement(&self.db, "s1", "echo old");
            }
        }
    }

    /// A stream is opened or adopted on a link; it is that link's, unless a living one has it.
    pub(super) fn take_over(&mut self, id: u64, stream: StreamId) {
        let Some(link) = self.links.get(&id) else { return };
        let name = (link.slot, link.process, stream);
        if self.other_owner(id, stream).is_none() {
            self.tapes.owners.insert(name, id);
        }
    }

    /// A stream is opened on a link: nobody used it before.
    pub(super) fn opened(&mut self, id: u64, stream: StreamId) {
        self.take_over(id, stream);
        if let Some(name) = self.name(id, stream) {
            self.drivers.remove(&name);
        }
    }

    /// Whether the stream is this link's.
    pub(super) fn has(&self, id: u64, stream: StreamId) -> bool {
        let name = self.name(id, stream);
        name.and_then(|name| self.tapes.owners.get(&name)) == Some(&id)
    }

    /// What was in use on a link that is lost is told to end at once: its locks wait for that.
    pub(super) fn check_ending(&mut self, id: u64) {
        let used = self
            .tapes
            .owners
            .iter()
            .filter(|(name, owner)| **owner == id && !self.tapes.parked.contains(name));
        let conns = used.filter_map(|(name, _)| self.tapes.conns.get(name));
        let left = conns.copied().find(|conn| {
            self.conns
                .get(conn)
                .is_some_and(|c| c.life == Life::Open && c.told_to_end.is_none() && !c.server_ended)
        });
        if let Some(conn) = left {
            let detail = format!("connection {conn} goes on without its link {id}");
            self.broken("ending", detail);
        }
    }

    /// The agent says that the stream is gone, or that it is not this link's.
    pub(super) fn said_gone(&mut self, id: u64, stream: StreamId) {
        self.tapes.said_gone.insert((id, stream));
        if let Some(name) = self.name(id, stream).filter(|_| self.has(id, stream)) {
            self.tapes.owners.remove(&name);
        }
    }

    /// What an object calls its life.
    pub(super) fn learn_life(&mut self, id: u64, object_life: u64) {
        if let Some(life) = self.links.get(&id).and_then(|link| link.known) {
            self.tapes.lives.insert(object_life, life);
        }
    }

    /// The other living link that has the stream.
    fn other_owner(&self, id: u64, stream: StreamId) -> Option<u64> {
        let link = self.links.get(&id)?;
        let owner = *self.tapes.owners.get(&(link.slot, link.process, stream))?;
        let lives = self.links.get(&owner)?.agent == End::Open;
        (lives && owner != id).then_some(owner)
    }

    /// The connections of streams that a message names and that another link has, with what they
    /// were given so far.
    pub(super) fn of_others(&self, id: u64, message: &Bytes) -> Vec<Other> {
        let named = frames(message).into_iter().filter_map(|frame| named(&frame));
        let others = named.filter_map(|stream| {
            let owner = self.other_owner(id, stream)?;
            let (conn, c) = self.conn_of_stream(id, stream)?;
            Some(Other { owner, conn, written: c.written.len(), ended: c.told_to_end.is_some() })
        });
        others.collect()
    }

    /// Nobody but the link that has a stream may write to it or end it, as long as it lives.
    pub(super) fn check_untouched(&mut self, id: u64, others: &[Other]) {
        let touched = others.iter().find(|other| {
            let lives = self.links.get(&other.owner).is_some_and(|l| l.agent == End::Open);
            lives
                && self.conns.get(&other.conn).is_some_and(|c| {
                    c.written.len() != other.written || c.told_to_end.is_some() != other.ended
                })
        });
        if let Some(other) = touched {
            let detail = format!("link {id} reaches a stream of another: {other:?}");
            self.broken("2 one place", detail);
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

    /// The agent hears `park`: may it do so?
    pub(super) fn heard_park(&mut self, id: u64, park: &Park) {
        let Some((_, conn)) = self.conn_of_stream(id, park.stream) else { return };
        let (sent, received) = (park.counters.sent, park.counters.received);
        let right = sent == conn.written.len() as u64 && received == conn.given;
        let Some(name) = self.name(id, park.stream) else { return };
        if right {
            self.tapes.parked.insert(name);
        } else {
            self.coverage.add("park: other counters");
        }
    }

    /// The agent hears data: the stream is parked no longer.
    pub(super) fn heard_use(&mut self, id: u64, stream: StreamId) {
        // What another link has is not touched.
        if let Some(name) = self.name(id, stream).filter(|_| self.has(id, stream)) {
            self.tapes.parked.remove(&name);
        }
    }

    fn name(&self, link: u64, stream: StreamId) -> Option<Name> {
        let link = self.links.get(&link)?;
        Some((link.slot, link.process, stream))
    }

    /// Parking is where things cross: the server speaks just now, or the link breaks.
    pub(super) fn disturb_park(&mut self, link: u64, stream: StreamId) {
        if self.calm || self.plan.fault_every == 0 {
            return;
        }
        let (speaks, breaks) = (self.rng.chance(4), self.rng.chance(4));
        if speaks && let Some((id, _)) = self.conn_of_stream(link, stream) {
            let which = self.rng.number();
            if let Some(conn) = self.conns.get_mut(&id).filter(|c| c.backend.is_ready()) {
                conn.backend.chatter(which);
            }
            self.after_backend(id);
        }
        if speaks || breaks {
            let wait = self.rng.within(0, 2 * self.plan.delay + 10);
            self.after(wait, Event::Cut(link));
        }
    }

    /// An agent offers a stream: its backend is at rest, and every byte is counted.
    pub(super) fn check_offer(&mut self, link: u64, offered: &Offered) {
        let Some((id, conn)) = self.conn_of_stream(link, offered.stream) else { return };
        let (sent, received) = (offered.counters.sent, offered.counters.received);
        let counted = sent == conn.written.len() as u64 && received == conn.given;
        let asked = self.name(link, offered.stream).is_some_and(|n| self.tapes.parked.contains(&n));
        let counted = counted && asked;
        // The welcome that made it nobody's is followed by the adopter's first request.
        let adopted = self.tapes.acting == Some(link)
            && self
                .tapes
                .heard
                .get(&(link, offered.stream))
                .is_some_and(|tape| tape.base as u64 == sent && !tape.bytes.is_empty());
        if adopted {
            return;
        }
        if conn.life == Life::Open && !(conn.is_at_rest() && counted) {
            let detail = format!(
                "connection {id} is offered with {sent}/{received} of {}/{} (parked: {asked}): {:?}",
                conn.written.len(),
                conn.given,
                conn.backend
            );
            self.broken("parked at rest", detail);
        }
    }
}
