//! Exchanges: how they come, and how they are answered.

use bytes::Bytes;
use pierhead_wire::envelope::{Outcome, Request, SqlState};

use super::Engine;
use crate::database::exchange::Plan;
use crate::database::speaker::Speaker;
use crate::failure::Failure;
use crate::ids::ClientId;
use crate::io::Output;
use crate::limits::{ANSWER_BYTES_BUDGET, ANSWER_UNTAKEN_MAX, REQUEST_BYTES_BUDGET};
use crate::pool::answer::{Answer, Parcel};
use crate::pool::client::{Client, Exchange, Kind, Place};
use crate::pool::places::Move;
use crate::pool::session::Why;
use crate::pool::timers::Target;
use crate::time::{Millis, Reason};

impl Engine {
    pub(super) fn client_opened(&mut self, id: ClientId, request: Bytes, lease: Option<ClientId>) {
        self.counters.requests += 1;
        match self.admit(id, request, lease) {
            Ok(exchange) => {
                let (exchange, caller) = exchange;
                self.requests.insert(exchange.request_id, id);
                self.request_bytes += exchange.plan.bytes.len();
                self.enter_exchange(id, exchange, caller);
            }
            Err(failure) => {
                self.counters.refused += 1;
                let bytes = Answer::default().finish(&failure.outcome());
                self.outputs.push_back(Output::Answer { client: id, bytes });
            }
        }
    }

    fn enter_exchange(&mut self, id: ClientId, exchange: Box<Exchange>, caller: Option<String>) {
        let class = match exchange.lease.and_then(|lease| self.clients.get(&lease)) {
            Some(lease) => lease.class,
            None => self.enter_class(caller.as_deref().unwrap_or_default()),
        };
        let lease = exchange.lease;
        let client = Client {
            place: Place::Resting,
            class,
            caller,
            arrived: self.now,
            waits_until: self.now,
            armed: None,
            granted: None,
            kind: Kind::Exchange(exchange),
        };
        self.clients.insert(id, client);
        match lease {
            Some(lease) => self.lease_asked(lease, id),
            None => self.queue(id),
        }
    }

    /// The client waits for a session.
    pub(super) fn queue(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        client.enter(Place::Waiting, Move::Asked);
        client.waits_until = self.now + self.settings.wait_timeout;
        self.waiters.push(client.class, id);
        // Most are granted a session at once: only who is not needs a deadline.
        self.newly_queued.push(id);
    }

    /// Checks a request before anything is kept of it.
    fn admit(
        &self,
        id: ClientId,
        request: Bytes,
        lease: Option<ClientId>,
    ) -> Result<(Box<Exchange>, Option<String>), Failure> {
        let request = Request::parse(request)
            .map_err(|e| Failure::Invalid { sqlstate: e.sqlstate(), message: e.to_string() })?;
        let malformed = |message| Failure::Invalid { sqlstate: SqlState::MALFORMED, message };
        let plan = Plan::read(request.protocol).map_err(malformed)?;
        if self.requests.get(number_of(request.id.0)).is_some() || self.clients.contains_key(&id) {
            return Err(malformed("the request's id is in use; ids must be random".into()));
        }
        match lease {
            Some(lease) => self.check_lease(lease)?,
            None => self.check_room()?,
        }
        let bytes = plan.bytes.len();
        if self.request_bytes.saturating_add(bytes) > REQUEST_BYTES_BUDGET
            || self.settings.allowance.lacks(bytes)
        {
            return Err(Failure::RequestsTooLarge);
        }
        let time = match request.remaining_ms {
            0 => self.settings.query_timeout,
            ms => Millis(u64::from(ms)),
        };
        let exchange = Box::new(Exchange {
            request_id: number_of(request.id.0),
            plan,
            speaker: Speaker::default(),
            reset: request.options.reset,
            plan_cache: !request.options.fresh_plans,
            lease,
            deadline: self.now + time,
            probe_at: self.now,
            alive_at: self.now,
            retries: 0,
            answer: Answer::default(),
        });
        Ok((exchange, request.options.caller))
    }

