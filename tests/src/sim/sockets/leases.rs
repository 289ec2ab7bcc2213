//! Lease clients: a transaction over several requests, beside the sockets.

use std::collections::BTreeMap;

use bytes::Bytes;
use pierhead_engine::ids::ClientId;
use pierhead_engine::io::{Input, Terms};
use pierhead_wire::envelope::{Options, Outcome, Request, RequestId, Status};

use super::events::Event;
use super::plan::{Client, Kind};
use super::{Who, World};
use crate::sim::answer::{Match, compare};
use crate::sim::caller::Caller;
use crate::sim::rng::Rng;
use crate::sim::script::{self, Script};
use crate::sim::server::Backend;
use crate::sim::server::database::Database;

/// One lease client, with a private server that is told only what was executed.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) number: u64,
    place: usize,
    pub(super) id: ClientId,
    next: usize,
    /// The request that runs or waits.
    current: Option<(ClientId, Caller)>,
    backend: Backend,
    db: Database,
    noise: Rng,
    /// It has let go.
    disposed: bool,
    /// The engine has said that nothing more is executed.
    over: bool,
    /// What became of a request is not known.
    unknown: bool,
}

/// The lease of this client, if it is one.
pub(super) fn of(client: &Client, place: usize, db: &Database, noise: Rng) -> Option<Lease> {
    let Kind::Lease { .. } = client.kind else { return None };
    Some(Lease {
        number: client.number,
        place,
        id: ClientId(0),
        next: 0,
        current: None,
        backend: Backend::ready(),
        db: db.clone(),
        noise,
        disposed: false,
        over: false,
        unknown: false,
    })
}

impl Lease {
    /// Whether somebody waits for an answer.
    pub(super) fn waits(&self) -> bool {
        self.current.is_some()
    }

    /// Whoever served it is gone.
    pub(super) fn lose(&mut self) {
        if self.id.0 > 0 {
            self.unknown |= self.current.take().is_some();
            self.disposed = true;
            self.over = true;
        }
    }

    /// What the private server says to a request.
    fn execute(&mut self, protocol: &[u8]) -> Vec<u8> {
        let mut answer = Vec::new();
        self.backend.receive(&mut self.db, 0, protocol);
        loop {
            answer.extend(self.backend.take_output());
            let Some(until) = self.backend.busy_until() else { return answer };
            self.backend.wake(&mut self.db, until);
        }
    }

    /// How often each of its inserts was done, at least and at most.
    pub(super) fn effects(&mut self, protocol: &[u8]) -> [BTreeMap<u64, u32>; 2] {
        let told = self.db.committed.clone();
        if self.unknown || self.current.is_some() {
            self.execute(protocol);
        }
        [told, self.db.committed.clone()]
    }
}

impl World {
    pub(super) fn lease_comes(&mut self, index: usize) {
        let id = self.next_client(Who::Lease(index));
        let lease = &mut self.leases[index];
        lease.id = id;
        let class = self.plan.clients[lease.place].class.to_owned();
        let terms = Terms { class, ..Terms::default() };
        self.feed(Input::LeaseOpened { lease: id, terms });
        self.after(0, Event::LeaseActs(index));
    }

    fn requests(&self, index: usize) -> &[Vec<u8>] {
        match &self.plan.clients[self.leases[index].place].kind {
            Kind::Lease { requests, .. } => requests,
            Kind::Socket { .. } | Kind::Exchange { .. } => &[],
        }
    }

    /// The last request that was sent.
    pub(super) fn last_request(&self, index: usize) -> Vec<u8> {
        let sent = self.leases[index].next.saturating_sub(1);
        self.requests(index).get(sent).cloned().unwrap_or_default()
    }

