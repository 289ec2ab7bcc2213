//! The conversation of one lease with its session: what was sent, what must come, what it means.

mod spare;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use pierhead_wire::envelope::SqlState;
use pierhead_wire::pg::errors::ErrorFields;
use pierhead_wire::pg::scan::{Message, Piece};
use pierhead_wire::pg::tag::backend as tag;
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend;

pub(crate) use self::spare::SpareTalks;
use crate::database::effects::Effects;
use crate::database::kept::{Kept, is_broken_plan};
use crate::database::outgoing::Outgoing;
use crate::database::replies::{Accepted, Expect, Made, Note, Replies, Reply};
use crate::database::transaction::Transaction;
use crate::limits::PORTALS_MAX;
use crate::sql::{self, Deallocate, Facts};
use crate::state::Followed;
use crate::statements::StatementId;
use crate::time::Instant;

/// What a message of the database means for the lease.
#[derive(Debug)]
pub(crate) enum Turn {
    /// It answers the client.
    Forward,
    /// It answers a `DEALLOCATE`, whatever was sent in its place.
    Deallocated,
    /// It answers what the client did not send.
    Swallow,
    /// It may come at any time and concerns the client, if any message does.
    Aside,
    /// A ready point; `last` if nothing more is to come; `ours` if the client must not see it.
    Ready { transaction: Transaction, last: bool, ours: bool },
    /// COPY data is asked for (see [`Reply::CopyIn`]).
    CopyIn { supplied: bool, swallowed: bool },
    /// The plan is broken and the whole segment void: it runs again once the ready point came.
    Void,
    /// That ready point.
    Again,
    /// The message does not belong here.
    Wrong(u8),
}

/// A statement whose time is taken.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// When it was sent.
    pub(crate) since: Instant,
    /// When its answer began to come.
    pub(crate) answering: Option<Instant>,
    pub(crate) fingerprint: u64,
    /// Its text.
    pub(crate) sql: Bytes,
}

/// Statements that SQL has let go of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Dropped {
    /// One, by the client's name for it.
    One(Vec<u8>),
    /// All of the session's.
    All,
    /// Everything that the session was set to, too.
    Everything,
}

/// Settings of a client's start-up that a statement leads back to the session's own.
#[derive(Debug)]
pub(crate) struct Restore {
    pub(crate) settings: Followed,
    /// Ready points up to that of the statement's segment.
    pub(crate) ready_points: usize,
}

