//! Opening sessions.

use crate::auth::handshake::{CancelKey, Greeting, Handshake, Step};
use crate::core::{Carrier, Engine};
use crate::failure::{ConnectFailure, Failure};
use std::sync::Arc;

use crate::ids::{ClientId, SessionId, StreamId};
use crate::io::{Level, Output};
use crate::limits::{KEEP_ALIVE_EVERY, LIFETIME_JITTER_PERCENT, READ_WINDOW};
use crate::link::Portrait;
use crate::pool::budget::Approval;
use crate::pool::session::{Session, State, Why};
use crate::pool::timers::Target;
use crate::settings::Way;
use crate::time::{Instant, Millis, Reason};

/// How the next session is to be opened.
enum Choice {
    Open(Way),
    /// Not yet: an agent may still come.
    Wait(Instant),
    /// No agent came in this client's time, and there is no other tunnel.
    NoAgent(ClientId),
}

impl Engine {
    /// Opens as many sessions as waiters need and the budget approves.
    pub(super) fn open_for_waiters(&mut self) {
        let nobody_asks = self.waiters.is_empty() && self.greeters.is_empty();
        if nobody_asks && self.settings.min_idle == 0 && !self.opens_put_off {
            return;
        }
        self.timers.clear(Target::Pool, Reason::TunnelWait);
        let next_free = self.expire_away();
        // While all sessions are in use, nothing but a place that is given up changes anything.
        let hopeless = self.budget.is_full() && next_free.is_none();
        self.opens_put_off = !hopeless && self.sessions_wanted() > 0;
        if !self.opens_put_off {
            self.timers.clear(Target::Pool, Reason::ConnectBackoff);
            return;
        }
        if self.health.is_pausing(self.now) {
            if let Some(at) = self.health.resumes_at() {
                self.timers.set(Target::Pool, Reason::ConnectBackoff, at);
            }
            return;
        }
        while self.budget.opening() < self.opens_wanted() {
            match self.choose_way() {
                Choice::Open(way) => {
                    let Some(approval) = self.budget.approve() else {
                        if let Some(at) = next_free {
                            self.timers.set(Target::Pool, Reason::TunnelWait, at);
                        }
                        break;
                    };
                    self.open_session(approval, way);
                }
                Choice::Wait(at) => {
                    self.timers.set(Target::Pool, Reason::TunnelWait, at);
                    break;
                }
                Choice::NoAgent(client) => self.fail(client, &Failure::no_agent()),
            }
        }
    }

    /// After a failure, one open shows whether the trouble is over.
    fn opens_wanted(&self) -> usize {
        let wanted = self.sessions_wanted();
        if wanted == 0 {
            0
        } else if self.health.trouble(self.now).is_some() {
            1
        } else {
            wanted
        }
    }

    /// Sessions to be opened: for those who wait, for those who wait to be greeted, and those that
    /// are kept.
    fn sessions_wanted(&self) -> usize {
        let usable = self.sessions.len().saturating_sub(self.budget.opening());
        let kept = self.settings.min_idle.saturating_sub(usable);
        let first = usize::from(self.has_greeters() && usable == 0);
        // Who waits because others of its class hold all that the class may is not helped by more.
        let waiting = self.waiters.peek().map_or(0, |_| self.waiters.len());
        waiting.max(kept).max(first)
    }

    /// The tunnel for the next open: the first that can be used, in the order of preference. An
    /// agent that is not there is waited for.
    fn choose_way(&self) -> Choice {
        let first =
            self.waiters.peek().map(|(_, client)| client).or(self.greeters.first().copied());
        for &way in &self.settings.ways {
            if way != Way::Agent || self.links.best().is_some() {
                return Choice::Open(way);
            }
            let came = first.and_then(|first| self.clients.get(&first));
            let came = came.map_or(self.now, |client| client.arrived);
            let until = came.max(self.alone_since) + self.settings.tunnel_wait;
            if self.now < until {
                return Choice::Wait(until);
            }
        }
        first.map_or(Choice::Wait(self.now + self.settings.tunnel_wait), Choice::NoAgent)
    }

    /// True if a tunnel before this one could be used.
    pub(super) fn is_fallback(&self, way: Way) -> bool {
        let mut before = self.settings.ways.iter().take_while(|&&other| other != way);
        before.any(|&other| other != Way::Agent || self.links.best().is_some())
    }

    /// Forgets sessions that an absent agent has ended by now; tells when the next will be.
    fn expire_away(&mut self) -> Option<Instant> {
        if self.away.is_empty() {
            return None;
        }
        let until = |&id: &SessionId| Some((self.sessions.get(&id)?.away()?.1, id));
        let mut away: Vec<(Instant, SessionId)> = self.away.iter().filter_map(until).collect();
        away.sort_unstable();
        let over = away.partition_point(|&(until, _)| until <= self.now);
        for &(_, id) in away.iter().take(over) {
            self.forget_session(id);
        }
        self.away.clear();
        self.away.extend(away.iter().skip(over).map(|&(_, id)| id));
        away.get(over).map(|&(until, _)| until)
    }

