//! A session: one authenticated connection to the database.
//!
//! ```text
//!   ┌─────────┐  logged in   ┌──────┐  grant   ┌────────┐  answered, clean
//!   │ Opening │─────────────▶│ Idle │─────────▶│ Leased │──────────────┐
//!   └─────────┘              └──────┘          └────────┘              │
//!        │                    ▲  │  ▲             │  │ answered, traces │
//!        │                    │  │  └─────────────┼──┼──────────────────┘
//!        │                    │  │          ┌─────┘  ▼
//!        │                    │  │          │  ┌───────────┐
//!        │                    └──┼──────────┼──│ Resetting │
//!        │  failed               │ too old  │  └───────────┘
//!        ▼                       ▼          ▼        │ not cleared
//!   ┌───────────────────────────────────────────────────────┐   far end ended,
//!   │ Ending                                                │──────────────────▶ gone
//!   └───────────────────────────────────────────────────────┘   or out of time
//! ```
//!
//! From every state the far end may end the session: gone. [`Session::enter`] is the only door.

use std::collections::BTreeMap;
use std::fmt;

use pierhead_wire::envelope::SqlState;
use pierhead_wire::pg::scan::{Direction, Scanner};

use crate::auth::handshake::{CancelKey, Handshake};
use crate::database::replies::Replies;
use crate::database::signs::Signs;
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
}

impl Why {
    /// True if the database may still be at work on what the session was doing.
    pub(crate) fn leaves_work(self) -> bool {
        match self {
            Self::Mismatch
            | Self::NotCleared
            | Self::CallerGone
            | Self::OutOfTime
            | Self::ReaderBehind => true,
            Self::LoggedIn
            | Self::Granted
            | Self::Answered
            | Self::Cleared
            | Self::NotSent
            | Self::OpenFailed
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
}

/// Clearing a session's state.
#[derive(Debug)]
pub(crate) struct Reset {
    pub(crate) replies: Replies,
    /// The replies are those to a reset that was sent behind a request which then ended inside a
    /// transaction block: they do not count.
    pub(crate) void: bool,
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
            | State::Ending { .. }
            | State::Moving => None,
        }
    }

    /// True while a request may be running in the database.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(
            self.state,
            State::Leased { work: Work::Exchange(_), .. } | State::Resetting { .. }
        )
    }
}
