//! Ready points of sockets' clients: what was committed follows the client, and the session stays with
//! it or is free for others.

use crate::core::Engine;
use crate::database::transaction::Transaction;
use crate::ids::{ClientId, SessionId};
use crate::io::Mode;
use crate::limits::{FORWARD_EARLY, LEASE_TURNS};
use crate::pool::client::{Client, Kind, Place};
use crate::pool::places::Move;
use crate::pool::session::{After, Fence, Session, Why};
use crate::pool::socket::Socket;
use crate::settings::ResetPolicy;
use crate::sql::Sign;

impl Engine {
    /// What was sent ahead of a socket's messages was answered.
    pub(super) fn socket_prepared(&mut self, session_id: SessionId, id: ClientId) {
        let Some(session) = self.sessions.get_mut(&session_id) else { return };
        let Some(talk) = session.talk_mut() else { return };
        if !talk.trying {
            let transaction = talk.transaction;
            return self.socket_goes_on(session_id, id, transaction);
        }
        if !talk.replies.is_empty() {
            return;
        }
        talk.trying = false;
        let refused = talk.not_set.take();
        let Some(Kind::Socket(socket)) = self.clients.get_mut(&id).map(|c| &mut c.kind) else {
            return;
        };
        match refused {
            None => {
                socket.untried = false;
                self.speak_soon(session_id);
            }
            Some(error) => {
                // The text was one transaction, so nothing of it holds.
                session.applied = crate::state::Followed::default();
                if let Some(talk) = session.talk_mut() {
                    talk.must_reset = true;
                }
                socket.say(error.raw);
                self.close_socket(id, Why::ClientWrong);
            }
        }
    }

    /// A ready point of a socket's client.
    pub(super) fn socket_ready(
        &mut self,
        session_id: SessionId,
        id: ClientId,
        transaction: Transaction,
    ) {
        let wanted = |session: &Session| session.fence == Fence::Wanted;
        if self.sessions.get(&session_id).is_some_and(wanted) {
            // What it was meant for is answered.
            self.forget_wanted_cancel(session_id);
        }
        let Some(talk) = self.sessions.get(&session_id).and_then(Session::talk) else { return };
        let Some(socket) = self.clients.get_mut(&id).and_then(Client::socket_mut) else { return };
        socket.turns += 1;
        socket.active_at = self.now;
        if talk.is_quiet() {
            socket.query_until = None;
            socket.cancelled_by_time = false;
        }
        self.socket_goes_on(session_id, id, transaction);
    }

    /// What comes after a ready point of a socket's client, or of what was sent ahead of it.
    fn socket_goes_on(&mut self, session_id: SessionId, id: ClientId, transaction: Transaction) {
        let Some(session) = self.sessions.get_mut(&session_id) else { return };
        let Some(client) = self.clients.get_mut(&id) else { return };
        let Kind::Socket(socket) = &mut client.kind else { return };
        if let Some(sign) = follow(session, socket)
            && transaction == Transaction::None
            && socket.pin(sign.name())
        {
            self.pinned += 1;
            self.counters.pins += 1;
        }
        let Some(talk) = session.talk() else { return };
        if transaction != Transaction::None || talk.restores() {
            return self.speak_soon(session_id);
        }
        let limit = self.settings.transaction_timeout;
        let wants = socket.inbox.wants() > 0 || socket.inbox_bytes() >= FORWARD_EARLY;
        let may_stay = socket.turns < LEASE_TURNS || self.waiters.is_empty();
        let busy = !talk.is_quiet() && !planted!(ReleaseBeforeLastSync);
        if busy || talk.fatal.is_some() || socket.pinned.is_some() || (wants && may_stay) {
            socket.transaction_until = (limit.0 > 0).then(|| self.now + limit);
            return self.speak_soon(session_id);
        }
        socket.transaction_until = None;
        client.enter(Place::Resting, Move::Released);
        self.lease_over(session_id);
        self.drive_socket(id);
    }

    /// The holder of a session has no more use for it, and nothing is on its way.
    pub(super) fn lease_over(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        self.stalled.remove(&id);
        let Some(talk) = session.talk() else {
            return self.release(id, Why::NotSent);
        };
        let unnamed = talk.unnamed_used;
        let after = After {
            transaction: talk.transaction,
            must_reset: talk.must_reset
                || talk.effects.sign().is_some()
                || self.settings.reset == ResetPolicy::Always,
            reset_sent: talk.reset_sent,
            indelible: talk.effects.indelible,
        };
        session.unnamed |= unnamed;
        match session.fence {
            Fence::Sent | Fence::Asked(_) if planted!(CancelNotFenced) => self.clean_up(id, after),
            Fence::Open => self.clean_up(id, after),
            Fence::Wanted => {
                self.forget_wanted_cancel(id);
                self.clean_up(id, after);
            }
            Fence::Sent | Fence::Asked(_) => {
                let Some(talk) = session.take_talk() else { return };
                self.await_fence(id, talk, after);
            }
            Fence::Unproved => self.end(id, Why::Fenced),
        }
    }
}

/// Settings that were committed follow the client. Tells what cannot be followed: it keeps the session.
fn follow(session: &mut Session, socket: &mut Socket) -> Option<Sign> {
    let effects = &mut session.talk_mut()?.effects;
    let sign = effects.sign();
    let changes = effects.take_changes();
    if changes.is_empty() || socket.mode != Mode::Transaction {
        return sign;
    }
    // A reset leads the client back to what it set at its start; the session, which does not know,
    // to its own defaults.
    let wanted = socket.settings.after_with(&socket.start_settings, &changes);
    match (wanted, session.applied.after(&changes)) {
        (Ok(wanted), Ok(applied)) => {
            socket.settings = wanted;
            session.applied = applied;
            sign
        }
        (Err(_), _) | (_, Err(_)) => sign.or(Some(Sign::Set)),
    }
}
