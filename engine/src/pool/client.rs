//! Clients: exchanges, sockets and leases.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::database::exchange::Plan;
use crate::database::speaker::Speaker;
use crate::ids::{ClientId, SessionId};
use crate::pool::answer::Answer;
use crate::pool::classes::ClassId;
use crate::pool::places::{self, Move};
use crate::pool::socket::Socket;
use crate::time::Instant;

/// Where a client is.
///
/// ```text
/// exchange  Waiting ──grant──▶ Running ──outcome──▶ (gone), or Reading while its reader is behind
///              ▲                  │
///              └── nothing sent ──┘
/// socket    Resting ──asks──▶ Waiting ──grant──▶ Running ──released──▶ Resting ──ends──▶ (gone)
/// lease     Resting ──its first request is granted──▶ Running ──transaction over──▶ (over)
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// In the queue.
    Waiting,
    /// Holds a session.
    Running(SessionId),
    /// An exchange that has its outcome; its reader has not taken all of the answer.
    Reading,
    /// A socket or a lease that wants nothing now, or a request behind another of its lease.
    Resting,
}

/// One client.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) place: Place,
    pub(crate) class: ClassId,
    pub(crate) caller: Option<String>,
    /// When it came, or, of a socket, began to wait.
    pub(crate) arrived: Instant,
    /// When it will have waited for long enough, if it waits.
    pub(crate) waits_until: Instant,
    /// For when its deadline is set.
    pub(crate) armed: Option<Instant>,
    /// When it was granted a session last.
    pub(crate) granted: Option<Instant>,
    pub(crate) kind: Kind,
}

/// What a client is.
#[derive(Debug)]
pub(crate) enum Kind {
    Exchange(Box<Exchange>),
    Socket(Box<Socket>),
    Lease(Box<Lease>),
}

/// One request and its answer.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) request_id: u128,
    pub(crate) plan: Plan,
    /// What it prepares; gone with it.
    pub(crate) speaker: Speaker,
    /// Clear state after this exchange whatever the setting.
    pub(crate) reset: bool,
    /// Its statements may stay prepared.
    pub(crate) plan_cache: bool,
    /// The lease that it belongs to.
    pub(crate) lease: Option<ClientId>,
    /// When the whole request is over.
    pub(crate) deadline: Instant,
    /// When its caller is asked whether it lives, or an answer to that is late, if it runs.
    pub(crate) probe_at: Instant,
    /// When its caller was last known to live.
    pub(crate) alive_at: Instant,
    /// How often it was tried and nothing sent.
    pub(crate) retries: u32,
    pub(crate) answer: Answer,
}

/// A transaction over several requests.
#[derive(Debug, Default)]
pub(crate) struct Lease {
    /// The request that runs, or waits for the lease's session.
    pub(crate) current: Option<ClientId>,
    /// Those behind it.
    pub(crate) behind: VecDeque<ClientId>,
    /// Its transaction is over.
    pub(crate) over: Option<Over>,
}

/// How a lease's transaction came to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Over {
    /// It was committed or rolled back by a request.
    Done,
    /// Nothing was sent for too long.
    Idle,
    /// It took too long.
    TooLong,
    /// Its session was lost, or given up with a request.
    Lost,
    /// It never began: there are too many.
    TooMany,
    /// Nobody knows it.
    Unknown,
    /// Too many of its requests wait.
    TooManyRequests,
}

impl Over {
    /// The SQLSTATE of a request that comes too late.
    pub(crate) fn code(self) -> &'static [u8; 5] {
        match self {
            Self::Done | Self::Unknown => b"25P01",
            Self::Idle => b"25P03",
            Self::TooLong => b"25P04",
            Self::Lost => b"08006",
            Self::TooMany | Self::TooManyRequests => b"53300",
        }
    }

    /// For people.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Done => "the transaction is over",
            Self::Idle => "the transaction was rolled back: nothing was sent for too long",
            Self::TooLong => "the transaction was rolled back: it took too long",
            Self::Lost => "the transaction was rolled back: its session was lost or given up",
            Self::TooMany => "as many transactions are open as may be",
            Self::Unknown => "there is no such transaction",
            Self::TooManyRequests => "too many requests of the transaction wait already",
        }
    }
}

