//! Bytes of the database: the login, the answers to what was sent, the answer to a reset.

use bytes::{Bytes, BytesMut};
use pierhead_wire::envelope::{Blame, Outcome, Retry, SqlState, Status};
use pierhead_wire::pg::backend;
use pierhead_wire::pg::errors::ErrorFields;
use pierhead_wire::pg::scan::{Message, Piece};
use pierhead_wire::pg::tag::backend as tag;

use crate::auth::handshake;
use crate::core::Engine;
use crate::database::replies::Made;
use crate::database::settle::settle;
use crate::database::talk::{Dropped, Talk, Turn, is_asynchronous};
use crate::database::transaction::Transaction;
use crate::failure::Failure;
use crate::ids::{ClientId, SessionId};
use crate::io::Level;
use crate::limits::STATEMENT_TEXT_MAX;
use crate::pool::client::{Client, Kind, Place};
use crate::pool::places::Move;
use crate::pool::session::{State, Why};
use crate::sql;
use crate::state::Followed;

impl Engine {
    /// Keeps the tables of statements true to what the session and the client have.
    pub(super) fn settle_statements(&mut self, id: SessionId, holder: Option<ClientId>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(talk) = session.any_talk_mut() else { return };
        if !talk.has_settled() {
            return;
        }
        let mut settled = talk.replies.take_settled();
        let dropped = std::mem::take(&mut talk.dropped);
        if let Some(statement) = talk.broken.take() {
            self.library.interned.renew(statement);
        }
        let served = holder.and_then(|_| self.served(id));
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let interned = &mut self.library.interned;
        let mut client = served.and_then(|c| self.clients.get_mut(&c));
        let speaker = client.as_mut().and_then(|c| c.speaker_mut());
        let moved = settle(settled.drain(..), speaker, &mut session.statements, interned);
        if let Some(talk) = session.any_talk_mut() {
            talk.unnamed_here &= !moved;
            talk.replies.reuse(settled);
        }
        for one in dropped {
            let Some(speaker) = client.as_mut().and_then(|c| c.speaker_mut()) else { continue };
            match one {
                Dropped::One(name) => speaker.unname(&name, interned),
                Dropped::All => {
                    speaker.clear_names(interned);
                    session.statements.clear();
                }
                Dropped::Everything => {
                    speaker.clear(interned);
                    session.statements.clear();
                    session.applied = Followed::default();
                    if let Some(socket) = client.as_mut().and_then(|c| c.socket_mut()) {
                        socket.settings = socket.start_settings.clone();
                        self.pinned = self.pinned.saturating_sub(socket.unpin().into());
                    }
                }
            }
        }
    }

    /// What was said on a session will not be answered: statements that its messages hold are let
    /// go.
    pub(super) fn let_talk_go(&mut self, id: SessionId) {
        let Some(talk) = self.sessions.get_mut(&id).and_then(|s| s.any_talk_mut()) else { return };
        talk.replies.skip_all();
        self.settle_statements(id, None);
    }

    /// Does what a message of the database means for the client that holds its session.
    pub(super) fn leased_turned(
        &mut self,
        id: SessionId,
        chunk: &Bytes,
        piece: &Piece,
        turn: Turn,
    ) {
        let Some(client) = self.served(id) else {
            if !matches!(turn, Turn::Aside) {
                self.wrong(id, "a reply while its lease asks for nothing");
            }
            return;
        };
        match turn {
            Turn::Forward => {
                self.forward(id, client, chunk, piece);
                self.note_end(id, client);
            }
            Turn::Deallocated => {
                let mut tag = BytesMut::new();
                backend::command_complete("DEALLOCATE", &mut tag);
                self.give(id, client, tag.freeze());
            }
            Turn::Swallow | Turn::Void => {}
            Turn::Aside => self.forward_aside(id, client, chunk, piece),
            Turn::Again => self.run_again(id, client),
            Turn::CopyIn { supplied, swallowed } => {
                self.forward(id, client, chunk, piece);
                let is_socket = self.clients.get(&client).is_some_and(|c| c.socket().is_some());
                if !supplied && !is_socket {
                    self.end_copy(id, swallowed);
                }
            }
            Turn::Ready { transaction, last, ours } => {
                if ours {
                    self.prepared(id, client, last.then_some(transaction));
                } else {
                    self.forward(id, client, chunk, piece);
                    self.ready(id, client, transaction, last);
                }
            }
            Turn::Wrong(tag::ERROR_RESPONSE) if self.rests_with_socket(id, client) => {
                if let Piece::Message(message) = piece {
                    self.farewell(client, message.raw.clone());
                }
                self.end(id, Why::Broken);
            }
            Turn::Wrong(tag) => {
                let what = format!("message type {:?} that answers nothing", char::from(tag));
                self.wrong(id, &what);
            }
        }
    }