    fn open_session(&mut self, approval: Approval, way: Way) {
        let id = SessionId(self.next_id());
        let stream = StreamId(self.next_id());
        let lifetime = self.settings.max_lifetime;
        let jitter = self.rng.below(lifetime.0 / 100 * LIFETIME_JITTER_PERCENT + 1);
        let expires = self.now + Millis(lifetime.0.saturating_sub(jitter));
        self.sessions.insert(id, Session::new(stream, way, approval, expires));
        self.streams.insert(stream, Carrier::Session(id));
        let deadline = self.now + self.settings.connect_timeout;
        self.timers.set(Target::Session(id), Reason::ConnectDeadline, deadline);
        if let Some(link) = self.links.best().filter(|_| way == Way::Agent) {
            self.links.open(link, stream);
            // Bytes may follow at once: the start-up rides with the open.
            self.session_connected(id);
            return;
        }
        if !self.timers.is_set(Target::Pool, Reason::KeepAlive) {
            self.timers.set(Target::Pool, Reason::KeepAlive, self.now + KEEP_ALIVE_EVERY);
        }
        self.outputs.push_back(Output::OpenStream { stream, way });
    }

    /// The session's stream carries bytes.
    pub(super) fn session_connected(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.connected = true;
        let stream = session.stream;
        if !matches!(session.state(), State::Opening { handshake: None, .. }) {
            return;
        }
        let way = session.way;
        if way == Way::Direct {
            self.outputs.push_back(Output::Grant { stream, bytes: READ_WINDOW });
        }
        match Handshake::begin(&self.settings, way) {
            Ok((begun, step)) => {
                if let State::Opening { handshake, .. } = session.state_mut() {
                    *handshake = Some(Box::new(begun));
                }
                self.login_step(id, Ok(step));
            }
            Err(failure) => self.open_failed(id, failure),
        }
    }

    /// Does what a step of the login asks for.
    pub(super) fn login_step(&mut self, id: SessionId, step: Result<Step, ConnectFailure>) {
        let Some(stream) = self.sessions.get(&id).map(|s| s.stream) else { return };
        match step {
            Ok(Step::Wait) => {}
            Ok(Step::Write(bytes)) => self.write_session(id, bytes.into()),
            Ok(Step::StartTls) => self.outputs.push_back(Output::StartTls { stream }),
            Ok(Step::Ready(greeting)) => self.logged_in(id, greeting),
            Err(failure) => self.open_failed(id, failure),
        }
    }

    fn logged_in(&mut self, id: SessionId, greeting: Greeting) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.parameters = greeting.parameters;
        session.cancel_key = greeting.cancel_key;
        let expires = session.expires;
        self.parameters = Some(Arc::new(session.parameters.clone()));
        let server = session.parameters.get("server_version").cloned().unwrap_or_default();
        self.timers.clear(Target::Session(id), Reason::ConnectDeadline);
        if session.way == Way::Agent {
            self.describe_session(id);
        } else {
            self.timers.set(Target::Session(id), Reason::Lifetime, expires);
        }
        self.health.succeeded();
        self.counters.opened += 1;
        self.log(Level::Info, Some(id), None, format!("opened, server version {server}"));
        self.greet();
        self.release(id, Why::LoggedIn);
    }

    /// Tells the agent what a later life needs to know, and how to cancel.
    fn describe_session(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        let key = session.cancel_key.as_ref();
        let settings = &self.settings;
        let blob = Portrait::encode(&session.parameters, key, settings, self.fingerprint);
        let cancel = key.map(CancelKey::request).unwrap_or_default();
        self.links.describe(session.stream, cancel, blob);
    }

    /// A session could not be opened; its stream is still to be closed.
    pub(super) fn open_failed(&mut self, id: SessionId, failure: ConnectFailure) {
        self.end(id, Why::OpenFailed);
        self.note_open_failure(id, failure);
    }

    /// Remembers the failure; if it will not pass by itself, everybody who waits hears it now, and who
    /// waits to be greeted also if it lasts.
    pub(super) fn note_open_failure(&mut self, id: SessionId, failure: ConnectFailure) {
        self.counters.open_failures += 1;
        self.log(Level::Warn, Some(id), None, format!("not opened: {}", failure.message));
        let lasting = failure.lasting;
        self.health.failed(self.now, failure, self.rng.below(100));
        if self.has_usable_session() {
            return;
        }
        if !lasting {
            return self.greet();
        }
        let Some((failure, retry_after)) = self.health.trouble(self.now) else { return };
        let failure = Failure::CannotConnect { failure: failure.clone(), retry_after };
        let waiting: Vec<ClientId> = self.waiters.iter().map(|(_, client)| client).collect();
        for client in waiting {
            self.fail(client, &failure);
        }
        self.greet();
    }

    /// True if there is a session that serves or will serve clients.
    pub(super) fn has_usable_session(&self) -> bool {
        self.sessions.values().any(|s| match s.state() {
            State::Idle { .. }
            | State::Parked { .. }
            | State::Draining { .. }
            | State::Leased { .. }
            | State::Resetting { .. } => true,
            State::Opening { .. } | State::Away { .. } | State::Ending { .. } | State::Moving => {
                false
            }
        })
    }
}
