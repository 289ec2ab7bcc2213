//! Sessions whose client left them: what runs is cancelled and the rest of the answer read, so that
//! the session can serve the next client. And sessions that wait for the end of a cancel, which
//! would otherwise hit somebody else's request.
//!
//! ```text
//! Leased ──abandoned──▶ Draining ──last ready point, and proof that no cancel is on its way──▶ Resetting
//!                           └──no proof, wrong reply, out of time──▶ Ending
//! ```
//!
//! An agent, and a TCP connection's orderly end, prove that a cancel is over. A tunnel that cannot
//! is given a moment to finish what it does; after it, the session is cancelled and ended.

use bytes::BytesMut;
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend;

use crate::core::Engine;
use crate::database::replies::{Expect, Note};
use crate::database::talk::{Talk, Turn};
use crate::database::transaction::Transaction;
use crate::ids::{SessionId, StreamId};
use crate::limits::{DRAIN_GRACE, DRAIN_TIMEOUT};
use crate::pool::client::Place;
use crate::pool::places::Move;
use crate::pool::session::{After, Fence, State, Why};
use crate::pool::timers::Target;
use crate::settings::Way;
use crate::time::Reason;

/// A statement that no session has.
const NO_STATEMENT: &str = "ph_none";

/// Writes a message that fails: what its segment did so far is undone.
fn fail_segment(out: &mut BytesMut) {
    let none = std::iter::empty::<i16>;
    let values = std::iter::empty::<i32>();
    // Fails only for names that contain a zero byte.
    let _ = frontend::bind("", NO_STATEMENT, none(), values, |_, _| Ok(IsNull::Yes), none(), out);
}

impl Engine {
    /// The client of a session is no longer there. If nothing is on its way the session is as good
    /// as before; otherwise what runs is cancelled.
    pub(super) fn abandon(&mut self, id: SessionId, why: Why) {
        #[cfg(sabotage)]
        if crate::link::parks_half_sent() && !self.is_verifying(id) && self.is_agents(id) {
            return self.park_half_sent(id);
        }
        let Some(session) = self.sessions.get(&id) else { return };
        if let Some(holder) = session.client() {
            // A lease does not outlive the loss of one of its requests.
            self.let_go_of_lease(holder);
        }
        let Some(session) = self.sessions.get(&id) else { return };
        match session.talk() {
            None => self.release(id, Why::NotSent),
            Some(talk) if talk.is_quiet() && talk.fatal.is_none() => self.lease_over(id),
            Some(_) => {
                if !self.drain(id, why) {
                    self.end(id, why);
                }
            }
        }
    }

    fn let_go_of_lease(&mut self, holder: crate::ids::ClientId) {
        let is_lease = self.clients.get(&holder).is_some_and(|c| c.lease().is_some());
        if !is_lease {
            return;
        }
        if let Some(client) = self.clients.get_mut(&holder) {
            client.enter(Place::Resting, Move::Ended);
        }
        self.end_lease(holder, crate::pool::client::Over::Lost, None);
    }

    /// Begins to drain a session. False if it cannot be.
    fn drain(&mut self, id: SessionId, why: Why) -> bool {
        self.stalled.remove(&id);
        let Some(session) = self.sessions.get_mut(&id) else { return false };
        if session.way == Way::Agent && self.links.drains(session.stream) {
            return false;
        }
        // Where a cancel's end cannot be proved, what a client left behind gets a moment to finish;
        // nothing else is worth waiting for.
        let left = matches!(why, Why::CallerGone | Why::ClientLeft);
        if session.way == Way::Cloudflared && !left {
            return false;
        }
        let doomed = |talk: &Talk| talk.fatal.is_some() || talk.mid_message;
        if session.talk().is_none_or(doomed) {
            return false;
        }
        let Some(mut talk) = session.take_talk() else { return false };
        talk.must_reset = true;
        let mut out = BytesMut::new();
        if std::mem::take(&mut talk.reset_sent) {
            // It may be what the cancel hits: its replies are read, and another one follows.
            talk.replies.sent(Expect::Query, Note::Ours);
            talk.forgiving = true;
        }
        if talk.replies.is_copying() {
            // Fails only for texts that contain a zero byte.
            let _ = frontend::copy_fail("the client left", &mut out);
            talk.replies.sent(Expect::CopyEnd, Note::Nothing);
            talk.unsynced = true;
        } else if talk.unsynced {
            // The client never ended its segment, so nothing of it may be committed.
            fail_segment(&mut out);
            talk.sent(Expect::Bind, Note::Ours);
        }
        if talk.unsynced {
            frontend::sync(&mut out);
            talk.sent(Expect::Sync, Note::Nothing);
        }
        self.enter(id, why, |seat| State::Draining { seat, talk, after: None });
        if !out.is_empty() {
            self.write_session(id, out.freeze().into());
        }
        let proves = self.begin_cancel(id);
        let within = if proves { DRAIN_TIMEOUT } else { DRAIN_GRACE };
        self.timers.set(Target::Session(id), Reason::ResetDeadline, self.now + within);
        self.grant_reads(id);
        true
    }

