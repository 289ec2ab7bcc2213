//! Where a client may be told something else than its private server says, and what the private server
//! must then be brought to.

use std::collections::BTreeMap;

use super::messages::{code_of, describe, note_parameter};
use super::{Broken, Entry, Model, Refusing, Seen, wake};
use crate::sim::message::{self, Message};
use crate::sim::server::{Backend, Trip};

impl Model {
    /// An error that the private backend does not report.
    pub(super) fn refused(&mut self, got: &Message<'_>, fatal: bool) -> Result<Seen, Broken> {
        let code = code_of(got);
        if fatal {
            self.ended = Some(code.clone());
            return Ok(Seen::Ended(code));
        }
        if self.begun || self.status != b'I' || !self.greeted {
            return Err(("1 well-formed", format!("{} in the middle", describe(got))));
        }
        let fed = self.log.split_off(self.segment);
        for entry in fed.into_iter().rev() {
            if let Entry::Said(bytes) = entry {
                self.queue.push_front(bytes);
            }
        }
        self.rebuild();
        self.begun = true;
        self.refusing = Some(Refusing::Nothing);
        self.advance();
        Ok(Seen::Refused(code))
    }

    /// COPY was cancelled before what was said behind its beginning arrived.
    pub(super) fn copy_cancelled(&mut self) -> Seen {
        let tail = self.log.split_off(self.copy_begun.take().unwrap_or(self.segment));
        for entry in tail.into_iter().rev() {
            if let Entry::Said(bytes) = entry {
                self.queue.push_front(bytes);
            }
        }
        self.rebuild();
        self.log.push(Entry::Cancelled);
        self.backend.cancelled(&mut self.db, 0);
        self.collect();
        self.advance();
        self.pending.pop_front();
        self.begun = true;
        self.advance();
        Seen::Cancelled
    }

    /// What was said last fails, for a reason that the private server does not know: a migration
    /// broke its plan, or it may not be done.
    pub(super) fn fail_here(&mut self, code: String) -> Seen {
        let Some(Entry::Said(said)) = self.log.pop() else { return Seen::Own };
        self.rebuild();
        self.log.push(Entry::Tripped);
        self.backend.trip(Trip { messages: 0, fatal: false });
        self.queue.push_front(said);
        self.advance();
        self.pending.pop_front();
        self.begun = true;
        self.advance();
        Seen::Failed(code)
    }

    /// Runs everything up to the segment's beginning again.
    fn rebuild(&mut self) {
        let mut db = self.db.clone();
        db.committed.clear();
        db.connections = 0;
        let mut backend = Backend::new(0, [0; 16]);
        let mut told = BTreeMap::new();
        for entry in &self.log {
            match entry {
                Entry::Said(bytes) => backend.receive(&mut db, 0, bytes),
                Entry::Woken => wake(&mut backend, &mut db),
                Entry::Cancelled => {
                    backend.cancelled(&mut db, 0);
                }
                Entry::Tripped => backend.trip(Trip { messages: 0, fatal: false }),
            }
            let output = backend.take_output();
            let (messages, _) = message::split(if output.len() == 1 { &[] } else { &output });
            for message in messages.iter().filter(|message| message.tag == b'S') {
                note_parameter(&mut told, message.body);
            }
        }
        self.told[1] = told;
        self.db = db;
        self.backend = backend;
        self.pending.clear();
    }
}
