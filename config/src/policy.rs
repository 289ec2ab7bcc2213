//! What is done with a session's state.

/// When a session's state is cleared after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// When something that leaves state was seen.
    Detected,
    /// Always.
    Always,
}

/// What becomes of a statement that changes a session beyond its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is allowed: a socket's plain `SET`s follow it from session to session, and what cannot
    /// follow pins the session.
    Follow,
    /// It is refused.
    Reject,
}

/// How long a socket holds a session, where neither its client nor who let it in says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// For a transaction at a time.
    Transaction,
    /// From its start-up to its end.
    Session,
}

pub(crate) const RESETS: [(&str, Reset); 2] =
    [("detected", Reset::Detected), ("always", Reset::Always)];
pub(crate) const STATES: [(&str, State); 2] =
    [("follow", State::Follow), ("reject", State::Reject)];
pub(crate) const MODES: [(&str, Mode); 2] =
    [("transaction", Mode::Transaction), ("session", Mode::Session)];
/// What is either done or not.
pub(crate) const SWITCH: [(&str, bool); 2] = [("on", true), ("off", false)];
