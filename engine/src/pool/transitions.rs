//! Every way of a session from one state to another. [`crate::pool::session::Session::enter`] is
//! the only door; this is the list of who may pass it, and why. `docs/states.md` is made of it.

use crate::pool::session::Why;

/// One way from a state to another.
#[derive(Clone, Copy, Debug)]
pub struct Transition {
    /// The state that is left.
    pub from: &'static str,
    /// The state that is entered.
    pub to: &'static str,
    /// Why, as the log says it.
    pub why: &'static str,
    /// Why, in a few words more.
    pub meaning: &'static str,
    /// What the log says, when it is verbose.
    pub line: &'static str,
    /// The simulation that meets it in its usual run.
    pub met_by: &'static str,
    /// Why that cannot be relied on, if it cannot.
    pub rare: Option<&'static str>,
    reason: Why,
}

macro_rules! optional {
    () => {
        None
    };
    ($some:literal) => {
        Some($some)
    };
}

macro_rules! transitions {
    ($($from:ident -> $to:ident: $why:ident, $met_by:ident $(, $rare:literal)?;)+) => {
        &[$(Transition {
            from: stringify!($from),
            to: stringify!($to),
            why: stringify!($why),
            meaning: Why::$why.meaning(),
            line: concat!(stringify!($from), " -> ", stringify!($to), ": ", stringify!($why)),
            met_by: stringify!($met_by),
            rare: optional!($($rare)?),
            reason: Why::$why,
        }),+]
    };
}

/// Sessions, from their opening to their end. A session is gone, from any state, when its far end
/// has ended it.
pub const SESSIONS: &[Transition] = transitions! {
    opening -> idle: LoggedIn, pool;
    opening -> ending: OpenFailed, pool;
    opening -> ending: TooOld, pool;
    opening -> ending: Fallback, tunnel;
    opening -> ending: AgentDrains, tunnel;
    opening -> ending: Broken, tunnel, "the database must close a connection while it logs in";
    opening -> ending: Mismatch, tunnel, "the database must answer what was not sent";
    opening -> away: LinkLost, tunnel;
    idle -> leased: Granted, pool;
    idle -> parked: AtRest, tunnel;
    idle -> ending: IdleTooLong, pool;
    idle -> ending: TooOld, pool;
    idle -> ending: Mismatch, pool;
    idle -> ending: Fallback, tunnel;
    idle -> ending: AgentDrains, tunnel;
    idle -> ending: Broken, tunnel;
    idle -> away: LinkLost, tunnel;
    leased -> idle: Answered, pool;
    leased -> idle: NotSent, pool;
    leased -> resetting: Answered, pool;
    leased -> draining: CallerGone, tunnel;
    leased -> draining: OutOfTime, tunnel;
    leased -> draining: ClientLeft, sockets;
    leased -> draining: ClientWrong, sockets;
    leased -> draining: HeldTooLong, sockets;
    leased -> draining: Fenced, sockets;
    leased -> draining: ReaderBehind, tunnel, "answers of 32 MiB together";
    leased -> ending: CallerGone, tunnel, "its client must leave when it can be neither cancelled nor drained";
    leased -> ending: OutOfTime, pool;
    leased -> ending: ReaderBehind, pool, "an answer of 8 MiB";
    leased -> ending: ClientLeft, sockets;
    leased -> ending: ClientWrong, sockets;
    leased -> ending: HeldTooLong, sockets;
    leased -> ending: Fenced, sockets;
    leased -> ending: Mismatch, pool;
    leased -> ending: Indelible, pool;
    leased -> ending: TooOld, pool;
    leased -> ending: Fallback, tunnel;
    leased -> ending: AgentDrains, tunnel;
    leased -> ending: Broken, tunnel;
    leased -> away: LinkLost, tunnel;
    resetting -> idle: Cleared, pool;
    resetting -> resetting: Answered, pool;
    resetting -> ending: NotCleared, pool;
    resetting -> ending: Mismatch, pool, "the database must speak out of turn during a reset";
    resetting -> ending: TooOld, pool;
    resetting -> ending: Fallback, tunnel;
    resetting -> ending: AgentDrains, tunnel;
    resetting -> ending: Broken, tunnel, "the database must close a connection during a reset";
    resetting -> away: LinkLost, tunnel;
    draining -> resetting: Answered, tunnel;
    draining -> idle: Answered, sockets;
    draining -> ending: TooOld, sockets;
    draining -> ending: AgentDrains, tunnel, "the way must change in the moment between an answer and the end of its cancel";
    draining -> ending: Fallback, tunnel, "the way must change in the moment between an answer and the end of its cancel";
    draining -> ending: NotDrained, tunnel;
    draining -> ending: Indelible, tunnel;
    draining -> ending: Mismatch, tunnel, "the database must speak out of turn during a cancel";
    draining -> ending: Broken, tunnel;
    draining -> away: LinkLost, tunnel;
    parked -> idle: Spoke, tunnel;
    parked -> leased: Granted, tunnel;
    parked -> ending: IdleTooLong, tunnel;
    parked -> ending: TooOld, tunnel;
    parked -> ending: AgentDrains, tunnel;
    parked -> ending: Broken, tunnel;
    parked -> away: LinkLost, tunnel;
    away -> parked: OfferedAgain, tunnel;
    ending -> away: LinkLost, tunnel;
};

