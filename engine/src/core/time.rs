//! What falls due.

use crate::core::Engine;
use crate::core::drain::is_open;
use crate::failure::{ConnectFailure, Failure};
use crate::ids::{ClientId, SessionId};
use crate::io::Output;
use crate::limits::{CANCEL_PATIENCE, KEEP_ALIVE_EVERY, PROBE_EVERY, START_UP_TIMEOUT};
use crate::pool::client::{Client, Kind, Place};
use crate::pool::session::{Session, State, Why};
use crate::pool::socket::Stage;
use crate::pool::timers::Target;
use crate::settings::Way;
use crate::time::{Instant, Millis, Reason};

/// What a socket's time is over for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Due {
    StartUp,
    Idle,
    IdleInTransaction,
    Query,
    Transaction,
}

impl Engine {
    /// Acts on every deadline that is due. Each is taken out of the table first, and set again only
    /// later than now, so this ends.
    pub(super) fn expire(&mut self) {
        while self.timers.is_due(self.now)
            && let Some((reason, target)) = self.timers.pop_due(self.now)
        {
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
        if reason == Reason::ClientDue {
            return match &client.kind {
                Kind::Socket(_) => self.socket_due(id),
                Kind::Lease(_) => self.lease_due(id),
                Kind::Exchange(_) => {}
            };
        }
        match (client.place, reason) {
            (Place::Waiting, Reason::WaiterDeadline | Reason::RequestDeadline) => {
                if planted!(DeadlineIgnoredInQueue) {
                    return;
                }
                let failure = self.why_not_served(id);
                self.fail(id, &failure);
            }
            (Place::Running(session), Reason::RequestDeadline) => {
                let failure = if self.is_verifying(session) {
                    self.why_not_served(id)
                } else {
                    let deadline = client.exchange().map_or(self.now, |e| e.deadline);
                    Failure::OutOfTime { after: deadline.since(client.arrived) }
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

    /// When something falls due for a socket, if anything does. A deadline that is set already and
    /// not later is left: when it comes, this is asked again.
    pub(super) fn arm_socket(&mut self, id: ClientId) {
        if self.is_armed_soon(id) {
            return;
        }
        let Some(at) = self.socket_deadline(id).map(|(at, _)| at) else { return };
        let Some(socket) = self.clients.get_mut(&id).and_then(Client::socket_mut) else { return };
        if socket.armed.is_none_or(|set| at < set) {
            socket.armed = Some(at);
            self.timers.set(Target::Client(id), Reason::ClientDue, at);
        }
    }

    /// True if a socket's deadline is set for a moment at which none of its times can be over, whatever
    /// it does: as a rule, because there is a query every now and then.
    fn is_armed_soon(&self, id: ClientId) -> bool {
        let Some(socket) = self.clients.get(&id).and_then(Client::socket) else { return true };
        let Some(armed) = socket.armed else { return false };
        let limits = [
            START_UP_TIMEOUT,
            self.settings.client_idle_timeout,
            self.settings.idle_in_transaction_timeout,
        ];
        let set = limits.into_iter().filter(|limit| limit.0 > 0);
        set.into_iter().all(|limit| armed <= socket.active_at + limit)
            && socket.query_until.is_none_or(|at| armed <= at)
            && socket.transaction_until.is_none_or(|at| armed <= at)
    }

    /// The next moment at which a socket's time is over, and what for.
    fn socket_deadline(&self, id: ClientId) -> Option<(Instant, Due)> {
        let client = self.clients.get(&id)?;
        let socket = client.socket()?;
        let after = |limit: Millis| (limit.0 > 0).then(|| socket.active_at + limit);
        let settings = &self.settings;
        let talk = client.session().and_then(|s| self.sessions.get(&s)?.talk());
        let silent = match (&socket.stage, talk) {
            (Stage::StartUp { .. } | Stage::Login(..) | Stage::Greeting, _) => {
                Some((socket.active_at + START_UP_TIMEOUT, Due::StartUp))
            }
            (Stage::Cancelling, _) => None,
            (Stage::Open, Some(talk)) if !talk.awaits_client() || socket.mid_message => None,
            (Stage::Open, Some(talk)) if talk.is_quiet() && !is_open(talk.transaction) => {
                after(settings.client_idle_timeout).map(|at| (at, Due::Idle))
            }
            (Stage::Open, Some(_)) => {
                after(settings.idle_in_transaction_timeout).map(|at| (at, Due::IdleInTransaction))
            }
            (Stage::Open, None) if client.place != Place::Resting => None,
            (Stage::Open, None) => after(settings.client_idle_timeout).map(|at| (at, Due::Idle)),
        };
        let query = socket.query_until.map(|at| (at, Due::Query));
        let transaction = socket.transaction_until.map(|at| (at, Due::Transaction));
        let busy = client.session().is_some();
        [silent, query.filter(|_| busy), transaction.filter(|_| busy)].into_iter().flatten().min()
    }

    fn socket_due(&mut self, id: ClientId) {
        if let Some(socket) = self.clients.get_mut(&id).and_then(Client::socket_mut) {
            socket.armed = None;
        }
        let Some((at, due)) = self.socket_deadline(id) else { return };
        if at > self.now {
            return self.arm_socket(id);
        }
        let settings = &self.settings;
        let failure = match due {
            Due::StartUp => self.why_not_greeted(id),
            Due::Idle => Failure::ClientIdle { after: settings.client_idle_timeout },
            Due::IdleInTransaction => {
                Failure::IdleInTransaction { after: settings.idle_in_transaction_timeout }
            }
            // What is on its way may be committed before it can be stopped.
            Due::Transaction if self.awaits_ready(id) => {
                Failure::OutOfTime { after: settings.transaction_timeout }
            }
            Due::Transaction => Failure::TransactionTooLong { after: settings.transaction_timeout },
            Due::Query => return self.query_due(id),
        };
        self.kill_socket(id, &failure, Why::HeldTooLong);
    }

    /// A start-up took too long: because the client did not finish it, or the database did not let a
    /// first session be opened.
    fn why_not_greeted(&self, id: ClientId) -> Failure {
        let socket = self.clients.get(&id).and_then(Client::socket);
        if !socket.is_some_and(|socket| matches!(socket.stage, Stage::Greeting)) {
            return Failure::StartUpTooSlow { after: START_UP_TIMEOUT };
        }
        let (failure, retry_after) = match self.health.trouble(self.now) {
            Some((failure, retry_after)) => (failure.clone(), retry_after),
            None => (ConnectFailure::timed_out(START_UP_TIMEOUT), Millis(0)),
        };
        Failure::CannotConnect { failure, retry_after }
    }

    /// True if a client has sent something that is not answered.
    fn awaits_ready(&self, id: ClientId) -> bool {
        let session = self.clients.get(&id).and_then(Client::session);
        let talk = session.and_then(|s| self.sessions.get(&s)?.talk());
        talk.is_some_and(|talk| talk.replies.awaits_ready())
    }

    /// What a socket runs takes too long: it is cancelled, and if that does not help, ended.
    fn query_due(&mut self, id: ClientId) {
        let now = self.now;
        let limit = self.settings.query_timeout;
        let Some(client) = self.clients.get_mut(&id) else { return };
        let session = client.session();
        let Kind::Socket(socket) = &mut client.kind else { return };
        let first = !std::mem::replace(&mut socket.cancelled_by_time, true);
        socket.query_until = first.then(|| now + CANCEL_PATIENCE);
        if first && session.is_some_and(|session| self.cancel_running(session, None)) {
            return self.arm_socket(id);
        }
        self.kill_socket(id, &Failure::OutOfTime { after: limit }, Why::OutOfTime);
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
            (State::Draining { .. }, Reason::ResetDeadline) => self.drain_overdue(id),
            (State::Ending { .. }, Reason::EndDeadline) => self.end_overdue(id),
            // It was at work since the deadline was set.
            (State::Idle { .. }, Reason::Park) if session.park_at > self.now => {
                self.timers.set(Target::Session(id), reason, session.park_at);
            }
            (State::Idle { .. }, Reason::IdleTimeout) if session.idle_until > self.now => {
                self.timers.set(Target::Session(id), reason, session.idle_until);
            }
            (State::Idle { .. }, Reason::Park) => self.park(id),
            (State::Idle { .. }, Reason::IdleTimeout) => self.idle_for_long(id),
            (State::Idle { .. }, Reason::Lifetime) => self.end(id, Why::TooOld),
            _ => {}
        }
    }

    /// A session was idle for long enough: it is ended, unless it is one of those that are kept.
    fn idle_for_long(&mut self, id: SessionId) {
        let at = self.now + self.settings.idle_timeout;
        let kept = if planted!(MinIdleForgotten) { 0 } else { self.settings.min_idle };
        if self.idle.len() > kept {
            return self.end(id, Why::IdleTooLong);
        }
        if let Some(session) = self.sessions.get_mut(&id) {
            session.idle_until = at;
            self.timers.set(Target::Session(id), Reason::IdleTimeout, at);
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
