//! Bytes of the database: the login, the answer to a request, the answer to a reset.

use bytes::Bytes;
use pierhead_wire::envelope::{Blame, Outcome, Retry, SqlState, Status};
use pierhead_wire::pg::errors::ErrorFields;
use pierhead_wire::pg::scan::{Message, Piece};
use pierhead_wire::pg::tag::backend as tag;

use crate::auth::handshake;
use crate::core::Engine;
use crate::database::replies::{Replies, Reply};
use crate::database::signs::Signs;
use crate::database::transaction::Transaction;
use crate::failure::Failure;
use crate::ids::{ClientId, SessionId};
use crate::io::Level;
use crate::pool::session::{Exchange, State, Why, Work};

/// What a message means for the session.
pub(super) enum Turn {
    /// Go on.
    On,
    /// The exchange is over.
    Done(Transaction),
    /// End the COPY that nobody supplies with data.
    EndCopy { sync: bool },
    /// The message does not belong here.
    Wrong(u8),
}

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
        session.scanner.push(bytes.clone());
        let client = session.client();
        self.session_pieces(id, &bytes);
        if let Some(client) = client {
            self.flush_answer(client);
        }
        self.grant_reads(id);
    }

    fn session_pieces(&mut self, id: SessionId, chunk: &Bytes) {
        loop {
            let Some(session) = self.sessions.get_mut(&id) else { return };
            if matches!(session.state(), State::Ending { .. }) {
                return;
            }
            match session.scanner.next_piece() {
                Ok(None) => return,
                Ok(Some(piece)) => self.session_piece(id, chunk, piece),
                Err(error) => return self.wrong(id, &error.to_string()),
            }
        }
    }

    fn session_piece(&mut self, id: SessionId, chunk: &Bytes, piece: Piece) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
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
            State::Leased { work: Work::Exchange(exchange), .. } if exchange.ahead.is_some() => {
                let turn = ahead_turn(&mut exchange.ahead, &piece);
                self.remember_parameter(id, &piece);
                if let Turn::Wrong(_) = turn {
                    self.wrong(id, "a reply that does not answer the purge of statements");
                }
            }
            State::Draining { exchange, done: None, .. } => {
                let turn = match exchange.ahead {
                    Some(_) => ahead_turn(&mut exchange.ahead, &piece),
                    None => exchange_turn(exchange, &piece),
                };
                self.remember_parameter(id, &piece);
                self.draining_turned(id, turn);
            }
            State::Leased { client, work: Work::Exchange(exchange), .. } => {
                let client = *client;
                exchange.answered = true;
                let turn = exchange_turn(exchange, &piece);
                // A message that does not fit may answer somebody else.
                if !matches!(turn, Turn::Wrong(_)) {
                    self.forward(client, chunk, &piece);
                }
                self.remember_parameter(id, &piece);
                self.exchange_turned(id, client, turn);
            }
            State::Resetting { .. } => {
                self.remember_parameter(id, &piece);
                self.reset_piece(id, &piece);
            }
            State::Idle { .. }
            | State::Parked { .. }
            | State::Draining { .. }
            | State::Leased { work: Work::Verifying, .. } => {
                self.remember_parameter(id, &piece);
                self.idle_piece(id, &piece);
            }
            State::Away { .. } | State::Ending { .. } | State::Moving => {}
        }
    }

    fn exchange_turned(&mut self, id: SessionId, client: ClientId, turn: Turn) {
        match turn {
            Turn::On => {}
            Turn::EndCopy { sync } => self.end_copy(id, sync),
            Turn::Done(transaction) => self.exchange_done(id, client, transaction),
            Turn::Wrong(tag) => {
                let what = format!("message type {:?} that answers nothing", char::from(tag));
                self.wrong(id, &what);
            }
        }
    }

    /// Passes on what answers the client: not parameters, not notifications.
    fn forward(&mut self, client: ClientId, chunk: &Bytes, piece: &Piece) {
        let bytes = match piece {
            Piece::Bulk { bytes, .. } => bytes,
            Piece::Message(m)
                if matches!(m.tag, tag::PARAMETER_STATUS | tag::NOTIFICATION_RESPONSE) =>
            {
                return;
            }
            Piece::Message(message) => &message.raw,
        };
        if let Some(client) = self.clients.get_mut(&client) {
            self.answer_bytes += bytes.len();
            client.answer.push(chunk, bytes.clone());
        }
    }

    /// Keeps a changed parameter. One that cannot be read is of no use to anybody.
    fn remember_parameter(&mut self, id: SessionId, piece: &Piece) {
        if let Piece::Message(message) = piece
            && message.tag == tag::PARAMETER_STATUS
            && let Some(session) = self.sessions.get_mut(&id)
            && let Some((name, value)) = handshake::parameter(message)
        {
            handshake::remember(&mut session.parameters, name, value);
        }
    }

    fn exchange_done(&mut self, id: SessionId, client: ClientId, transaction: Transaction) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let State::Leased { work: Work::Exchange(exchange), .. } = session.state_mut() else {
            return;
        };
        let after = super::reset::After {
            transaction,
            signs: exchange.signs,
            must_reset: exchange.must_reset,
            reset_sent: exchange.reset_sent,
        };
        let outcome = outcome(exchange, transaction);
        self.counters.completed += 1;
        self.finish(client, outcome);
        self.clean_up(id, after);
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
        let verifying = self.is_verifying(id);
        let client = session.client();
        let opening = matches!(session.state(), State::Opening { .. });
        self.log(Level::Warn, Some(id), client, format!("ended: {what}"));
        if opening {
            let failure = crate::failure::ConnectFailure::ended(what);
            self.open_failed(id, failure);
            return;
        }
        match client {
            Some(client) if verifying => self.requeue(client),
            Some(client) => {
                self.counters.lost += 1;
                self.fail(client, &Failure::Lost { detail: what.to_owned() });
            }
            None => {}
        }
        self.end(id, Why::Mismatch);
    }
}

