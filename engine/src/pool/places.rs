//! Every way of a client from one place to another. [`crate::pool::client::Client::enter`] is the
//! only door; this is the list of who may pass it, and why. `docs/states.md` is made of it.

use crate::pool::client::{Kind, Place};

/// One way of a client from a place to another.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Which clients may go it.
    pub kind: &'static str,
    /// The place that is left.
    pub from: &'static str,
    /// Why, in a word.
    pub why: &'static str,
    /// Why, in a few words more.
    pub meaning: &'static str,
    /// The place that is entered.
    pub to: &'static str,
    reason: Move,
}

/// Why a client changes its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Move {
    Asked,
    Granted,
    NotSent,
    Refused,
    Released,
    Lost,
    Ended,
}

/// The places of a client, and what each means.
pub const PLACES: &[(&str, &str)] = &[
    ("resting", "it wants nothing now, or stands behind another request of its lease"),
    ("waiting", "it is in the queue"),
    ("running", "it holds a session"),
    ("reading", "it has its outcome, and its reader not all of its answer"),
];

macro_rules! steps {
    ($($kind:ident: $from:ident -> $to:ident: $why:ident;)+) => {
        &[$(Step {
            kind: stringify!($kind),
            from: stringify!($from),
            why: stringify!($why),
            to: stringify!($to),
            meaning: Move::$why.meaning(),
            reason: Move::$why,
        }),+]
    };
}

/// Clients, from their first request to their last. They may leave from any place.
pub const CLIENTS: &[Step] = steps! {
    exchange: resting -> waiting: Asked;
    exchange: resting -> running: Granted;
    exchange: resting -> reading: Ended;
    exchange: waiting -> running: Granted;
    exchange: waiting -> reading: Ended;
    exchange: running -> waiting: NotSent;
    exchange: running -> reading: Ended;
    exchange: reading -> reading: Ended;
    socket: resting -> waiting: Asked;
    socket: waiting -> running: Granted;
    socket: waiting -> resting: Refused;
    socket: running -> waiting: NotSent;
    socket: running -> resting: Released;
    socket: running -> resting: Lost;
    lease: resting -> running: Granted;
    lease: resting -> resting: Ended;
    lease: running -> resting: NotSent;
    lease: running -> resting: Lost;
    lease: running -> resting: Ended;
};

impl Move {
    const fn meaning(self) -> &'static str {
        match self {
            Self::Asked => "it asks for something that needs a session",
            Self::Granted => "it has a session: of a lease's request, the lease's",
            Self::NotSent => "nothing was sent, and the session is lost: it waits again",
            Self::Refused => "it gets no session, and is told why",
            Self::Released => "its transaction is over, and its session free for others",
            Self::Lost => "its session is lost",
            Self::Ended => "it has its outcome; of a lease, the transaction is over",
        }
    }
}

impl Place {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Resting => "resting",
            Self::Waiting => "waiting",
            Self::Running(_) => "running",
            Self::Reading => "reading",
        }
    }
}

impl Kind {
    fn name(&self) -> &'static str {
        match self {
            Self::Exchange(_) => "exchange",
            Self::Socket(_) => "socket",
            Self::Lease(_) => "lease",
        }
    }
}

/// Checks, in builds that check, that a step is in the list. Planted bugs need no permission.
pub(crate) fn check(kind: &Kind, from: Place, why: Move, to: Place) {
    let known = |step: &Step| {
        let ends = (step.kind, step.from, step.to);
        ends == (kind.name(), from.name(), to.name()) && step.reason == why
    };
    debug_assert!(
        cfg!(sabotage) || CLIENTS.iter().any(known),
        "{}: {} -> {}: {why:?} is not in pool/places.rs",
        kind.name(),
        from.name(),
        to.name()
    );
}
