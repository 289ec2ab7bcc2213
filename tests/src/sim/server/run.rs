//! Executes statements: one function for each family of commands.
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a function gets its own family's commands only"
)]

use std::borrow::Cow;

use super::command::{Columns, Command, Value, What};
use super::database::Database;
use super::reply::{Failure, copy_begins, describe};
use super::session::{How, Rows, Session};
use super::transaction::Undo;
use crate::sim::message::{put, put_report};

/// How a statement ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// With this tag.
    Complete(Cow<'static, str>),
    /// There was nothing to do.
    Empty,
    /// Rows are left in the portal.
    Suspended { sent: usize },
    /// It answers with this value, so much later.
    Slow { ms: u64, value: String },
    /// It expects COPY data for this table.
    CopyIn(String),
    /// The session ends.
    Dies,
}

/// How a statement ended, or why it failed.
pub(super) type Outcome = Result<Done, Failure>;

/// Parameters of a statement, in text.
pub(super) type Parameters = [Option<Vec<u8>>];

pub(super) fn done(tag: &'static str) -> Outcome {
    Ok(Done::Complete(Cow::Borrowed(tag)))
}

impl Session {
    /// Runs one statement.
    pub(super) fn run(
        &mut self,
        db: &mut Database,
        command: &Command,
        parameters: &Parameters,
        how: How,
        out: &mut Vec<u8>,
    ) -> Outcome {
        if self.failed() && !command.ends_transaction() && *command != Command::Empty {
            return Err(aborted());
        }
        self.analyze(command)?;
        let columns = self.columns(command);
        if how.simple && columns != Columns::NoRows && !is_indirect(command) {
            describe(columns, 0, out);
        }
        match command {
            Command::Begin(_)
            | Command::Commit
            | Command::Rollback
            | Command::Savepoint(_)
            | Command::RollbackTo(_)
            | Command::Release(_)
            | Command::SetTransaction => self.run_transaction(db, command, how, out),
            Command::Set { .. }
            | Command::SetConfig { .. }
            | Command::ResetAll
            | Command::Show(_) => self.run_setting(command, how, out),
            Command::Leave { tag, name, value } => self.leave(tag, name, value, how, out),
            Command::Discard(what) => self.discard(db, *what, how),
            Command::Deallocate(_)
            | Command::Prepare(..)
            | Command::Execute(_)
            | Command::Declare { .. }
            | Command::Fetch(..)
            | Command::CloseCursor(_) => self.run_prepared(db, command, how, out),
            Command::CreateTemp(_)
            | Command::Drop(_)
            | Command::Listen(_)
            | Command::Unlisten(_)
            | Command::Notify(..)
            | Command::Lock(..) => self.run_object(db, command, how, out),
            Command::Empty => Ok(Done::Empty),
            Command::Unknown => Err(syntax_error()),
            Command::Echo(_)
            | Command::Rows(..)
            | Command::Partial(..)
            | Command::Slow(..)
            | Command::Notice(_)
            | Command::Star(_)
            | Command::Read(_)
            | Command::Insert(_)
            | Command::Deferred(_)
            | Command::Fail(_)
            | Command::Die
            | Command::CopyIn(_)
            | Command::CopyOut(..)
            | Command::Alter => {
                self.open_transaction();
                self.run_plain(command, parameters, how, out)
            }
        }
    }

    fn run_plain(
        &mut self,
        command: &Command,
        parameters: &Parameters,
        how: How,
        out: &mut Vec<u8>,
    ) -> Outcome {
        match command {
            Command::Echo(value) => {
                let value = match value {
                    Value::Text(text) => Some(text.as_bytes()),
                    Value::Parameter(index) => parameters.get(*index).and_then(Option::as_deref),
                };
                select(&Rows::One(value), how, out)
            }
            Command::Rows(count, size, value) => {
                select(&Rows::Many { count: *count, size: *size, value, error: None }, how, out)
            }
            Command::Partial(count, error, value) => {
                let error = Some(error.as_str());
                select(&Rows::Many { count: *count, size: 0, value, error }, how, out)
            }
            Command::Notice(value) => {
                put_report(out, b'N', "NOTICE", "00000", value);
                self.urgent = out.len();
                select(&Rows::One(Some(value.as_bytes())), how, out)
            }
            Command::Star(value) => select(&Rows::One(Some(value.as_bytes())), how, out),
            Command::Read(_) => select(&Rows::Nothing, how, out),
            Command::Insert(id) => self.insert(id, parameters),
            Command::Deferred(id) => {
                let work = &mut self.open_transaction().work;
                work.inserts.push(*id);
                work.fails_at_commit = true;
                done("INSERT 0 1")
            }
            Command::Slow(ms, value) => Ok(Done::Slow { ms: *ms, value: value.clone() }),
            Command::Fail(sqlstate) => Err(Failure::new(sqlstate.clone(), "failed as asked")),
            Command::Die => Ok(Done::Dies),
            Command::CopyIn(table) => {
                copy_begins(b'G', out);
                self.urgent = out.len();
                Ok(Done::CopyIn(table.clone()))
            }
            Command::CopyOut(count, value) => Ok(copy_out(*count, value, out)),
            Command::Alter => {
                self.open_transaction().work.alters += 1;
                done("ALTER TABLE")
            }
            _ => Err(syntax_error()),
        }
    }