    /// Waits for the end of a cancel before the session is handed on.
    pub(super) fn await_fence(&mut self, id: SessionId, talk: Box<Talk>, after: After) {
        self.enter(id, Why::Fenced, |seat| State::Draining { seat, talk, after: Some(after) });
        self.timers.set(Target::Session(id), Reason::ResetDeadline, self.now + DRAIN_TIMEOUT);
        self.grant_reads(id);
    }

    /// A reply to an abandoned request.
    pub(super) fn draining_turned(&mut self, id: SessionId, turn: Turn) {
        match turn {
            Turn::Forward
            | Turn::Deallocated
            | Turn::Swallow
            | Turn::Aside
            | Turn::Void
            | Turn::CopyIn { supplied: true, .. } => {}
            Turn::CopyIn { swallowed, .. } => self.end_copy(id, swallowed),
            Turn::Ready { .. } | Turn::Again => self.drained(id),
            Turn::Wrong(_) => self.wrong(id, "a reply that does not answer an abandoned request"),
        }
    }

    fn drained(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let State::Draining { talk, after, .. } = session.state_mut() else { return };
        if !talk.is_quiet() {
            return;
        }
        if talk.fatal.is_some() {
            return self.end(id, Why::Broken);
        }
        // Nobody knows how far the request came, so everything it can have left is cleared.
        *after = Some(After {
            transaction: talk.transaction,
            must_reset: true,
            reset_sent: false,
            indelible: talk.effects.indelible,
        });
        self.counters.drained += 1;
        if session.fence == Fence::Wanted {
            // It finished by itself.
            session.fence = Fence::Open;
            self.cancels.forget(id);
        }
        self.pass_fence(id);
    }

    /// The agent's answer to a cancel.
    pub(super) fn cancelled(&mut self, stream: StreamId, request: u32, proved: bool) {
        let Some(id) = self.session_of(stream) else { return };
        let asked = self.sessions.get(&id).is_some_and(|s| s.fence == Fence::Asked(request));
        if asked {
            self.fence_opened(id, proved);
        }
    }

    /// A cancel is over; if that is not proved, it may still be on its way.
    pub(super) fn fence_opened(&mut self, id: SessionId, proved: bool) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.fence = if proved { Fence::Open } else { Fence::Unproved };
        for canceller in std::mem::take(&mut session.cancellers) {
            self.close_socket(canceller, Why::ClientLeft);
        }
        self.pass_fence(id);
        if let Some(client) = self.served(id)
            && self.clients.get(&client).is_some_and(|c| c.socket().is_some())
        {
            self.forward_socket(client);
        }
    }

    /// Hands a drained session on, if no cancel can hit it any more.
    fn pass_fence(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        let State::Draining { after: Some(after), .. } = session.state() else { return };
        let after = *after;
        match session.fence {
            Fence::Open | Fence::Wanted => self.clean_up(id, after),
            Fence::Unproved => self.end(id, Why::NotDrained),
            Fence::Sent | Fence::Asked(_) if cancel_is_not_fenced() => self.clean_up(id, after),
            Fence::Sent | Fence::Asked(_) => {}
        }
    }

    /// Draining takes too long.
    pub(super) fn drain_overdue(&mut self, id: SessionId) {
        self.end(id, Why::NotDrained);
    }
}

/// True for what an open transaction leaves.
pub(super) fn is_open(transaction: Transaction) -> bool {
    transaction != Transaction::None
}

#[cfg(sabotage)]
fn cancel_is_not_fenced() -> bool {
    crate::sabotage::active(crate::sabotage::Bug::CancelNotFenced)
}

#[cfg(not(sabotage))]
const fn cancel_is_not_fenced() -> bool {
    false
}
