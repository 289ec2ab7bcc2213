//! Executes commands in one session: transactions, state, effects.

use std::collections::BTreeMap;

use super::command::Command;
use super::database::Database;
use crate::sim::message::{put, put_cstr, put_report};

/// What one session remembers.
#[derive(Debug, Default)]
pub(super) struct Session {
    transaction: Option<Transaction>,
    /// What `set` and its like left behind.
    variables: BTreeMap<String, String>,
    /// What `load` left behind: nothing clears it.
    loaded: BTreeMap<String, String>,
    /// Named and unnamed statements.
    pub(super) statements: BTreeMap<String, String>,
    /// Named and unnamed portals.
    pub(super) portals: BTreeMap<String, Portal>,
}

/// A bound statement.
#[derive(Clone, Debug)]
pub(super) struct Portal {
    /// Its text.
    pub(super) text: String,
    /// Rows that were already sent.
    pub(super) sent: usize,
}

#[derive(Debug)]
struct Transaction {
    explicit: bool,
    failed: bool,
    fails_at_commit: bool,
    inserts: Vec<u64>,
    variables_before: BTreeMap<String, String>,
}

/// How a statement ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// Its reply is written.
    Replied,
    /// Rows are left in the portal.
    Suspended { sent: usize },
    /// It goes on until then.
    Slow { ms: u64 },
    /// It expects COPY data.
    CopyIn,
    /// It failed; the error is written.
    Failed,
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
    pub(super) fn fail(&mut self, sqlstate: &str, text: &str, out: &mut Vec<u8>) {
        put_report(out, b'E', "ERROR", sqlstate, text);
        self.open_transaction().failed = true;
    }

    /// Runs one statement.
    pub(super) fn run(
        &mut self,
        db: &mut Database,
        text: &str,
        how: How,
        out: &mut Vec<u8>,
    ) -> Done {
        let command = Command::parse(text);
        if self.failed() && !command.ends_transaction() && command != Command::Empty {
            self.fail("25P02", "current transaction is aborted", out);
            return Done::Failed;
        }
        match command {
            Command::Begin => {
                self.open_transaction().explicit = true;
                tag(out, "BEGIN")
            }
            Command::Commit => self.commit_command(db, out),
            Command::Rollback => {
                db.seen.rollbacks += 1;
                self.roll_back();
                tag(out, "ROLLBACK")
            }
            Command::DiscardAll => self.discard(db, how, out),
            Command::DeallocateAll => {
                db.seen.purges += 1;
                self.statements.retain(|name, _| name.is_empty());
                tag(out, "DEALLOCATE ALL")
            }
            Command::Empty => {
                put(out, b'I', |_| {});
                Done::Replied
            }
            Command::Echo(_)
            | Command::Rows(..)
            | Command::Insert(_)
            | Command::Deferred(_)
            | Command::Slow(..)
            | Command::Fail(_)
            | Command::Leave { .. }
            | Command::Show(_)
            | Command::CopyIn
            | Command::CopyOut(..)
            | Command::Unknown => {
                self.open_transaction();
                self.run_plain(&command, how, out)
            }
        }
    }

    fn run_plain(&mut self, command: &Command, how: How, out: &mut Vec<u8>) -> Done {
        if how.simple && command.has_rows() && !matches!(command, Command::Slow(..)) {
            describe_rows(out);
        }
        match command {
            Command::Echo(value) => one_row(out, value),
            Command::Show(name) => {
                let value = self.variables.get(name).or_else(|| self.loaded.get(name));
                one_row(out, &value.cloned().unwrap_or_default())
            }
            Command::Rows(count, size, value) => rows(out, *count, *size, value, how),
            Command::Insert(id) => {
                self.open_transaction().inserts.push(*id);
                tag(out, "INSERT 0 1")
            }
            Command::Deferred(id) => {
                let transaction = self.open_transaction();
                transaction.inserts.push(*id);
                transaction.fails_at_commit = true;
                tag(out, "INSERT 0 1")
            }
            Command::Slow(ms, _) => Done::Slow { ms: *ms },
            Command::Fail(sqlstate) => {
                self.fail(sqlstate, "failed as asked", out);
                Done::Failed
            }
            Command::Leave { tag, name, value } => self.leave(tag, name, value, out),
            Command::CopyIn => {
                put(out, b'G', |out| out.extend([0, 0, 0]));
                Done::CopyIn
            }
            Command::CopyOut(count, value) => copy_out(out, *count, value),
            Command::Begin
            | Command::Commit
            | Command::Rollback
            | Command::DiscardAll
            | Command::DeallocateAll
            | Command::Empty
            | Command::Unknown => {
                self.fail("42601", "syntax error", out);
                Done::Failed
            }
        }
    }

    fn leave(&mut self, text: &str, name: &str, value: &str, out: &mut Vec<u8>) -> Done {
        match text {
            "RESET" => {}
            "LOAD" => {
                self.loaded.insert(name.to_owned(), value.to_owned());
            }
            _ => {
                self.variables.insert(name.to_owned(), value.to_owned());
            }
        }
        if text == "SELECT 1" {
            data_row(out, value.as_bytes());
        }
        tag(out, text)
    }

    /// Writes the reply of a slow statement that has come to its end.
    pub(super) fn finish_slow(&self, text: &str, how: How, out: &mut Vec<u8>) {
        let Command::Slow(_, value) = Command::parse(text) else { return };
        if how.simple {
            describe_rows(out);
        }
        one_row(out, &value);
    }

    /// `Sync`, or the end of a simple query: an implicit transaction ends here.
    pub(super) fn end_implicit(&mut self, db: &mut Database, out: &mut Vec<u8>) {
        let (explicit, failed) =
            self.transaction.as_ref().map_or((false, false), |t| (t.explicit, t.failed));
        if failed && !explicit {
            self.roll_back();
        } else if !explicit && !self.commit(db) {
            put_report(out, b'E', "ERROR", "23503", "deferred constraint violated");
        }
        if self.transaction.is_none() {
            self.portals.clear();
        }
    }

    /// The connection is gone.
    pub(super) fn roll_back(&mut self) {
        if let Some(transaction) = self.transaction.take() {
            self.variables = transaction.variables_before;
        }
        self.portals.clear();
    }

    fn open_transaction(&mut self) -> &mut Transaction {
        self.transaction.get_or_insert_with(|| Transaction {
            explicit: false,
            failed: false,
            fails_at_commit: false,
            inserts: Vec::new(),
            variables_before: self.variables.clone(),
        })
    }

    fn commit_command(&mut self, db: &mut Database, out: &mut Vec<u8>) -> Done {
        if self.transaction.as_ref().is_some_and(|t| t.failed) {
            self.roll_back();
            return tag(out, "ROLLBACK");
        }
        if self.commit(db) {
            return tag(out, "COMMIT");
        }
        put_report(out, b'E', "ERROR", "23503", "deferred constraint violated");
        Done::Failed
    }

    fn commit(&mut self, db: &mut Database) -> bool {
        let Some(transaction) = self.transaction.take() else { return true };
        if transaction.fails_at_commit {
            self.variables = transaction.variables_before;
            return false;
        }
        for id in transaction.inserts {
            *db.committed.entry(id).or_default() += 1;
        }
        true
    }

    fn discard(&mut self, db: &mut Database, how: How, out: &mut Vec<u8>) -> Done {
        let inside = self.transaction.is_some() || !how.alone;
        if inside && db.discard_fails_in_transaction {
            self.fail("25001", "DISCARD ALL cannot run inside a transaction block", out);
            return Done::Failed;
        }
        if !inside {
            self.statements.clear();
            db.seen.discards += 1;
        }
        self.variables.clear();
        tag(out, "DISCARD ALL")
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

/// Writes the description of the one column there is.
pub(super) fn describe_rows(out: &mut Vec<u8>) {
    put(out, b'T', |out| {
        out.extend(1u16.to_be_bytes());
        put_cstr(out, "value");
        out.extend(0u32.to_be_bytes());
        out.extend(0u16.to_be_bytes());
        out.extend(25u32.to_be_bytes());
        out.extend(u16::MAX.to_be_bytes());
        out.extend(u32::MAX.to_be_bytes());
        out.extend(0u16.to_be_bytes());
    });
}

fn tag(out: &mut Vec<u8>, text: &str) -> Done {
    put(out, b'C', |out| put_cstr(out, text));
    Done::Replied
}

fn one_row(out: &mut Vec<u8>, value: &str) -> Done {
    data_row(out, value.as_bytes());
    tag(out, "SELECT 1")
}

fn data_row(out: &mut Vec<u8>, value: &[u8]) {
    put(out, b'D', |out| {
        out.extend(1u16.to_be_bytes());
        out.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
        out.extend_from_slice(value);
    });
}

fn rows(out: &mut Vec<u8>, count: usize, size: usize, value: &str, how: How) -> Done {
    let end = if how.limit == 0 { count } else { count.min(how.sent + how.limit) };
    for index in how.sent..end {
        let mut text = format!("{value}:{index}:").into_bytes();
        text.resize(text.len().max(size), b'.');
        data_row(out, &text);
    }
    if how.limit > 0 && end - how.sent == how.limit {
        put(out, b's', |_| {});
        return Done::Suspended { sent: end };
    }
    tag(out, &format!("SELECT {}", end - how.sent))
}

fn copy_out(out: &mut Vec<u8>, count: usize, value: &str) -> Done {
    put(out, b'H', |out| out.extend([0, 0, 0]));
    for index in 0..count {
        put(out, b'd', |out| out.extend(format!("{value}:{index}\n").as_bytes()));
    }
    put(out, b'c', |_| {});
    tag(out, &format!("COPY {count}"))
}