    fn insert(&mut self, id: &Value, parameters: &Parameters) -> Outcome {
        let id = match id {
            Value::Text(text) => text.parse().unwrap_or(0),
            Value::Parameter(index) => {
                let text = parameters.get(*index).and_then(Option::as_deref).unwrap_or_default();
                let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
                number.ok_or_else(|| Failure::new("22P02", "invalid input syntax"))?
            }
        };
        self.open_transaction().work.inserts.push(id);
        done("INSERT 0 1")
    }

    fn leave(
        &mut self,
        tag: &'static str,
        name: &str,
        value: &str,
        how: How,
        out: &mut Vec<u8>,
    ) -> Outcome {
        self.open_transaction();
        match tag {
            "LOAD" => {
                self.loaded.insert(name.to_owned(), value.to_owned());
            }
            _ => {
                let before = self.variables.insert(name.to_owned(), value.to_owned());
                self.open_transaction().log(Undo::Variable(name.to_owned(), before));
            }
        }
        if tag == "SELECT 1" {
            return select(&Rows::One(Some(value.as_bytes())), how, out);
        }
        done(tag)
    }

    fn discard(&mut self, db: &mut Database, what: What, how: How) -> Outcome {
        match what {
            What::Plans => return done("DISCARD PLANS"),
            What::Sequences => return done("DISCARD SEQUENCES"),
            What::Temp => {
                for name in std::mem::take(&mut self.tables) {
                    self.open_transaction().log(Undo::Dropped(name));
                }
                return done("DISCARD TEMP");
            }
            What::All => {}
        }
        let pipelining = self.transaction.as_ref().is_some_and(|t| t.pipelining);
        let inside = self.in_block(how) || (!how.simple && pipelining);
        if inside && db.discard_fails_in_transaction {
            return Err(Failure::new("25001", "DISCARD ALL cannot run inside a transaction block"));
        }
        if !inside {
            self.statements.retain(|name, _| name.is_empty());
            self.portals.clear();
            self.tables.clear();
            self.listening.clear();
            db.publish(self.process, &self.listening);
            db.unlock_all(self.process);
            self.settings.discard();
            db.seen.discards += 1;
        }
        self.variables.clear();
        done("DISCARD ALL")
    }

    /// Whether it runs in a transaction block, be it one that nobody asked for.
    pub(super) fn in_block(&self, how: How) -> bool {
        self.is_explicit() || (how.simple && !how.alone)
    }
}

/// Whether another statement writes the description of its rows.
fn is_indirect(command: &Command) -> bool {
    matches!(command, Command::Execute(_))
}

/// Writes the rows of a query.
pub(super) fn select(rows: &Rows<'_>, how: How, out: &mut Vec<u8>) -> Outcome {
    tagged(rows, "SELECT", how, out)
}

/// Writes rows, for a command that counts them in its tag.
pub(super) fn tagged(rows: &Rows<'_>, tag: &str, how: How, out: &mut Vec<u8>) -> Outcome {
    let (sent, more) = rows.put(how, out)?;
    if more {
        return Ok(Done::Suspended { sent: how.sent + sent });
    }
    Ok(Done::Complete(Cow::Owned(format!("{tag} {sent}"))))
}

fn copy_out(count: usize, value: &str, out: &mut Vec<u8>) -> Done {
    copy_begins(b'H', out);
    for index in 0..count {
        put(out, b'd', |out| out.extend(format!("{value}:{index}\n").as_bytes()));
    }
    put(out, b'c', |_| {});
    Done::Complete(Cow::Owned(format!("COPY {count}")))
}

pub(super) fn syntax_error() -> Failure {
    Failure::new("42601", "syntax error")
}

pub(super) fn aborted() -> Failure {
    Failure::new("25P02", "current transaction is aborted")
}
