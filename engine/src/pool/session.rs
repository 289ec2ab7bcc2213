//! A session: one authenticated connection to the database.
//!
//! ```text
//!   ┌─────────┐  logged in   ┌──────┐  grant   ┌────────┐  answered, clean
//!   │ Opening │─────────────▶│ Idle │─────────▶│ Leased │──────────────┐
//!   └─────────┘              └──────┘          └────────┘              │
//!        │                 rest│ ▲ ▲             ▲  │ answered, traces │
//!        │                     │ │ └─────────────┼──┼──────────────────┘
//!        │                     ▼ │spoke     grant│  ▼
//!        │        adopted  ┌────────┐            │ ┌───────────┐
//!        │       ─────────▶│ Parked │────────────┘ │ Resetting │
//!        │                 └────────┘              └───────────┘
//!        │              link lost│ ▲ offered again   │ not cleared
//!        │                       ▼ │                 │
//!        │                  ┌──────┐ not offered     │
//!        │                  │ Away │─────────▶ gone  │
//!        ▼                  └──────┘                 ▼
//!   ┌───────────────────────────────────────────────────────┐   far end ended,
//!   │ Ending                                                │──────────────────▶ gone
//!   └───────────────────────────────────────────────────────┘   or out of time
//! ```
//!
//! A session whose client left in the middle of a request is *draining* on its way from Leased to
//! Resetting, if its agent can prove that the cancel is over; otherwise it ends.
//! Only sessions over an agent's link are parked or away; any of them goes away when its link is
//! lost, those that were not parked to be counted until their agent has ended them.
//!
//! From every state the far end may end the session: gone. [`Session::enter`] is the only door.

use std::collections::BTreeMap;
use std::fmt;

use pierhead_wire::envelope::SqlState;
use pierhead_wire::pg::scan::{Direction, Scanner};
use pierhead_wire::tunnel::{AgentLife, Counters, StreamId as WireId};

use crate::auth::handshake::{CancelKey, Handshake};
use crate::database::replies::Replies;
use crate::database::signs::Signs;
use crate::database::transaction::Transaction;
use crate::ids::{ClientId, StreamId};
use crate::pool::budget::{Approval, Budget, Seat};
use crate::settings::Way;
use crate::time::Instant;

/// Why a session changes its state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Why {
    LoggedIn,
    Granted,
    Answered,
    Cleared,
    NotSent,
    OpenFailed,
    IdleTooLong,
    TooOld,
    Indelible,
    NotCleared,
    Mismatch,
    CallerGone,
    OutOfTime,
    ReaderBehind,
    /// It has rested long enough.
    AtRest,
    /// It said something although it was parked.
    Spoke,
    LinkLost,
    /// Its agent came back and offered it.
    OfferedAgain,
    /// Its agent takes no new work.
    AgentDrains,
    /// A tunnel that is preferred can be used again.
    Fallback,
    /// The rest of an abandoned request did not come in time, or its cancel proved nothing.
    NotDrained,
    /// Its agent gave it up, or the database closed it.
    Broken,
}

impl Why {
    /// True if the database may still be at work on what the session was doing.
    pub(crate) fn leaves_work(self) -> bool {
        match self {
            Self::Mismatch
            | Self::NotCleared
            | Self::NotDrained
            | Self::CallerGone
            | Self::OutOfTime
            | Self::ReaderBehind => true,
            Self::LoggedIn
            | Self::Granted
            | Self::Answered
            | Self::Cleared
            | Self::NotSent
            | Self::OpenFailed
            | Self::AtRest
            | Self::Spoke
            | Self::LinkLost
            | Self::OfferedAgain
            | Self::AgentDrains
            | Self::Fallback
            | Self::Broken
            | Self::IdleTooLong
            | Self::TooOld
            | Self::Indelible => false,
        }
    }
}

/// What a lease is doing.
#[derive(Debug)]
pub(crate) enum Work {
    /// The client is asked whether it still lives; nothing is sent yet.
    Verifying,
    /// The request is sent.
    Exchange(Exchange),
}

/// A request that is running.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) replies: Replies,
    /// Position in the stream's bytes at which the request begins.
    pub(crate) sent_from: u64,
    /// A reset was sent behind the request.
    pub(crate) reset_sent: bool,
    /// State must be cleared whatever the replies show.
    pub(crate) must_reset: bool,
    /// What SQL and replies have shown.
    pub(crate) signs: Signs,
    /// The first error of the database.
    pub(crate) error: Option<SqlState>,
    /// The database announced the session's end.
    pub(crate) fatal: Option<String>,
    /// The request ended a transaction of its own: what came before an error may be committed.
    pub(crate) committed: bool,
    /// Ready points in the request; more than one means that parts may be committed.
    pub(crate) segments: usize,
    /// Something of the replies has come.
    pub(crate) answered: bool,
    /// Replies to what was sent ahead of the request, and that its client is not to see.
    pub(crate) ahead: Option<Replies>,
}

/// Clearing a session's state.
#[derive(Debug)]
pub(crate) struct Reset {
    pub(crate) replies: Replies,
    /// The replies are those to a reset that was sent behind a request which then ended inside a
    /// transaction block: they do not count.
    pub(crate) void: bool,
}

/// How an agent names a session whose link is lost.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Remote {
    pub(crate) life: AgentLife,
    /// Names the agent across restarts; empty if it did not say.
    pub(crate) instance: String,
    pub(crate) wire: WireId,
    pub(crate) counters: Counters,
    /// It was parked, so the agent will offer it again.
    pub(crate) parked: bool,
}

