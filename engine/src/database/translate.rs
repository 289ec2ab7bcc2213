//! A client's messages as its session must get them: statements under the names that the session
//! knows them by, prepared where they are missing.
//!
//! ```text
//! client                     session has it            session lacks it
//! Parse s1                   (answered here)           [Close evicted] Parse ph_…
//! Bind s1                    Bind ph_…                 [Parse ph_…] Bind ph_…
//! Describe s1                Describe ph_…             [Parse ph_…] Describe ph_…
//! Close s1                   (answered here)           (answered here)
//! DEALLOCATE s1              (something harmless)      (something harmless)
//! ```
//!
//! What stands in brackets the client did not send, and does not see answered. An unnamed statement
//! is treated like a named one from its text's second sighting on.

mod instead;

use std::sync::Arc;

use bytes::Bytes;
use pierhead_wire::pg::frontend::{self, Parse, Target};
use pierhead_wire::pg::scan::{Message, Piece};
use pierhead_wire::pg::tag::frontend as tag;

use self::instead::HARMLESS;
use crate::database::outgoing::Excerpt;
use crate::database::refused::{self, Refused};
use crate::database::replies::{Expect, Made, Note};
use crate::database::settle::settle;
use crate::database::speaker::{Raw, Speaker, Unnamed};
use crate::database::talk::{Restore, Talk};
use crate::database::texts::{Read, Texts};
use crate::sql::{self, Control, Facts};
use crate::state::Followed;
use crate::statements::{Has, Interned, OnSession, Sightings, StatementId};
use crate::time::Instant;

/// Statements that the whole coordinator knows.
#[derive(Debug)]
pub(crate) struct Library {
    pub(crate) interned: Interned<Arc<Facts>>,
    pub(crate) sightings: Sightings,
    /// Keep unnamed statements prepared.
    pub(crate) plan_cache: bool,
    /// What texts show that are not interned.
    pub(crate) texts: Texts,
}

impl Library {
    /// What a statement's text shows.
    pub(crate) fn facts(&self, id: StatementId) -> Arc<Facts> {
        self.interned.facts(id).cloned().unwrap_or_default()
    }

    /// What a text shows.
    pub(crate) fn read(&mut self, sql: &[u8]) -> Read {
        self.texts.read(sql, || self.interned.hash(sql, b""))
    }
}

/// Everything that a translation needs.
pub(crate) struct Translator<'a> {
    pub(crate) library: &'a mut Library,
    pub(crate) speaker: &'a mut Speaker,
    pub(crate) on_session: &'a mut OnSession,
    pub(crate) talk: &'a mut Talk,
    pub(crate) out: Excerpt<'a>,
    /// Why a statement may not be sent, if it may not.
    pub(crate) refuse: &'a dyn Fn(&Facts) -> Option<Refused>,
    /// This request's statements may be kept.
    pub(crate) plan_cache: bool,
    pub(crate) now: Instant,
    /// What the client set at its start.
    pub(crate) start: &'a Followed,
}

/// The client does not follow the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Malformed(pub(crate) &'static str);

