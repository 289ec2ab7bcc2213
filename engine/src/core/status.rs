//! A look inside.

use crate::core::Engine;
use crate::ids::LinkId;
use crate::pool::client::Place;
use crate::pool::session::State;
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

    /// The pool at this moment.
    #[must_use]
    pub fn status(&self) -> Status {
        let mut status = Status {
            cap: self.budget.cap(),
            waiting: self.waiters.len(),
            clients: self.clients.len(),
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
        let running = self.clients.values().filter(|c| matches!(c.place, Place::Running(_)));
        let longest = running.max_by_key(|c| c.granted.map_or(Millis(0), |at| self.now.since(at)));
        let status = self.status();
        let held = format!("{} of {} sessions are leased", status.leased, status.cap);
        let Some(client) = longest else { return held };
        let time = client.granted.map_or(Millis(0), |at| self.now.since(at));
        match &client.caller {
            Some(name) => format!("{held}, the longest for {} ms by {name:?}", time.0),
            None => format!("{held}, the longest for {} ms", time.0),
        }
    }
}
