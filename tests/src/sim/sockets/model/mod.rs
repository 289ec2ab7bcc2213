//! What a client must be told: the same messages at a private backend that nothing disturbs.
//!
//! The model is given what its client says, message by message, and no earlier than the client's
//! next reply needs it: whether a slow statement came to its end or was cancelled, and whether
//! Pierhead refused a segment, is known only when the reply is there.

mod differ;
mod messages;

use std::collections::{BTreeMap, VecDeque};

pub(super) use self::messages::as_the_pool_starts;
use self::messages::{
    be, changes_session, code_of, describe, equal, first_length, is_fatal, note_parameter,
    notification, ready,
};
use super::steps;
use crate::sim::message::{self, Message, put};
use crate::sim::server::database::Database;
use crate::sim::server::{Backend, CANCEL_CODE, STARTUP_CODE};

/// A rule, and how it was broken.
pub(super) type Broken = (&'static str, String);

/// What a received message turned out to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Seen {
    /// What the private backend says, too, or what a server may say at any time.
    Own,
    /// A ready point.
    Ready,
    /// Pierhead does not execute this segment; the connection goes on.
    Refused(String),
    /// The connection is about to end.
    Ended(String),
    /// A statement was cancelled.
    Cancelled,
    /// A statement fails, with this code, because of others.
    Failed(String),
    /// It is notified, on this channel.
    Notified(String),
}

/// Something that the private backend met.
#[derive(Clone, Debug)]
enum Entry {
    Said(Vec<u8>),
    Woken,
    Cancelled,
    /// What is said next fails.
    Tripped,
}

impl Entry {
    /// Whether it says something that changes a session beyond its transaction, in the words of the
    /// simulation's clients.
    fn changes(&self) -> bool {
        const WORDS: [&str; 14] = [
            "set app",
            "set search",
            "reset ",
            "create temp",
            "prepare p",
            "with hold",
            "listen ",
            "unlisten",
            "advisory",
            "set_config",
            "discard",
            "load ",
            "deallocate",
            "execute p",
        ];
        let Self::Said(bytes) = self else { return false };
        let text = String::from_utf8_lossy(bytes);
        WORDS.iter().any(|word| text.contains(word))
    }
}

/// How much of a refused segment was thrown away.
#[derive(Clone, Copy, Debug)]
enum Refusing {
    /// Nothing that means anything: a query is still a segment of its own.
    Nothing,
    /// A part of an extended query: only `Sync` ends it.
    Parts,
}

impl Refusing {
    /// What is to be done after this message; `None` if it was the last.
    fn throw_away(self, tag: Option<u8>) -> Option<Self> {
        match (self, tag) {
            (_, Some(b'S')) | (Self::Nothing, Some(b'Q' | b'F')) => None,
            (_, Some(b'd' | b'c' | b'f' | b'H')) => Some(self),
            _ => Some(Self::Parts),
        }
    }
}

/// One client's private session.
#[derive(Debug)]
pub(super) struct Model {
    backend: Backend,
    db: Database,
    /// Said, and not yet executed here.
    queue: VecDeque<Vec<u8>>,
    /// The beginning of a message.
    partial: Vec<u8>,
    /// The next message has no type byte.
    untagged: bool,
    /// Replies to come.
    pending: VecDeque<Vec<u8>>,
    log: Vec<Entry>,
    /// Where in the log the segment begins.
    segment: usize,
    /// Where in the log COPY began to wait for data, in this segment.
    copy_begun: Option<usize>,
    /// A reply of the segment was received.
    begun: bool,
    /// The segment is refused up to its end, and this much of it was thrown away.
    refusing: Option<Refusing>,
    /// The transaction status at the last ready point.
    pub(super) status: u8,
    /// The start-up is over.
    pub(super) greeted: bool,
    /// Parameters as the client was told them, and as the private backend told them.
    told: [BTreeMap<String, String>; 2],
    /// What was committed at the last ready point.
    pub(super) committed: BTreeMap<u64, u32>,
    /// The last message was one that ends the connection.
    pub(super) ended: Option<String>,
    /// The cancel key.
    pub(super) key: Option<Vec<u8>>,
    /// The client sent what nobody may send; the connection must end.
    pub(super) malformed: bool,
    /// Somebody has migrated the database.
    pub(super) altered: bool,
    /// The pool refuses what changes a session.
    pub(super) rejects: bool,
    /// It listened at the last ready point.
    listened: bool,
}

impl Model {
    /// A backend that waits for its start-up packet.
    pub(super) fn new(db: Database) -> Self {
        Self {
            backend: Backend::new(0, [0; 16]),
            db,
            queue: VecDeque::new(),
            partial: Vec::new(),
            untagged: true,
            pending: VecDeque::new(),
            log: Vec::new(),
            segment: 0,
            copy_begun: None,
            begun: false,
            refusing: None,
            status: b'I',
            greeted: false,
            told: [BTreeMap::new(), BTreeMap::new()],
            committed: BTreeMap::new(),
            ended: None,
            key: None,
            malformed: false,
            altered: false,
            rejects: false,
            listened: false,
        }
    }

