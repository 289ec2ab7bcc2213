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

pub(crate) const RESETS: [(&str, Reset); 2] =
    [("detected", Reset::Detected), ("always", Reset::Always)];
pub(crate) const STATES: [(&str, State); 2] =
    [("follow", State::Follow), ("reject", State::Reject)];
/// What is either done or not.
pub(crate) const SWITCH: [(&str, bool); 2] = [("on", true), ("off", false)];
