//! Streams open, carry bytes, finish.

use bytes::Bytes;
use pierhead_wire::tunnel::{
    Advice, Describe, Gone, GoneReason, Open, Opened, Refused, RefusedReason, Reset, StreamId,
};

use super::Agent;
use super::conn::Owner;
use super::io::{ConnId, DatabaseNo, Level, LinkNo};
use super::limits::STREAMS_PER_LINK_MAX;
use super::links::Fault;
use super::shutdown;
use super::stream::{DatabaseEnd, Description, Phase, Stream};
use super::timers::Timer;
use super::window::{Allowance, Window};

impl Agent {
    pub(super) fn open(&mut self, no: LinkNo, open: &Open) -> Result<(), Fault> {
        let id = open.stream;
        let Some(link) = self.links.get_mut(&no) else { return Ok(()) };
        if id.link != no.0 || id.index <= link.last_index {
            return Err(Fault::protocol(format!(
                "`open` of {}.{} on link {}, whose last index is {}: indexes rise",
                id.link, id.index, no.0, link.last_index
            )));
        }
        link.last_index = id.index;
        let (database, peer_window) = (link.database, link.peer_stream_window);
        if let Some((reason, advice)) = self.refusal(no, database, open.database.as_str()) {
            self.say_refused(no, database, id, reason, &advice);
            return Ok(());
        }
        let conn = self.connect(database, Owner::Stream(id));
        let window = Window::new(self.settings.stream_window);
        let stream = Stream::new(id, database, conn, no, window, Allowance::new(peer_window));
        self.streams.insert(id, stream);
        if let Some(link) = self.links.get_mut(&no) {
            link.streams.insert(id);
        }
        self.timers.set(Timer::Stream(id), self.now + self.settings.connect_timeout);
        self.log_stream(id, || "connects".to_owned());
        Ok(())
    }

    /// Why no stream can be opened, if it cannot.
    fn refusal(
        &self,
        no: LinkNo,
        database: DatabaseNo,
        asked: &str,
    ) -> Option<(RefusedReason, String)> {
        let name = self.name(database);
        let known = self.databases.get(database.0)?;
        if self.phase != shutdown::Phase::Running {
            return Some((RefusedReason::Draining, "the agent is shutting down".to_owned()));
        }
        if asked != name {
            let advice = format!("this agent serves `{name}` here, not `{asked}`");
            return Some((RefusedReason::UnknownDatabase, advice));
        }
        let full =
            self.links.get(&no).is_none_or(|link| link.streams.len() >= STREAMS_PER_LINK_MAX);
        if full || known.counted >= usize::from(known.cap) {
            let advice = format!(
                "`{name}`: {} of {} connections in use at the agent; raise its pool_size, or lower \
                 the coordinator's",
                known.counted, known.cap
            );
            return Some((RefusedReason::Cap, advice));
        }
        None
    }

    fn say_refused(
        &mut self,
        no: LinkNo,
        database: DatabaseNo,
        id: StreamId,
        reason: RefusedReason,
        advice: &str,
    ) {
        self.count(database, |totals| totals.refused = totals.refused.saturating_add(1));
        let Some(link) = self.links.get_mut(&no) else { return };
        link.said.insert(id);
        link.put(Refused { stream: id, reason, advice: Advice::cut(advice) });
        self.changed.link(no);
    }

    /// A stream whose connection could not be made.
    fn refuse(&mut self, id: StreamId, reason: RefusedReason, advice: &str) {
        let Some(stream) = self.streams.remove(&id) else { return };
        self.timers.clear(Timer::Stream(id));
        self.log(Level::Warn, stream.owner, Some(stream.database), advice);
        let Some(no) = stream.owner else { return };
        self.give_back(no, stream.link_debt);
        if let Some(link) = self.links.get_mut(&no) {
            link.forget(id);
        }
        self.say_refused(no, stream.database, id, reason, advice);
    }

    pub(super) fn connected(&mut self, conn: ConnId) {
        let id = match self.owner(conn) {
            Owner::Stream(id) => id,
            Owner::Cancel(cancel) => return self.cancel_connected(cancel),
            Owner::Nobody => return,
        };
        let Some(stream) = self.streams.get(&id) else { return };
        let (database, owner) = (stream.database, stream.owner);
        if stream.phase != Phase::Connecting {
            return;
        }
        self.enter(id, Phase::Open, "connected");
        self.count(database, |totals| totals.opened = totals.opened.saturating_add(1));
        if let Some(no) = owner {
            self.put(no, Opened { stream: id });
        }
    }

    pub(super) fn connect_failed(&mut self, conn: ConnId, reason: RefusedReason, detail: &str) {
        let owner = self.owner(conn);
        self.uncount(conn);
        self.conns.remove(&conn);
        match owner {
            Owner::Stream(id) => self.not_connected(id, reason, detail),
            Owner::Cancel(cancel) => self.cancel_ended(cancel, false),
            Owner::Nobody => {}
        }
    }

    /// A stream's connection did not come to stand.
    pub(super) fn not_connected(&mut self, id: StreamId, reason: RefusedReason, detail: &str) {
        let Some(stream) = self.streams.get(&id) else { return };
        let database = stream.database;
        if let Phase::Ending(ending) = stream.phase {
            return self.depart(id, ending.reason);
        }
        let name = self.name(database);
        let advice = format!(
            "the agent cannot connect to `{name}`: {detail}; check host and port of \
             PIERHEAD_DB_{} at the agent, and that the server runs",
            name.to_uppercase()
        );
        self.refuse(id, reason, &advice);
    }

