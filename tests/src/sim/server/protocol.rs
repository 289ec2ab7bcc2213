//! The protocol after start-up: simple and extended queries, COPY, and what an error skips.

use super::backend::{Backend, Copying, Slow};
use super::command::Command;
use super::database::Database;
use super::session::{Done, How, Portal, describe_rows};
use crate::sim::message::{self, put, put_report, take_cstr};

impl Backend {
    /// Does one thing. False when there is nothing to do until more input.
    pub(super) fn step(&mut self, db: &mut Database, now: u64) -> bool {
        if self.copying.is_none() && self.in_simple {
            match self.simple.pop_front() {
                Some(text) => self.run_simple(db, now, &text),
                None => self.end_simple(db),
            }
            return true;
        }
        let mut input = self.input.as_slice();
        let Some(message) = message::take(&mut input) else { return false };
        let (tag, body) = (message.tag, message.body.to_vec());
        self.input.drain(..5 + body.len());
        if self.copying.is_some() {
            self.copy_message(db, tag);
        } else if !self.skipping || tag == b'S' || tag == b'X' {
            self.message(db, now, tag, &body);
        }
        true
    }

    /// An error was written: a simple query ends, an extended one is skipped up to `Sync`.
    pub(super) fn after_error(&mut self, simple: bool) {
        if simple {
            self.simple.clear();
        } else {
            self.skipping = true;
        }
    }

    fn message(&mut self, db: &mut Database, now: u64, tag: u8, body: &[u8]) {
        let mut body = body;
        match tag {
            b'Q' => self.begin_simple(&take_cstr(&mut body)),
            b'P' => self.parse(body),
            b'B' => self.bind(body),
            b'D' => self.describe(body),
            b'E' => self.execute(db, now, body),
            b'C' => self.close(body),
            b'S' => {
                self.skipping = false;
                self.session.end_implicit(db, &mut self.output);
                self.ready_point();
            }
            // Flush has nothing to do; COPY messages outside of COPY are ignored.
            b'H' | b'd' | b'c' | b'f' => {}
            b'X' => self.end(db),
            _ => {
                db.seen.garbage += 1;
                put_report(&mut self.output, b'E', "FATAL", "08P01", "invalid message type");
                self.end(db);
            }
        }
    }

    fn begin_simple(&mut self, text: &str) {
        self.simple = text.split(';').map(str::to_owned).collect();
        let is_empty = |statement: &String| Command::parse(statement) == Command::Empty;
        if !self.simple.iter().all(is_empty) {
            self.simple.retain(|statement| !is_empty(statement));
        }
        self.simple.truncate(if self.simple.iter().all(is_empty) { 1 } else { usize::MAX });
        self.alone = self.simple.len() == 1;
        self.in_simple = true;
    }

    fn run_simple(&mut self, db: &mut Database, now: u64, text: &str) {
        let how = How { simple: true, alone: self.alone, limit: 0, sent: 0 };
        match self.session.run(db, text, how, &mut self.output) {
            Done::Slow { ms } => {
                self.slow = Some(Slow { text: text.to_owned(), how, until: now + ms });
            }
            Done::CopyIn => self.copying = Some(Copying { simple: true, lines: 0 }),
            Done::Failed => self.after_error(true),
            Done::Replied | Done::Suspended { .. } => {}
        }
    }

    fn end_simple(&mut self, db: &mut Database) {
        self.in_simple = false;
        self.session.end_implicit(db, &mut self.output);
        self.ready_point();
    }

    fn ready_point(&mut self) {
        let status = self.session.status();
        put(&mut self.output, b'Z', |out| out.push(status));
    }

    fn fail(&mut self, sqlstate: &str, text: &str) {
        self.session.fail(sqlstate, text, &mut self.output);
        self.after_error(false);
    }

    fn parse(&mut self, mut body: &[u8]) {
        let name = take_cstr(&mut body);
        let text = take_cstr(&mut body);
        let command = Command::parse(&text);
        if self.session.failed() && !command.ends_transaction() {
            return self.fail("25P02", "current transaction is aborted");
        }
        if command == Command::Unknown {
            return self.fail("42601", "syntax error");
        }
        if !name.is_empty() && self.session.statements.contains_key(&name) {
            return self.fail("42P05", "prepared statement already exists");
        }
        self.session.statements.insert(name, text);
        put(&mut self.output, b'1', |_| {});
    }