/// One lease's conversation.
#[derive(Debug, Default)]
pub(crate) struct Talk {
    pub(crate) replies: Replies,
    /// Position in the stream's bytes at which it begins; after a rest, what is on its way.
    pub(crate) sent_from: u64,
    /// Something of the replies to what began there has come.
    pub(crate) answered: bool,
    /// At the last ready point.
    pub(crate) transaction: Transaction,
    /// Messages were sent that no ready point is asked for yet.
    pub(crate) unsynced: bool,
    /// A message is half sent: nothing may come between.
    pub(crate) mid_message: bool,
    /// A reset was sent behind the request.
    pub(crate) reset_sent: bool,
    /// State must be cleared whatever the replies show.
    pub(crate) must_reset: bool,
    pub(crate) effects: Effects,
    /// What runs first in each segment that is on its way, if anything does.
    samples: VecDeque<Option<Sample>>,
    /// What runs first in the segment that is being sent.
    sample: Option<Sample>,
    /// The segment that is being answered saw an error.
    segment_failed: bool,
    /// The first error of the database.
    pub(crate) error: Option<SqlState>,
    /// The database announced the session's end.
    pub(crate) fatal: Option<String>,
    /// A transaction was committed: what came before an error may be there to stay.
    pub(crate) committed: bool,
    /// Ready points asked for; more than one means that parts may be committed.
    pub(crate) segments: usize,
    /// What may have to be sent again.
    pub(crate) kept: Kept,
    /// A statement whose plan was found broken: it is prepared anew at its next use.
    pub(crate) broken: Option<StatementId>,
    /// Something was sent that may commit on its own, whatever becomes of the request.
    pub(crate) may_commit: bool,
    /// Nothing may be sent until the settings were taken: they may be refused.
    pub(crate) trying: bool,
    /// SQL that lets go of prepared statements is on its way, or something that fails for certain:
    /// what a name means behind it is known when it is answered.
    pub(crate) forgets: bool,
    /// Why they were refused.
    pub(crate) not_set: Option<Message>,
    /// Replies made here that go ahead of the next one of the database.
    pub(crate) made: Vec<Made>,
    /// Settings of the client's start-up that what was sent undoes: they are made again as soon as
    /// it is answered, before anything else is sent.
    pub(crate) restore: Option<Restore>,
    /// Something is on its way that may begin a transaction.
    pub(crate) begins: bool,
    /// Requests were answered in this lease before: it cannot move to another session.
    pub(crate) has_history: bool,
    /// A reset sent behind a request may fail, because it may be what a cancel hits.
    pub(crate) forgiving: bool,
    /// A segment of this lease was cured: not twice without a ready point between.
    cured: bool,
    /// A segment was declared void; its ready point is to come.
    voided: bool,
    /// The rest of a large message goes the way of its beginning.
    swallowing: bool,
    /// The session's unnamed statement is the client's, unless its `Parse` is skipped.
    pub(crate) unnamed_here: bool,
    /// Something was parsed without a name.
    pub(crate) unnamed_used: bool,
    /// Statements whose `Parse` was sent in the segment that is being sent.
    parsing: Vec<u64>,
    /// What statements did to what is prepared.
    pub(crate) dropped: Vec<Dropped>,
    /// Texts of statements in a session of the client's own, as far as they change settings.
    plain: Vec<(Bytes, Arc<Facts>)>,
    /// What portals run, as far as it matters after their transaction.
    portals: Vec<(Bytes, Arc<Facts>)>,
}

impl Talk {
    /// A conversation that begins at this position of the stream's bytes.
    #[cfg(test)]
    pub(crate) fn from(sent_from: u64) -> Self {
        Self { sent_from, ..Self::default() }
    }

    /// True if nothing is on the way, in either direction.
    pub(crate) fn is_quiet(&self) -> bool {
        self.is_between_segments() && self.replies.is_empty()
    }

    /// True if what is sent next begins a transaction, with nothing ahead of it but what readies the
    /// session for it.
    pub(crate) fn begins_turn(&self) -> bool {
        self.is_between_segments()
            && self.transaction == Transaction::None
            && self.replies.are_ours()
    }

    fn is_between_segments(&self) -> bool {
        !self.unsynced && !self.mid_message && !self.voided && !self.replies.is_copying()
    }

    /// True if nothing more may be sent until an answer is there: settings may be refused, and a
    /// segment that runs again goes first.
    pub(crate) fn must_wait(&self) -> bool {
        self.trying || self.voided
    }

    /// True if a transaction is broken, or may be by what is on its way.
    pub(crate) fn may_be_broken(&self) -> bool {
        let open = self.transaction != Transaction::None || self.begins;
        self.transaction == Transaction::Failed || (open && self.replies.awaits_ready())
    }

    /// True if nothing goes on before the client sends something.
    pub(crate) fn awaits_client(&self) -> bool {
        self.replies.is_copying() || self.replies.is_empty()
    }

    /// Takes the time of a statement that is about to be sent, if it is its segment's first.
    pub(crate) fn sample(&mut self, now: Instant, fingerprint: u64, sql: impl FnOnce() -> Bytes) {
        if self.sample.is_none() {
            self.sample = Some(Sample { since: now, answering: None, fingerprint, sql: sql() });
        }
    }

    /// A part of an answer came.
    pub(crate) fn answer_began(&mut self, now: Instant) {
        if let Some(Some(sample)) = self.samples.front_mut() {
            sample.answering.get_or_insert(now);
        }
    }

    /// The segment was answered: what ran first in it, and whether it failed.
    pub(crate) fn take_sample(&mut self) -> (Option<Sample>, bool) {
        let failed = std::mem::take(&mut self.segment_failed);
        (self.samples.pop_front().flatten(), failed)
    }

