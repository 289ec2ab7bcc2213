//! A look inside.

use crate::accounts::{
    ClassAccount, Holder, StatementAccount, Times, Usage, Waiter, describe_holders,
    describe_waiters,
};
use crate::core::Engine;
use crate::core::drain::is_open;
use crate::ids::{ClientId, LinkId};
use crate::limits::REQUEST_BYTES_BUDGET;
use crate::pool::client::Client;
use crate::pool::session::{Session, State};
use crate::time::Millis;

/// What has happened since the engine began.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Requests that came.
    pub requests: u64,
    /// Requests refused on arrival.
    pub refused: u64,
    /// Requests sent to the database, repetitions included.
    pub sent: u64,
    /// Requests whose last ready point came, whatever it said.
    pub completed: u64,
    /// Requests that ended otherwise.
    pub failed: u64,
    /// Requests tried again because nothing of them was sent.
    pub retries: u64,
    /// Requests whose outcome is unknown because their session was lost.
    pub lost: u64,
    /// Transaction blocks left open and rolled back.
    pub rolled_back: u64,
    /// Resets of a session's state.
    pub resets: u64,
    /// Answers that became streams.
    pub streamed: u64,
    /// Answers dropped because their readers did not keep up.
    pub readers_behind: u64,
    /// Callers that went away before their answer.
    pub callers_gone: u64,
    /// Sessions opened.
    pub opened: u64,
    /// Sessions that could not be opened.
    pub open_failures: u64,
    /// Sessions told to end.
    pub ended: u64,
    /// Sessions that their far end did not end in time.
    pub orphans: u64,
    /// Cancels begun.
    pub cancels: u64,
    /// Sessions that went on after an abandoned request.
    pub drained: u64,
    /// Sessions that agents were let hold.
    pub parkings: u64,
    /// Sessions of an earlier life of the object, or of a lost link, that were taken over.
    pub adopted: u64,
    /// Sessions that agents offered and that were not taken over.
    pub declined: u64,
    /// Links that were lost.
    pub links_lost: u64,
    /// Sockets that were opened.
    pub sockets: u64,
    /// Sockets that asked for a cancel.
    pub cancel_requests: u64,
    /// Sockets that kept a session beyond their transaction.
    pub pins: u64,
    /// Broken plans that were prepared anew without anybody noticing.
    pub cures: u64,
}

/// The pool at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Status {
    /// Sessions being opened.
    pub opening: usize,
    /// Sessions that wait for a client.
    pub idle: usize,
    /// Sessions that a client holds.
    pub leased: usize,
    /// Sessions whose state is being cleared.
    pub resetting: usize,
    /// Sessions whose abandoned request is being cancelled, and its answer read.
    pub draining: usize,
    /// Sessions whose end is awaited.
    pub ending: usize,
    /// Sessions that wait for a client at their agent.
    pub parked: usize,
    /// Sessions whose agent is not connected.
    pub away: usize,
    /// Links that carry streams.
    pub links: usize,
    /// The epoch of this copy of the object; 0 while no link carries one.
    pub epoch: u64,
    /// Messages from agents: what is billed.
    pub link_messages_in: u64,
    /// Messages to agents.
    pub link_messages_out: u64,
    /// The most sessions there may be.
    pub cap: usize,
    /// Clients that wait for a session.
    pub waiting: usize,
    /// Clients in all, with those that still read their answers.
    pub clients: usize,
    /// Sockets that are open.
    pub sockets: usize,
    /// Leases that are open, or over and not yet disposed of.
    pub leases: usize,
    /// Sessions that sockets keep between transactions.
    pub pinned: usize,
    /// Statements known, and bytes of their texts.
    pub statements: usize,
    /// Bytes of statements' texts.
    pub statement_bytes: usize,
    /// Bytes of what sockets have prepared and set.
    pub client_bytes: usize,
    /// Bytes of requests held.
    pub request_bytes: usize,
    /// Bytes of answers held, here or for their readers.
    pub answer_bytes: usize,
    /// Times that SCRAM keys were derived.
    pub scram_derivations: u64,
    /// Totals.
    pub counters: Counters,
}

/// The credit of one link towards the coordinator, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkCredit {
    /// What the agent may still send.
    pub left: u64,
    /// What has been read and will be granted again.
    pub due: u64,
    /// What it is without any traffic.
    pub window: u64,
}

impl Engine {
    /// The credit of a link that was greeted.
    #[must_use]
    pub fn link_credit(&self, link: LinkId) -> Option<LinkCredit> {
        let [left, due, window] = self.links.credit(link)?;
        Some(LinkCredit { left, due, window })
    }

    /// Whose request has this id, if it is still here.
    #[must_use]
    pub fn client_of(&self, request: [u8; 16]) -> Option<ClientId> {
        self.requests.get(super::exchanges::number_of(request))
    }