    fn bind(&mut self, mut body: &[u8]) {
        let name = take_cstr(&mut body);
        let statement = take_cstr(&mut body);
        let Some(text) = self.session.statements.get(&statement).cloned() else {
            return self.fail("26000", "prepared statement does not exist");
        };
        if self.session.failed() && !Command::parse(&text).ends_transaction() {
            return self.fail("25P02", "current transaction is aborted");
        }
        if !name.is_empty() && self.session.portals.contains_key(&name) {
            return self.fail("42P03", "cursor already exists");
        }
        self.session.portals.insert(name, Portal { text, sent: 0 });
        put(&mut self.output, b'2', |_| {});
    }

    fn describe(&mut self, mut body: &[u8]) {
        let kind = body.first().copied().unwrap_or_default();
        body = body.get(1..).unwrap_or_default();
        let name = take_cstr(&mut body);
        let text = if kind == b'S' {
            self.session.statements.get(&name).cloned()
        } else {
            self.session.portals.get(&name).map(|portal| portal.text.clone())
        };
        let Some(text) = text else {
            return self.fail("26000", "nothing of this name");
        };
        if kind == b'S' {
            put(&mut self.output, b't', |out| out.extend([0, 0]));
        }
        if Command::parse(&text).has_rows() {
            describe_rows(&mut self.output);
        } else {
            put(&mut self.output, b'n', |_| {});
        }
    }

    fn execute(&mut self, db: &mut Database, now: u64, mut body: &[u8]) {
        let name = take_cstr(&mut body);
        let limit = body.get(..4).map_or(0, |b| u32::from_be_bytes(b.try_into().unwrap()));
        let Some(portal) = self.session.portals.get(&name).cloned() else {
            return self.fail("34000", "portal does not exist");
        };
        let how = How { simple: false, alone: true, limit: limit as usize, sent: portal.sent };
        match self.session.run(db, &portal.text, how, &mut self.output) {
            Done::Slow { ms } => {
                self.slow = Some(Slow { text: portal.text, how, until: now + ms });
            }
            Done::CopyIn => self.copying = Some(Copying { simple: false, lines: 0 }),
            Done::Failed => self.after_error(false),
            Done::Suspended { sent } => {
                if let Some(portal) = self.session.portals.get_mut(&name) {
                    portal.sent = sent;
                }
            }
            Done::Replied => {}
        }
    }

    fn close(&mut self, mut body: &[u8]) {
        let kind = body.first().copied().unwrap_or_default();
        body = body.get(1..).unwrap_or_default();
        let name = take_cstr(&mut body);
        if kind == b'S' {
            self.session.statements.remove(&name);
        } else {
            self.session.portals.remove(&name);
        }
        put(&mut self.output, b'3', |_| {});
    }

    /// A message while COPY waits for data. `Sync` and `Flush` are swallowed here.
    fn copy_message(&mut self, db: &mut Database, tag: u8) {
        let Some(mut copying) = self.copying else { return };
        match tag {
            b'd' => {
                copying.lines += 1;
                self.copying = Some(copying);
            }
            b'c' => {
                self.copying = None;
                let text = format!("COPY {}\0", copying.lines);
                put(&mut self.output, b'C', |out| out.extend(text.as_bytes()));
            }
            b'S' | b'H' => {}
            b'X' => self.end(db),
            _ => {
                db.seen.copies_failed += u64::from(tag == b'f');
                self.copying = None;
                let sqlstate = if tag == b'f' { "57014" } else { "08P01" };
                self.session.fail(sqlstate, "COPY from stdin failed", &mut self.output);
                self.after_error(copying.simple);
                if tag != b'f' && db.loses_sync {
                    let text = "terminating connection because protocol synchronization was lost";
                    put_report(&mut self.output, b'E', "FATAL", "08P01", text);
                    self.end(db);
                }
            }
        }
    }
}
