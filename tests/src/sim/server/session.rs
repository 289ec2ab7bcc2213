//! One session: what it remembers, and how its transactions end.
#![allow(clippy::wildcard_enum_match_arm, reason = "most commands are like most others")]

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::command::{Columns, Command};
use super::database::Database;
use super::reply::{Failure, row};
use super::run_state::LEFT;
use super::settings::Settings;
use super::transaction::{Transaction, Undo};
use crate::sim::message::put_report;

/// What one session remembers.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// Its process id, by which the database knows it.
    pub(super) process: i32,
    pub(super) transaction: Option<Transaction>,
    pub(super) settings: Settings,
    /// What commands left behind that leave something, whatever it is.
    pub(super) variables: BTreeMap<String, String>,
    /// What `load` left behind: nothing clears it.
    pub(super) loaded: BTreeMap<String, String>,
    /// Named and unnamed statements.
    pub(super) statements: BTreeMap<String, Rc<Statement>>,
    /// Named and unnamed portals, and cursors.
    pub(super) portals: BTreeMap<String, Portal>,
    /// Temporary tables.
    pub(super) tables: BTreeSet<String>,
    /// Channels it listens to.
    pub(super) listening: BTreeSet<String>,
    /// So much of the output must not wait for the end of the request.
    pub(super) urgent: usize,
}

/// A prepared statement.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) command: Command,
    /// The text it was prepared with.
    pub(super) text: String,
    /// Types of its parameters.
    pub(super) types: Vec<u32>,
    /// How often `alter` had been committed when it was prepared.
    pub(super) generation: u64,
}

/// A bound statement.
#[derive(Clone, Debug)]
pub(super) struct Portal {
    pub(super) statement: Rc<Statement>,
    pub(super) parameters: Rc<[Option<Vec<u8>>]>,
    /// The format of its result.
    pub(super) format: u16,
    /// Rows that were already sent.
    pub(super) sent: usize,
    /// It has come to its end.
    pub(super) done: bool,
    /// It outlives its transaction.
    pub(super) hold: bool,
}

impl Session {
    /// The letter of `ReadyForQuery`.
    #[must_use]
    pub(super) fn status(&self) -> u8 {
        match &self.transaction {
            Some(t) if t.explicit && t.failed => b'E',
            Some(t) if t.explicit => b'T',
            _ => b'I',
        }
    }

    /// Whether only the end of the transaction may run.
    #[must_use]
    pub(super) fn failed(&self) -> bool {
        self.status() == b'E'
    }

    /// Writes an error and marks the transaction.
    pub(super) fn fail(&mut self, failure: &Failure, out: &mut Vec<u8>) {
        failure.put(out);
        self.urgent = out.len();
        self.open_transaction().failed = true;
    }

    /// Writes a warning.
    pub(super) fn warn(&mut self, sqlstate: &str, text: &str, out: &mut Vec<u8>) {
        put_report(out, b'N', "WARNING", sqlstate, text);
        self.urgent = out.len();
    }

    /// The transaction that is open, or an implicit one.
    pub(super) fn open_transaction(&mut self) -> &mut Transaction {
        self.transaction.get_or_insert_default()
    }

    /// Whether a transaction is open that a command has begun.
    #[must_use]
    pub(super) fn is_explicit(&self) -> bool {
        self.transaction.as_ref().is_some_and(|transaction| transaction.explicit)
    }

    /// How often the tables have been altered, as this session sees it.
    #[must_use]
    pub(super) fn generation(&self, db: &Database) -> u64 {
        db.generation + self.transaction.as_ref().map_or(0, |transaction| transaction.work.alters)
    }

    /// Checks what is checked before a statement is planned.
    pub(super) fn analyze(&self, command: &Command) -> Result<(), Failure> {
        match command {
            Command::Read(name) if !self.tables.contains(name) => Err(undefined_table()),
            Command::Declare { query, .. } => self.analyze(query),
            Command::Show(name) if !LEFT.contains(&name.as_str()) => {
                let known = self.settings.value(name).map(drop);
                known.ok_or_else(|| Failure::new("42704", "unrecognized configuration parameter"))
            }
            _ => Ok(()),
        }
    }

    /// Checks a prepared statement before it is run again.
    pub(super) fn revalidate(&self, db: &Database, statement: &Statement) -> Result<(), Failure> {
        let is_stale = statement.generation != self.generation(db);
        if matches!(statement.command, Command::Star(_)) && is_stale {
            let mut failure = Failure::new("0A000", "cached plan must not change result type");
            failure.routine = Some("RevalidateCachedQuery");
            return Err(failure);
        }
        self.analyze(&statement.command)
    }

    /// The rows with which `command` answers.
    #[must_use]
    pub(super) fn columns(&self, command: &Command) -> Columns {
        let yes = match command {
            Command::Echo(_)
            | Command::Rows(..)
            | Command::Partial(..)
            | Command::Slow(..)
            | Command::Notice(_)
            | Command::Show(_)
            | Command::SetConfig { .. }
            | Command::Lock(..)
            | Command::Star(_) => true,
            Command::Leave { tag, .. } => *tag == "SELECT 1",
            Command::Read(_) => return Columns::Zero,
            Command::Execute(name) => {
                let statement = self.statements.get(name);
                return statement.map_or(Columns::NoRows, |s| self.columns(&s.command));
            }
            Command::Fetch(_, name) => self.portals.contains_key(name),
            _ => false,
        };
        if yes { Columns::One } else { Columns::NoRows }
    }

