//! Streams end: the database is told, waited for, and only then is the place free.

use pierhead_wire::tunnel::{Gone, GoneReason, StreamId};

use super::Agent;
use super::io::{Level, LinkNo, Output};
use super::link;
#[cfg(sabotage)]
use super::sabotage::{self, Bug};
use super::stream::{DatabaseEnd, Ending, Phase};
use super::timers::Timer;

impl Agent {
    /// The only door between the phases of a stream.
    pub(super) fn enter(&mut self, id: StreamId, phase: Phase, why: &str) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let from = std::mem::replace(&mut stream.phase, phase);
        self.timers.clear(Timer::Stream(id));
        self.changed.stream(id);
        self.log_stream(id, || format!("{} -> {}: {why}", from.name(), phase.name()));
    }

    /// Has the database end a stream's connection, and says `gone` with this reason when it did.
    pub(super) fn end_stream(&mut self, id: StreamId, reason: GoneReason) {
        let Some(stream) = self.streams.get(&id) else { return };
        let (conn, from, end) = (stream.conn, stream.phase, stream.database_end);
        if matches!(from, Phase::Ending(_)) {
            return;
        }
        let by_itself =
            matches!(reason, GoneReason::Idle | GoneReason::Expired | GoneReason::Database);
        let quiet = by_itself && stream.parked().is_some();
        self.drop_queues(id);
        self.enter(id, Phase::Ending(Ending { reason, quiet }), "told to end");
        match (end, from) {
            (Some(DatabaseEnd::Closed), _) => return self.depart(id, reason),
            (Some(DatabaseEnd::Ended), _) => {
                self.abandon(conn);
                return self.depart(id, reason);
            }
            (None, Phase::Connecting) => self.close(conn),
            (None, Phase::Open) => {
                // A request may be running, and its backend would notice the end of our direction
                // only at its next read.
                self.start_cancel(id, None);
                self.finish_writing(id);
            }
            (None, Phase::Parked(_) | Phase::Ending(_)) => self.finish_writing(id),
        }
        self.timers.set(Timer::Stream(id), self.now + self.settings.end_timeout);
    }

    fn finish_writing(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let conn = stream.conn;
        if !std::mem::replace(&mut stream.finished, true) {
            self.emit(Output::Finish { conn });
        }
    }

    /// Drops what is queued in both directions.
    fn drop_queues(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.parking = None;
        stream.unsent.clear();
        stream.unsent_len = 0;
        let dropped: usize = stream.unwritten.drain(..).map(|bytes| bytes.len()).sum();
        let dropped = u32::try_from(dropped).unwrap_or(u32::MAX).min(stream.link_debt);
        stream.link_debt = stream.link_debt.saturating_sub(dropped);
        if let Some(no) = stream.owner {
            self.give_back(no, dropped);
        }
    }

    /// Data has left the agent's buffers without reaching the database: its credit on the link is
    /// due again.
    pub(super) fn give_back(&mut self, no: LinkNo, bytes: u32) {
        #[cfg(sabotage)]
        if sabotage::active(Bug::CreditLeak) {
            return;
        }
        if let Some(link) = self.links.get_mut(&no)
            && bytes > 0
        {
            link.window.give_back(bytes);
            self.changed.link(no);
        }
    }

    /// The stream no longer exists.
    pub(super) fn depart(&mut self, id: StreamId, reason: GoneReason) {
        self.log_stream(id, || format!("gone: {reason:?}"));
        let Some(stream) = self.streams.remove(&id) else { return };
        self.timers.clear(Timer::Stream(id));
        self.drop_queued_cancel(id);
        let gone = Gone { stream: id, nothing_delivered: stream.nothing_delivered(), reason };
        if let Some(no) = stream.owner {
            self.give_back(no, stream.link_debt);
            self.say_gone(no, gone, stream.is_quiet());
            return;
        }
        let offered = self.links.values().filter(|link| link.offered.contains(&id));
        for no in offered.map(|link| link.no).collect::<Vec<_>>() {
            self.say_gone(no, gone.clone(), stream.is_quiet());
        }
    }

    /// Says `gone` on a link, once. If it need not be known at once it is held back, so that it
    /// does not wake a coordinator.
    pub(super) fn say_gone(&mut self, no: LinkNo, gone: Gone, quiet: bool) {
        let Some(link) = self.links.get_mut(&no) else { return };
        link.forget(gone.stream);
        if !link.said.insert(gone.stream) {
            // Whoever asks about it again is awake: what was held back is due.
            if link.held.iter().any(|held| held.stream == gone.stream) {
                link.put_held();
                self.changed.link(no);
            }
            return;
        }
        let streams = &self.streams;
        let is_quiet = |id| streams.get(id).is_none_or(super::stream::Stream::is_quiet);
        let asleep = quiet && link.streams.iter().all(is_quiet);
        if asleep || link.phase == link::Phase::Greeted {
            link.held.push_back(gone);
        } else {
            link.put(gone);
            self.changed.link(no);
        }
    }

    /// A stream's time in its phase is over.
    pub(super) fn stream_timer(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get(&id) else { return };
        let (conn, phase) = (stream.conn, stream.phase);
        match phase {
            Phase::Connecting => self.connect_late(id),
            Phase::Parked(parked) => self.end_stream(id, parked.end().1),
            // The database has ended, and the coordinator does not answer our `finish`.
            Phase::Open => {
                self.abandon(conn);
                self.depart(id, GoneReason::Database);
            }
            Phase::Ending(_) => self.orphan(id),
        }
    }

    /// The database does not end a connection: it may hold it for ever, so it is reported.
    fn orphan(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get(&id) else { return };
        let (conn, database, owner) = (stream.conn, stream.database, stream.owner);
        let text = format!(
            "`{}`: the server has not ended connection {} ({}.{}) within {} s; it may still run \
             there, look for it in pg_stat_activity; it no longer counts towards the cap",
            self.name(database),
            conn.0,
            id.link,
            id.index,
            self.settings.end_timeout.0 / 1000
        );
        self.log(Level::Warn, owner, Some(database), text);
        self.count(database, |totals| totals.orphans = totals.orphans.saturating_add(1));
        self.uncount(conn);
        self.abandon(conn);
        self.depart(id, GoneReason::Orphan);
    }
}
