//! Leases: transactions that a caller holds over several requests.
//!
//! A lease waits for its session with its first request, and keeps it until a request ends its
//! transaction, or it is disposed of. Its requests run one after the other.

use crate::core::Engine;
use crate::failure::Failure;
use crate::ids::ClientId;
use crate::io::Terms;
use crate::limits::{LEASE_REQUESTS_MAX, LEASES_MAX};
use crate::pool::client::{Client, Kind, Lease, Over, Place};
use crate::pool::places::Move;
use crate::pool::session::Why;
use crate::pool::timers::Target;
use crate::time::{Millis, Reason};

impl Engine {
    pub(super) fn lease_opened(&mut self, id: ClientId, terms: &Terms) {
        if self.clients.contains_key(&id) {
            return;
        }
        let class = self.enter_class(&terms.class);
        let mut lease = Lease::default();
        self.leases += 1;
        if self.leases > LEASES_MAX {
            lease.over = Some(Over::TooMany);
        }
        let client = Client {
            place: Place::Resting,
            class,
            caller: None,
            arrived: self.now,
            waits_until: self.now,
            armed: None,
            granted: None,
            kind: Kind::Lease(Box::new(lease)),
        };
        self.clients.insert(id, client);
    }

    /// Whether a lease takes another request.
    pub(super) fn check_lease(&self, id: ClientId) -> Result<(), Failure> {
        let Some(lease) = self.clients.get(&id).and_then(Client::lease) else {
            return Err(Failure::LeaseOver { how: Over::Unknown });
        };
        if let Some(how) = lease.over {
            return Err(Failure::LeaseOver { how });
        }
        if lease.behind.len() >= LEASE_REQUESTS_MAX {
            return Err(Failure::LeaseOver { how: Over::TooManyRequests });
        }
        Ok(())
    }

    /// A request of a lease came.
    pub(super) fn lease_asked(&mut self, lease_id: ClientId, request: ClientId) {
        let Some(client) = self.clients.get_mut(&lease_id) else { return };
        let place = client.place;
        let Kind::Lease(lease) = &mut client.kind else { return };
        if lease.current.is_some() {
            lease.behind.push_back(request);
            return;
        }
        lease.current = Some(request);
        self.arm_lease(lease_id, false);
        let Place::Running(session) = place else {
            if let Err(failure) = self.check_room() {
                return self.fail(request, &failure);
            }
            return self.queue(request);
        };
        let now = self.now;
        if let Some(request) = self.clients.get_mut(&request) {
            request.enter(place, Move::Granted);
            request.granted = Some(now);
        }
        self.send(session, request);
    }

    /// A lease's time is over: it was silent, or its transaction took too long.
    pub(super) fn lease_due(&mut self, lease_id: ClientId) {
        let Some(client) = self.clients.get(&lease_id) else { return };
        let Some(since) = client.granted else { return };
        let limit = self.settings.transaction_timeout;
        let how = if limit.0 > 0 && since + limit <= self.now { Over::TooLong } else { Over::Idle };
        self.end_lease(lease_id, how, Some(Why::HeldTooLong));
    }

    /// When a lease's time is over: with nothing running, that of silence; always, that of the
    /// transaction.
    fn arm_lease(&mut self, lease_id: ClientId, idle: bool) {
        let Some(client) = self.clients.get(&lease_id) else { return };
        let settings = &self.settings;
        let within = |since, limit: Millis| (limit.0 > 0).then(|| since + limit);
        let transaction = client.granted.and_then(|at| within(at, settings.transaction_timeout));
        let silence = within(self.now, settings.idle_in_transaction_timeout).filter(|_| idle);
        let target = Target::Client(lease_id);
        match transaction.into_iter().chain(silence).min() {
            Some(at) => self.timers.set(target, Reason::ClientDue, at),
            None => self.timers.clear(target, Reason::ClientDue),
        }
    }

    /// A request of a lease is over, well or not.
    pub(super) fn lease_answered(&mut self, lease_id: ClientId, request: ClientId) {
        let Some(lease) = self.clients.get_mut(&lease_id).and_then(Client::lease_mut) else {
            return;
        };
        lease.behind.retain(|&other| other != request);
        if lease.current == Some(request) {
            lease.current = None;
        }
    }

    /// The transaction goes on: the next request, if there is one.
    pub(super) fn lease_rests(&mut self, lease_id: ClientId) {
        let Some(lease) = self.clients.get_mut(&lease_id).and_then(Client::lease_mut) else {
            return;
        };
        match lease.behind.pop_front() {
            Some(next) => self.lease_asked(lease_id, next),
            None => self.arm_lease(lease_id, true),
        }
    }

    /// The transaction was ended by a request.
    pub(super) fn lease_done(&mut self, lease_id: ClientId) {
        self.end_lease(lease_id, Over::Done, None);
    }

    /// The caller let go of a lease: what is open is rolled back.
    pub(super) fn lease_disposed(&mut self, lease_id: ClientId) {
        self.end_lease(lease_id, Over::Lost, Some(Why::CallerGone));
        if let Some(client) = self.clients.remove(&lease_id) {
            self.leave_class(client.class);
            self.leases = self.leases.saturating_sub(1);
        }
    }

    /// Ends a lease: its requests fail, and its session is cleaned up. `why` tells if something may
    /// still be on its way.
    pub(super) fn end_lease(&mut self, lease_id: ClientId, how: Over, why: Option<Why>) {
        let Some(client) = self.clients.get_mut(&lease_id) else { return };
        let session = client.session();
        client.enter(Place::Resting, Move::Ended);
        let Kind::Lease(lease) = &mut client.kind else { return };
        lease.over = lease.over.or(Some(how));
        let current = lease.current.take();
        let behind = std::mem::take(&mut lease.behind);
        self.timers.clear_all(Target::Client(lease_id));
        if let Some(current) = current {
            let sent = session.is_some_and(|session| !self.is_verifying(session));
            self.fail(current, &Failure::GaveUp { sent });
        }
        for request in behind {
            self.fail(request, &Failure::LeaseOver { how });
        }
        match (session, why) {
            (Some(session), Some(why)) => self.abandon(session, why),
            (Some(session), None) => self.lease_over(session),
            (None, _) => {}
        }
    }

    /// The session of a lease is gone.
    pub(super) fn lease_lost(&mut self, lease_id: ClientId, failure: &Failure) {
        let Some(client) = self.clients.get_mut(&lease_id) else { return };
        client.enter(Place::Resting, Move::Lost);
        let Kind::Lease(lease) = &mut client.kind else { return };
        lease.over = Some(Over::Lost);
        let current = lease.current.take();
        let behind = std::mem::take(&mut lease.behind);
        self.timers.clear_all(Target::Client(lease_id));
        if let Some(current) = current {
            self.fail(current, failure);
        }
        for request in behind {
            self.fail(request, &Failure::LeaseOver { how: Over::Lost });
        }
    }
}