    /// True if settings of the start-up are to be made again before anything else is sent.
    pub(crate) fn restores(&self) -> bool {
        self.restore.is_some() && self.transaction != Transaction::Failed && self.is_quiet()
    }

    /// Sends what makes settings of the start-up again, if that is due.
    pub(crate) fn make_again(&mut self, out: &mut Outgoing) {
        if !self.restores() {
            return;
        }
        let Some(Restore { settings, .. }) = self.restore.take() else { return };
        for change in settings.as_changes() {
            let one = Followed::default().after(&[change]).ok();
            if let Some(sql) = one.and_then(|one| Followed::default().to(&one)) {
                self.run_aside(&sql, out);
            }
        }
        out.write(frontend::sync);
        self.replies.sent(Expect::Sync, Note::Ours);
        self.effects.restored(settings.as_changes());
    }

    /// Sends a statement of ours that leaves what the client has without a name alone.
    fn run_aside(&mut self, sql: &str, out: &mut Outgoing) {
        const NAME: &str = "ph_aside";
        // None of these fails: there is no zero byte in them.
        out.write(|out| {
            let _ = frontend::parse(NAME, sql, [], out);
            let (none, values) = (std::iter::empty::<i16>, std::iter::empty::<i32>());
            let null = |(), _: &mut BytesMut| Ok(IsNull::Yes);
            let _ = frontend::bind(NAME, NAME, none(), values.map(|_| ()), null, none(), out);
            let _ = frontend::execute(NAME, 0, out);
            let _ = frontend::close(b'P', NAME, out);
            let _ = frontend::close(b'S', NAME, out);
        });
        let expects = [Expect::Parse, Expect::Bind, Expect::Execute, Expect::Close, Expect::Close];
        for expect in expects {
            self.replies.sent(expect, Note::Ours);
        }
    }

    /// Notes what a portal runs; false if there are too many.
    pub(crate) fn bind_portal(&mut self, name: &[u8], facts: Option<Arc<Facts>>) -> bool {
        self.portals.retain(|(other, _)| other != name);
        let Some(facts) = facts else { return true };
        if self.portals.len() >= PORTALS_MAX {
            return false;
        }
        self.portals.push((Bytes::copy_from_slice(name), facts));
        true
    }

    /// Notes the text of a statement that keeps its client's name, if it changes settings.
    pub(crate) fn name_plain(&mut self, name: &[u8], facts: Arc<Facts>) {
        self.plain.retain(|(other, _)| other != name);
        if !facts.changes.is_empty() && self.plain.len() < PORTALS_MAX {
            self.plain.push((Bytes::copy_from_slice(name), facts));
        }
    }

    /// What is known of such a text.
    pub(crate) fn plain(&self, name: &[u8]) -> Option<Arc<Facts>> {
        self.plain.iter().find(|(other, _)| other == name).map(|(_, facts)| facts.clone())
    }

    /// What is known of the text that a portal runs.
    pub(crate) fn portal(&self, name: &[u8]) -> Option<Arc<Facts>> {
        self.portals.iter().find(|(other, _)| other == name).map(|(_, facts)| facts.clone())
    }

    /// True if an answer did something to what is prepared that is not noted in the tables yet.
    #[inline]
    pub(crate) fn has_settled(&self) -> bool {
        self.replies.has_settled() || !self.dropped.is_empty() || self.broken.is_some()
    }

    /// Takes a message that needs nothing but to be passed on. False if it means more, or nothing:
    /// [`Talk::turn`] tells.
    #[inline]
    pub(crate) fn passes(&mut self, piece: &Piece<&[u8]>) -> bool {
        let plain = self.made.is_empty()
            && !self.owes_more()
            && match piece {
                Piece::Message(message) if message.tag == tag::COMMAND_COMPLETE => {
                    sql::is_of_rows(message.body()) && self.replies.completes()
                }
                Piece::Message(_) | Piece::Bulk { .. } => self.replies.passes(piece.tag()),
            };
        if plain {
            self.answered = true;
            self.swallowing = false;
            self.kept.stop();
        }
        plain
    }

