//! Prepared statements and cursors, by commands of SQL.
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a function gets its own family's commands only"
)]

use std::borrow::Cow;
use std::rc::Rc;

use super::command::Command;
use super::database::Database;
use super::reply::Failure;
use super::run::{Done, Outcome, done};
use super::session::{How, Portal, Session, Statement};
use super::transaction::Undo;

impl Session {
    pub(super) fn run_prepared(
        &mut self,
        db: &mut Database,
        command: &Command,
        how: How,
        out: &mut Vec<u8>,
    ) -> Outcome {
        match command {
            Command::Deallocate(None) => {
                self.statements.retain(|name, _| name.is_empty());
                done("DEALLOCATE ALL")
            }
            Command::Deallocate(Some(name)) => {
                self.statements.remove(name).ok_or_else(unknown_statement)?;
                done("DEALLOCATE")
            }
            Command::Prepare(name, inner) => {
                self.analyze(inner)?;
                if self.statements.contains_key(name) {
                    return Err(known_statement());
                }
                let statement = self.statement(db, (**inner).clone(), name, Vec::new());
                self.statements.insert(name.clone(), Rc::new(statement));
                done("PREPARE")
            }
            Command::Execute(name) => {
                let statement = self.statements.get(name).cloned();
                let statement = statement.ok_or_else(unknown_statement)?;
                self.revalidate(db, &statement)?;
                self.run(db, &statement.command, &[], how, out)
            }
            _ => self.run_cursor(db, command, how, out),
        }
    }

    /// A statement to keep.
    pub(super) fn statement(
        &self,
        db: &Database,
        command: Command,
        text: &str,
        types: Vec<u32>,
    ) -> Statement {
        Statement { command, text: text.to_owned(), types, generation: self.generation(db) }
    }

    fn run_cursor(
        &mut self,
        db: &mut Database,
        command: &Command,
        how: How,
        out: &mut Vec<u8>,
    ) -> Outcome {
        match command {
            Command::Declare { name, hold, query } => {
                if !hold && !self.in_block(how) {
                    return Err(Failure::new("25P01", "it can only be used in transaction blocks"));
                }
                if self.portals.contains_key(name) {
                    return Err(known_portal());
                }
                let statement = Rc::new(self.statement(db, (**query).clone(), name, Vec::new()));
                self.open_portal(name, statement, Rc::new([]), 0);
                if let Some(portal) = self.portals.get_mut(name) {
                    portal.hold = *hold;
                }
                done("DECLARE CURSOR")
            }
            Command::CloseCursor(None) => {
                // The portal that runs this command stays.
                self.portals.retain(|name, _| name.is_empty());
                done("CLOSE CURSOR ALL")
            }
            Command::CloseCursor(Some(name)) => {
                self.portals.remove(name).ok_or_else(unknown_portal)?;
                done("CLOSE CURSOR")
            }
            Command::Fetch(count, name) => {
                let portal = self.portals.get(name).cloned().ok_or_else(unknown_portal)?;
                self.fetch(db, *count, name, &portal, out)
            }
            _ => done("CLOSE CURSOR"),
        }
    }

    fn fetch(
        &mut self,
        db: &mut Database,
        limit: usize,
        name: &str,
        portal: &Portal,
        out: &mut Vec<u8>,
    ) -> Outcome {
        let how = How { simple: false, alone: true, limit, sent: portal.sent };
        let outcome = if portal.done {
            Done::Complete(Cow::Borrowed("SELECT 0"))
        } else {
            self.run(db, &portal.statement.command, &portal.parameters, how, out)?
        };
        let (sent, done) = match &outcome {
            Done::Suspended { sent } => (*sent, false),
            Done::Complete(tag) => {
                let rows: usize = tag.rsplit(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
                (portal.sent + rows, true)
            }
            _ => return Ok(outcome),
        };
        if let Some(portal) = self.portals.get_mut(name) {
            (portal.sent, portal.done) = (sent, done);
        }
        Ok(Done::Complete(Cow::Owned(format!("FETCH {}", sent - portal.sent))))
    }

    /// Opens a portal; it goes with the transaction, or the savepoint, in which it was opened.
    pub(super) fn open_portal(
        &mut self,
        name: &str,
        statement: Rc<Statement>,
        parameters: Rc<[Option<Vec<u8>>]>,
        format: u16,
    ) {
        let portal = Portal { statement, parameters, format, sent: 0, done: false, hold: false };
        self.portals.insert(name.to_owned(), portal);
        self.open_transaction().log(Undo::Opened(name.to_owned()));
    }
}

pub(super) fn unknown_statement() -> Failure {
    Failure::new("26000", "the prepared statement does not exist")
}

pub(super) fn known_statement() -> Failure {
    Failure::new("42P05", "the prepared statement already exists")
}

pub(super) fn unknown_portal() -> Failure {
    Failure::new("34000", "the portal does not exist")
}

pub(super) fn known_portal() -> Failure {
    Failure::new("42P03", "the cursor already exists")
}
