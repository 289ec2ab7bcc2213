//! Clearing a session's state between clients.

use bytes::{Bytes, BytesMut};
use pierhead_wire::pg::scan::Piece;
use pierhead_wire::pg::tag::backend as tag;
use postgres_protocol::message::frontend;

use crate::core::Engine;
use crate::database::replies::{Expect, Note, Replies, Reply};
use crate::database::talk::is_asynchronous;
use crate::database::transaction::Transaction;
use crate::ids::SessionId;
use crate::limits::RESET_TIMEOUT;
use crate::parts::Parts;
use crate::pool::session::{After, Clearing, Reset, State, Why};
use crate::pool::timers::Target;
use crate::state::Followed;
use crate::time::Reason;

/// The command that clears everything but what `LOAD` brought.
pub(super) fn discard_all() -> Bytes {
    query("DISCARD ALL")
}

fn query(sql: &'static str) -> Bytes {
    let mut out = BytesMut::new();
    // Fails only for texts that contain a zero byte.
    let _ = frontend::query(sql, &mut out);
    out.freeze()
}

impl Engine {
    /// A lease is over; makes the session fit for the next one.
    pub(super) fn clean_up(&mut self, id: SessionId, after: After) {
        let in_transaction = after.transaction != Transaction::None && !planted!(SkipRollback);
        if after.indelible {
            self.end(id, Why::Indelible);
        } else if after.reset_sent {
            self.await_reset(id, in_transaction);
            #[cfg(sabotage)]
            if crate::sabotage::active(crate::sabotage::Bug::ReleaseBeforeReset) {
                self.release(id, Why::Cleared);
            }
        } else if in_transaction {
            self.roll_back(id, after.must_reset);
        } else if after.must_reset {
            #[cfg(sabotage)]
            if crate::sabotage::active(crate::sabotage::Bug::SkipReset) {
                self.release(id, Why::Cleared);
                return;
            }
            self.enter_reset(id, Clearing { block: false, state: true });
        } else {
            self.release(id, Why::Answered);
        }
    }

    /// `DISCARD ALL` is refused inside a transaction block, so the block goes first.
    fn roll_back(&mut self, id: SessionId, clear: bool) {
        self.counters.rolled_back += 1;
        self.enter_reset(id, Clearing { block: true, state: clear });
    }

    /// Awaits the answer to a reset that was sent behind a request; `void` if it cannot have worked.
    fn await_reset(&mut self, id: SessionId, void: bool) {
        self.resets(id, Reset { replies: Replies::to_queries(1), unsent: None, void });
    }

    /// Sends a reset as soon as all is read that came before it.
    fn enter_reset(&mut self, id: SessionId, clearing: Clearing) {
        let unsent = Some(clearing);
        self.resets(id, Reset { replies: Replies::default(), unsent, void: false });
        self.speak_soon(id);
    }

    fn resets(&mut self, id: SessionId, reset: Reset) {
        self.counters.resets += 1;
        self.enter(id, Why::Answered, |seat| State::Resetting { seat, reset: Box::new(reset) });
        self.timers.set(Target::Session(id), Reason::ResetDeadline, self.now + RESET_TIMEOUT);
    }

    /// Sends what clears a session.
    pub(super) fn send_reset(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let State::Resetting { reset, .. } = session.state_mut() else { return };
        let Some(Clearing { block, state }) = reset.unsent.take() else { return };
        let rollback = block.then(|| query("ROLLBACK"));
        let commands: Parts = rollback.into_iter().chain(state.then(discard_all)).collect();
        reset.replies = Replies::to_queries(commands.len());
        self.write_session(id, commands);
    }

    /// A reply to a reset. Anything but the plain success of each command ends the session.
    pub(super) fn reset_piece(&mut self, id: SessionId, piece: &Piece) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Piece::Message(message) = piece else {
            return self.wrong(id, "rows in answer to a reset");
        };
        if is_asynchronous(message.tag) {
            return;
        }
        if message.tag == tag::COMMAND_COMPLETE && message.body() == b"DISCARD ALL\0" {
            session.statements.clear();
            session.unnamed = false;
            session.applied = Followed::default();
        }
        let State::Resetting { reset, .. } = session.state_mut() else { return };
        let void = reset.void;
        match reset.replies.accept(message.tag).map(|accepted| accepted.reply) {
            Ok(Reply::Complete(_))
                if matches!(message.body(), b"DISCARD ALL\0" | b"ROLLBACK\0") => {}
            Ok(_) if void && message.tag != tag::READY_FOR_QUERY => {}
            Ok(Reply::Ready { last, .. }) => {
                let transaction = Transaction::read(message.body());
                match (last, void, transaction) {
                    (true, true, Some(_)) => self.roll_back(id, true),
                    (true, false, Some(Transaction::None)) => self.release(id, Why::Cleared),
                    (false, false, Some(Transaction::None)) => {}
                    _ => self.end(id, Why::NotCleared),
                }
            }
            Ok(Reply::Error) => self.end(id, Why::NotCleared),
            Ok(Reply::Complete(_)) => self.wrong(id, "another command's tag in answer to a reset"),
            Ok(Reply::Part | Reply::Suspended(_) | Reply::CopyIn { .. }) | Err(_) => {
                self.wrong(id, "a reply that does not answer a reset");
            }
        }
    }

    /// Ends a COPY that was sent no data.
    pub(super) fn end_copy(&mut self, id: SessionId, sync: bool) {
        let mut out = BytesMut::new();
        // Fails only for texts that contain a zero byte.
        let _ = frontend::copy_fail("COPY FROM STDIN needs its data in the same request", &mut out);
        let Some(talk) = self.sessions.get_mut(&id).and_then(|s| s.any_talk_mut()) else { return };
        talk.replies.sent(Expect::CopyEnd, Note::Nothing);
        if sync {
            frontend::sync(&mut out);
            talk.sent(Expect::Sync, Note::Nothing);
        }
        self.write_session(id, out.freeze().into());
    }
}
