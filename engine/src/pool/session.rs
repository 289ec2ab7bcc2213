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

use pierhead_wire::pg::scan::{Direction, Scanner};
use pierhead_wire::tunnel::{AgentLife, Counters, StreamId as WireId};

use crate::auth::handshake::{CancelKey, Handshake};
use crate::database::replies::Replies;
use crate::database::talk::Talk;
use crate::database::transaction::Transaction;
use crate::ids::{ClientId, StreamId};
use crate::limits::STATEMENTS_PER_SESSION;
use crate::pool::budget::{Approval, Budget, Seat};
use crate::pool::classes::ClassId;
use crate::settings::Way;
use crate::state::Followed;
use crate::statements::OnSession;
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
    /// A cancel of its last request may still be on its way.
    Fenced,
    /// The rest of an abandoned request did not come in time, or its cancel proved nothing.
    NotDrained,
    /// Its agent gave it up, or the database closed it.
    Broken,
    /// Its client asked for nothing more.
    ClientLeft,
    /// Its client was silent in a transaction, or its transaction took too long.
    HeldTooLong,
    /// Its client does not follow the protocol.
    ClientWrong,
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
            | Self::HeldTooLong
            | Self::ClientWrong
            | Self::ClientLeft
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
            | Self::Fenced
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
    /// Something was sent.
    Talking(Box<Talk>),
}

/// A cancel that may still hit something on a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Fence {
    /// There is none.
    #[default]
    Open,
    /// One is to be sent as soon as a slot is free.
    Wanted,
    /// One is on its way by a stream of its own.
    Sent,
    /// The agent was asked, with this number.
    Asked(u32),
    /// One was sent, and nothing tells whether it is over: the session must not be handed on.
    Unproved,
}

impl Fence {
    /// True while a cancel may be on its way.
    pub(crate) fn may_hit(self) -> bool {
        matches!(self, Self::Sent | Self::Asked(_))
    }
}

/// Clearing a session's state.
#[derive(Debug)]
pub(crate) struct Reset {
    /// Empty until it is sent.
    pub(crate) replies: Replies,
    /// What is still to be sent.
    pub(crate) unsent: Option<Clearing>,
    /// The replies are those to a reset that was sent behind a request which then ended inside a
    /// transaction block: they do not count.
    pub(crate) void: bool,
}

/// What clears a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Clearing {
    /// A transaction block is open.
    pub(crate) block: bool,
    /// There may be more than a block.
    pub(crate) state: bool,
}

/// What a lease leaves behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct After {
    pub(crate) transaction: Transaction,
    /// State must be cleared.
    pub(crate) must_reset: bool,
    /// A reset was sent behind the last request.
    pub(crate) reset_sent: bool,
    /// Something was done that nothing clears.
    pub(crate) indelible: bool,
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