    /// The client was told of a ready point.
    pub(super) fn ready(
        &mut self,
        id: SessionId,
        client: ClientId,
        transaction: Transaction,
        last: bool,
    ) {
        self.account_segment(id, client);
        match self.clients.get(&client).map(|c| &c.kind) {
            Some(Kind::Exchange(_)) if last => self.exchange_done(id, client, transaction),
            Some(Kind::Socket(_)) => self.socket_ready(id, client, transaction),
            Some(Kind::Exchange(_) | Kind::Lease(_)) | None => {}
        }
    }

    /// A ready point of what the client did not send; `last` if nothing more is to come.
    fn prepared(&mut self, id: SessionId, client: ClientId, last: Option<Transaction>) {
        match (self.clients.get(&client).map(|c| &c.kind), last) {
            (Some(Kind::Exchange(_)), Some(transaction)) => {
                self.exchange_done(id, client, transaction);
            }
            (Some(Kind::Socket(_)), _) => self.socket_prepared(id, client),
            _ => {}
        }
    }

    /// True if a socket's client holds the session, and nothing of it is on its way.
    fn rests_with_socket(&self, id: SessionId, client: ClientId) -> bool {
        let quiet = self.sessions.get(&id).and_then(|s| s.talk()).is_some_and(Talk::is_quiet);
        quiet && self.clients.get(&client).is_some_and(|c| c.socket().is_some())
    }

    /// The database told the client that it ends the session: it need not be told again.
    fn note_end(&mut self, id: SessionId, client: ClientId) {
        if self.sessions.get(&id).and_then(|s| s.talk()).is_some_and(|t| t.fatal.is_some())
            && let Some(socket) = self.clients.get_mut(&client).and_then(Client::socket_mut)
        {
            socket.told = true;
        }
    }

    /// A segment was answered: its time is counted.
    fn account_segment(&mut self, id: SessionId, client: ClientId) {
        let now = self.now;
        let Some(talk) = self.sessions.get_mut(&id).and_then(|s| s.talk_mut()) else { return };
        let (Some(sample), failed) = talk.take_sample() else { return };
        let Some(class) = self.clients.get(&client).map(|c| c.class) else { return };
        let took = now.since(sample.since);
        self.accounts.queried(class, took);
        self.accounts.transferred(class, now.since(sample.answering.unwrap_or(now)));
        self.accounts.called(sample.fingerprint, took, failed, || {
            sql::normalised(&sample.sql, STATEMENT_TEXT_MAX)
        });
    }

    /// Passes on what answers the client, behind what was answered here.
    fn forward(&mut self, id: SessionId, client: ClientId, chunk: &Bytes, piece: &Piece) {
        self.give_made(id, client);
        let bytes = match piece {
            Piece::Bulk { bytes, .. } => bytes,
            Piece::Message(message) => &message.raw,
        };
        self.answer_bytes += bytes.len();
        match self.clients.get_mut(&client).map(|c| &mut c.kind) {
            Some(Kind::Exchange(exchange)) => exchange.answer.push(chunk, bytes),
            Some(Kind::Socket(socket)) => {
                socket.answer(chunk, bytes);
                socket.mid_message = matches!(piece, Piece::Bulk { last: false, .. });
            }
            Some(Kind::Lease(_)) | None => self.answer_bytes -= bytes.len(),
        }
    }

    /// Passes on what may come at any time: to an exchange, neither parameters nor notifications.
    fn forward_aside(&mut self, id: SessionId, client: ClientId, chunk: &Bytes, piece: &Piece) {
        let Piece::Message(message) = piece else { return };
        if let Some(value) = self.restored_parameter(id, message) {
            return self.give(id, client, value);
        }
        let bytes = &message.raw;
        let notice = message.tag == tag::NOTICE_RESPONSE;
        self.answer_bytes += bytes.len();
        match self.clients.get_mut(&client).map(|c| &mut c.kind) {
            Some(Kind::Exchange(exchange)) if notice => exchange.answer.push(chunk, bytes),
            Some(Kind::Socket(socket)) => socket.answer(chunk, bytes),
            _ => self.answer_bytes -= bytes.len(),
        }
    }

