//! Granting sessions to waiters, sending requests, taking sessions back.

use std::collections::VecDeque;

use crate::core::Engine;
use crate::database::replies::{Expect, Replies};
use crate::ids::{ClientId, SessionId};
use crate::io::{Level, Output};
use crate::limits::{PARK_AFTER, PROBE_EVERY, PROBE_TIMEOUT, PROBE_WAITER_AFTER, READ_WINDOW};
use crate::pool::client::Place;
use crate::pool::session::{Exchange, State, Why, Work};
use crate::pool::timers::Target;
use crate::settings::{ResetPolicy, Way};
use crate::time::Reason;

impl Engine {
    /// Gives idle sessions to waiters, first come first served, and opens more for the rest.
    pub(super) fn serve(&mut self) {
        while let Some(&client) = self.waiters.front() {
            let Some(session) = self.take_idle() else { break };
            self.waiters.pop_front();
            self.grant(session, client);
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
        let Some(client) = self.clients.get_mut(&id) else { return };
        client.place = Place::Running(session);
        client.granted = Some(self.now);
        let silent = self.now.since(client.alive_at);
        self.timers.clear(Target::Session(session), Reason::IdleTimeout);
        self.timers.clear(Target::Session(session), Reason::Park);
        self.timers.clear(Target::Client(id), Reason::WaiterDeadline);
        self.enter(session, Why::Granted, |seat| State::Leased {
            seat,
            client: id,
            work: Work::Verifying,
        });
        if silent >= PROBE_WAITER_AFTER {
            self.timers.set(Target::Client(id), Reason::Probe, self.now + PROBE_TIMEOUT);
            self.outputs.push_back(Output::Probe { client: id });
        } else {
            self.send(session, id);
        }
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
        if let Some(client) = self.sessions.get(&session).and_then(|s| s.client()) {
            self.send(session, client);
        }
    }

    /// Sends a request, with the reset behind it if it is known to be needed.
    fn send(&mut self, session_id: SessionId, id: ClientId) {
        let Some(client) = self.clients.get(&id) else { return };
        let Some(session) = self.sessions.get_mut(&session_id) else { return };
        let signs = client.plan.signs;
        let must_reset = self.settings.reset == ResetPolicy::Always || client.reset || signs.state;
        // COPY would swallow it, and what no reset clears needs none.
        let reset_sent = must_reset && !signs.copy_in && !signs.indelible && !skip_reset();
        let expects: VecDeque<Expect> = client.plan.expects.clone();
        let segments =
            expects.iter().filter(|e| matches!(e, Expect::Sync | Expect::Query { .. })).count();
        let purge = std::mem::take(&mut session.purge) && !skip_purge();
        let ahead = purge.then(|| Replies::to_queries(1));
        let sent_from = session.written;
        if let State::Leased { work, .. } = session.state_mut() {
            *work = Work::Exchange(Exchange {
                replies: Replies::new(expects),
                sent_from,
                reset_sent,
                must_reset,
                signs,
                error: None,
                fatal: None,
                segments,
                committed: false,
                answered: false,
                ahead,
            });
        }
        let mut bytes = Vec::with_capacity(3);
        if purge {
            bytes.push(super::reset::deallocate_all());
        }
        bytes.push(client.plan.bytes.clone());
        if reset_sent {
            bytes.push(super::reset::discard_all());
        }
        self.timers.set(Target::Client(id), Reason::Probe, self.now + PROBE_EVERY);
        self.counters.sent += 1;
        self.write_session(session_id, bytes);
    }

    /// The session is clean: it waits for its next client.
    pub(super) fn release(&mut self, id: SessionId, why: Why) {
        self.timers.clear(Target::Session(id), Reason::ResetDeadline);
        if self.sessions.get(&id).is_some_and(|s| s.expires <= self.now) {
            self.end(id, Why::TooOld);
            return;
        }
        if self.is_unwanted(id) || self.is_answered_early(id) {
            return;
        }
        let rests = self.sessions.get(&id).is_some_and(|s| self.links.is_parked(s.stream));
        self.enter(id, why, |seat| State::Idle { seat });
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if !rests {
            session.idle_until = self.now + self.settings.idle_timeout;
        }
        let (reason, at) = match session.way {
            Way::Agent => (Reason::Park, self.now + PARK_AFTER),
            Way::Direct | Way::Cloudflared => (Reason::IdleTimeout, session.idle_until),
        };
        self.timers.set(Target::Session(id), reason, at);
        self.idle.push(id);
        self.grant_reads(id);
    }

    /// Ends a session that is clean, but whose tunnel is not to be used any more.
    fn is_unwanted(&mut self, id: SessionId) -> bool {
        let Some(session) = self.sessions.get(&id) else { return false };
        let why = match session.way {
            Way::Agent if self.links.drains(session.stream) => Why::AgentDrains,
            way if way != Way::Agent && self.is_fallback(way) => Why::Fallback,
            Way::Agent | Way::Direct | Way::Cloudflared => return false,
        };
        self.end(id, why);
        true
    }

    /// Ends a session that seems to be at its ready point while a part of what it answers has not
    /// been sent for want of credit: its bytes do not mean what they seem to.
    fn is_answered_early(&mut self, id: SessionId) -> bool {
        let Some(session) = self.sessions.get(&id) else { return false };
        if !self.links.has_queued(session.stream) {
            return false;
        }
        self.log(Level::Warn, Some(id), None, "ended: it answers what was not sent".into());
        self.end(id, Why::Mismatch);
        true
    }

    /// The client goes back to its place in the queue: nothing of its request was sent.
    pub(super) fn requeue(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        client.place = Place::Waiting;
        client.granted = None;
        self.timers.clear(Target::Client(id), Reason::Probe);
        let wait_until = self.now + self.settings.wait_timeout;
        self.timers.set(Target::Client(id), Reason::WaiterDeadline, wait_until);
        // Clients are numbered in the order in which they came.
        let place = self.waiters.partition_point(|&other| other < id);
        self.waiters.insert(place, id);
    }

    /// Lets the shell read on, so that what it may still read and what the client has not taken
    /// stay within one window.
    pub(super) fn grant_reads(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let least = match session.way {
            // Links collect what they are given.
            Way::Agent => 1,
            // Small grants would cost a call each; half a window is still open without this one.
            Way::Direct => READ_WINDOW / 4,
            Way::Cloudflared => return,
        };
        let client = session.client().and_then(|c| self.clients.get(&c));
        let untaken = client.map_or(0, |c| c.answer.untaken());
        let bytes = session.owed.saturating_sub(untaken);
        if bytes >= least && session.connected {
            session.owed -= bytes;
            self.grant_session(id, bytes);
        }
    }
}

#[cfg(sabotage)]
fn skip_reset() -> bool {
    crate::sabotage::active(crate::sabotage::Bug::SkipReset)
}

#[cfg(not(sabotage))]
const fn skip_reset() -> bool {
    false
}

#[cfg(sabotage)]
fn skip_purge() -> bool {
    crate::sabotage::active(crate::sabotage::Bug::StaleStatement)
}

#[cfg(not(sabotage))]
const fn skip_purge() -> bool {
    false
}
