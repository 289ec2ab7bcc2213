//! Sessions at rest: parking them with their agent, and noting them for a later life.

use crate::core::Engine;
use crate::ids::{LinkId, SessionId};
use crate::limits::PARK_AFTER;
use crate::link::Row;
use crate::pool::session::{State, Why};
use crate::pool::timers::Target;
use crate::time::Reason;

impl Engine {
    /// A session has rested: its agent may hold it. Not while a message of the database is half
    /// here.
    pub(super) fn park(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if !session.scanner.is_clean() {
            session.park_at = self.now + PARK_AFTER;
            self.timers.set(Target::Session(id), Reason::Park, session.park_at);
            return;
        }
        let idle = session.idle_until.since(self.now);
        let rest = session.expires.since(self.now);
        session.rested = true;
        let stream = session.stream;
        self.links.park(stream, idle, rest);
        self.counters.parkings += 1;
        self.enter(id, Why::AtRest, |seat| State::Parked { seat });
    }

    /// The database spoke on a session before its agent parked it.
    pub(super) fn unpark(&mut self, id: SessionId) {
        self.enter(id, Why::Spoke, |seat| State::Idle { seat });
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.park_at = self.now + PARK_AFTER;
        self.timers.set(Target::Session(id), Reason::Park, session.park_at);
    }

    /// Lets the agent end a session that it holds parked.
    pub(super) fn release_parked(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.get(&id) {
            self.links.release(session.stream);
        }
    }

    /// Nothing is active: what a later life of this object needs is noted, since it may come
    /// next.
    pub(super) fn note_rest(&mut self) {
        if self.timers.has_active() || self.links.is_empty() {
            return;
        }
        for link in self.links.welcomed() {
            let rows = self.rows(link);
            self.links.attach(link, self.fingerprint, rows, &mut self.outputs);
        }
    }

    fn rows(&self, link: LinkId) -> Vec<Row> {
        let parked = self.sessions.values().filter(|s| matches!(s.state(), State::Parked { .. }));
        let here = parked.filter(|s| self.links.link_of(s.stream) == Some(link));
        let row = |s: &crate::pool::session::Session| {
            let (wire, counters) = self.links.wire_of(s.stream)?;
            Some(Row { wire, counters, idle_until: s.idle_until, expires: s.expires })
        };
        here.filter_map(row).collect()
    }

    /// True if the session's stream is on a link.
    #[cfg(sabotage)]
    pub(super) fn is_agents(&self, id: SessionId) -> bool {
        self.sessions.get(&id).is_some_and(|s| self.links.link_of(s.stream).is_some())
    }

    /// A planted bug: what still runs is left to run, and the session parked.
    #[cfg(sabotage)]
    pub(super) fn park_half_sent(&mut self, id: SessionId) {
        self.timers.clear_all(Target::Session(id));
        self.park(id);
        self.idle.push(id);
    }
}