/// The state of a session.
pub(crate) enum State {
    Opening {
        handshake: Option<Handshake>,
        approval: Approval,
    },
    Idle {
        seat: Seat,
    },
    Leased {
        seat: Seat,
        client: ClientId,
        work: Work,
    },
    Resetting {
        seat: Seat,
        reset: Reset,
    },
    /// Its client left in the middle of a request: what runs is cancelled, and the rest of the
    /// answer read.
    Draining {
        seat: Seat,
        exchange: Exchange,
        /// The cancel that may still hit something.
        fence: Option<u32>,
        /// The last ready point was reached.
        done: Option<Transaction>,
    },
    /// Its agent holds it.
    Parked {
        seat: Seat,
    },
    /// The link is lost: the session is its agent's alone, and counted until `until`.
    Away {
        seat: Seat,
        until: Instant,
        remote: Remote,
    },
    Ending {
        seat: Seat,
    },
    /// Between two states, inside one function; never seen outside.
    Moving,
}

impl State {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Opening { .. } => "opening",
            Self::Idle { .. } => "idle",
            Self::Leased { .. } => "leased",
            Self::Resetting { .. } => "resetting",
            Self::Draining { .. } => "draining",
            Self::Parked { .. } => "parked",
            Self::Away { .. } => "away",
            Self::Ending { .. } => "ending",
            Self::Moving => "moving",
        }
    }
}

impl State {
    /// The place held in any state; an open in flight is settled.
    fn into_seat(self, budget: &mut Budget) -> Option<Seat> {
        match self {
            Self::Opening { approval, .. } => Some(budget.settle(approval)),
            Self::Idle { seat }
            | Self::Leased { seat, .. }
            | Self::Resetting { seat, .. }
            | Self::Draining { seat, .. }
            | Self::Parked { seat }
            | Self::Away { seat, .. }
            | Self::Ending { seat } => Some(seat),
            Self::Moving => {
                debug_assert!(false, "a session is never left between two states");
                None
            }
        }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One connection to the database.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) stream: StreamId,
    /// The tunnel that carries the stream.
    pub(crate) way: Way,
    state: State,
    pub(crate) scanner: Scanner,
    /// The stream carries bytes.
    pub(crate) connected: bool,
    /// Bytes written to the stream, in all.
    pub(crate) written: u64,
    /// Bytes received and not granted again yet.
    pub(crate) owed: usize,
    pub(crate) expires: Instant,
    /// When it will have been idle for too long, if it is.
    pub(crate) idle_until: Instant,
    /// It was parked, and nothing was heard of it since: it may have ended meanwhile.
    pub(crate) rested: bool,
    /// An earlier life of the coordinator may have left statements: they are purged ahead of the
    /// next request.
    pub(crate) purge: bool,
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) cancel_key: Option<CancelKey>,
}

impl fmt::Debug for CancelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CancelKey(pid {})", self.pid)
    }
}

impl Session {
    pub(crate) fn new(stream: StreamId, way: Way, approval: Approval, expires: Instant) -> Self {
        Self {
            stream,
            way,
            state: State::Opening { handshake: None, approval },
            scanner: Scanner::new(Direction::Backend),
            connected: false,
            written: 0,
            owed: 0,
            expires,
            idle_until: expires,
            rested: false,
            purge: false,
            parameters: BTreeMap::new(),
            cancel_key: None,
        }
    }

    /// A session that an agent holds, opened by an earlier life of the coordinator.
    pub(crate) fn adopted(
        stream: StreamId,
        seat: Seat,
        idle_until: Instant,
        expires: Instant,
    ) -> Self {
        Self {
            stream,
            way: Way::Agent,
            state: State::Parked { seat },
            scanner: Scanner::new(Direction::Backend),
            connected: true,
            written: 0,
            owed: 0,
            expires,
            idle_until,
            rested: true,
            purge: true,
            parameters: BTreeMap::new(),
            cancel_key: None,
        }
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    pub(crate) fn state_mut(&mut self) -> &mut State {
        &mut self.state
    }

    /// The only door between states: `make` gets the session's place and makes the new state.
    pub(crate) fn enter(&mut self, budget: &mut Budget, make: impl FnOnce(Seat) -> State) {
        let old = std::mem::replace(&mut self.state, State::Moving);
        if let Some(seat) = old.into_seat(budget) {
            self.state = make(seat);
        }
    }

    /// The request that is running, to be taken along to another state, if it is `wanted`;
    /// otherwise it stays.
    pub(crate) fn take_exchange_if(
        &mut self,
        wanted: impl FnOnce(&Exchange) -> bool,
    ) -> Option<Exchange> {
        let State::Leased { work, .. } = &mut self.state else { return None };
        if !matches!(work, Work::Exchange(exchange) if wanted(exchange)) {
            return None;
        }
        match std::mem::replace(work, Work::Verifying) {
            Work::Exchange(exchange) => Some(exchange),
            Work::Verifying => None,
        }
    }

    /// The session's place, at its end.
    pub(crate) fn into_seat(self, budget: &mut Budget) -> Option<Seat> {
        self.state.into_seat(budget)
    }

    /// The client that holds it.
    pub(crate) fn client(&self) -> Option<ClientId> {
        match self.state {
            State::Leased { client, .. } => Some(client),
            State::Opening { .. }
            | State::Idle { .. }
            | State::Resetting { .. }
            | State::Draining { .. }
            | State::Parked { .. }
            | State::Away { .. }
            | State::Ending { .. }
            | State::Moving => None,
        }
    }

    /// How its agent names it, and until when it is counted, if its link is lost.
    pub(crate) fn away(&self) -> Option<(&Remote, Instant)> {
        if let State::Away { remote, until, .. } = &self.state {
            return Some((remote, *until));
        }
        None
    }

    /// True while a request may be running in the database.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(
            self.state,
            State::Leased { work: Work::Exchange(_), .. }
                | State::Draining { .. }
                | State::Resetting { .. }
        )
    }
}
