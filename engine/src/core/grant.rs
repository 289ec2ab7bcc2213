//! Granting sessions to waiters, sending requests, taking sessions back.

use crate::core::Engine;
use crate::ids::{ClientId, SessionId};
use crate::io::{Level, Output};
use crate::limits::{PARK_AFTER, PROBE_EVERY, PROBE_TIMEOUT, PROBE_WAITER_AFTER, READ_WINDOW};
use crate::pool::client::{Kind, Place};
use crate::pool::places::Move;
use crate::pool::session::{Session, State, Why, Work};
use crate::pool::timers::Target;
use crate::settings::Way;
use crate::time::Reason;

impl Engine {
    /// Gives idle sessions to waiters, in the order of [`crate::pool::queue`], and opens more for
    /// the rest.
    pub(super) fn serve(&mut self) {
        while !self.idle.is_empty() && self.waiters.peek().is_some() {
            let Some(session) = self.take_idle() else { break };
            let Some((_, client)) = self.waiters.pop() else {
                self.idle.push(session);
                break;
            };
            self.grant(session, client);
        }
        while let Some(id) = self.newly_queued.pop() {
            if self.clients.get(&id).is_some_and(|c| c.place == Place::Waiting) {
                self.arm_in_queue(id);
            }
        }
        self.open_for_waiters();
    }

    /// The session used last that is not too old.
    fn take_idle(&mut self) -> Option<SessionId> {
        while let Some(id) = self.idle.pop() {
            let Some(session) = self.sessions.get(&id) else { continue };
            if session.expires <= self.now {
                self.end(id, Why::TooOld);
            } else if session.idle_until <= self.now {
                self.end(id, Why::IdleTooLong);
            } else {
                return Some(id);
            }
        }
        None
    }

    fn grant(&mut self, session: SessionId, id: ClientId) {
        let now = self.now;
        let Some(client) = self.clients.get_mut(&id) else { return };
        client.enter(Place::Running(session), Move::Granted);
        client.granted = Some(now);
        let (class, waited) = (client.class, now.since(client.arrived));
        let holder = client.exchange().and_then(|e| e.lease).unwrap_or(id);
        let silent = client.exchange().map(|e| now.since(e.alive_at));
        if holder != id
            && let Some(lease) = self.clients.get_mut(&holder)
        {
            lease.enter(Place::Running(session), Move::Granted);
            lease.granted = Some(now);
        }
        self.waiters.granted(class);
        self.accounts.waited(class, waited);
        if let Some(session) = self.sessions.get_mut(&session) {
            session.booked = Some((class, now));
        }
        let work = Work::Verifying;
        self.enter(session, Why::Granted, |seat| State::Leased { seat, client: holder, work });
        match silent {
            Some(silent) if silent >= PROBE_WAITER_AFTER => {
                self.ask_at(id, now + PROBE_TIMEOUT);
                self.outputs.push_back(Output::Probe { client: id });
            }
            Some(_) => self.send(session, id),
            None => self.socket_granted(session, id),
        }
    }

    /// A session has no holder any more: its class is charged for the time.
    pub(super) fn book_lease(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some((class, since)) = session.booked.take() else { return };
        let took = self.now.since(since);
        self.waiters.released(class, took);
        self.accounts.leased(class, took);
    }

    pub(super) fn is_verifying(&self, session: SessionId) -> bool {
        self.sessions
            .get(&session)
            .is_some_and(|s| matches!(s.state(), State::Leased { work: Work::Verifying, .. }))
    }

    /// The caller of a granted request is there, or is taken to be.
    pub(super) fn send_if_verifying(&mut self, session: SessionId) {
        if !self.is_verifying(session) {
            return;
        }
        if let Some(client) = self.served(session) {
            self.send(session, client);
        }
    }

    /// Sends an exchange's request.
    pub(super) fn send(&mut self, session_id: SessionId, id: ClientId) {
        let Some(session) = self.sessions.get_mut(&session_id) else { return };
        let written = session.written;
        let State::Leased { work, .. } = session.state_mut() else { return };
        match work {
            Work::Verifying => *work = Work::Talking(self.spare_talks.begin(written)),
            Work::Talking(talk) => talk.begin_request(written),
        }
        self.ask_at(id, self.now + PROBE_EVERY);
        self.counters.sent += 1;
        self.write_exchange(session_id, id);
    }

    /// The session is clean: it waits for its next client.
    pub(super) fn release(&mut self, id: SessionId, why: Why) {
        let Some(session) = self.sessions.get(&id) else { return };
        if !matches!(session.state(), State::Leased { .. }) {
            self.timers.clear(Target::Session(id), Reason::ResetDeadline);
        }
        if let Some(unfit) = self.unfit(session) {
            if unfit == Why::Mismatch {
                self.log(Level::Warn, Some(id), None, "ended: it answers what was not sent".into());
            }
            return self.end(id, unfit);
        }
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if let Some(talk) = session.take_talk() {
            self.spare_talks.put(talk);
        }
        if session.way != Way::Agent || !self.links.is_parked(session.stream) {
            session.idle_until = self.now + self.settings.idle_timeout;
        }
        session.park_at = self.now + PARK_AFTER;
        let (reason, at) = match session.way {
            Way::Agent => (Reason::Park, session.park_at),
            Way::Direct | Way::Cloudflared => (Reason::IdleTimeout, session.idle_until),
        };
        self.enter(id, why, |seat| State::Idle { seat });
        // One that is set for an earlier rest is left: when it comes, it is set for this one.
        if !self.timers.is_set(Target::Session(id), reason) {
            self.timers.set(Target::Session(id), reason, at);
        }
        self.idle.push(id);
        if self.heard != Some(id) {
            self.grant_reads(id);
        }
    }

    /// Why a session that is clean is not to be used any more, if it is not.
    fn unfit(&self, session: &Session) -> Option<Why> {
        if session.expires <= self.now {
            return Some(Why::TooOld);
        }
        match session.way {
            Way::Agent if self.links.drains(session.stream) => Some(Why::AgentDrains),
            // It seems to be at its ready point while a part of what it answers has not been sent
            // for want of credit: its bytes do not mean what they seem to.
            Way::Agent if self.links.has_queued(session.stream) => Some(Why::Mismatch),
            Way::Agent => None,
            way @ (Way::Direct | Way::Cloudflared) => {
                self.is_fallback(way).then_some(Why::Fallback)
            }
        }
    }

    /// The client goes back to its place in the queue: nothing of its request was sent.
    pub(super) fn requeue(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        client.enter(Place::Waiting, Move::NotSent);
        client.granted = None;
        let class = client.class;
        if let Kind::Exchange(exchange) = &mut client.kind {
            exchange.speaker.clear(&mut self.library.interned);
        }
        client.waits_until = self.now + self.settings.wait_timeout;
        if planted!(LostWaiter) {
            return;
        }
        self.waiters.put_back(class, id);
        self.arm(id);
    }

    /// Lets the shell read on, so that what it may still read and what the client has not taken
    /// stay within one window.
    pub(super) fn grant_reads(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        let least = match session.way {
            // Links collect what they are given.
            Way::Agent => 1,
            // Small grants would cost a call each; half a window is still open without this one.
            Way::Direct => READ_WINDOW / 4,
            Way::Cloudflared => return,
        };
        let holder = session.client();
        let mut untaken = holder.map_or(0, |holder| self.untaken(holder));
        if planted!(UnboundedBuffer) {
            untaken = 0;
        }
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let bytes = session.owed.saturating_sub(untaken);
        if bytes >= least && session.connected {
            session.owed -= bytes;
            self.grant_session(id, bytes);
        }
    }
}