    /// The client says something.
    pub(super) fn say(&mut self, bytes: &[u8]) {
        self.partial.extend_from_slice(bytes);
        let mut rest = self.partial.as_slice();
        while !self.malformed {
            let Some(length) = first_length(rest, self.untagged) else { break };
            let Some(length) = length else {
                self.malformed = true;
                break;
            };
            if rest.len() < length {
                break;
            }
            self.untagged =
                self.untagged && ![STARTUP_CODE, CANCEL_CODE].contains(&be(&rest[4..8]));
            self.queue.push_back(as_the_pool_starts(&rest[..length]));
            rest = &rest[length..];
        }
        self.partial = rest.to_vec();
        self.advance();
    }

    /// Whether everything asked for has been answered.
    pub(super) fn is_answered(&self) -> bool {
        self.pending.is_empty() && self.queue.is_empty() && self.backend.busy_until().is_none()
    }

    /// Whether the client is in the middle of a segment: it asked, or began to, and has not got
    /// its ready point.
    pub(super) fn is_between(&self) -> bool {
        !self.is_answered() || self.begun || self.log.len() > self.segment
    }

    /// Whether the next thing to come is one byte that is no message.
    pub(super) fn expects_byte(&self) -> bool {
        self.pending.front().is_some_and(|bytes| bytes.len() == 1)
    }

    /// One byte came: the answer to a wish for encryption. Nobody offers any.
    ///
    /// # Errors
    /// It is another one.
    pub(super) fn receive_byte(&mut self, byte: u8) -> Result<(), Broken> {
        self.pending.pop_front();
        self.advance();
        let right = byte == b'N';
        if right { Ok(()) } else { Err(("1 well-formed", format!("{byte} to SSLRequest"))) }
    }

    /// Whether it listens to a channel.
    pub(super) fn listens(&self) -> bool {
        self.backend.listens()
    }

    /// Whether it listens to a channel, or did at its last ready point.
    pub(super) fn listened(&self) -> bool {
        self.listened || self.backend.listens()
    }

    /// Whether its own server has ended the connection.
    pub(super) fn is_over(&self) -> bool {
        self.backend.ended()
    }

    /// Whether COPY waits for the client's data.
    pub(super) fn copies_in(&self) -> bool {
        self.pending.is_empty() && self.backend.copying_simply().is_some()
    }

    /// The client is told something. `excused` says whether a cancel may have met it.
    ///
    /// # Errors
    /// The rule it breaks.
    pub(super) fn receive(&mut self, got: &Message<'_>, excused: bool) -> Result<Seen, Broken> {
        if let Some(code) = &self.ended {
            return Err((
                "1 well-formed",
                format!("message {:?} after {code}", char::from(got.tag)),
            ));
        }
        match got.tag {
            b'S' => {
                note_parameter(&mut self.told[0], got.body);
                return Ok(Seen::Own);
            }
            b'K' => {
                self.key = Some(got.body.to_vec());
                return Ok(Seen::Own);
            }
            b'N' if message::field(got.body, b'M').as_deref() == Some("async") => {
                return Ok(Seen::Own);
            }
            b'A' => return Ok(notification(got)),
            _ => {}
        }
        let fatal = is_fatal(got);
        if self.pending.is_empty() && self.backend.busy_until().is_some() && !fatal {
            if code_of(got) == "57014" && excused {
                self.log.push(Entry::Cancelled);
                self.backend.cancelled(&mut self.db, 0);
                self.collect();
                self.pending.pop_front();
                self.begun = true;
                self.advance();
                return Ok(Seen::Cancelled);
            }
            self.wake();
        }
        let wanted = self.pending.front().map(Vec::as_slice);
        let wanted = wanted.and_then(|mut bytes| message::take(&mut bytes));
        // In a failed transaction the statement cannot be prepared again to find that it is not, and
        // the database, which is made to say that a name is taken, says first that it failed.
        let aborted = self.status == b'E'
            && code_of(got) == "25P02"
            && wanted.is_some_and(|w| matches!(code_of(&w).as_str(), "26000" | "42P05"));
        if aborted || wanted.is_some_and(|wanted| equal(got, &wanted)) {
            if fatal {
                self.ended = Some(code_of(got));
            }
            self.pending.pop_front();
            return self.passed(got);
        }
        let copies = self.copy_begun.is_some() && wanted.is_none_or(|wanted| wanted.tag != b'G');
        if code_of(got) == "57014" && excused && !fatal && copies {
            return Ok(self.copy_cancelled());
        }
        let inside = self.begun || self.status != b'I';
        let fails_here = match code_of(got).as_str() {
            "0A000" if self.rejects && self.log.last().is_some_and(Entry::changes) => true,
            "0A000" => self.altered,
            // What may not pin is made to fail by the database itself.
            "53000" | "54000" => inside,
            _ => false,
        };
        if fails_here && !fatal && wanted.is_some() {
            return Ok(self.fail_here(code_of(got)));
        }
        if got.tag == b'E' {
            return self.refused(got, fatal);
        }
        let wanted = wanted.map_or("nothing".into(), |wanted| describe(&wanted));
        Err(("1 own bytes", format!("{} instead of {wanted}", describe(got))))
    }