    /// What a parameter is for a client that set it at its start, when the session leads it back to
    /// a default of its own: it is set again before anything else happens.
    fn restored_parameter(&self, id: SessionId, message: &Message) -> Option<Bytes> {
        let restore = self.sessions.get(&id)?.talk()?.restore.as_ref()?;
        let restore = Some(restore).filter(|r| r.ready_points == 1).map(|r| &r.settings)?;
        let (name, value) = handshake::parameter(message)?;
        let own = match self.parameters.as_ref()?.get(name) {
            Some(own) => own,
            None if name == "application_name" => &self.settings.application_name,
            None => return None,
        };
        let value = restore.text(name).filter(|_| own == value)?;
        let mut out = BytesMut::new();
        backend::parameter_status(name, &value, &mut out);
        Some(out.freeze())
    }

    fn give_made(&mut self, id: SessionId, client: ClientId) {
        let Some(talk) = self.sessions.get_mut(&id).and_then(|s| s.talk_mut()) else { return };
        if talk.made.is_empty() {
            return;
        }
        for made in std::mem::take(&mut talk.made) {
            self.give(id, client, made_reply(made));
        }
    }

    /// Gives the client bytes that are made here.
    fn give(&mut self, _id: SessionId, client: ClientId, bytes: Bytes) {
        self.answer_bytes += bytes.len();
        match self.clients.get_mut(&client).map(|c| &mut c.kind) {
            Some(Kind::Exchange(exchange)) => exchange.answer.push(&Bytes::new(), &bytes),
            Some(Kind::Socket(socket)) => socket.say(bytes),
            Some(Kind::Lease(_)) | None => self.answer_bytes -= bytes.len(),
        }
    }

    /// A broken plan was found in time: the statement has another name now, and its segment runs
    /// once more.
    fn run_again(&mut self, id: SessionId, client: ClientId) {
        self.counters.cures += 1;
        let Some(talk) = self.sessions.get_mut(&id).and_then(|s| s.talk_mut()) else { return };
        let messages = talk.kept.messages();
        talk.kept.stop();
        if let Some(socket) = self.clients.get_mut(&client).and_then(Client::socket_mut) {
            if planted!(CureTwice) {
                socket.inbox.put_back(messages.clone());
            }
            socket.inbox.put_back(messages);
        }
        self.speak_soon(id);
    }

    fn exchange_done(&mut self, id: SessionId, client: ClientId, transaction: Transaction) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(talk) = session.talk_mut() else { return };
        let leased = self.clients.get(&client).and_then(Client::exchange).and_then(|e| e.lease);
        let outcome = outcome(talk, transaction, leased.is_some());
        self.counters.completed += 1;
        match leased {
            Some(_) if transaction != Transaction::None => {
                self.finish(client, outcome);
                self.speak_soon(id);
            }
            Some(lease) => {
                self.finish(client, outcome);
                self.lease_done(lease);
            }
            None => {
                // What an exchange leaves open was not meant: all that it did is undone.
                talk.must_reset |= transaction != Transaction::None;
                self.finish(client, outcome);
                self.lease_over(id);
            }
        }
    }

    /// Between requests the database may only tell what concerns nobody in particular.
    pub(super) fn idle_piece(&mut self, id: SessionId, piece: &Piece) {
        match piece {
            Piece::Message(m) if is_asynchronous(m.tag) => {}
            Piece::Message(m) if m.tag == tag::ERROR_RESPONSE => {
                let text = describe_error(m);
                self.wrong(id, &text);
            }
            Piece::Message(_) | Piece::Bulk { .. } => self.wrong(id, "bytes that answer nothing"),
        }
    }

    /// This side has lost track of what the session's bytes mean: it is ended, never repaired.
    pub(super) fn wrong(&mut self, id: SessionId, what: &str) {
        let Some(session) = self.sessions.get(&id) else { return };
        let opening = matches!(session.state(), State::Opening { .. });
        self.log(Level::Warn, Some(id), session.client(), format!("ended: {what}"));
        if opening {
            let failure = crate::failure::ConnectFailure::ended(what);
            self.open_failed(id, failure);
            return;
        }
        if planted!(ReuseAfterMismatch) {
            return;
        }
        let holder = self.sessions.get(&id).and_then(|s| s.client());
        let verifying = self.is_verifying(id);
        if let Some(holder) = holder {
            self.flush_client(holder);
            if verifying {
                let waiting = self.served(id).unwrap_or(holder);
                self.requeue_from(holder, waiting);
            } else if self.rests_with_socket(id, holder) {
                self.lose(holder, &Failure::LostAtRest { detail: what.to_owned() });
            } else {
                self.lose(holder, &Failure::Lost { detail: what.to_owned() });
            }
        }
        self.end(id, Why::Mismatch);
    }

    /// A client, or the request of a lease, goes back to its place in the queue.
    pub(super) fn requeue_from(&mut self, holder: ClientId, waiting: ClientId) {
        if holder != waiting
            && let Some(lease) = self.clients.get_mut(&holder)
        {
            lease.enter(Place::Resting, Move::NotSent);
            lease.granted = None;
        }
        self.requeue(waiting);
    }
}