impl Translator<'_> {
    /// Sends one piece of a client's bytes.
    pub(crate) fn piece(&mut self, piece: &Piece<&[u8]>) -> Result<(), Malformed> {
        if self.talk.begins_turn() {
            self.on_session.mark();
            self.talk.kept.begin();
        }
        if self.talk.kept.is_on() {
            self.talk.kept.note(piece);
        }
        self.send(piece)
    }

    /// Sends one piece of what is kept as a whole, or not at all.
    pub(crate) fn send(&mut self, piece: &Piece<&[u8]>) -> Result<(), Malformed> {
        match piece {
            Piece::Message(message) => {
                let sent = self.message(message);
                self.settle_skipped();
                sent
            }
            Piece::Bulk { bytes, last, .. } => {
                self.out.push(bytes);
                self.talk.mid_message = !last;
                Ok(())
            }
        }
    }

    /// What follows an error in its segment is skipped by the server: so is what it would have done
    /// to the client's statements.
    fn settle_skipped(&mut self) {
        if !self.talk.replies.has_settled() {
            return;
        }
        let settled = self.talk.replies.take_settled();
        let interned = &mut self.library.interned;
        if settle(settled, Some(self.speaker), self.on_session, interned) {
            self.talk.unnamed_here = false;
        }
    }

    fn message(&mut self, message: &Message<&[u8]>) -> Result<(), Malformed> {
        match message.tag {
            tag::PARSE => {
                let parse = frontend::parse(message).ok_or(Malformed("a malformed Parse"))?;
                self.parse(message, parse);
            }
            tag::BIND => self.bind(message)?,
            tag::DESCRIBE => self.describe(message)?,
            tag::EXECUTE => {
                let execute = frontend::execute(message).ok_or(Malformed("a malformed Execute"))?;
                let facts = self.talk.portal(execute.portal);
                self.run(message, facts.as_deref());
                self.talk.sent(Expect::Execute, facts.map_or(Note::Nothing, Note::Runs));
            }
            tag::CLOSE => self.close(message)?,
            tag::QUERY => self.query(message)?,
            tag::SYNC => self.pass(message, Expect::Sync),
            tag::FUNCTION_CALL => self.pass(message, Expect::Function),
            tag::FLUSH => {
                self.out.push(message.raw);
                self.talk.replies.sent(Expect::Flush, Note::Nothing);
            }
            tag::COPY_DONE | tag::COPY_FAIL => {
                self.out.push(message.raw);
                self.talk.replies.sent(Expect::CopyEnd, Note::Nothing);
            }
            _ => return Err(Malformed("a message that has no place here")),
        }
        Ok(())
    }

    /// Sends one piece of the bytes of a client that has the session to itself: as it is.
    pub(crate) fn plain(&mut self, piece: &Piece<&[u8]>) -> Result<(), Malformed> {
        let message = match piece {
            Piece::Bulk { .. } => return self.piece(piece),
            Piece::Message(message) => message,
        };
        if self.talk.begins_turn() && !self.talk.has_history {
            self.talk.kept.begin();
        }
        if self.talk.kept.is_on() {
            self.talk.kept.note(piece);
        }
        if self.lacks_unnamed(message) {
            // The session may have one of another client.
            self.fail(&refused::no_unnamed_statement());
            return Ok(());
        }
        self.plain_text(message);
        let expect = match message.tag {
            tag::PARSE => Expect::Parse,
            tag::BIND => Expect::Bind,
            tag::EXECUTE => Expect::Execute,
            tag::QUERY => Expect::Query,
            tag::DESCRIBE => match frontend::target(message) {
                Some(Target::Statement(_)) => Expect::DescribeStatement,
                Some(Target::Portal(_)) => Expect::DescribePortal,
                None => return Err(Malformed("a malformed Describe")),
            },
            tag::CLOSE => Expect::Close,
            _ => return self.message(message),
        };
        self.pass(message, expect);
        Ok(())
    }

    /// Passes a message on as it is.
    fn pass(&mut self, message: &Message<&[u8]>, expect: Expect) {
        self.out.push(message.raw);
        self.talk.sent(expect, Note::Nothing);
    }

    /// Passes a message on that runs something; what is expected of it is still to be noted.
    fn run(&mut self, message: &Message<&[u8]>, facts: Option<&Facts>) {
        self.out.push(message.raw);
        if let Some(facts) = facts {
            self.talk.begins |= facts.control == Control::Begin || facts.statements > 1;
            self.note_undone(facts);
            self.talk.forgets |= facts.forgets();
            self.talk.effects.begins(facts);
            self.talk.may_commit |= facts.signs.state.is_some();
        }
    }

    /// Notes which settings of the client's start-up a text leads back to the session's own.
    fn note_undone(&mut self, facts: &Facts) {
        if !self.start.is_empty() && !facts.changes.is_empty() {
            let undone = self.start.undone_by(&facts.changes);
            if !undone.is_empty() {
                let ready_points = self.talk.replies.ready_points() + 1;
                self.talk.restore = Some(Restore { settings: undone, ready_points });
            }
        }
    }

    /// True if the client means an unnamed statement and has made none on this session.
    fn lacks_unnamed(&mut self, message: &Message<&[u8]>) -> bool {
        let unnamed = match message.tag {
            tag::PARSE => {
                let unnamed = frontend::parse(message).is_some_and(|parse| parse.name.is_empty());
                self.talk.unnamed_here |= unnamed;
                self.talk.unnamed_used |= unnamed;
                false
            }
            tag::QUERY => {
                // It ends whatever unnamed statement there is.
                self.talk.unnamed_here = true;
                false
            }
            tag::BIND => frontend::bind(message).is_some_and(|bind| bind.statement.is_empty()),
            tag::DESCRIBE => matches!(frontend::target(message), Some(Target::Statement(b""))),
            _ => false,
        };
        unnamed && !self.talk.unnamed_here
    }

    /// In a session of the client's own, statements keep their names; of their texts only one thing
    /// matters here.
    fn plain_text(&mut self, message: &Message<&[u8]>) -> Option<()> {
        if self.start.is_empty() {
            return None;
        }
        match message.tag {
            tag::QUERY => {
                let facts = self.library.read(frontend::query(message)?).facts;
                self.note_undone(&facts);
            }
            tag::PARSE => {
                let parse = frontend::parse(message)?;
                let facts = self.library.read(parse.sql).facts;
                self.talk.name_plain(parse.name, facts);
            }
            tag::BIND => {
                let bind = frontend::bind(message)?;
                let facts = self.talk.plain(bind.statement);
                self.talk.bind_portal(bind.portal, facts);
            }
            tag::EXECUTE => {
                let facts = self.talk.portal(frontend::execute(message)?.portal)?;
                self.note_undone(&facts);
            }
            _ => {}
        }
        None
    }

    fn parse(&mut self, message: &Message<&[u8]>, parse: Parse<'_>) {
        let Ok((id, named)) = self.look_up(&parse) else {
            return self.fail(&refused::too_many_statements());
        };
        let facts = match id {
            Some(id) => self.library.facts(id),
            None => self.library.read(parse.sql).facts,
        };
        if let Some(refused) = (self.refuse)(&facts) {
            self.let_go(id);
            if parse.name.is_empty() {
                // A Parse ends the unnamed statement also where it fails.
                self.speaker.set_unnamed(Unnamed::None, &mut self.library.interned);
            }
            return self.fail(&refused);
        }
        if !parse.name.is_empty() {
            let Some(id) = id else { return };
            match self.speaker.name(parse.name, id, &mut self.library.interned) {
                Ok(()) => self.prepare_for_client(id, Naming::Named(parse.name, id)),
                Err(refused) => self.fail(&refused),
            }
        } else if let (Some(id), true) = (id, named) {
            let before = self.speaker.replace_unnamed(Unnamed::Interned(id));
            self.prepare_for_client(id, Naming::Unnamed(before));
        } else {
            self.let_go(id);
            let unnamed = Unnamed::raw(parse.sql, parse.types, facts);
            let before = self.speaker.replace_unnamed(unnamed);
            self.out.push(message.raw);
            self.talk.unnamed_here = true;
            self.talk.unnamed_used = true;
            self.talk.sent(Expect::Parse, Note::Unnamed { before, number: None });
        }
    }

    fn let_go(&mut self, id: Option<StatementId>) {
        if let Some(id) = id {
            self.library.interned.release(id);
        }
    }

    /// The statement of a Parse, interned if it is to be kept, and whether it is to have a name.
    fn look_up(&mut self, parse: &Parse<'_>) -> Result<(Option<StatementId>, bool), ()> {
        let interned = &mut self.library.interned;
        let known = interned.look_up(parse.sql, parse.types);
        let named = !parse.name.is_empty();
        let cache = self.plan_cache && self.library.plan_cache;
        let id = match known {
            Ok(id) => {
                interned.hold(id);
                Ok(id)
            }
            Err(hash) if !named && !self.library.sightings.see(hash) => return Ok((None, false)),
            Err(_) => interned.intern(parse.sql, parse.types, facts_of),
        };
        match id {
            Ok(id) => {
                // The name, or what is unnamed, holds it from here on.
                let short_lived =
                    interned.facts(id).is_some_and(|facts| facts.deallocate.is_some());
                Ok((Some(id), named || (cache && !short_lived)))
            }
            Err(_) if named => Err(()),
            Err(_) => Ok((None, false)),
        }
    }

    /// A `Parse` of the client: sent, unless the session has the statement.
    fn prepare_for_client(&mut self, id: StatementId, naming: Naming<'_>) {
        let number = self.library.interned.generation(id);
        if self.talk.may_be_broken() && !self.ends_broken_transaction(id) {
            // It fails, unless something ahead of it ends the transaction.
            self.on_session.doubted(number);
        }
        match self.on_session.has(number) {
            Has::Yes => self.made(number, naming),
            Has::Pending if self.talk.is_parsed_in_this_segment(number) => {
                self.made(number, naming)
            }
            Has::Pending | Has::No => {
                self.make_room(number);
                self.write_parse(id);
                self.talk.sent(Expect::Parse, naming.note(Some(number)));
            }
        }
    }

    /// True if a statement may be prepared in a broken transaction: one that leaves it, or does nothing.
    fn ends_broken_transaction(&self, id: StatementId) -> bool {
        let facts = self.library.facts(id);
        facts.statements == 0
            || matches!(facts.control, Control::Commit | Control::Rollback | Control::RollbackTo)
    }

    fn made(&mut self, number: u64, naming: Naming<'_>) {
        self.on_session.used(number);
        self.talk.replies.sent(Expect::Made(Made::ParseComplete), naming.note(None));
        self.talk.unsynced = true;
    }

    /// Sees to it that the session has a statement that the client is about to use.
    fn ensure(&mut self, id: StatementId) {
        let number = self.library.interned.generation(id);
        match self.on_session.has(number) {
            Has::Yes => self.on_session.used(number),
            Has::Pending if self.talk.is_parsed_in_this_segment(number) => {}
            Has::Pending | Has::No => {
                self.make_room(number);
                self.write_parse(id);
                self.talk.sent(Expect::Parse, Note::Prepares { number });
            }
        }
    }

    /// Registers a `Parse` that is about to be sent; what it displaces is closed ahead of it. One
    /// that is on its way in an earlier segment may fail or not: its name is closed, too.
    fn make_room(&mut self, number: u64) {
        if self.on_session.has(number) == Has::Pending {
            let name = self.library.interned.name_of(number);
            self.out.write(|out| frontend::write_close_statement(name.as_bytes(), out));
            self.talk.sent(Expect::Close, Note::Ours);
            self.on_session.sent_again(number);
        } else if let Some(displaced) = self.on_session.sent(number) {
            self.write_close(displaced);
        }
        self.talk.parsed_in_this_segment(number);
    }

    fn write_close(&mut self, number: u64) {
        let name = self.library.interned.name_of(number);
        self.out.write(|out| frontend::write_close_statement(name.as_bytes(), out));
        self.talk.sent(Expect::Close, Note::Evicts { number });
    }

    fn write_parse(&mut self, id: StatementId) {
        let interned = &self.library.interned;
        let name = interned.name(id);
        self.out.write(|out| {
            frontend::write_parse(name.as_bytes(), interned.sql(id), interned.types(id), out);
        });
    }

    fn bind(&mut self, message: &Message<&[u8]>) -> Result<(), Malformed> {
        let bind = frontend::bind(message).ok_or(Malformed("a malformed Bind"))?;
        let Some(used) = self.resolve(bind.statement) else {
            return Ok(());
        };
        let interned = &self.library.interned;
        let facts = match &used {
            Used::Statement(id) => interned.facts(*id),
            Used::Raw(raw) => Some(&raw.facts),
            Used::Unknown => None,
        };
        if let Some(facts) = facts {
            self.talk.sample(self.now, facts.fingerprint, || match &used {
                Used::Statement(id) => {
                    let tail = interned.parse_tail(*id);
                    tail.slice(..interned.sql(*id).len().min(tail.len()))
                }
                Used::Raw(raw) => raw.sql_bytes(),
                Used::Unknown => Bytes::new(),
            });
        }
        let drops_own = facts.is_some_and(|facts| self.drops_own_name(facts));
        let facts = facts.filter(|facts| facts.matter()).cloned();
        if !self.talk.bind_portal(bind.portal, facts) {
            self.fail(&refused::too_many_portals());
            return Ok(());
        }
        if drops_own {
            return self.bind_harmless(message);
        }
        if let Used::Statement(id) = used {
            let name = self.library.interned.name(id);
            let rest = self.out.write(|out| frontend::rename_bind(message, name.as_bytes(), out));
            self.out.push(rest.ok_or(Malformed("a malformed Bind"))?);
            self.talk.sent(Expect::Bind, Note::Uses(id));
        } else {
            self.pass(message, Expect::Bind);
        }
        Ok(())
    }

    /// The statement that a client means by a name, with the session made ready for it. `None` if
    /// there is none and the client was told.
    fn resolve(&mut self, name: &[u8]) -> Option<Used> {
        if !name.is_empty() {
            let Some(id) = self.speaker.names.get(name) else { return Some(Used::Unknown) };
            self.ensure(id);
            return Some(Used::Statement(id));
        }
        match &self.speaker.unnamed {
            Unnamed::None => {
                // The session may have one of another client.
                self.fail(&refused::no_unnamed_statement());
                None
            }
            &Unnamed::Interned(id) => {
                self.ensure(id);
                Some(Used::Statement(id))
            }
            Unnamed::Raw(raw) => {
                let raw = raw.clone();
                if !self.talk.unnamed_here {
                    self.out.write(|out| frontend::write_parse(b"", raw.sql(), raw.types(), out));
                    self.talk.sent(Expect::Parse, Note::Ours);
                    self.talk.unnamed_here = true;
                    self.talk.unnamed_used = true;
                }
                Some(Used::Raw(raw))
            }
        }
    }

    fn describe(&mut self, message: &Message<&[u8]>) -> Result<(), Malformed> {
        match frontend::target(message).ok_or(Malformed("a malformed Describe"))? {
            Target::Portal(_) => self.pass(message, Expect::DescribePortal),
            Target::Statement(name) => match self.resolve(name) {
                Some(Used::Statement(id)) => {
                    let name = self.library.interned.name(id);
                    self.out
                        .write(|out| frontend::rename_target(message, name.as_bytes(), out))
                        .ok_or(Malformed("a malformed Describe"))?;
                    self.talk.sent(Expect::DescribeStatement, Note::Nothing);
                }
                Some(Used::Raw(_) | Used::Unknown) => self.pass(message, Expect::DescribeStatement),
                None => {}
            },
        }
        Ok(())
    }

    fn close(&mut self, message: &Message<&[u8]>) -> Result<(), Malformed> {
        match frontend::target(message).ok_or(Malformed("a malformed Close"))? {
            Target::Portal(_) => self.pass(message, Expect::Close),
            Target::Statement(name) => {
                let note = if name.is_empty() {
                    let before = self.speaker.replace_unnamed(Unnamed::None);
                    Note::Unnamed { before, number: None }
                } else if let Some(id) = self.speaker.names.remove(name) {
                    Note::Closes { name: Bytes::copy_from_slice(name), id }
                } else {
                    Note::Nothing
                };
                self.talk.replies.sent(Expect::Made(Made::CloseComplete), note);
                self.talk.unsynced = true;
            }
        }
        Ok(())
    }

    fn query(&mut self, message: &Message<&[u8]>) -> Result<(), Malformed> {
        let sql = frontend::query(message).ok_or(Malformed("a malformed Query"))?;
        let Read { text, facts } = self.library.read(sql);
        // A simple query ends the session's unnamed statement.
        let before = self.speaker.replace_unnamed(Unnamed::None);
        self.talk.unnamed_here = false;
        if let Some(refused) = (self.refuse)(&facts) {
            self.out.write(|out| refused.query(out));
            self.talk.sent(Expect::Query, Note::Asks { before, facts: None });
            return Ok(());
        }
        let copy = || if text.is_empty() { self.out.chunk().slice_ref(sql) } else { text };
        self.talk.sample(self.now, facts.fingerprint, copy);
        self.talk.forgets |= facts.forgets();
        let drops_own = self.drops_own_name(&facts);
        let facts = Some(facts).filter(|facts| facts.matter());
        if drops_own {
            self.out.write(|out| refused::write_query(HARMLESS, out));
        } else {
            self.run(message, facts.as_deref());
        }
        self.talk.sent(Expect::Query, Note::Asks { before, facts });
        Ok(())
    }
}

/// What a client's `Parse` makes.
enum Naming<'a> {
    Named(&'a [u8], StatementId),
    /// In place of this.
    Unnamed(Unnamed),
}

impl Naming<'_> {
    /// What is to be known of it when it is answered.
    fn note(self, number: Option<u64>) -> Note {
        match self {
            Self::Named(name, id) => Note::Names { name: Bytes::copy_from_slice(name), id, number },
            Self::Unnamed(before) => Note::Unnamed { before, number },
        }
    }
}

/// What a text shows, with what tells it from others.
pub(crate) fn facts_of(sql: &[u8]) -> Arc<Facts> {
    let mut facts = sql::read(sql);
    facts.fingerprint = sql::fingerprint(sql);
    Arc::new(facts)
}

/// What a name stands for.
enum Used {
    Statement(StatementId),
    Raw(Arc<Raw>),
    /// Nothing that is known here: the database says so.
    Unknown,
}