    /// Whether another client may wait for a session.
    pub(super) fn check_room(&self) -> Result<(), Failure> {
        if let Some((failure, retry_after)) = self.health.trouble(self.now)
            && failure.lasting
            && self.health.is_pausing(self.now)
            && !self.has_usable_session()
        {
            return Err(Failure::CannotConnect { failure: failure.clone(), retry_after });
        }
        let room = self.budget.cap().saturating_sub(self.sessions.len()) + self.budget.opening();
        let limit = self.settings.max_waiters + room + self.idle.len();
        if self.waiters.len() >= limit {
            let holders = self.holders();
            return Err(Failure::QueueFull { waiters: self.waiters.len(), holders });
        }
        Ok(())
    }

    pub(super) fn abort_request(&mut self, request: [u8; 16]) {
        let Some(id) = self.requests.get(number_of(request)) else { return };
        let Some(client) = self.clients.get(&id) else { return };
        let session = client.session();
        let sent = session.is_some_and(|session| !self.is_verifying(session));
        self.fail(id, &Failure::GaveUp { sent });
        if let Some(session) = session {
            self.abandon(session, Why::CallerGone);
        }
    }

    /// Ends a request with a failure; of a socket, what it asked for.
    pub(super) fn fail(&mut self, id: ClientId, failure: &Failure) {
        self.counters.failed += 1;
        match self.clients.get(&id).map(|c| &c.kind) {
            Some(Kind::Exchange(_)) => self.finish(id, failure.outcome()),
            Some(Kind::Socket(_)) => self.refuse_socket(id, failure),
            Some(Kind::Lease(_)) | None => {}
        }
    }

    /// Ends an exchange with its outcome, times filled in.
    pub(super) fn finish(&mut self, id: ClientId, mut outcome: Outcome) {
        let now = self.now;
        // The last chunk may be the one that makes the answer large.
        self.pass_on(id);
        let Some(client) = self.clients.get_mut(&id) else { return };
        let granted = client.granted.unwrap_or(now);
        outcome.waited_ms = granted.since(client.arrived).as_u32();
        outcome.ran_ms = now.since(granted).as_u32();
        let Some(exchange) = client.exchange_mut() else { return };
        let held = exchange.answer.held();
        let bytes = exchange.answer.finish(&outcome);
        let is_stream = exchange.answer.is_stream();
        self.answer_bytes = (self.answer_bytes + exchange.answer.held()).saturating_sub(held);
        self.settle(id);
        if is_stream {
            self.outputs.push_back(Output::WriteAnswer { client: id, bytes, end: true });
        } else {
            self.outputs.push_back(Output::Answer { client: id, bytes });
            self.forget_exchange(id);
        }
    }

    /// Nothing more is owed to the client.
    pub(super) fn forget_exchange(&mut self, id: ClientId) {
        if self.clients.get(&id).is_some_and(|c| c.place != Place::Reading) {
            self.settle(id);
        }
        let Some(client) = self.clients.remove(&id) else { return };
        self.leave_class(client.class);
        let held = client.exchange().map_or(0, |exchange| exchange.answer.held());
        self.answer_bytes = self.answer_bytes.saturating_sub(held);
    }

    /// The client's request is over, well or not: it waits for nothing, and its bytes are let go.
    fn settle(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let place = client.enter(Place::Reading, Move::Ended);
        let class = client.class;
        if client.armed.take().is_some() {
            self.timers.clear(Target::Client(id), Reason::ClientDue);
        }
        let Some(exchange) = client.exchange_mut() else { return };
        exchange.speaker.clear(&mut self.library.interned);
        let request = std::mem::take(&mut exchange.plan.bytes);
        self.request_bytes = self.request_bytes.saturating_sub(request.len());
        let (request_id, lease) = (exchange.request_id, exchange.lease);
        if place != Place::Reading {
            self.requests.remove(request_id);
        }
        if place == Place::Waiting {
            self.waiters.remove(class, id);
        }
        if place != Place::Reading
            && let Some(lease) = lease
        {
            self.lease_answered(lease, id);
        }
    }

