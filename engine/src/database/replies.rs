//! Checking that the database's replies are those that the messages sent must get.
//!
//! A reply that does not fit means that this side has lost track of whose bytes it reads. There is
//! no repair: the session is closed.
//!
//! For each message sent, at the head of the queue:
//!
//! ```text
//! Parse      1                      Close     3
//! Bind       2                      Sync      Z            (or E Z)
//! Describe   t? (T | n)             Query     any run of statements, then Z
//! Execute    D* (C | I | s)  |  H d* c C  |  G C           Function  V Z
//! E anywhere: everything up to the next Sync is skipped; in a Query or a Function, only Z may follow
//! ```
//!
//! Some entries stand for nothing that was sent: a reply that is made here at its turn, because the
//! session has what the client wants to prepare; the place of a Flush; the end of COPY data.

mod words;

use std::collections::VecDeque;
use std::sync::Arc;

use pierhead_wire::pg::tag::backend as tag;

use crate::database::speaker::Unnamed;
use crate::limits::SPARE_ENTRIES_MAX;
use crate::sql::Facts;
use crate::statements::StatementId;

pub(crate) use self::words::{Accepted, Expect, Made, Mismatch, Note, Reply, Settled};

#[derive(Debug)]
struct Entry {
    expect: Expect,
    note: Note,
}

/// Where the replies to the head of the queue are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Within {
    /// Nothing of them has come.
    Start,
    /// A statement of a Query is done: another one or the ready point may follow. (Even a Query
    /// without statements is answered before its ready point.)
    Between,
    /// `ParameterDescription` has come.
    Described,
    /// Rows may come.
    Rows,
    /// COPY data comes.
    CopyOut,
    /// COPY data goes, or an end of it that the server has not confirmed.
    CopyIn,
    /// COPY data has all come.
    CopyDone,
    /// An error has come; only a ready point may follow.
    Failed,
}

/// The replies still to come.
#[derive(Debug)]
pub(crate) struct Replies {
    queue: VecDeque<Entry>,
    within: Within,
    /// An error has come in a segment whose Sync is not sent yet: all up to it will be skipped.
    skipping: bool,
    /// COPY data is asked for, and its end is not sent.
    copying: bool,
    /// Since the queue was empty last, something was sent that changes what names mean.
    names_changed: bool,
    /// Ready points to come.
    ready_points: usize,
    settled: Vec<Settled>,
    /// What clients did to their names and what never happened. It is undone from the end: a name
    /// that was let go and given anew is first taken back, then given back.
    undone: Vec<Settled>,
}

impl Default for Replies {
    fn default() -> Self {
        Self {
            queue: VecDeque::new(),
            within: Within::Start,
            skipping: false,
            copying: false,
            names_changed: false,
            ready_points: 0,
            settled: Vec::new(),
            undone: Vec::new(),
        }
    }
}

impl Replies {
    /// The replies to simple queries of ours.
    pub(crate) fn to_queries(count: usize) -> Self {
        let mut replies = Self::default();
        for _ in 0..count {
            replies.sent(Expect::Query, Note::Ours);
        }
        replies
    }

    /// Nothing is to come, and nothing came: but room that was made stays, within a bound.
    pub(crate) fn empty(&mut self) {
        let Self { queue, within, skipping, copying, names_changed, ready_points, settled, undone } =
            self;
        queue.clear();
        settled.clear();
        undone.clear();
        if queue.capacity() + settled.capacity() + undone.capacity() > SPARE_ENTRIES_MAX {
            (*queue, *settled, *undone) = Default::default();
        }
        (*within, *ready_points) = (Within::Start, 0);
        (*skipping, *copying, *names_changed) = (false, false, false);
    }