    /// The pool at this moment.
    #[must_use]
    pub fn status(&self) -> Status {
        let mut status = Status {
            cap: self.budget.cap(),
            waiting: self.waiters.len(),
            clients: self.clients.len(),
            sockets: self.sockets,
            leases: self.leases,
            pinned: self.pinned,
            statements: self.library.interned.len(),
            statement_bytes: self.library.interned.bytes(),
            client_bytes: self.client_bytes,
            request_bytes: self.request_bytes,
            answer_bytes: self.answer_bytes,
            scram_derivations: self.keys.derivations(),
            links: self.links.count(),
            epoch: self.links.epoch().unwrap_or(0),
            link_messages_in: self.links.traffic().received,
            link_messages_out: self.links.traffic().sent,
            counters: self.counters,
            ..Status::default()
        };
        for session in self.sessions.values() {
            match session.state() {
                State::Opening { .. } => status.opening += 1,
                State::Idle { .. } => status.idle += 1,
                State::Leased { .. } => status.leased += 1,
                State::Resetting { .. } => status.resetting += 1,
                State::Draining { .. } => status.draining += 1,
                State::Parked { .. } => status.parked += 1,
                State::Away { .. } => status.away += 1,
                State::Ending { .. } => status.ending += 1,
                State::Moving => {}
            }
        }
        status
    }

    /// Who holds the pool, for the errors of those who get no session.
    pub(super) fn holders(&self) -> String {
        describe_holders(self.budget.cap(), &self.list_holders())
    }

    /// Who holds sessions, and what for.
    #[must_use]
    pub fn list_holders(&self) -> Vec<Holder> {
        let holders = self.sessions.values().filter_map(|session| {
            let id = session.client()?;
            let client = self.clients.get(&id)?;
            Some(Holder {
                client: id,
                class: self.classes.name(client.class).to_owned(),
                caller: client.caller.clone(),
                held: client.granted.map_or(Millis(0), |at| self.now.since(at)),
                doing: doing(session, client),
            })
        });
        holders.collect()
    }

    /// Who waits for a session.
    #[must_use]
    pub fn list_waiters(&self) -> Vec<Waiter> {
        let waiters = self.waiters.iter().filter_map(|(class, id)| {
            let client = self.clients.get(&id)?;
            Some(Waiter {
                client: id,
                class: self.classes.name(class).to_owned(),
                caller: client.caller.clone(),
                waited: self.now.since(client.arrived),
                waits_for: "",
            })
        });
        waiters.collect()
    }

    /// Who uses the pool, and for what.
    #[must_use]
    pub fn usage(&self) -> Usage<'_> {
        let usage = Usage {
            holders: self.list_holders(),
            waiters: self.list_waiters(),
            classes: self.class_accounts().collect(),
            statements: self.statement_accounts(),
        };
        usage.cut()
    }

    /// Who waits, in one line for people.
    #[must_use]
    pub fn describe_waiters(&self) -> String {
        describe_waiters(&self.list_waiters())
    }

    /// Times of all classes of clients together.
    #[must_use]
    pub fn total_times(&self) -> Times {
        self.accounts.totals()
    }

    /// Times by class of clients.
    pub fn class_accounts(&self) -> impl Iterator<Item = ClassAccount<'_>> {
        self.accounts.classes(&self.classes)
    }

    /// The statements that use most of the pool, the first of them first.
    #[must_use]
    pub fn statement_accounts(&self) -> Vec<&StatementAccount> {
        self.accounts.statements()
    }

    /// Bytes held for clients and of what they prepared.
    pub(super) fn bytes_held(&self) -> usize {
        self.request_bytes + self.answer_bytes + self.client_bytes + self.library.interned.bytes()
    }

    /// What this engine holds is counted with what its neighbours do.
    pub(super) fn count_bytes(&mut self) {
        let now = self.bytes_held();
        let before = std::mem::replace(&mut self.counted, now);
        if before != now {
            self.settings.allowance.changed(before, now);
        }
    }

    /// Sockets that were not let send are, when there is room again.
    pub(super) fn feed_starved(&mut self) {
        if self.starved.is_empty()
            || self.request_bytes > REQUEST_BYTES_BUDGET
            || self.settings.allowance.is_exceeded()
        {
            return;
        }
        for id in std::mem::take(&mut self.starved) {
            self.grant_socket(id);
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if planted!(ShareKept) {
            return;
        }
        self.settings.allowance.changed(self.counted, 0);
    }
}

fn doing(session: &Session, client: &Client) -> &'static str {
    if let Some(why) = client.socket().and_then(|socket| socket.pinned) {
        return why;
    }
    match session.talk() {
        Some(talk) if talk.is_quiet() && is_open(talk.transaction) => "idle in transaction",
        Some(talk) if talk.is_quiet() => "idle",
        Some(_) => "running",
        None => "",
    }
}