    /// Passes on what has come for a client: nothing yet, while its answer is small.
    fn pass_on(&mut self, id: ClientId) {
        let Some(exchange) = self.clients.get_mut(&id).and_then(Client::exchange_mut) else {
            return;
        };
        let held = exchange.answer.held();
        match exchange.answer.flush() {
            Some(Parcel::Begin(bytes)) => {
                self.counters.streamed += 1;
                self.outputs.push_back(Output::BeginAnswer { client: id, bytes });
            }
            Some(Parcel::More(bytes)) => {
                self.outputs.push_back(Output::WriteAnswer { client: id, bytes, end: false });
            }
            None => {}
        }
        self.answer_bytes = (self.answer_bytes + exchange.answer.held()).saturating_sub(held);
    }

    /// Passes on what has come for an exchange, and checks that its reader keeps up.
    pub(super) fn flush_answer(&mut self, id: ClientId) {
        if self.clients.get(&id).is_none_or(|c| c.place == Place::Reading) {
            // It has its outcome; what its reader has not taken yet is its own affair.
            return;
        }
        self.pass_on(id);
        let untaken = self.untaken(id);
        if untaken > ANSWER_UNTAKEN_MAX && !self.is_held_back(id) {
            self.drop_answer(id, &Failure::ReaderTooSlow { held: untaken });
        }
        self.shed_answers();
    }

    /// Keeps the bytes of answers within their budget.
    pub(super) fn shed_answers(&mut self) {
        while self.answer_bytes > ANSWER_BYTES_BUDGET {
            let failure = Failure::AnswersTooLarge { held: self.answer_bytes };
            let running = self.clients.iter().filter(|(_, c)| matches!(c.place, Place::Running(_)));
            let held = running.map(|(&id, c)| (held_for(c), id)).max();
            let Some((1.., id)) = held else { break };
            self.drop_answer(id, &failure);
        }
    }

    /// Bytes that a client was given and has not taken.
    pub(super) fn untaken(&self, id: ClientId) -> usize {
        match self.clients.get(&id).map(|c| &c.kind) {
            Some(Kind::Exchange(exchange)) => exchange.answer.untaken(),
            Some(Kind::Socket(socket)) => socket.untaken(),
            Some(Kind::Lease(lease)) => lease.current.map_or(0, |id| self.untaken(id)),
            None => 0,
        }
    }

    /// True if the client's answer comes through a tunnel that holds back what is not granted.
    pub(super) fn is_held_back(&self, id: ClientId) -> bool {
        let session = self.clients.get(&id).and_then(Client::session);
        session.and_then(|s| self.sessions.get(&s)).is_some_and(|s| s.way.holds_back())
    }

    pub(super) fn drop_answer(&mut self, id: ClientId, failure: &Failure) {
        let Some(client) = self.clients.get(&id) else { return };
        self.counters.readers_behind += 1;
        if client.socket().is_some() {
            self.counters.failed += 1;
            return self.kill_socket(id, failure, Why::ReaderBehind);
        }
        let session = client.session();
        self.fail(id, failure);
        if let Some(session) = session {
            self.abandon(session, Why::ReaderBehind);
        }
    }
}

/// A request's id as a number, which is quicker to compare.
pub(super) fn number_of(id: [u8; 16]) -> u128 {
    u128::from_be_bytes(id)
}

fn held_for(client: &Client) -> usize {
    match &client.kind {
        Kind::Exchange(exchange) => exchange.answer.held(),
        Kind::Socket(socket) => socket.untaken(),
        Kind::Lease(_) => 0,
    }
}
