//! What clients do, and how they are answered.

use bytes::Bytes;
use pierhead_wire::envelope::{Outcome, Request, SqlState};

use super::Engine;
use crate::database::exchange::Plan;
use crate::failure::Failure;
use crate::ids::ClientId;
use crate::io::Output;
use crate::limits::{ANSWER_BYTES_BUDGET, ANSWER_UNTAKEN_MAX, REQUEST_BYTES_BUDGET};
use crate::pool::answer::{Answer, Parcel};
use crate::pool::client::{Client, Place};
use crate::pool::session::Why;
use crate::pool::timers::Target;
use crate::time::{Millis, Reason};

impl Engine {
    pub(super) fn client_opened(&mut self, id: ClientId, request: Bytes) {
        self.counters.requests += 1;
        match self.admit(id, request) {
            Ok(client) => {
                let wait_until = self.now + self.settings.wait_timeout;
                self.timers.set(Target::Client(id), Reason::WaiterDeadline, wait_until);
                self.timers.set(Target::Client(id), Reason::RequestDeadline, client.deadline);
                self.requests.insert(client.request_id, id);
                self.request_bytes += client.plan.bytes.len();
                self.clients.insert(id, client);
                self.waiters.push_back(id);
            }
            Err(failure) => {
                self.counters.refused += 1;
                let bytes = Answer::default().finish(&failure.outcome());
                self.outputs.push_back(Output::Answer { client: id, bytes });
            }
        }
    }

    /// Checks a request before anything is kept of it.
    fn admit(&self, id: ClientId, request: Bytes) -> Result<Client, Failure> {
        let request = Request::parse(request)
            .map_err(|e| Failure::Invalid { sqlstate: e.sqlstate(), message: e.to_string() })?;
        let malformed = |message| Failure::Invalid { sqlstate: SqlState::MALFORMED, message };
        let plan = Plan::read(request.protocol).map_err(malformed)?;
        if self.requests.contains_key(&request.id.0) || self.clients.contains_key(&id) {
            return Err(malformed("the request's id is in use; ids must be random".into()));
        }
        if let Some((failure, retry_after)) = self.health.trouble(self.now)
            && failure.lasting
            && self.health.is_pausing(self.now)
            && !self.has_usable_session()
        {
            return Err(Failure::CannotConnect { failure: failure.clone(), retry_after });
        }
        if self.request_bytes.saturating_add(plan.bytes.len()) > REQUEST_BYTES_BUDGET {
            return Err(Failure::RequestsTooLarge);
        }
        let room = self.budget.cap().saturating_sub(self.sessions.len()) + self.budget.opening();
        let limit = self.settings.max_waiters + room + self.idle.len();
        if self.waiters.len() >= limit {
            return Err(Failure::QueueFull {
                waiters: self.waiters.len(),
                holders: self.holders(),
            });
        }
        let time = match request.remaining_ms {
            0 => self.settings.query_timeout,
            ms => Millis(u64::from(ms)),
        };
        Ok(Client {
            place: Place::Waiting,
            request_id: request.id.0,
            caller: request.options.caller,
            plan,
            reset: request.options.reset,
            arrived: self.now,
            granted: None,
            deadline: self.now + time,
            alive_at: self.now,
            retries: 0,
            answer: Answer::default(),
        })
    }

