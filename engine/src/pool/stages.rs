//! Every way of a socket from one stage to another. [`crate::pool::socket::Socket::enter`] is the
//! only door; this is the list of what opens it. `docs/states.md` is made of it.

use crate::pool::socket::Stage;

/// One way of a socket from a stage to another.
#[derive(Clone, Copy, Debug)]
pub struct Passage {
    /// The stage that is left.
    pub from: &'static str,
    /// Why, in a word.
    pub why: &'static str,
    /// Why, in a few words more.
    pub meaning: &'static str,
    /// The stage that is entered.
    pub to: &'static str,
    reason: Said,
}

/// What was said between a socket's client and us that leads it on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Said {
    WhoAreYou,
    Welcome,
    Greeting,
    Cancel,
}

/// The stages of a socket, and what each means.
pub const STAGES: &[(&str, &str)] = &[
    ("start_up", "its start-up packets are still to come, or to be completed"),
    ("login", "it proves who it is"),
    ("greeting", "it waits to hear what the database's parameters are"),
    ("open", "it is served"),
    ("cancelling", "it asked for a cancel, and is closed when that is over"),
];

macro_rules! passages {
    ($($from:ident -> $to:ident: $why:ident;)+) => {
        &[$(Passage {
            from: stringify!($from),
            why: stringify!($why),
            to: stringify!($to),
            meaning: Said::$why.meaning(),
            reason: Said::$why,
        }),+]
    };
}

/// Sockets, from their first packet until they are served. They may end at any stage.
pub const SOCKETS: &[Passage] = passages! {
    start_up -> login: WhoAreYou;
    start_up -> greeting: Welcome;
    start_up -> cancelling: Cancel;
    login -> greeting: Welcome;
    greeting -> open: Greeting;
};

impl Said {
    const fn meaning(self) -> &'static str {
        match self {
            Self::WhoAreYou => "its start-up message is there, and a password is set for sockets",
            Self::Welcome => "it is let in: it has proved who it is, or nobody asks",
            Self::Greeting => "it was told the database's parameters, and a key for its cancels",
            Self::Cancel => "its packet asks for a cancel in place of a start-up",
        }
    }
}

impl Stage {
    fn name(&self) -> &'static str {
        match self {
            Self::StartUp { .. } => "start_up",
            Self::Login(..) => "login",
            Self::Greeting => "greeting",
            Self::Open => "open",
            Self::Cancelling => "cancelling",
        }
    }
}

/// Checks, in builds that check, that a passage is in the list.
pub(crate) fn check(from: &Stage, why: Said, to: &Stage) {
    let known = |passage: &Passage| {
        (passage.from, passage.to) == (from.name(), to.name()) && passage.reason == why
    };
    debug_assert!(
        SOCKETS.iter().any(known),
        "{} -> {}: {why:?} is not in pool/stages.rs",
        from.name(),
        to.name()
    );
}