    /// One more message was the expected one.
    fn passed(&mut self, got: &Message<'_>) -> Result<Seen, Broken> {
        self.begun = true;
        if self.rejects && changes_session(got) {
            return Err(("state", format!("{} where nothing may change", describe(got))));
        }
        if got.tag != b'Z' {
            self.advance();
            return Ok(Seen::Own);
        }
        self.status = got.body.first().copied().unwrap_or(b'?');
        self.greeted = true;
        self.begun = false;
        self.copy_begun = None;
        self.segment = self.log.len();
        self.listened = self.backend.listens();
        if self.committed != self.db.committed {
            self.committed.clone_from(&self.db.committed);
        }
        let [told, right] = &self.told;
        if let Some(other) = right.iter().find(|(name, value)| told.get(*name) != Some(value)) {
            let detail = format!("it was told {told:?}, and its own server says {other:?}");
            return Err(("4 parameters", detail));
        }
        self.advance();
        Ok(Seen::Ready)
    }

    fn wake(&mut self) {
        self.log.push(Entry::Woken);
        wake(&mut self.backend, &mut self.db);
        self.collect();
        self.advance();
    }

    /// Executes what was said until there is a reply to expect.
    fn advance(&mut self) {
        while self.pending.is_empty() && self.backend.busy_until().is_none() {
            let Some(said) = self.queue.pop_front() else { return };
            if let Some(refusing) = self.refusing {
                self.refusing = refusing.throw_away(said.first().copied());
                if self.refusing.is_none() {
                    self.pending.push_back(ready());
                }
                continue;
            }
            self.backend.receive(&mut self.db, 0, &said);
            self.log.push(Entry::Said(said));
            if self.copy_begun.is_none() && self.backend.copying_simply().is_some() {
                self.copy_begun = Some(self.log.len());
            }
            self.collect();
        }
    }

    /// Takes the replies. What the client is told about parameters is compared at ready points.
    fn collect(&mut self) {
        let output = self.backend.take_output();
        let mut rest = output.as_slice();
        if !self.greeted && rest.len() == 1 {
            self.pending.push_back(output);
            return;
        }
        while let Some(message) = message::take(&mut rest) {
            match message.tag {
                b'S' => note_parameter(&mut self.told[1], message.body),
                // Others notify, too: what is told is held against what was sent.
                b'K' | b'A' => {}
                tag => {
                    let mut bytes = Vec::with_capacity(5 + message.body.len());
                    put(&mut bytes, tag, |out| out.extend_from_slice(message.body));
                    self.pending.push_back(bytes);
                }
            }
        }
    }

    /// What may have been committed in the end: with everything that was said executed.
    pub(super) fn finish(&mut self) -> BTreeMap<u64, u32> {
        loop {
            self.pending.clear();
            self.advance();
            if self.backend.busy_until().is_some() {
                self.wake();
            } else if self.pending.is_empty() {
                return self.db.committed.clone();
            }
        }
    }

    /// Whether it ever asked for something that a cancel can meet.
    pub(super) fn asked_for_slow(&self) -> bool {
        let said = self.log.iter().filter_map(|entry| match entry {
            Entry::Said(bytes) => Some(bytes),
            Entry::Woken | Entry::Cancelled | Entry::Tripped => None,
        });
        said.chain(&self.queue).any(|bytes| bytes.windows(5).any(|w| w == b"slow "))
    }

    /// How often each insert may be done at most, whatever of what was said is executed.
    pub(super) fn inserts_said(&self) -> BTreeMap<u64, u32> {
        let mut found = BTreeMap::new();
        let said = self.log.iter().filter_map(|entry| match entry {
            Entry::Said(bytes) => Some(bytes),
            Entry::Woken | Entry::Cancelled | Entry::Tripped => None,
        });
        let mut executed = 0;
        for bytes in said.chain(&self.queue) {
            executed += u32::from(bytes.first() == Some(&b'E'));
            for id in steps::inserts(bytes) {
                // What has a name can be executed again.
                let times = if bytes.starts_with(b"P") { 0 } else { 1 };
                *found.entry(id).or_default() += times;
            }
        }
        found.values_mut().for_each(|times| *times += executed);
        found
    }
}

fn wake(backend: &mut Backend, db: &mut Database) {
    if let Some(until) = backend.busy_until() {
        backend.wake(db, until);
    }
}
