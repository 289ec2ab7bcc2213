//! What falls due.

use crate::core::Engine;
use crate::failure::{ConnectFailure, Failure};
use crate::ids::{ClientId, SessionId};
use crate::io::Output;
use crate::limits::{KEEP_ALIVE_EVERY, PROBE_EVERY};
use crate::pool::client::Place;
use crate::pool::session::{Session, State, Why};
use crate::pool::timers::Target;
use crate::settings::Way;
use crate::time::Reason;

impl Engine {
    /// Acts on every deadline that is due. Each is taken out of the table first, and set again only
    /// later than now, so this ends.
    pub(super) fn expire(&mut self) {
        while let Some((reason, target)) = self.timers.pop_due(self.now) {
            match target {
                Target::Client(id) => self.client_due(id, reason),
                Target::Session(id) => self.session_due(id, reason),
                Target::Link(id) => {
                    self.links.overdue(id);
                    self.link_events();
                }
                Target::Pool => self.pool_due(reason),
            }
        }
    }

    fn client_due(&mut self, id: ClientId, reason: Reason) {
        let Some(client) = self.clients.get(&id) else { return };
        match (client.place, reason) {
            (Place::Waiting, Reason::WaiterDeadline | Reason::RequestDeadline) => {
                let failure = self.why_not_served(id);
                self.fail(id, &failure);
            }
            (Place::Running(session), Reason::RequestDeadline) => {
                let failure = if self.is_verifying(session) {
                    self.why_not_served(id)
                } else {
                    let after = client.deadline.since(client.arrived);
                    Failure::OutOfTime { after }
                };
                self.fail(id, &failure);
                self.abandon(session, Why::OutOfTime);
            }
            (Place::Running(session), Reason::Probe) => {
                if self.is_verifying(session) {
                    self.send_if_verifying(session);
                } else {
                    self.timers.set(Target::Client(id), Reason::Probe, self.now + PROBE_EVERY);
                    self.outputs.push_back(Output::Probe { client: id });
                }
            }
            _ => {}
        }
    }

    /// A client got no session in its time: because there are none to be had, or too few.
    fn why_not_served(&self, id: ClientId) -> Failure {
        if let Some((failure, retry_after)) = self.health.trouble(self.now)
            && !self.has_usable_session()
        {
            return Failure::CannotConnect { failure: failure.clone(), retry_after };
        }
        let arrived = self.clients.get(&id).map_or(self.now, |c| c.arrived);
        Failure::WaitedTooLong { after: self.now.since(arrived), holders: self.holders() }
    }

    fn session_due(&mut self, id: SessionId, reason: Reason) {
        let Some(session) = self.sessions.get(&id) else { return };
        match (session.state(), reason) {
            (State::Opening { .. }, Reason::ConnectDeadline) => {
                let failure = ConnectFailure::timed_out(self.settings.connect_timeout);
                self.open_failed(id, failure);
            }
            (State::Resetting { .. }, Reason::ResetDeadline) => self.end(id, Why::NotCleared),
            (State::Draining { .. }, Reason::ResetDeadline) => self.end(id, Why::NotDrained),
            (State::Ending { .. }, Reason::EndDeadline) => self.end_overdue(id),
            (State::Idle { .. }, Reason::Park) => self.park(id),
            (State::Idle { .. }, Reason::IdleTimeout) => self.end(id, Why::IdleTooLong),
            (State::Idle { .. }, Reason::Lifetime) => self.end(id, Why::TooOld),
            _ => {}
        }
    }

    fn pool_due(&mut self, reason: Reason) {
        // An open that was put off (`ConnectBackoff`) is tried by `serve`, after every input.
        let outgoing = |s: &Session| s.way != Way::Agent;
        if reason == Reason::KeepAlive && self.sessions.values().any(outgoing) {
            self.timers.set(Target::Pool, Reason::KeepAlive, self.now + KEEP_ALIVE_EVERY);
        } else if reason == Reason::EndDeadline {
            self.cut_cancel();
        }
    }
}
