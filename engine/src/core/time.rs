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
    Wait,
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
                Target::Client(id) => self.client_due(id),
                Target::Session(id) => self.session_due(id, reason),
                Target::Link(id) => {
                    self.links.overdue(id);
                    self.link_events();
                }
                Target::Pool => self.pool_due(reason),
            }
        }
    }

    fn client_due(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        client.armed = None;
        match &client.kind {
            Kind::Exchange(_) => self.exchange_due(id),
            Kind::Socket(_) => self.socket_due(id),
            Kind::Lease(_) => self.lease_due(id),
        }
    }

    /// The caller of a request that runs is asked then, or taken to live if it was.
    pub(super) fn ask_at(&mut self, id: ClientId, at: Instant) {
        if let Some(exchange) = self.clients.get_mut(&id).and_then(Client::exchange_mut) {
            exchange.probe_at = at;
            self.arm(id);
        }
    }

    /// Sees to it that a client is looked at when something falls due for it.
    pub(super) fn arm(&mut self, id: ClientId) {
        let Some(client) = self.clients.get(&id) else { return };
        match &client.kind {
            Kind::Exchange(_) => self.arm_at(id, exchange_deadline(client)),
            Kind::Socket(_) => self.arm_socket(id),
            Kind::Lease(_) => {}
        }
    }

    /// The same for one that begins to wait. Soon it runs, as a rule, and is to be asked whether it
    /// lives; a look at it that is due by then serves for that too.
    pub(super) fn arm_in_queue(&mut self, id: ClientId) {
        if self.clients.get(&id).is_some_and(|client| client.exchange().is_some()) {
            self.arm_at(id, Some(self.now + PROBE_EVERY));
        }
        self.arm(id);
    }

    /// One deadline is set for a client. One that is set already and not later is left: when it
    /// comes, it is asked again what falls due.
    fn arm_at(&mut self, id: ClientId, at: Option<Instant>) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        if let Some(at) = at
            && client.armed.is_none_or(|set| at < set)
        {
            client.armed = Some(at);
            self.timers.set(Target::Client(id), Reason::ClientDue, at);
        }
    }

    fn exchange_due(&mut self, id: ClientId) {
        let now = self.now;
        let Some(client) = self.clients.get_mut(&id) else { return };
        let (place, arrived, waits_until) = (client.place, client.arrived, client.waits_until);
        let Some(exchange) = client.exchange_mut() else { return };
        let deadline = exchange.deadline;
        match place {
            Place::Waiting if waits_until.min(deadline) <= now => return self.wait_over(id),
            Place::Running(session) if deadline <= now => {
                let failure = if self.is_verifying(session) {
                    self.why_not_served(id)
                } else {
                    Failure::OutOfTime { after: deadline.since(arrived) }
                };
                self.fail(id, &failure);
                return self.abandon(session, Why::OutOfTime);
            }
            Place::Running(session) if exchange.probe_at <= now => {
                if self.is_verifying(session) {
                    return self.send_if_verifying(session);
                }
                self.outputs.push_back(Output::Probe { client: id });
                return self.ask_at(id, now + PROBE_EVERY);
            }
            Place::Waiting | Place::Running(_) | Place::Reading | Place::Resting => {}
        }
        self.arm(id);
    }

    /// A client's time in the queue is over.
    fn wait_over(&mut self, id: ClientId) {
        if planted!(DeadlineIgnoredInQueue) {
            return;
        }
        let failure = self.why_not_served(id);
        self.fail(id, &failure);
    }

    /// Sees to it that a socket is looked at when something falls due for it.
    pub(super) fn arm_socket(&mut self, id: ClientId) {
        if !self.is_armed_soon(id) {
            self.arm_at(id, self.socket_deadline(id).map(|(at, _)| at));
        }
    }

    /// True if a socket's deadline is set for a moment at which none of its times can be over, whatever
    /// it does: as a rule, because there is a query every now and then.
    fn is_armed_soon(&self, id: ClientId) -> bool {
        let Some(client) = self.clients.get(&id) else { return true };
        let Some(socket) = client.socket() else { return true };
        let Some(armed) = client.armed else { return false };
        let limits = [
            START_UP_TIMEOUT,
            self.settings.client_idle_timeout,
            self.settings.idle_in_transaction_timeout,
        ];
        let set = limits.into_iter().filter(|limit| limit.0 > 0);
        set.into_iter().all(|limit| armed <= socket.active_at + limit)
            && socket.query_until.is_none_or(|at| armed <= at)
            && socket.transaction_until.is_none_or(|at| armed <= at)
            && (client.place != Place::Waiting || armed <= client.waits_until)
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
            (Stage::Open, None) if client.place == Place::Waiting => {
                Some((client.waits_until, Due::Wait))
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
        let Some((at, due)) = self.socket_deadline(id) else { return };
        if at > self.now {
            return self.arm_socket(id);
        }
        let settings = &self.settings;
        let failure = match due {
            Due::StartUp => self.why_not_greeted(id),
            Due::Wait => return self.wait_over(id),
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

/// The next moment at which something falls due for an exchange.
fn exchange_deadline(client: &Client) -> Option<Instant> {
    let exchange = client.exchange()?;
    match client.place {
        Place::Waiting => Some(exchange.deadline.min(client.waits_until)),
        Place::Running(_) => Some(exchange.deadline.min(exchange.probe_at)),
        Place::Reading | Place::Resting => None,
    }
}