/// A reply that is made here.
pub(super) fn made_reply(made: Made) -> Bytes {
    match made {
        Made::ParseComplete => Bytes::from_static(b"1\0\0\0\x04"),
        Made::CloseComplete => Bytes::from_static(b"3\0\0\0\x04"),
    }
}

fn describe_error(message: &Message) -> String {
    let fields = ErrorFields::parse(message).unwrap_or_default();
    format!("the database said: {} ({})", fields.message, fields.code)
}

/// What the caller is told comes from the final state. In a lease, a transaction that goes on is
/// no failure.
fn outcome(talk: &Talk, transaction: Transaction, leased: bool) -> Outcome {
    let mut outcome = Outcome::completed(0, 0);
    match (transaction, talk.error) {
        (Transaction::None, None) => {}
        (Transaction::Open, None) if leased => {}
        (Transaction::Open | Transaction::Failed, error) if leased => {
            outcome.status = Status::Error;
            outcome.sqlstate = error.unwrap_or(SqlState::literal(b"25P02"));
            outcome.blame = Blame::Database;
            outcome.retry = Retry::DoNot;
            outcome.message = "the database reported an error; see the answer's data".into();
        }
        (Transaction::None, Some(sqlstate)) => {
            outcome.status = Status::Error;
            outcome.sqlstate = sqlstate;
            outcome.blame = Blame::Database;
            // A conflict undid the whole of a request that is one transaction: one ready point,
            // no COMMIT of its own, and nothing that may commit inside, as CALL and DO do.
            let undone = sqlstate.class() == "40"
                && talk.segments == 1
                && !talk.committed
                && !talk.may_commit
                && !leased;
            outcome.retry = if undone { Retry::Safe } else { Retry::DoNot };
            outcome.message = "the database reported an error; see the answer's data".into();
        }
        (Transaction::Open | Transaction::Failed, error) => {
            outcome.status = Status::RolledBack;
            outcome.sqlstate = error.unwrap_or(SqlState::literal(b"25000"));
            outcome.blame = Blame::Caller;
            outcome.retry = Retry::DoNot;
            outcome.message =
                "the request ended inside a transaction block, which was rolled back".into();
            outcome.hint = "end the transaction in the request that begins it, or use a batch, \
                            which is one transaction"
                .into();
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conflict(change: impl FnOnce(&mut Talk)) -> Talk {
        let mut talk = Talk::from(0);
        talk.error = Some(SqlState::literal(b"40001"));
        talk.segments = 1;
        change(&mut talk);
        talk
    }

    #[test]
    fn a_conflict_is_safe_to_retry_only_if_nothing_can_be_committed() {
        let retry = |leased, change: fn(&mut Talk)| {
            outcome(&conflict(change), Transaction::None, leased).retry
        };
        assert_eq!(retry(false, |_| {}), Retry::Safe);
        assert_eq!(retry(false, |talk| talk.segments = 2), Retry::DoNot);
        assert_eq!(retry(false, |talk| talk.committed = true), Retry::DoNot);
        assert_eq!(retry(false, |talk| talk.may_commit = true), Retry::DoNot);
        assert_eq!(retry(true, |_| {}), Retry::DoNot);
    }
}
