//! What a script must be answered: its run on a session of its own, undisturbed and fresh.

use std::collections::BTreeSet;

use super::message::{self, Message};
use super::script::{Kind, Script};
use super::server::Backend;
use super::server::database::Database;

/// The answer to expect, and what is done once it has been given.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The messages of the database.
    pub answer: Vec<u8>,
    /// The ids that are committed.
    pub committed: BTreeSet<u64>,
    /// The transaction status in which it ends.
    pub status: u8,
    /// SQLSTATEs of its errors.
    pub errors: Vec<String>,
}

impl Expected {
    /// Runs `script`. `None` if it must be refused.
    #[must_use]
    pub fn of(script: &Script) -> Option<Self> {
        if script.kind == Kind::Forbidden {
            return None;
        }
        let mut db = Database::new();
        let mut backend = Backend::ready();
        let mut now = 0;
        let mut answer = Vec::new();
        backend.receive(&mut db, now, &script.protocol);
        loop {
            answer.extend(backend.take_output());
            if let Some(until) = backend.busy_until() {
                now = until;
                backend.wake(&mut db, now);
            } else if let Some(simple) = backend.copying_simply() {
                let mut end = Vec::new();
                message::put(&mut end, b'f', |out| message::put_cstr(out, "no data"));
                if !simple {
                    message::put(&mut end, b'S', |_| {});
                }
                backend.receive(&mut db, now, &end);
            } else {
                break;
            }
        }
        let (messages, _) = message::split(&answer);
        let status = messages.iter().rev().find(|m| m.tag == b'Z').map_or(b'?', |m| m.body[0]);
        let errors = messages.iter().filter(|m| m.tag == b'E').filter_map(sqlstate).collect();
        let committed = db.committed.keys().copied().collect();
        Some(Self { answer, committed, status, errors })
    }
}

/// The SQLSTATE of an error.
#[must_use]
pub fn sqlstate(message: &Message<'_>) -> Option<String> {
    message::field(message.body, b'C')
}
