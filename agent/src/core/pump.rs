//! From the database to the coordinator: reading no faster than credit allows, and sending in
//! turn.

use bytes::Bytes;
use pierhead_wire::limits::TUNNEL_DATA_BYTES_MAX;
use pierhead_wire::tunnel::{Finish, GoneReason, StreamId};

use super::Agent;
use super::io::{ConnId, LinkNo, Output};
use super::limits::READ_AHEAD;
use super::links::Fault;
use super::stream::{DatabaseEnd, Phase, Stream};
use super::timers::Timer;

impl Agent {
    pub(super) fn received(&mut self, conn: ConnId, bytes: Bytes) {
        let Some(id) = self.stream_of(conn) else { return };
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.granted = stream.granted.saturating_sub(bytes.len());
        // What it says after a `park` shows that it was not idle.
        stream.parking = None;
        match stream.phase {
            Phase::Open if !bytes.is_empty() => {
                stream.unsent_len = stream.unsent_len.saturating_add(bytes.len());
                stream.unsent.push_back(bytes);
            }
            Phase::Parked(_) => self.end_stream(id, GoneReason::Database),
            Phase::Connecting | Phase::Open | Phase::Ending(_) => {}
        }
        self.changed.stream(id);
    }

    pub(super) fn credit(&mut self, no: LinkNo, id: StreamId, bytes: u32) -> Result<(), Fault> {
        if !self.owns(no, id) {
            return Ok(());
        }
        let Some(stream) = self.streams.get_mut(&id) else { return Ok(()) };
        let excess = |_| Fault::credit("more credit for a stream than 16,777,216 bytes");
        stream.allowance.add(bytes).map_err(excess)?;
        self.changed.stream(id);
        Ok(())
    }

    pub(super) fn link_credit(&mut self, no: LinkNo, bytes: u32) -> Result<(), Fault> {
        let Some(link) = self.links.get_mut(&no) else { return Ok(()) };
        let waited = link.allowance.left() == 0;
        let excess = |_| Fault::credit("more credit for the link than 16,777,216 bytes");
        link.allowance.add(bytes).map_err(excess)?;
        self.changed.link(no);
        if waited {
            for id in &link.streams {
                self.changed.read(*id);
            }
        }
        Ok(())
    }

    /// Gives a stream its place in the turn, if it has something to say.
    pub(super) fn enqueue(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let Some(no) = stream.owner else { return };
        if stream.phase != Phase::Open {
            return;
        }
        if stream.unsent.is_empty() {
            self.say_database_end(id);
        } else if !stream.queued
            && let Some(link) = self.links.get_mut(&no)
        {
            stream.queued = true;
            link.ready.push_back(id);
            self.changed.link(no);
        }
    }

    /// Sends one frame of each stream in turn, while there is credit.
    pub(super) fn pump(&mut self, no: LinkNo) {
        while let Some(link) = self.links.get_mut(&no)
            && link.allowance.left() > 0
            && let Some(id) = link.ready.pop_front()
        {
            self.send_piece(no, id);
        }
    }

    fn send_piece(&mut self, no: LinkNo, id: StreamId) {
        let Some(link) = self.links.get_mut(&no) else { return };
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.owner != Some(no) {
            return;
        }
        let most = link.allowance.bytes().min(stream.allowance.bytes()).min(TUNNEL_DATA_BYTES_MAX);
        let sendable = stream.phase == Phase::Open && most > 0;
        let Some(piece) = sendable.then(|| stream.next_unsent(most)).flatten() else {
            stream.queued = false;
            return;
        };
        let length = piece.len();
        link.put_data(id, piece);
        link.allowance.spend(length);
        stream.allowance.spend(length);
        let count = u64::try_from(length).unwrap_or(u64::MAX);
        stream.counters.received = stream.counters.received.saturating_add(count);
        if stream.unsent.is_empty() {
            stream.queued = false;
        } else {
            link.ready.push_back(id);
        }
        let database = stream.database;
        self.count(database, |totals| {
            totals.bytes_received = totals.bytes_received.saturating_add(count);
        });
        self.changed.stream(id);
    }

    /// When everything that the database said before its end was sent: says that it ended.
    fn say_database_end(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let (conn, owner) = (stream.conn, stream.owner);
        match stream.database_end {
            None => {}
            Some(DatabaseEnd::Closed) => self.depart(id, GoneReason::Database),
            Some(DatabaseEnd::Ended) => {
                let said = std::mem::replace(&mut stream.finish_out, true);
                let finished = stream.finish_in;
                if !said && let Some(no) = owner {
                    self.put(no, Finish { stream: id });
                }
                if finished {
                    self.abandon(conn);
                    self.depart(id, GoneReason::Finished);
                } else if !said {
                    self.timers.set(Timer::Stream(id), self.now + self.settings.end_timeout);
                }
            }
        }
    }

    /// Lets the shell read on, if there is room and credit for what comes.
    pub(super) fn read_on(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get(&id) else { return };
        if stream.database_end.is_some() || self.is_closing(stream.conn) {
            return;
        }
        let link = stream.owner.and_then(|no| self.links.get(&no));
        let credit = link.is_some_and(|link| link.allowance.left() > 0);
        let target = read_target(stream, credit);
        // Half at a time, so that not every byte asks for another.
        if stream.granted >= target.div_ceil(2) {
            return;
        }
        let (conn, bytes) = (stream.conn, target.saturating_sub(stream.granted));
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.granted = target;
        }
        self.emit(Output::Read { conn, bytes });
    }
}

/// How many bytes the shell may have leave to read.
fn read_target(stream: &Stream, credit: bool) -> usize {
    match stream.phase {
        Phase::Connecting => 0,
        Phase::Open if credit => {
            stream.allowance.bytes().min(READ_AHEAD).saturating_sub(stream.unsent_len)
        }
        Phase::Open => 0,
        // A byte or the end must be noticed, whatever credit there is.
        Phase::Parked(_) => 1,
        // It is dropped, and must not keep the database from ending.
        Phase::Ending(_) => READ_AHEAD,
    }
}