    /// True if what was said means more than what it says to the client, and that must be dealt with
    /// before the next message. What was prepared may be noted later, in the order it was.
    #[inline]
    pub(crate) fn owes_more(&self) -> bool {
        self.fatal.is_some()
            || self.replies.has_undone()
            || !self.dropped.is_empty()
            || self.broken.is_some()
    }

    /// What a piece of the database's bytes means.
    pub(crate) fn turn(&mut self, piece: &Piece<&[u8]>) -> Turn {
        let (tag, message) = match piece {
            Piece::Bulk { first: false, .. } if self.swallowing => return Turn::Swallow,
            Piece::Bulk { first: false, .. } => return Turn::Forward,
            Piece::Bulk { tag, .. } => (*tag, None),
            Piece::Message(m) if is_asynchronous(m.tag) => {
                // What is set ahead of a client's messages it has heard of before.
                let known = self.replies.next_is_ours() && !self.trying;
                if known {
                    return Turn::Swallow;
                }
                self.answered = true;
                return Turn::Aside;
            }
            Piece::Message(message) => (message.tag, Some(message)),
        };
        if tag == tag::ERROR_RESPONSE
            && let Some(message) = message
            && self.declare_void(message)
        {
            return Turn::Void;
        }
        if tag == tag::ERROR_RESPONSE && self.trying && self.replies.next_is_query() {
            self.not_set = message.map(|m| Message { tag, raw: Bytes::copy_from_slice(m.raw) });
        }
        while let Some(made) = self.replies.take_made(false) {
            self.made.push(made);
        }
        match self.replies.accept(tag) {
            // The database may end a session whatever it was asked.
            Err(_) if message.is_some_and(is_fatal) => {
                self.note_error(message);
                Turn::Forward
            }
            Err(mismatch) => Turn::Wrong(mismatch.tag),
            Ok(accepted) => self.accepted(tag, message, accepted),
        }
    }

    #[inline]
    fn accepted(
        &mut self,
        tag: u8,
        message: Option<&Message<&[u8]>>,
        Accepted { reply, ours, query }: Accepted,
    ) -> Turn {
        let body = message.map(Message::body).unwrap_or_default();
        self.swallowing = ours;
        self.answered |= !ours;
        if !ours {
            self.kept.stop();
        }
        match reply {
            // What is sent on our own account is plain commands: rows are no answer to them.
            Reply::Part if ours && query => Turn::Wrong(tag),
            Reply::Part if ours => Turn::Swallow,
            Reply::Part => Turn::Forward,
            Reply::Complete(_) if ours => Turn::Swallow,
            Reply::Complete(facts) => {
                self.committed |= matches!(body, b"COMMIT\0" | b"PREPARE TRANSACTION\0");
                self.effects.completed(body, facts.as_deref());
                self.note_dropped(body, facts.as_deref())
            }
            Reply::Suspended(facts) => {
                if let Some(facts) = facts {
                    self.effects.suspended(&facts);
                }
                if ours { Turn::Swallow } else { Turn::Forward }
            }
            Reply::Error if ours && query && self.not_set.is_some() => Turn::Swallow,
            Reply::Error if ours && query && self.forgiving => Turn::Swallow,
            Reply::Error if ours && query => Turn::Wrong(tag),
            Reply::Error => {
                // The failure of a statement that is prepared for the client is the client's.
                self.answered = true;
                self.kept.stop();
                self.swallowing = false;
                self.note_error(message);
                Turn::Forward
            }
            Reply::CopyIn { supplied, swallowed } => {
                // Behind the data, another Sync must come.
                self.unsynced |= swallowed;
                Turn::CopyIn { supplied, swallowed }
            }
            Reply::Ready { last, ran } => {
                self.ready(body, last, ran, ours).unwrap_or(Turn::Wrong(tag))
            }
        }
    }