    pub(super) fn client_took(&mut self, id: ClientId, bytes: usize) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let held = client.answer.held();
        client.answer.took(bytes);
        self.answer_bytes = self.answer_bytes.saturating_sub(held - client.answer.held());
        match client.place {
            Place::Running(session) => self.grant_reads(session),
            Place::Reading if client.answer.untaken() == 0 => self.forget_client(id),
            Place::Reading | Place::Waiting => {}
        }
    }

    pub(super) fn client_gone(&mut self, id: ClientId) {
        let Some(client) = self.clients.get(&id) else { return };
        let place = client.place;
        self.forget_client(id);
        self.counters.callers_gone += 1;
        if let Place::Running(session) = place {
            self.abandon(session, Why::CallerGone);
        }
    }

    pub(super) fn client_alive(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        client.alive_at = self.now;
        if let Place::Running(session) = client.place {
            self.send_if_verifying(session);
        }
    }

    pub(super) fn abort_request(&mut self, request: [u8; 16]) {
        let Some(&id) = self.requests.get(&request) else { return };
        let Some(client) = self.clients.get(&id) else { return };
        let place = client.place;
        let sent = matches!(place, Place::Running(session) if !self.is_verifying(session));
        self.fail(id, &Failure::GaveUp { sent });
        if let Place::Running(session) = place {
            self.abandon(session, Why::CallerGone);
        }
    }

    /// Ends a client with a failure.
    pub(super) fn fail(&mut self, id: ClientId, failure: &Failure) {
        self.counters.failed += 1;
        self.finish(id, failure.outcome());
    }

    /// Ends a client with its outcome, times filled in.
    pub(super) fn finish(&mut self, id: ClientId, mut outcome: Outcome) {
        let now = self.now;
        // The last chunk may be the one that makes the answer large.
        self.pass_on(id);
        let Some(client) = self.clients.get_mut(&id) else { return };
        let granted = client.granted.unwrap_or(now);
        outcome.waited_ms = granted.since(client.arrived).as_u32();
        outcome.ran_ms = now.since(granted).as_u32();
        let held = client.answer.held();
        let bytes = client.answer.finish(&outcome);
        let is_stream = client.answer.is_stream();
        self.answer_bytes = (self.answer_bytes + client.answer.held()).saturating_sub(held);
        self.settle(id);
        if is_stream {
            self.outputs.push_back(Output::WriteAnswer { client: id, bytes, end: true });
        } else {
            self.outputs.push_back(Output::Answer { client: id, bytes });
            self.forget_client(id);
        }
    }

    /// Nothing more is owed to the client.
    fn forget_client(&mut self, id: ClientId) {
        self.settle(id);
        let Some(client) = self.clients.remove(&id) else { return };
        self.answer_bytes = self.answer_bytes.saturating_sub(client.answer.held());
    }

    /// The client's request is over, well or not: it waits for nothing, and its bytes are let go.
    fn settle(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let place = std::mem::replace(&mut client.place, Place::Reading);
        let request = std::mem::take(&mut client.plan.bytes);
        self.request_bytes = self.request_bytes.saturating_sub(request.len());
        if self.requests.get(&client.request_id) == Some(&id) {
            self.requests.remove(&client.request_id);
        }
        if place == Place::Waiting {
            self.waiters.retain(|&other| other != id);
        }
        self.timers.clear_all(Target::Client(id));
    }

    /// Passes on what has come for a client: nothing yet, while its answer is small.
    fn pass_on(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let held = client.answer.held();
        match client.answer.flush() {
            Some(Parcel::Begin(bytes)) => {
                self.counters.streamed += 1;
                self.outputs.push_back(Output::BeginAnswer { client: id, bytes });
            }
            Some(Parcel::More(bytes)) => {
                self.outputs.push_back(Output::WriteAnswer { client: id, bytes, end: false });
            }
            None => {}
        }
        self.answer_bytes = (self.answer_bytes + client.answer.held()).saturating_sub(held);
    }

    /// Passes on what has come for a client, and checks that its reader keeps up.
    pub(super) fn flush_answer(&mut self, id: ClientId) {
        if self.clients.get(&id).is_none_or(|c| c.place == Place::Reading) {
            // It has its outcome; what its reader has not taken yet is its own affair.
            return;
        }
        self.pass_on(id);
        let untaken = self.clients.get(&id).map_or(0, |c| c.answer.untaken());
        if untaken > ANSWER_UNTAKEN_MAX && !self.is_held_back(id) {
            self.drop_answer(id, &Failure::ReaderTooSlow { held: untaken });
        }
        while self.answer_bytes > ANSWER_BYTES_BUDGET {
            let failure = Failure::AnswersTooLarge { held: self.answer_bytes };
            let running = |c: &Client| matches!(c.place, Place::Running(_));
            let largest = self.clients.iter().filter(|(_, c)| running(c));
            let Some((&id, _)) = largest.max_by_key(|(_, c)| c.answer.held()) else { break };
            self.drop_answer(id, &failure);
        }
    }

    /// True if the client's answer comes through a tunnel that holds back what is not granted.
    fn is_held_back(&self, id: ClientId) -> bool {
        let Some(Place::Running(session)) = self.clients.get(&id).map(|c| c.place) else {
            return false;
        };
        self.sessions.get(&session).is_some_and(|s| s.way.holds_back())
    }

    fn drop_answer(&mut self, id: ClientId, failure: &Failure) {
        let Some(client) = self.clients.get(&id) else { return };
        let place = client.place;
        self.counters.readers_behind += 1;
        self.fail(id, failure);
        if let Place::Running(session) = place {
            self.abandon(session, Why::ReaderBehind);
        }
    }
}
