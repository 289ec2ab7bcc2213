//! Bytes of the database as they come: cut into messages, of which most answer a client and are
//! passed on as they lie in their chunk.

use bytes::Bytes;
use pierhead_wire::pg::scan::Piece;

use crate::auth::handshake;
use crate::core::Engine;
use crate::core::turns::made_reply;
use crate::database::replies::Made;
use crate::database::talk::{Turn, is_asynchronous};
use crate::database::transaction::Transaction;
use crate::ids::{ClientId, SessionId};
use crate::pool::client::{Kind, Listener};
use crate::pool::session::{State, Work};

/// Where passing on comes to an end.
enum Stop {
    /// At a ready point that was passed on too; `last` if nothing more is to come.
    Ready { transaction: Transaction, last: bool },
    /// At a piece that means more than what it says to the client.
    Piece(Piece, Turn),
}

/// The part of a chunk that is on its way to a client.
struct Passage {
    from: usize,
    to: usize,
    /// Passed on so far.
    bytes: usize,
}

impl Passage {
    /// Passes on what there is, then replies that are made here: they come behind it.
    fn insert(
        &mut self,
        made: impl Iterator<Item = Made>,
        listener: &mut Listener<'_>,
        chunk: &Bytes,
    ) {
        self.cut(listener, chunk);
        for made in made {
            let reply = made_reply(made);
            self.bytes += reply.len();
            listener.say(reply);
        }
    }

    fn cut(&mut self, listener: &mut Listener<'_>, chunk: &Bytes) {
        if let Some(bytes) = chunk.get(self.from..self.to).filter(|bytes| !bytes.is_empty()) {
            listener.hear(chunk, bytes);
            self.bytes += bytes.len();
        }
        self.from = self.to;
    }

    /// Passes on what is left: the chunk itself, if that is all of it. Tells how many bytes it was in
    /// all.
    fn end(mut self, listener: &mut Listener<'_>, chunk: &mut Bytes, read: &mut usize) -> usize {
        if (self.from, self.to) != (0, chunk.len()) {
            self.cut(listener, chunk);
            return self.bytes;
        }
        self.bytes += chunk.len();
        *read = 0;
        listener.hear_all(std::mem::take(chunk));
        self.bytes
    }
}

impl Engine {
    pub(super) fn session_data(&mut self, id: SessionId, bytes: Bytes) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.owed += bytes.len();
        session.rested = false;
        match session.state_mut() {
            State::Parked { .. } => self.unpark(id),
            State::Ending { .. } => return self.grant_reads(id),
            State::Opening { handshake: Some(handshake), .. } if handshake.wants_tls_byte() => {
                let step = handshake.handle_tls_byte(&bytes);
                return self.login_step(id, step);
            }
            State::Opening { .. }
            | State::Idle { .. }
            | State::Leased { .. }
            | State::Resetting { .. }
            | State::Draining { .. }
            | State::Away { .. }
            | State::Moving => {}
        }
        self.hear(id, bytes);
        self.grant_reads(id);
    }

    /// Reads a chunk of a session that has logged in, or logs in without TLS. What follows from it
    /// is sent when all of it is read: what the database says behind its last ready point must not
    /// be taken for the answer to that.
    fn hear(&mut self, id: SessionId, mut chunk: Bytes) {
        let client = self.served(id);
        self.heard = Some(id);
        let mut read = 0;
        while let Some(client) = client
            && let Some(stop) = self.pass_on_plainly(id, client, &mut chunk, &mut read)
        {
            match stop {
                Stop::Ready { transaction, last } => self.ready(id, client, transaction, last),
                Stop::Piece(piece, turn) => self.leased_turned(id, &chunk, &piece, turn),
            }
            if read >= chunk.len() || self.served(id) != Some(client) {
                break;
            }
        }
        if read < chunk.len() {
            self.session_pieces(id, chunk.slice(read..));
        }
        self.check_beginning(id);
        self.heard = None;
        if let Some(client) = client {
            self.flush_client(client);
        }
        if std::mem::take(&mut self.speaks_next) {
            self.speak(id);
        }
    }

    /// A message that began where nothing is awaited may only be one that may come at any time.
    fn check_beginning(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        let Some(tag) = session.scanner.begun() else { return };
        if !is_asynchronous(tag) && session.awaits_nothing() {
            self.wrong(id, "the beginning of a message that answers nothing");
        }
    }

    /// Passes on what has come for a client.
    pub(super) fn flush_client(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        match &mut client.kind {
            Kind::Exchange(_) => self.flush_answer(id),
            Kind::Socket(socket) => {
                // It is silent from here on: what the database took is not its time.
                socket.active_at = self.now;
                let unarmed = client.armed.is_none();
                self.flush_socket(id);
                if unarmed {
                    self.arm_socket(id);
                }
            }
            Kind::Lease(_) => {}
        }
    }

    /// Passes on what plainly answers the client that is served, as one piece of the chunk, up to a
    /// ready point or the first piece that means more; `read` bytes of it are dealt with. `None` if
    /// what is left is not for this client, or does not begin with a whole piece.
    fn pass_on_plainly(
        &mut self,
        id: SessionId,
        client: ClientId,
        chunk: &mut Bytes,
        read: &mut usize,
    ) -> Option<Stop> {
        let mut rest = chunk.get(*read..).filter(|rest| !rest.is_empty())?;
        let session = self.sessions.get_mut(&id)?;
        let holder = session.client()?;
        let mut listener = self.clients.get_mut(&client)?.listener()?;
        let (scanner, talk, parameters) = session.listened()?;
        talk.answer_began(self.now);
        let mut passage = Passage { from: *read, to: *read, bytes: 0 };
        let stop = loop {
            let Some(piece) = scanner.next_whole(&mut rest) else { break None };
            if talk.passes(&piece) {
                passage.to = chunk.len() - rest.len();
                continue;
            }
            handshake::note_parameter(parameters, &piece);
            let turn = talk.turn(&piece);
            let plainly = matches!(turn, Turn::Forward | Turn::Ready { ours: false, .. });
            if !plainly || talk.owes_more() {
                break Some(Stop::Piece(piece.hold(chunk), turn));
            }
            if !talk.made.is_empty() {
                passage.insert(talk.made.drain(..), &mut listener, chunk);
            }
            passage.to = chunk.len() - rest.len();
            if let Turn::Ready { transaction, last, .. } = turn {
                break Some(Stop::Ready { transaction, last });
            }
        };
        *read = chunk.len() - rest.len();
        self.answer_bytes += passage.end(&mut listener, chunk, read);
        if talk.has_settled() {
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
        handshake::note_parameter(&mut session.parameters, &piece.view());
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
}