    fn ready(
        &mut self,
        body: &[u8],
        last: bool,
        ran: Option<Arc<Facts>>,
        ours: bool,
    ) -> Option<Turn> {
        let transaction = Transaction::read(body)?;
        if let Some(restore) = &mut self.restore {
            restore.ready_points = restore.ready_points.saturating_sub(1);
            if restore.ready_points == 0 && self.segment_failed {
                self.restore = None;
            }
        }
        if ours {
            if transaction != self.transaction && !self.forgiving {
                return None;
            }
            self.transaction = transaction;
            self.effects.ready(transaction);
            return Some(match std::mem::take(&mut self.voided) {
                true => Turn::Again,
                false => Turn::Ready { transaction, last, ours },
            });
        }
        if let Some(facts) = ran {
            self.effects.ran(&facts);
        }
        self.effects.ready(transaction);
        self.cured = false;
        self.has_history = true;
        self.begins &= !last;
        self.transaction = transaction;
        if transaction == Transaction::None {
            self.portals.clear();
        }
        Some(Turn::Ready { transaction, last, ours })
    }

    /// Declares the segment void, if its first statement's plan is broken and it can be cured.
    fn declare_void(&mut self, error: &Message<&[u8]>) -> bool {
        let Some(statement) = self.replies.next_binds() else { return false };
        if !is_broken_plan(error) {
            return false;
        }
        self.broken = Some(statement);
        if !self.kept.is_curable()
            || self.cured
            || !self.made.is_empty()
            || self.transaction != Transaction::None
        {
            return false;
        }
        self.voided = self.replies.void_segment();
        self.cured = self.voided;
        self.voided
    }

    /// What a socket's client says goes on; if nothing is on the way, from this position.
    pub(crate) fn begin_turn(&mut self, sent_from: u64) {
        if self.is_quiet() && self.fatal.is_none() {
            self.sent_from = sent_from;
            self.answered = false;
        }
    }

    /// The lease goes on with another request, whose bytes begin at this position.
    pub(crate) fn begin_request(&mut self, sent_from: u64) {
        self.sent_from = sent_from;
        self.answered = false;
        self.error = None;
        self.fatal = None;
        self.committed = false;
        self.segments = 0;
        self.kept.stop();
    }

    fn note_dropped(&mut self, body: &[u8], facts: Option<&Facts>) -> Turn {
        match (body, facts.and_then(|f| f.deallocate.as_ref())) {
            (b"DEALLOCATE ALL\0", _) => self.dropped.push(Dropped::All),
            (b"DISCARD ALL\0", _) => self.dropped.push(Dropped::Everything),
            (_, Some(Deallocate::Name(name))) => {
                self.dropped.push(Dropped::One(name.clone()));
                return Turn::Deallocated;
            }
            _ => {}
        }
        Turn::Forward
    }

    fn note_error(&mut self, message: Option<&Message<&[u8]>>) {
        let fields = message.and_then(ErrorFields::parse).unwrap_or_default();
        if fields.is_fatal() {
            self.fatal =
                Some(format!("the database ended it: {} ({})", fields.message, fields.code));
        }
        let code = SqlState::from_ascii(fields.code.as_bytes());
        self.error = self.error.or(code).or(Some(SqlState::literal(b"XX000")));
        self.effects.failed();
        self.segment_failed = true;
    }

    fn synced(&mut self) {
        self.unsynced = false;
        let sample = self.sample.take();
        self.samples.push_back(sample);
        self.segments += 1;
        self.parsing.clear();
    }

    /// True if the statement's `Parse` is on its way in the same segment: if it fails, so does all
    /// that follows.
    pub(crate) fn is_parsed_in_this_segment(&self, number: u64) -> bool {
        self.parsing.contains(&number)
    }

    pub(crate) fn parsed_in_this_segment(&mut self, number: u64) {
        self.parsing.push(number);
    }

    /// Notes a message sent for the client.
    pub(crate) fn sent(&mut self, expect: Expect, note: Note) {
        if !self.replies.sent(expect, note) {
            return;
        }
        if expect.is_answered_by_ready() {
            self.synced();
        } else {
            self.unsynced = true;
        }
    }
}

/// True for the last thing that a session says.
fn is_fatal(message: &Message<&[u8]>) -> bool {
    ErrorFields::parse(message).is_some_and(|fields| fields.is_fatal())
}

/// Messages that may come at any time.
pub(crate) fn is_asynchronous(tag: u8) -> bool {
    matches!(tag, tag::NOTICE_RESPONSE | tag::PARAMETER_STATUS | tag::NOTIFICATION_RESPONSE)
}