    /// `Sync`, or the end of a simple query: an implicit transaction ends here.
    pub(super) fn end_implicit(&mut self, db: &mut Database) -> Result<(), Failure> {
        match &self.transaction {
            Some(transaction) if transaction.explicit => Ok(()),
            Some(transaction) if transaction.failed => {
                self.roll_back();
                Ok(())
            }
            _ => self.commit(db),
        }
    }

    /// Undoes what is not committed.
    pub(super) fn roll_back(&mut self) {
        if let Some(transaction) = self.transaction.take() {
            transaction.into_undo().for_each(|undo| self.undo(undo));
        }
        self.portals.retain(|_, portal| portal.hold);
        self.settings.end_transaction();
    }

    /// Takes one change back.
    pub(super) fn undo(&mut self, undo: Undo) {
        match undo {
            Undo::Setting(name, before) => self.settings.undo(name, before),
            Undo::Variable(name, Some(before)) => {
                self.variables.insert(name, before);
            }
            Undo::Variable(name, None) => {
                self.variables.remove(&name);
            }
            Undo::Created(name) => {
                self.tables.remove(&name);
            }
            Undo::Dropped(name) => {
                self.tables.insert(name);
            }
            Undo::Listened(channel) => {
                self.listening.remove(&channel);
            }
            Undo::Unlistened(channels) => self.listening.extend(channels),
            Undo::Opened(name) => {
                self.portals.remove(&name);
            }
        }
    }

    /// Commits what is open.
    pub(super) fn commit(&mut self, db: &mut Database) -> Result<(), Failure> {
        if self.transaction.as_ref().is_some_and(|t| t.work.fails_at_commit) {
            self.roll_back();
            return Err(Failure::new("23503", "deferred constraint violated"));
        }
        if let Some(transaction) = self.transaction.take() {
            db.publish(self.process, &self.listening);
            db.commit(self.process, transaction.work);
        }
        self.portals.retain(|_, portal| portal.hold);
        self.settings.end_transaction();
        Ok(())
    }

    /// The session ends; what it held of the database is free.
    pub(super) fn end(&mut self, db: &mut Database) {
        self.roll_back();
        self.listening.clear();
        db.forget(self.process);
    }

    /// Sends what was notified to it, if it is between two transactions: of the channels to which it
    /// still listens, as the real one does.
    pub(super) fn put_notifications(&mut self, db: &mut Database, out: &mut Vec<u8>) {
        if self.status() != b'I' {
            return;
        }
        for mail in db.mail.remove(&self.process).unwrap_or_default() {
            if self.listening.contains(&mail.channel) {
                *db.notified.entry(mail.channel.clone()).or_default() += 1;
                mail.put(out);
                self.urgent = out.len();
            }
        }
    }
}

/// How a statement was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct How {
    /// By `Query` rather than `Execute`.
    pub(super) simple: bool,
    /// Alone in its query.
    pub(super) alone: bool,
    /// At most this many rows, after those already sent; 0 for all.
    pub(super) limit: usize,
    /// Rows already sent.
    pub(super) sent: usize,
}

/// The rows of a statement.
#[derive(Debug)]
pub(super) enum Rows<'a> {
    /// One.
    One(Option<&'a [u8]>),
    /// None, and they would have no column.
    Nothing,
    /// Many, and perhaps an error after them.
    Many { count: usize, size: usize, value: &'a str, error: Option<&'a str> },
}

impl Rows<'_> {
    /// Writes the rows from `how.sent` on; how many there were, and whether more may follow.
    pub(super) fn put(&self, how: How, out: &mut Vec<u8>) -> Result<(usize, bool), Failure> {
        let count = match self {
            Self::One(_) => 1,
            Self::Nothing => 0,
            Self::Many { count, .. } => *count,
        };
        let wanted = if how.limit == 0 { usize::MAX } else { how.limit };
        let end = count.min(how.sent.saturating_add(wanted));
        for index in how.sent..end {
            match self {
                Self::One(value) => row(*value, out),
                Self::Nothing => {}
                Self::Many { size, value, .. } => {
                    let mut text = format!("{value}:{index}:").into_bytes();
                    text.resize(text.len().max(*size), b'.');
                    row(Some(&text), out);
                }
            }
        }
        let sent = end.saturating_sub(how.sent);
        let more = sent == wanted;
        match self {
            Self::Many { error: Some(sqlstate), .. } if !more => {
                Err(Failure::new((*sqlstate).to_owned(), "failed as asked"))
            }
            _ => Ok((sent, more)),
        }
    }
}

pub(super) fn undefined_table() -> Failure {
    Failure::new("42P01", "the relation does not exist")
}