/// Who hears answers.
pub(crate) enum Listener<'a> {
    Exchange(&'a mut Answer),
    Socket(&'a mut Socket),
}

impl Listener<'_> {
    /// Adds a chunk of whole messages, which nobody else needs.
    #[inline]
    pub(crate) fn hear_all(&mut self, chunk: Bytes) {
        match self {
            Self::Exchange(answer) => answer.push_all(chunk),
            Self::Socket(socket) => {
                socket.answer_all(chunk);
                socket.mid_message = false;
            }
        }
    }

    /// Adds a message that is made here.
    pub(crate) fn say(&mut self, message: Bytes) {
        match self {
            Self::Exchange(answer) => answer.push_all(message),
            Self::Socket(socket) => socket.say(message),
        }
    }

    /// Adds whole messages, as they lie in a chunk.
    #[inline]
    pub(crate) fn hear(&mut self, chunk: &Bytes, bytes: &[u8]) {
        match self {
            Self::Exchange(answer) => answer.push(chunk, bytes),
            Self::Socket(socket) => {
                socket.answer(chunk, bytes);
                socket.mid_message = false;
            }
        }
    }
}

impl Client {
    /// The only way from one place to another; returns the one that is left.
    pub(crate) fn enter(&mut self, place: Place, why: Move) -> Place {
        places::check(&self.kind, self.place, why, place);
        std::mem::replace(&mut self.place, place)
    }

    pub(crate) fn exchange(&self) -> Option<&Exchange> {
        match &self.kind {
            Kind::Exchange(exchange) => Some(exchange),
            Kind::Socket(_) | Kind::Lease(_) => None,
        }
    }

    pub(crate) fn exchange_mut(&mut self) -> Option<&mut Exchange> {
        match &mut self.kind {
            Kind::Exchange(exchange) => Some(exchange),
            Kind::Socket(_) | Kind::Lease(_) => None,
        }
    }

    pub(crate) fn socket(&self) -> Option<&Socket> {
        match &self.kind {
            Kind::Socket(socket) => Some(socket),
            Kind::Exchange(_) | Kind::Lease(_) => None,
        }
    }

    pub(crate) fn socket_mut(&mut self) -> Option<&mut Socket> {
        match &mut self.kind {
            Kind::Socket(socket) => Some(socket),
            Kind::Exchange(_) | Kind::Lease(_) => None,
        }
    }

    pub(crate) fn lease(&self) -> Option<&Lease> {
        match &self.kind {
            Kind::Lease(lease) => Some(lease),
            Kind::Exchange(_) | Kind::Socket(_) => None,
        }
    }

    pub(crate) fn lease_mut(&mut self) -> Option<&mut Lease> {
        match &mut self.kind {
            Kind::Lease(lease) => Some(lease),
            Kind::Exchange(_) | Kind::Socket(_) => None,
        }
    }

    /// What it has prepared.
    pub(crate) fn speaker_mut(&mut self) -> Option<&mut Speaker> {
        match &mut self.kind {
            Kind::Exchange(exchange) => Some(&mut exchange.speaker),
            Kind::Socket(socket) => Some(&mut socket.speaker),
            Kind::Lease(_) => None,
        }
    }

    /// Whoever is to hear what the database says.
    pub(crate) fn listener(&mut self) -> Option<Listener<'_>> {
        match &mut self.kind {
            Kind::Exchange(exchange) => Some(Listener::Exchange(&mut exchange.answer)),
            Kind::Socket(socket) => Some(Listener::Socket(socket)),
            Kind::Lease(_) => None,
        }
    }

    /// The session that it holds.
    pub(crate) fn session(&self) -> Option<SessionId> {
        match self.place {
            Place::Running(session) => Some(session),
            Place::Waiting | Place::Reading | Place::Resting => None,
        }
    }
}
