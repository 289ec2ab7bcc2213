//! A `Parse` that needs no session: its statement is prepared already.
//!
//! Drivers prepare first and run later, and some stand still until the answer comes. One that did so
//! for a session, while it had others' transactions to end, would wait for itself.

use bytes::{Bytes, BytesMut};
use pierhead_wire::pg::backend;
use pierhead_wire::pg::frontend;
use pierhead_wire::pg::scan::{Message, Piece};
use pierhead_wire::pg::tag::frontend as tag;

use crate::core::Engine;
use crate::core::turns::made_reply;
use crate::database::replies::Made;
use crate::ids::ClientId;
use crate::io::Mode;
use crate::pool::client::{Client, Place};
use crate::settings::StatePolicy;
use crate::statements::{Has, StatementId};

impl Engine {
    /// Answers what a resting socket's client begins with, as far as it only names statements that
    /// some session has prepared.
    pub(super) fn answer_prepared(&mut self, id: ClientId) {
        let mut answered = false;
        while let Some((parse, statement)) = self.next_prepared(id)
            && self.name_prepared(id, &parse, statement)
        {
            answered = true;
        }
        if answered {
            self.count_client(id);
            self.flush_socket(id);
        }
    }

    /// The client's next segment, if it is the `Parse` of a statement that some session has.
    fn next_prepared(&self, id: ClientId) -> Option<(Message, StatementId)> {
        let client = self.clients.get(&id)?;
        let socket = client.socket()?;
        if client.place != Place::Resting || socket.mode != Mode::Transaction || socket.skips {
            return None;
        }
        socket.inbox.peek().filter(is(tag::PARSE))?;
        let mut pieces = socket.inbox.pieces();
        let Piece::Message(message) = pieces.next().filter(is(tag::PARSE))? else { return None };
        pieces.next().filter(is(tag::SYNC))?;
        let parse = frontend::parse(&message).filter(|parse| !parse.name.is_empty())?;
        let statement = self.library.interned.find(parse.sql, parse.types)?;
        let facts = self.library.facts(statement);
        let plain = facts.signs.state.is_none()
            && (facts.changes.is_empty() || self.settings.state != StatePolicy::Reject);
        let number = self.library.interned.generation(statement);
        let prepared = self.sessions.values().any(|s| s.statements.has(number) == Has::Yes);
        let known = socket.speaker.names.get(parse.name).is_some();
        (plain && prepared && !known).then(|| {
            let raw = Bytes::copy_from_slice(message.raw);
            (Message { tag: message.tag, raw }, statement)
        })
    }

    fn name_prepared(&mut self, id: ClientId, parse: &Message, statement: StatementId) -> bool {
        let Some(parse) = frontend::parse(parse) else { return false };
        let Some(socket) = self.clients.get_mut(&id).and_then(Client::socket_mut) else {
            return false;
        };
        let interned = &mut self.library.interned;
        interned.hold(statement);
        if socket.speaker.name(parse.name, statement, interned).is_err() {
            // Where its session is, the error can be put into words.
            return false;
        }
        socket.inbox.skip();
        socket.inbox.skip();
        let mut ready = BytesMut::new();
        backend::ready_for_query(b'I', &mut ready);
        socket.say(made_reply(Made::ParseComplete));
        socket.say(Bytes::from(ready));
        true
    }
}

/// Whether a piece is a message of this type.
fn is(tag: u8) -> impl Fn(&Piece<&[u8]>) -> bool {
    move |piece| matches!(piece, Piece::Message(message) if message.tag == tag)
}