    /// The next request, or its end.
    pub(super) fn lease_acts(&mut self, index: usize) {
        let request = self.requests(index).get(self.leases[index].next).cloned();
        let lease = &mut self.leases[index];
        if lease.disposed || lease.current.is_some() {
            return;
        }
        let Some(protocol) = request.filter(|_| !lease.over) else {
            return self.dispose(index);
        };
        lease.next += 1;
        let request = Request {
            remaining_ms: 0,
            id: RequestId(lease.noise.bytes()),
            options: Options::default(),
            protocol: Bytes::from(protocol.clone()),
        };
        let script = Script { protocol, kind: script::Kind::Transaction, inserts: Vec::new() };
        let envelope = request.encode().freeze();
        let mut caller = Caller::new(script, None, envelope.clone());
        caller.came = Some(self.now);
        let leaves = lease.noise.chance(12).then(|| lease.noise.below(400));
        let id = self.next_client(Who::Request(index));
        self.count_asked(self.leases[index].place);
        let lease = &mut self.leases[index];
        lease.current = Some((id, caller));
        let lease = lease.id;
        if let Some(ms) = leaves {
            self.after(ms, Event::Dispose(index));
        }
        self.feed(Input::ClientOpened { client: id, request: envelope, lease: Some(lease) });
    }

    /// The caller lets go.
    pub(super) fn dispose(&mut self, index: usize) {
        let lease = &mut self.leases[index];
        if lease.disposed || lease.id.0 == 0 {
            return;
        }
        lease.disposed = true;
        let (client, number) = (lease.id, lease.number);
        self.coverage.add("lease: disposed");
        self.count_left(number);
        self.feed(Input::ClientGone { client });
    }

    /// A part of the answer to a request of a lease.
    pub(super) fn lease_answered(
        &mut self,
        index: usize,
        id: ClientId,
        bytes: &[Bytes],
        streamed: bool,
        end: bool,
    ) {
        let lease = &mut self.leases[index];
        let Some((_, caller)) = lease.current.as_mut().filter(|(current, _)| *current == id) else {
            return self.broken("2 one life", format!("an answer for {id}, which is finished"));
        };
        match caller.take(bytes, streamed, end) {
            Ok((size, _)) if streamed => self.after(1, Event::LeaseTook(id.0, size)),
            Ok(_) => {}
            Err((rule, how)) => return self.broken(rule, format!("{id}: {how}")),
        }
        if end {
            self.judge_lease(index);
        }
    }

    fn judge_lease(&mut self, index: usize) {
        let lease = &mut self.leases[index];
        let Some((_, caller)) = lease.current.take() else { return };
        let Some(outcome) = caller.outcome.clone() else { return };
        let executed =
            matches!(outcome.status, Status::Completed | Status::Error | Status::RolledBack);
        self.coverage.add(if executed { "lease: answered" } else { "lease: refused" });
        let lease = &mut self.leases[index];
        let number = lease.number;
        if executed {
            let wanted = lease.execute(&caller.script.protocol);
            if compare(&caller.data, &wanted) != Match::Whole {
                let detail = format!("lease {number}: its answer is another: {outcome:?}");
                return self.broken("1 own bytes", detail);
            }
        } else if outcome.status == Status::Refused && !caller.data.is_empty() {
            return self.broken("1 well-formed", format!("lease {number}: refused, with data"));
        } else {
            lease.unknown |= outcome.status == Status::OutcomeUnknown;
            lease.over = true;
        }
        let late = self.now > self.plan.settings.query_timeout.0;
        let reason = late || self.trouble || self.leases[index].disposed || lease_may_end(&outcome);
        if self.plan.quiet && !executed && !reason {
            return self.broken("quiet", format!("lease {number} is not served: {outcome:?}"));
        }
        let pause = self.leases[index].noise.pick(&[0, 0, 20, 300]);
        self.after(pause, Event::LeaseActs(index));
    }
}

/// Outcomes of a lease that need no fault: its transaction is over.
fn lease_may_end(outcome: &Outcome) -> bool {
    matches!(outcome.sqlstate.as_str(), "25P01" | "25000" | "08003" | "55000" | "25P03")
}
