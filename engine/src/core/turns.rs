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
use crate::pool::session::{State, Why, Work};
use crate::sql;
use crate::state::Followed;

impl Engine {
    pub(super) fn session_data(&mut self, id: SessionId, bytes: Bytes) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.owed += bytes.len();
        session.rested = false;
        if matches!(session.state(), State::Parked { .. }) {
            self.unpark(id);
        }
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if matches!(session.state(), State::Ending { .. }) {
            self.grant_reads(id);
            return;
        }
        if let State::Opening { handshake: Some(handshake), .. } = session.state_mut()
            && handshake.wants_tls_byte()
        {
            let step = handshake.handle_tls_byte(&bytes);
            self.login_step(id, step);
            return;
        }
        let client = self.served(id);
        let mut rest: &[u8] = &bytes;
        while let Some((piece, turn)) = self.answer_plainly(id, &bytes, &mut rest) {
            self.leased_turned(id, &bytes, &piece.hold(&bytes), turn);
        }
        if !rest.is_empty() {
            self.session_pieces(id, bytes.slice_ref(rest));
        }
        if let Some(client) = client {
            self.flush_client(client);
        }
        self.grant_reads(id);
    }

    /// Passes on what has come for a client.
    fn flush_client(&mut self, id: ClientId) {
        match self.clients.get(&id).map(|c| &c.kind) {
            Some(Kind::Exchange(_)) => self.flush_answer(id),
            Some(Kind::Socket(_)) => self.flush_socket(id),
            Some(Kind::Lease(_)) | None => {}
        }
    }

    /// Passes on what plainly answers the client that is served, up to the first piece that means
    /// more. `None` if what is left of the chunk is not for a client, or does not begin with a whole
    /// piece.
    fn answer_plainly<'a>(
        &mut self,
        id: SessionId,
        chunk: &Bytes,
        rest: &mut &'a [u8],
    ) -> Option<(Piece<&'a [u8]>, Turn)> {
        let client = self.served(id);
        let now = self.now;
        let session = self.sessions.get_mut(&id)?;
        let holder = session.client()?;
        let mut listener = client.and_then(|client| self.clients.get_mut(&client));
        let mut listener = listener.as_mut().and_then(|client| client.listener());
        let (scanner, talk, parameters) = session.listened()?;
        let mut passed = 0;
        let stop = loop {
            let Some(piece) = scanner.next_whole(rest) else { break None };
            if let Piece::Message(message) = &piece
                && message.tag == tag::PARAMETER_STATUS
            {
                handshake::note_parameter(parameters, message);
            }
            talk.answer_began(now);
            let turn = talk.turn(&piece);
            match &mut listener {
                Some(listener) if talk.is_plain(&turn) => {
                    passed += piece.bytes().len();
                    listener.hear(chunk, piece.bytes());
                }
                _ => break Some((piece, turn)),
            }
        };
        self.answer_bytes += passed;
        if stop.is_some() {
            self.settle_statements(id, Some(holder));
        }
        stop
    }

    fn session_pieces(&mut self, id: SessionId, chunk: Bytes) {
        let mut rest = chunk.clone();
        let chunk = &chunk;
        loop {
            let Some(session) = self.sessions.get_mut(&id) else { return };
            if matches!(session.state(), State::Ending { .. }) {
                return;
            }
            match session.scanner.next_piece(&mut rest) {
                Ok(None) => return,
                Ok(Some(piece)) => self.session_piece(id, chunk, piece),
                Err(error) => return self.wrong(id, &error.to_string()),
            }
        }
    }

    fn session_piece(&mut self, id: SessionId, chunk: &Bytes, piece: Piece) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if let Piece::Message(message) = piece.view()
            && message.tag == tag::PARAMETER_STATUS
        {
            handshake::note_parameter(&mut session.parameters, &message);
        }
        match session.state_mut() {
            State::Opening { handshake, .. } => match (handshake, piece) {
                (Some(handshake), Piece::Message(message)) => {
                    let step = handshake.handle_message(
                        &message,
                        &self.settings,
                        &mut self.keys,
                        &mut self.rng,
                    );
                    self.login_step(id, step);
                }
                _ => self.wrong(id, "bytes before the login"),
            },
            State::Leased { client, work: Work::Talking(talk), .. } => {
                let holder = *client;
                talk.answer_began(self.now);
                let turn = talk.turn(&piece.view());
                self.settle_statements(id, Some(holder));
                self.leased_turned(id, chunk, &piece, turn);
            }
            State::Draining { talk, after: None, .. } => {
                let turn = talk.turn(&piece.view());
                self.settle_statements(id, None);
                self.draining_turned(id, turn);
            }
            State::Resetting { .. } => self.reset_piece(id, &piece),
            State::Idle { .. }
            | State::Parked { .. }
            | State::Draining { .. }
            | State::Leased { work: Work::Verifying, .. } => self.idle_piece(id, &piece),
            State::Away { .. } | State::Ending { .. } | State::Moving => {}
        }
    }

    /// Keeps the tables of statements true to what the session and the client have.
    pub(super) fn settle_statements(&mut self, id: SessionId, holder: Option<ClientId>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(talk) = session.any_talk_mut() else { return };
        if !talk.has_settled() {
            return;
        }
        let settled = talk.replies.take_settled();
        let dropped = std::mem::take(&mut talk.dropped);
        if let Some(statement) = talk.broken.take() {
            self.library.interned.renew(statement);
        }
        let served = holder.and_then(|_| self.served(id));
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let interned = &mut self.library.interned;
        let mut client = served.and_then(|c| self.clients.get_mut(&c));
        let speaker = client.as_mut().and_then(|c| c.speaker_mut());
        let moved = settle(settled, speaker, &mut session.statements, interned);
        if moved && let Some(talk) = session.any_talk_mut() {
            talk.unnamed_here = false;
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

    fn leased_turned(&mut self, id: SessionId, chunk: &Bytes, piece: &Piece, turn: Turn) {
        let Some(client) = self.served(id) else {
            return self.wrong(id, "a reply while its lease asks for nothing");
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
                if !ours {
                    self.forward(id, client, chunk, piece);
                    self.account_segment(id, client);
                }
                match self.clients.get(&client).map(|c| &c.kind) {
                    Some(Kind::Exchange(_)) if last => self.exchange_done(id, client, transaction),
                    Some(Kind::Socket(_)) if ours => self.socket_prepared(id, client),
                    Some(Kind::Socket(_)) => self.socket_ready(id, client, transaction),
                    Some(Kind::Exchange(_) | Kind::Lease(_)) | None => {}
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
        match self.clients.get_mut(&client).map(|c| &mut c.kind) {
            Some(Kind::Exchange(_)) => self.write_exchange(id, client),
            Some(Kind::Socket(socket)) => {
                if planted!(CureTwice) {
                    socket.inbox.put_back(messages.clone());
                }
                socket.inbox.put_back(messages);
                self.forward_socket(client);
            }
            Some(Kind::Lease(_)) | None => {}
        }
    }

    fn exchange_done(&mut self, id: SessionId, client: ClientId, transaction: Transaction) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(talk) = session.talk_mut() else { return };
        let leased = self.clients.get(&client).and_then(Client::exchange).and_then(|e| e.lease);
        let outcome = outcome(talk, transaction, leased.is_some());
        self.counters.completed += 1;
        match leased {
            Some(lease) if transaction != Transaction::None => {
                self.finish(client, outcome);
                self.lease_rests(lease);
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
    fn idle_piece(&mut self, id: SessionId, piece: &Piece) {
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