    pub(super) fn connect_late(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get(&id) else { return };
        let conn = stream.conn;
        // It counts until the shell says that it is closed.
        self.abandon(conn);
        let waited = self.settings.connect_timeout.0 / 1000;
        self.not_connected(id, RefusedReason::Timeout, &format!("no answer within {waited} s"));
    }

    pub(super) fn data(&mut self, no: LinkNo, id: StreamId, bytes: Bytes) -> Result<(), Fault> {
        self.take_link_credit(no, bytes.len())?;
        if !self.owns(no, id) {
            self.give_back(no, length(&bytes));
            self.say_gone(no, unknown(id, false), false);
            return Ok(());
        }
        let Some(stream) = self.streams.get_mut(&id) else { return Ok(()) };
        if let Phase::Ending(ending) = &mut stream.phase {
            // The coordinator is awake, and waits to hear what became of this.
            ending.quiet = false;
            self.give_back(no, length(&bytes));
            return Ok(());
        }
        if stream.finish_in {
            self.give_back(no, length(&bytes));
            return Ok(());
        }
        self.take_in(id, bytes)
    }

    pub(super) fn take_link_credit(&mut self, no: LinkNo, bytes: usize) -> Result<(), Fault> {
        let Some(link) = self.links.get_mut(&no) else { return Ok(()) };
        link.window.take(bytes).map_err(|_| Fault::credit("more data than the link's credit"))
    }

    /// Bytes for the database: they un-park, and take back a `park` that is being looked into.
    pub(super) fn take_in(&mut self, id: StreamId, bytes: Bytes) -> Result<(), Fault> {
        let Some(stream) = self.streams.get_mut(&id) else { return Ok(()) };
        let excess = |_| Fault::credit(format!("more data than stream {}.{}'s", id.link, id.index));
        stream.window.take(bytes.len()).map_err(excess)?;
        stream.parking = None;
        stream.push(bytes);
        self.changed.stream(id);
        self.unpark(id);
        Ok(())
    }

    pub(super) fn wrote(&mut self, conn: ConnId, bytes: usize) {
        let id = match self.owner(conn) {
            Owner::Stream(id) => id,
            Owner::Cancel(cancel) => return self.cancel_wrote(cancel, bytes),
            Owner::Nobody => return,
        };
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.writing = stream.writing.saturating_sub(bytes);
        let count = u32::try_from(bytes).unwrap_or(u32::MAX);
        stream.window.give_back(count);
        let debt = count.min(stream.link_debt);
        stream.link_debt = stream.link_debt.saturating_sub(debt);
        if let Some(no) = stream.owner
            && let Some(link) = self.links.get_mut(&no)
        {
            link.window.give_back(debt);
            link.grants.insert(id);
            self.changed.link(no);
        }
        self.look_before_parking(id);
    }

    pub(super) fn finish(&mut self, no: LinkNo, id: StreamId) {
        if !self.owns(no, id) {
            return;
        }
        self.unpark(id);
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.finish_in = true;
        stream.parking = None;
        self.changed.stream(id);
    }

    pub(super) fn reset(&mut self, no: LinkNo, reset: &Reset) {
        if self.owns(no, reset.stream) {
            self.log_stream(reset.stream, || format!("reset: {:?}", reset.reason));
            self.end_stream(reset.stream, GoneReason::Reset);
        }
    }

    pub(super) fn describe(&mut self, no: LinkNo, describe: Describe) {
        if !self.owns(no, describe.stream) {
            return;
        }
        let Some(stream) = self.streams.get_mut(&describe.stream) else { return };
        let kept = Description { cancel: own(&describe.cancel), blob: own(&describe.blob) };
        stream.description.get_or_insert(kept);
    }

    pub(super) fn ended(&mut self, conn: ConnId) {
        self.uncount(conn);
        let id = match self.owner(conn) {
            Owner::Stream(id) => id,
            Owner::Cancel(cancel) => return self.cancel_saw_end(cancel),
            Owner::Nobody => return,
        };
        self.database_ended(id, DatabaseEnd::Ended);
    }

    pub(super) fn closed(&mut self, conn: ConnId, detail: &str) {
        let owner = self.owner(conn);
        self.uncount(conn);
        self.conns.remove(&conn);
        match owner {
            Owner::Stream(id) => {
                self.log_stream(id, || format!("connection closed: {detail}"));
                self.database_ended(id, DatabaseEnd::Closed);
            }
            Owner::Cancel(cancel) => self.cancel_ended(cancel, false),
            Owner::Nobody => {}
        }
    }

    fn database_ended(&mut self, id: StreamId, end: DatabaseEnd) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let conn = stream.conn;
        stream.database_end = Some(end);
        stream.parking = None;
        match stream.phase {
            Phase::Connecting if end == DatabaseEnd::Closed => {
                self.not_connected(id, RefusedReason::Connect, "closed while connecting");
            }
            Phase::Connecting => {}
            // What it said before goes first, as far as there is credit.
            Phase::Open => self.changed.stream(id),
            Phase::Parked(_) => self.end_stream(id, GoneReason::Database),
            Phase::Ending(ending) => {
                self.abandon(conn);
                self.depart(id, ending.reason);
            }
        }
    }
}

/// The answer for a stream that the agent does not know.
pub(super) fn unknown(stream: StreamId, nothing_delivered: bool) -> Gone {
    Gone { stream, nothing_delivered, reason: GoneReason::Unknown }
}

pub(super) fn length(bytes: &Bytes) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// A copy that does not keep the message it came in.
fn own<const MAX: usize>(
    blob: &pierhead_wire::tunnel::Blob<MAX>,
) -> pierhead_wire::tunnel::Blob<MAX> {
    pierhead_wire::tunnel::Blob(Bytes::copy_from_slice(&blob.0))
}
