//! A client: one exchange, from its request to the last byte of its answer.

use crate::database::exchange::Plan;
use crate::ids::SessionId;
use crate::pool::answer::Answer;
use crate::time::Instant;

/// Where a client is.
///
/// ```text
/// Waiting ──grant──▶ Running ──outcome──▶ (gone) or, while its reader is behind, Reading ──▶ (gone)
///    ▲                  │
///    └── nothing sent ──┘
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// In the queue.
    Waiting,
    /// Holds a session.
    Running(SessionId),
    /// Has its outcome; its reader has not taken all of the answer.
    Reading,
}

/// One exchange.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) place: Place,
    pub(crate) request_id: [u8; 16],
    pub(crate) caller: Option<String>,
    pub(crate) plan: Plan,
    /// Clear state after this exchange whatever the setting.
    pub(crate) reset: bool,
    pub(crate) arrived: Instant,
    /// When it was granted a session last.
    pub(crate) granted: Option<Instant>,
    /// When its whole request is over.
    pub(crate) deadline: Instant,
    /// When it was last known to live.
    pub(crate) alive_at: Instant,
    /// How often it was tried and nothing sent.
    pub(crate) retries: u32,
    pub(crate) answer: Answer,
}