/// The states of a session, and what each means.
pub const STATES: &[(&str, &str)] = &[
    ("opening", "its stream is being opened, or it is logging in"),
    ("idle", "it waits for a client"),
    ("leased", "a client holds it"),
    ("resetting", "what the last client left behind is being cleared"),
    ("draining", "its client left in the middle: what runs is cancelled, and the rest of it read"),
    ("parked", "its agent holds it, and the object may sleep"),
    ("away", "its link is lost: it is its agent's alone, and still counted"),
    ("ending", "it was told to end, and is counted until its far end has done so"),
];

impl Why {
    const fn meaning(self) -> &'static str {
        match self {
            Self::LoggedIn => "the database said that it is ready",
            Self::Granted => "the client at the head of the queue got it",
            Self::Answered => "the request was answered to its last ready point",
            Self::Cleared => "the reset succeeded",
            Self::NotSent => "its client left before anything was sent",
            Self::OpenFailed => "it could not be opened, or not in time",
            Self::IdleTooLong => "nobody used it for `idle_timeout`",
            Self::TooOld => "it has reached `max_lifetime`",
            Self::Indelible => "it holds what no reset clears (`LOAD`)",
            Self::NotCleared => "the reset failed, or took too long",
            Self::Mismatch => "a message came that answers nothing that was sent",
            Self::CallerGone => "its client left, or gave up, in the middle of a request",
            Self::OutOfTime => "its client's time was over",
            Self::ReaderBehind => "its client does not read its answer",
            Self::AtRest => "it was idle for long enough to be parked",
            Self::Spoke => "the database spoke before its agent had parked it",
            Self::LinkLost => "the link that carries it is lost",
            Self::OfferedAgain => "its agent is back, and offers it as it was",
            Self::AgentDrains => "its agent takes no new work",
            Self::Fallback => "a tunnel that is preferred can be used again",
            Self::Fenced => "a cancel of its last request may still be on its way",
            Self::ClientLeft => "its client ended the connection, and asked for nothing more",
            Self::HeldTooLong => "its client was silent in a transaction, or took too long over it",
            Self::ClientWrong => "its client does not follow the protocol",
            Self::NotDrained => "no proof came that the cancel is over, or not in time",
            Self::Broken => "its agent gave it up, or the database closed it",
        }
    }
}

/// Checks, in builds that check, that a transition is in the list. Planted bugs need no permission.
pub(crate) fn check(from: &'static str, why: Why, to: &'static str) {
    let known = |t: &Transition| t.from == from && t.reason == why && t.to == to;
    debug_assert!(
        cfg!(sabotage) || SESSIONS.iter().any(known),
        "{from} -> {to}: {why:?} is not in pool/transitions.rs"
    );
}