/// The state of a session. It is moved at every change, so what is large and rare is boxed.
pub(crate) enum State {
    Opening {
        handshake: Option<Box<Handshake>>,
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
        reset: Box<Reset>,
    },
    /// No client holds it: what runs is cancelled, the rest of the answer read, and the end of a
    /// cancel awaited.
    Draining {
        seat: Seat,
        talk: Box<Talk>,
        /// The last ready point was reached.
        after: Option<After>,
    },
    /// Its agent holds it.
    Parked {
        seat: Seat,
    },
    /// The link is lost: the session is its agent's alone, and counted until `until`.
    Away {
        seat: Seat,
        until: Instant,
        remote: Box<Remote>,
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
    /// When it will have been idle for long enough to be parked, if it is.
    pub(crate) park_at: Instant,
    /// It was parked, and nothing was heard of it since: it may have ended meanwhile.
    pub(crate) rested: bool,
    /// An earlier life of the coordinator may have left statements, and settings that it would have
    /// replaced: all is cleared ahead of the next request.
    pub(crate) purge: bool,
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) cancel_key: Option<CancelKey>,
    /// Whose share of the pool it is counted in, and since when.
    pub(crate) booked: Option<(ClassId, Instant)>,
    /// What is prepared on it.
    pub(crate) statements: OnSession,
    /// A client may have left an unnamed statement on it.
    pub(crate) unnamed: bool,
    /// What it is set to, beyond its own defaults.
    pub(crate) applied: Followed,
    pub(crate) fence: Fence,
    /// Sockets that are closed when the cancel is over that they asked for.
    pub(crate) cancellers: Vec<ClientId>,
    /// Bytes of those written that the transport has taken.
    pub(crate) taken: u64,
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
            park_at: expires,
            rested: false,
            purge: false,
            parameters: BTreeMap::new(),
            cancel_key: None,
            booked: None,
            statements: OnSession::new(STATEMENTS_PER_SESSION),
            unnamed: false,
            applied: Followed::default(),
            fence: Fence::Open,
            cancellers: Vec::new(),
            taken: 0,
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
            park_at: expires,
            rested: true,
            purge: true,
            parameters: BTreeMap::new(),
            cancel_key: None,
            booked: None,
            statements: OnSession::new(STATEMENTS_PER_SESSION),
            unnamed: false,
            applied: Followed::default(),
            fence: Fence::Open,
            cancellers: Vec::new(),
            taken: 0,
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

    /// What is being said on it, if it is leased.
    pub(crate) fn talk(&self) -> Option<&Talk> {
        let State::Leased { work: Work::Talking(talk), .. } = &self.state else { return None };
        Some(talk)
    }

    pub(crate) fn talk_mut(&mut self) -> Option<&mut Talk> {
        let State::Leased { work: Work::Talking(talk), .. } = &mut self.state else { return None };
        Some(talk)
    }

    /// What a client hears through: the scanner, what is being said, and what the session is set to.
    pub(crate) fn listened(
        &mut self,
    ) -> Option<(&mut Scanner, &mut Talk, &mut BTreeMap<String, String>)> {
        let State::Leased { work: Work::Talking(talk), .. } = &mut self.state else { return None };
        Some((&mut self.scanner, talk, &mut self.parameters))
    }

    /// What is being said on it, whether a client holds it or not.
    pub(crate) fn any_talk_mut(&mut self) -> Option<&mut Talk> {
        let (State::Leased { work: Work::Talking(talk), .. } | State::Draining { talk, .. }) =
            &mut self.state
        else {
            return None;
        };
        Some(talk)
    }

    /// What was taken by [`Session::take_talk`] goes on.
    pub(crate) fn put_talk(&mut self, talk: Box<Talk>) {
        if let State::Leased { work, .. } = &mut self.state {
            *work = Work::Talking(talk);
        }
    }

    /// What is being said, to be taken along to another state; nothing if nothing is.
    pub(crate) fn take_talk(&mut self) -> Option<Box<Talk>> {
        let State::Leased { work, .. } = &mut self.state else { return None };
        match std::mem::replace(work, Work::Verifying) {
            Work::Talking(talk) => Some(talk),
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

    /// True if what the database says next can be no answer: nothing was sent that is not answered.
    pub(crate) fn awaits_nothing(&self) -> bool {
        match &self.state {
            State::Idle { .. } | State::Parked { .. } => true,
            State::Leased { work: Work::Verifying, .. } => true,
            State::Leased { work: Work::Talking(talk), .. } => talk.replies.is_empty(),
            State::Draining { after, .. } => after.is_some(),
            State::Resetting { reset, .. } => reset.replies.is_empty(),
            State::Opening { .. } | State::Away { .. } | State::Ending { .. } | State::Moving => {
                false
            }
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
        let silent = self.talk().is_some_and(Talk::is_quiet);
        let leased = matches!(self.state, State::Leased { work: Work::Talking(_), .. });
        leased && !silent || matches!(self.state, State::Draining { .. } | State::Resetting { .. })
    }
}