    /// A message was sent. False if the server throws it away.
    pub(crate) fn sent(&mut self, expect: Expect, note: Note) -> bool {
        if self.copying {
            match expect {
                Expect::Sync | Expect::Flush => return false,
                Expect::CopyEnd => {
                    self.copying = false;
                    return true;
                }
                Expect::Parse
                | Expect::Bind
                | Expect::DescribeStatement
                | Expect::DescribePortal
                | Expect::Execute
                | Expect::Close
                | Expect::Query
                | Expect::Function
                | Expect::Made(_) => {}
            }
        }
        if self.skipping {
            if expect != Expect::Sync {
                self.skip(note);
                return false;
            }
            self.skipping = false;
        }
        self.ready_points += usize::from(expect.is_answered_by_ready());
        self.names_changed =
            note.may_change_names() || self.names_changed && !self.queue.is_empty();
        self.queue.push_back(Entry { expect, note });
        true
    }

    /// True if an error to come may undo what a client did to its names.
    pub(crate) fn may_undo_names(&self) -> bool {
        self.names_changed && self.queue.iter().any(|e| e.note.changes_names())
    }

    /// True if nothing is to come.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.iter().all(|e| matches!(e.expect, Expect::CopyEnd | Expect::Flush))
    }

    /// True if nothing is to come that answers the client.
    pub(crate) fn are_ours(&self) -> bool {
        let unanswered = |e: &Entry| matches!(e.expect, Expect::CopyEnd | Expect::Flush);
        self.queue.iter().all(|e| e.note.is_ours() || unanswered(e))
    }

    /// True if the next reply answers something that the client did not send.
    pub(crate) fn next_is_ours(&self) -> bool {
        let mut sent = self.queue.iter().filter(|e| e.expect.is_sent());
        sent.next().is_some_and(|e| e.note.is_ours())
    }

    /// True if the next reply answers a Query.
    pub(crate) fn next_is_query(&self) -> bool {
        let mut sent = self.queue.iter().filter(|e| e.expect.is_sent());
        sent.next().is_some_and(|e| e.expect == Expect::Query)
    }

    /// True while the server waits for COPY data.
    pub(crate) fn is_copying(&self) -> bool {
        self.copying
    }

    /// What became of statements and names since the last call.
    pub(crate) fn take_settled(&mut self) -> Vec<Settled> {
        let mut settled = std::mem::take(&mut self.settled);
        settled.extend(self.undone.drain(..).rev());
        settled
    }

    /// Room that [`Replies::take_settled`] took along serves again.
    pub(crate) fn reuse(&mut self, room: Vec<Settled>) {
        if self.settled.is_empty() && room.is_empty() {
            self.settled = room;
        }
    }

    /// True if something was undone since.
    #[inline]
    pub(crate) fn has_undone(&self) -> bool {
        !self.undone.is_empty()
    }

    /// True if there is something for [`Replies::take_settled`].
    #[inline]
    pub(crate) fn has_settled(&self) -> bool {
        !self.settled.is_empty() || !self.undone.is_empty()
    }

    /// True if the next reply may be one that is made here.
    #[inline]
    fn may_be_made(&self) -> bool {
        self.within == Within::Start && self.queue.front().is_some_and(|e| !e.expect.is_sent())
    }

    /// A reply that is made here and whose turn it is. With `waits`, only if a Flush behind it
    /// asks for it now; otherwise a reply of the server is about to follow.
    #[inline]
    pub(crate) fn take_made(&mut self, waits: bool) -> Option<Made> {
        if self.may_be_made() { self.find_made(waits) } else { None }
    }

    fn find_made(&mut self, waits: bool) -> Option<Made> {
        loop {
            let mut unsent = self.queue.iter().take_while(|e| !e.expect.is_sent());
            let waits = waits && !unsent.any(|e| e.expect == Expect::Flush);
            if self.within != Within::Start || waits {
                return None;
            }
            match self.queue.front()?.expect {
                Expect::Made(made) => {
                    match self.queue.pop_front().map(|e| e.note) {
                        Some(Note::Closes { id, .. }) => self.settled.push(Settled::Closed(id)),
                        Some(Note::Unnamed { before, .. }) => {
                            self.replaced(before);
                        }
                        _ => {}
                    }
                    return Some(made);
                }
                Expect::Flush | Expect::CopyEnd => {
                    self.queue.pop_front();
                }
                Expect::Parse
                | Expect::Bind
                | Expect::DescribeStatement
                | Expect::DescribePortal
                | Expect::Execute
                | Expect::Close
                | Expect::Sync
                | Expect::Query
                | Expect::Function => return None,
            }
        }
    }

    /// How many ready points are to come.
    pub(crate) fn ready_points(&self) -> usize {
        self.ready_points
    }

    /// True if a ready point is to come.
    pub(crate) fn awaits_ready(&self) -> bool {
        self.ready_points > 0
    }

    /// The statement of the `Bind` that the next reply answers.
    pub(crate) fn next_binds(&self) -> Option<StatementId> {
        let mut sent = self.queue.iter().filter(|e| e.expect.is_sent());
        if let Note::Uses(id) = sent.next()?.note { Some(id) } else { None }
    }

    /// The segment at the head is void: its error is swallowed, and so will be its ready point.
    /// False if it is not the only one.
    pub(crate) fn void_segment(&mut self) -> bool {
        if self.ready_points != 1
            || !matches!(self.queue.back(), Some(e) if e.expect == Expect::Sync)
        {
            return false;
        }
        while self.queue.len() > 1 {
            if let Some(entry) = self.queue.pop_front() {
                self.skip(entry.note);
            }
        }
        if let Some(sync) = self.queue.front_mut() {
            sync.note = Note::Ours;
        }
        self.within = Within::Start;
        true
    }

    /// Takes one message of the database; asynchronous ones are not its business.
    #[inline]
    pub(crate) fn accept(&mut self, tag: u8) -> Result<Accepted, Mismatch> {
        let mismatch = Mismatch { tag };
        while self.within == Within::Start
            && matches!(self.queue.front(), Some(e) if !e.expect.is_sent())
        {
            self.queue.pop_front();
        }
        let Some(head) = self.queue.front() else { return Err(mismatch) };
        let (expect, ours) = (head.expect, head.note.is_ours());
        let query = expect == Expect::Query;
        let reply = match (expect, tag) {
            (_, tag::ERROR_RESPONSE) => self.error(expect),
            (Expect::Parse, tag::PARSE_COMPLETE) => Some(self.prepared()),
            (Expect::Sync, tag::READY_FOR_QUERY) => Some(self.ready()),
            (Expect::Query | Expect::Function, tag::READY_FOR_QUERY) => {
                let done = matches!(self.within, Within::Between | Within::Failed);
                done.then(|| self.ready())
            }
            (Expect::Query | Expect::Execute, tag::COMMAND_COMPLETE) => self.complete(expect),
            (Expect::Execute, tag::PORTAL_SUSPENDED) => self.suspended(),
            (Expect::Query | Expect::Execute, tag::COPY_IN_RESPONSE) => self.copy_in(expect),
            _ => self.part(expect, tag).then_some(Reply::Part),
        };
        reply.map(|reply| Accepted { reply, ours, query }).ok_or(mismatch)
    }

    /// Takes a message that is a part of an answer to the client, and means no more than that. False
    /// if it is another one, or none at all: [`Replies::accept`] tells.
    #[inline]
    pub(crate) fn passes(&mut self, tag: u8) -> bool {
        let head = self.queue.front().filter(|head| !head.note.is_ours()).map(|head| head.expect);
        head.is_some_and(|expect| self.part(expect, tag))
    }

    /// Takes the end of a statement of the client of whose text nothing is known that matters. False
    /// if it is another one: [`Replies::accept`] tells.
    #[inline]
    pub(crate) fn completes(&mut self) -> bool {
        let Some(head) = self.queue.front() else { return false };
        let expect = head.expect;
        let unknown = matches!(
            (expect, &head.note),
            (Expect::Query, Note::Asks { facts: None, .. }) | (Expect::Execute, Note::Nothing)
        );
        unknown && self.complete(expect).is_some()
    }

    /// Takes a message that is a part of the answer to the head of the queue, if it is one: it goes
    /// on with that answer, or ends it where nothing is to be noted.
    #[inline]
    fn part(&mut self, expect: Expect, tag: u8) -> bool {
        use Within::{Between, CopyDone, CopyOut, Described, Rows, Start};
        self.within = match (expect, self.within, tag) {
            (Expect::Query, Start | Between, tag::ROW_DESCRIPTION)
            | (Expect::Query, Rows, tag::DATA_ROW)
            | (Expect::Execute, Start | Rows, tag::DATA_ROW) => Rows,
            (Expect::DescribeStatement, Start, tag::PARAMETER_DESCRIPTION) => Described,
            (Expect::Query, Start, tag::EMPTY_QUERY_RESPONSE)
            | (Expect::Function, Start, tag::FUNCTION_CALL_RESPONSE) => Between,
            (Expect::Query, Start | Between, tag::COPY_OUT_RESPONSE)
            | (Expect::Execute, Start, tag::COPY_OUT_RESPONSE)
            | (Expect::Query | Expect::Execute, CopyOut, tag::COPY_DATA) => CopyOut,
            (Expect::Query | Expect::Execute, CopyOut, tag::COPY_DONE) => CopyDone,
            (Expect::Bind, _, tag::BIND_COMPLETE)
            | (Expect::Close, _, tag::CLOSE_COMPLETE)
            | (Expect::DescribePortal, _, tag::ROW_DESCRIPTION | tag::NO_DATA)
            | (Expect::DescribeStatement, Described, tag::ROW_DESCRIPTION | tag::NO_DATA)
            | (Expect::Execute, Start, tag::EMPTY_QUERY_RESPONSE) => {
                self.queue.pop_front();
                Start
            }
            _ => return false,
        };
        true
    }

    fn pop(&mut self) -> Option<Entry> {
        self.within = Within::Start;
        let entry = self.queue.pop_front()?;
        self.ready_points -= usize::from(entry.expect.is_answered_by_ready());
        Some(entry)
    }

    fn prepared(&mut self) -> Reply {
        match self.pop().map(|e| e.note) {
            Some(Note::Prepares { number } | Note::Names { number: Some(number), .. }) => {
                self.settled.push(Settled::Prepared(number));
            }
            Some(Note::Unnamed { before, number }) => {
                self.settled.extend(number.map(Settled::Prepared));
                self.replaced(before);
            }
            _ => {}
        }
        Reply::Part
    }

    /// A statement is done; of a Query, another one may follow.
    fn complete(&mut self, expect: Expect) -> Option<Reply> {
        match (expect, self.within) {
            (_, Within::Start | Within::Rows | Within::CopyDone | Within::CopyIn)
            | (Expect::Query, Within::Between) => {}
            _ => return None,
        }
        if expect == Expect::Query {
            self.within = Within::Between;
            return Some(Reply::Complete(self.text_of_query()));
        }
        Some(Reply::Complete(self.facts_of_head()))
    }

    /// A statement gave as many rows as were asked for.
    fn suspended(&mut self) -> Option<Reply> {
        let gives_rows = matches!(self.within, Within::Start | Within::Rows);
        gives_rows.then(|| Reply::Suspended(self.facts_of_head()))
    }

    /// What is known of the text that the head of the queue runs, which is done.
    fn facts_of_head(&mut self) -> Option<Arc<Facts>> {
        if let Note::Runs(facts) = self.pop()?.note { Some(facts) } else { None }
    }

    fn ready(&mut self) -> Reply {
        let failed = self.within == Within::Failed;
        let ran = match self.pop().map(|e| e.note) {
            Some(Note::Asks { before, facts }) => {
                self.replaced(before);
                facts.filter(|facts| !failed && facts.statements > 1)
            }
            _ => None,
        };
        let last = !self.queue.iter().any(|e| e.expect.is_sent());
        Reply::Ready { last, ran }
    }

    /// What is known of a Query's text.
    fn text_of_query(&self) -> Option<Arc<Facts>> {
        let Note::Asks { facts, .. } = &self.queue.front()?.note else { return None };
        facts.clone()
    }

    /// What was the client's unnamed statement was not replaced after all. If something else is on
    /// its way that replaces it, that does.
    fn unreplace(&mut self, before: Unnamed) {
        match self.queue.iter_mut().find_map(|e| e.note.replaces()) {
            Some(place) => {
                let never = std::mem::replace(place, before);
                self.replaced(never);
            }
            None => self.undone.push(Settled::NotReplaced(before)),
        }
    }

    /// Only what is held must be let go.
    fn replaced(&mut self, before: Unnamed) {
        if matches!(before, Unnamed::Interned(_)) {
            self.settled.push(Settled::Replaced(before));
        }
    }

    /// A message that failed, or that the server skips.
    fn skip(&mut self, note: Note) {
        match note {
            Note::Prepares { number } => self.settled.push(Settled::NotPrepared(number)),
            Note::Names { name, id, number } => {
                self.settled.extend(number.map(Settled::NotPrepared));
                self.undone.push(Settled::NotNamed(name, id));
            }
            Note::Unnamed { before, number } => {
                self.settled.extend(number.map(Settled::NotPrepared));
                self.unreplace(before);
            }
            Note::Asks { before, .. } => self.unreplace(before),
            Note::Evicts { number } => self.settled.push(Settled::NotEvicted(number)),
            Note::Closes { name, id } => self.undone.push(Settled::NotClosed(name, id)),
            Note::Nothing | Note::Ours | Note::Uses(_) | Note::Runs(_) => {}
        }
    }

    /// Nothing of what was sent was executed.
    pub(crate) fn skip_all(&mut self) {
        while let Some(entry) = self.pop() {
            self.skip(entry.note);
        }
    }

    fn error(&mut self, head: Expect) -> Option<Reply> {
        if matches!(head, Expect::Query | Expect::Function) {
            if self.within == Within::Failed {
                return None;
            }
            self.within = Within::Failed;
            self.copying = false;
            return Some(Reply::Error);
        }
        self.copying = false;
        if let Some(Note::Unnamed { before, number }) = self.queue.front_mut().map(|e| &mut e.note)
        {
            // The server forgets the unnamed statement before it reads the next one.
            self.settled.extend(number.take().map(Settled::NotPrepared));
            let before = std::mem::take(before);
            self.pop();
            self.replaced(before);
            self.unreplace(Unnamed::None);
        }
        while !matches!(self.queue.front(), Some(e) if e.expect == Expect::Sync) {
            let Some(entry) = self.pop() else {
                self.skipping = true;
                break;
            };
            self.skip(entry.note);
        }
        self.within = Within::Start;
        Some(Reply::Error)
    }

    /// What the server makes of the messages that were sent behind a COPY: it throws away every
    /// Sync and Flush up to the data's end. Any other message ends the COPY with an error and is
    /// lost with it. (Since PostgreSQL 14 it costs the whole session, which then ends by itself.)
    fn copy_in(&mut self, expect: Expect) -> Option<Reply> {
        let extended = match (expect, self.within) {
            (Expect::Execute, Within::Start) => true,
            (Expect::Query, Within::Start | Within::Between) => false,
            _ => return None,
        };
        self.within = Within::CopyIn;
        let mut swallowed = false;
        loop {
            match self.queue.get(1).map(|e| e.expect) {
                None => {
                    self.copying = true;
                    return Some(Reply::CopyIn { supplied: false, swallowed });
                }
                Some(Expect::CopyEnd) => {
                    self.queue.remove(1);
                    return Some(Reply::CopyIn { supplied: true, swallowed: false });
                }
                Some(expect @ (Expect::Sync | Expect::Flush | Expect::Made(_))) => {
                    self.lose_second();
                    swallowed |= extended && expect == Expect::Sync;
                }
                Some(_) => {
                    if !extended {
                        self.lose_second();
                    }
                    return Some(Reply::CopyIn { supplied: true, swallowed: false });
                }
            }
        }
    }

    /// The second message of the queue is lost.
    fn lose_second(&mut self) {
        if let Some(entry) = self.queue.remove(1) {
            self.ready_points -= usize::from(entry.expect.is_answered_by_ready());
            self.skip(entry.note);
        }
    }
}

#[cfg(test)]
mod tests;