/// Messages that may come at any time.
pub(super) fn is_asynchronous(tag: u8) -> bool {
    matches!(tag, tag::NOTICE_RESPONSE | tag::PARAMETER_STATUS | tag::NOTIFICATION_RESPONSE)
}

/// A reply to what was sent ahead of a request: anything but plain success ends the session.
fn ahead_turn(ahead: &mut Option<Replies>, piece: &Piece) -> Turn {
    let Piece::Message(message) = piece else { return Turn::Wrong(0) };
    if is_asynchronous(message.tag) {
        return Turn::On;
    }
    let Some(replies) = ahead else { return Turn::On };
    match replies.accept(message.tag) {
        Ok(Reply::Part) if message.tag == tag::COMMAND_COMPLETE => Turn::On,
        Ok(Reply::Ready { last: true }) if message.body() == b"I" => {
            *ahead = None;
            Turn::On
        }
        _ => Turn::Wrong(message.tag),
    }
}

fn exchange_turn(exchange: &mut Exchange, piece: &Piece) -> Turn {
    let (tag, message) = match piece {
        Piece::Bulk { first: false, .. } => return Turn::On,
        Piece::Bulk { tag, .. } => (*tag, None),
        Piece::Message(message) if is_asynchronous(message.tag) => return Turn::On,
        Piece::Message(message) => (message.tag, Some(message)),
    };
    let body = message.map(Message::body).unwrap_or_default();
    match exchange.replies.accept(tag) {
        Err(mismatch) => Turn::Wrong(mismatch.tag),
        Ok(Reply::Part) => {
            if tag == tag::COMMAND_COMPLETE {
                exchange.signs = exchange.signs.and(Signs::of_tag(body));
                exchange.committed |= body == b"COMMIT\0" || body == b"PREPARE TRANSACTION\0";
            }
            Turn::On
        }
        Ok(Reply::Error) => {
            note_error(exchange, message);
            Turn::On
        }
        Ok(Reply::CopyInWithoutData { swallowed }) => Turn::EndCopy { sync: swallowed },
        Ok(Reply::Ready { last }) => match (Transaction::read(body), last) {
            (None, _) => Turn::Wrong(tag),
            (Some(transaction), true) => Turn::Done(transaction),
            (Some(_), false) => Turn::On,
        },
    }
}

fn note_error(exchange: &mut Exchange, message: Option<&Message>) {
    let fields = message.and_then(ErrorFields::parse).unwrap_or_default();
    if fields.is_fatal() {
        exchange.fatal =
            Some(format!("the database ended it: {} ({})", fields.message, fields.code));
    }
    let code = SqlState::from_ascii(fields.code.as_bytes());
    exchange.error = exchange.error.or(code).or(Some(SqlState::literal(b"XX000")));
}

fn describe_error(message: &Message) -> String {
    let fields = ErrorFields::parse(message).unwrap_or_default();
    format!("the database said: {} ({})", fields.message, fields.code)
}

/// What the caller is told comes from the final state.
fn outcome(exchange: &Exchange, transaction: Transaction) -> Outcome {
    let mut outcome = Outcome::completed(0, 0);
    match (transaction, exchange.error) {
        (Transaction::None, None) => {}
        (Transaction::None, Some(sqlstate)) => {
            outcome.status = Status::Error;
            outcome.sqlstate = sqlstate;
            outcome.blame = Blame::Database;
            // A conflict undid the whole of a request that is one transaction: one ready point,
            // no COMMIT of its own, and nothing that may commit inside, as CALL and DO do.
            let undone = sqlstate.class() == "40"
                && exchange.segments == 1
                && !exchange.committed
                && !exchange.signs.state;
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

    fn conflict() -> Exchange {
        Exchange {
            replies: Replies::to_queries(1),
            sent_from: 0,
            reset_sent: false,
            must_reset: false,
            signs: Signs::default(),
            error: Some(SqlState::literal(b"40001")),
            fatal: None,
            committed: false,
            segments: 1,
            answered: true,
            ahead: None,
        }
    }

    #[test]
    fn a_conflict_is_safe_to_retry_only_if_nothing_can_be_committed() {
        let retry = |exchange: &Exchange| outcome(exchange, Transaction::None).retry;
        assert_eq!(retry(&conflict()), Retry::Safe);
        assert_eq!(retry(&Exchange { segments: 2, ..conflict() }), Retry::DoNot);
        assert_eq!(retry(&Exchange { committed: true, ..conflict() }), Retry::DoNot);
        let call = Signs::of_sql(b"call p()");
        assert_eq!(retry(&Exchange { signs: call, ..conflict() }), Retry::DoNot);
    }
}
