//! The extended protocol: statements, portals, and their execution.

use std::rc::Rc;

use super::backend::{Backend, Copying, Slow};
use super::command::{Columns, Command};
use super::database::Database;
use super::lexer::split;
use super::prepared::{known_portal, known_statement, unknown_portal, unknown_statement};
use super::reader::{Malformed, Reader};
use super::reply::{Failure, complete, describe};
use super::run::{Done, aborted, syntax_error};
use super::session::{How, Portal, Statement};
use crate::sim::message::put;

type Result = std::result::Result<(), Failure>;

/// What a `Bind` says.
struct Binding {
    portal: String,
    statement: String,
    formats: usize,
    parameters: Vec<Option<Vec<u8>>>,
    results: Vec<u16>,
}

impl Backend {
    /// Parse, Bind, Describe, Execute or Close.
    pub(super) fn extended(&mut self, db: &mut Database, now: u64, tag: u8, body: &[u8]) -> Result {
        let mut body = Reader::new(body);
        match tag {
            b'P' => self.parse(db, &mut body),
            b'B' => self.bind(db, &mut body),
            b'D' => self.describe(db, &mut body),
            b'E' => self.execute(db, now, &mut body),
            _ => self.close(&mut body),
        }
    }

    fn parse(&mut self, db: &Database, body: &mut Reader<'_>) -> Result {
        let name = body.text()?;
        let text = body.text()?;
        let mut types = Vec::new();
        for _ in 0..body.number16()? {
            types.push(body.number32()?);
        }
        body.end()?;
        if name.is_empty() {
            self.session.statements.remove("");
        }
        let command = single(text)?;
        if self.session.failed() && !command.ends_transaction() && command != Command::Empty {
            return Err(aborted());
        }
        self.session.analyze(&command)?;
        if !name.is_empty() && self.session.statements.contains_key(name) {
            return Err(known_statement());
        }
        let known = command.parameters();
        let types = (0..known.len().max(types.len()))
            .map(|index| match types.get(index) {
                Some(declared) if *declared != 0 => *declared,
                _ => known.get(index).copied().unwrap_or(25),
            })
            .collect();
        let statement = self.session.statement(db, command, text, types);
        self.session.statements.insert(name.to_owned(), Rc::new(statement));
        self.session.open_transaction();
        put(&mut self.output, b'1', |_| {});
        Ok(())
    }

    fn bind(&mut self, db: &Database, body: &mut Reader<'_>) -> Result {
        let binding = Binding::read(body)?;
        let statement = self.session.statements.get(&binding.statement);
        let statement = statement.cloned().ok_or_else(unknown_statement)?;
        let count = binding.parameters.len();
        if (binding.formats > 1 && binding.formats != count) || count != statement.types.len() {
            return Err(Malformed.into());
        }
        let exits = statement.command.ends_transaction() && count == 0;
        if self.session.failed() && !exits {
            return Err(aborted());
        }
        let name = &binding.portal;
        if !name.is_empty() && self.session.portals.contains_key(name) {
            return Err(known_portal());
        }
        check_numbers(&statement, &binding.parameters)?;
        self.session.revalidate(db, &statement)?;
        let format = binding.results.first().copied().unwrap_or(0);
        self.session.open_portal(name, statement, binding.parameters.into(), format);
        put(&mut self.output, b'2', |_| {});
        Ok(())
    }

    fn describe(&mut self, db: &Database, body: &mut Reader<'_>) -> Result {
        let kind = body.byte()?;
        let name = body.text()?;
        body.end()?;
        let (statement, format) = match kind {
            b'S' => {
                let statement = self.session.statements.get(name).cloned();
                (statement.ok_or_else(unknown_statement)?, 0)
            }
            b'P' => {
                let portal = self.session.portals.get(name).ok_or_else(unknown_portal)?;
                (portal.statement.clone(), portal.format)
            }
            _ => return Err(Malformed.into()),
        };
        let columns = self.session.columns(&statement.command);
        if self.session.failed() && columns != Columns::NoRows {
            return Err(aborted());
        }
        self.session.open_transaction();
        if kind == b'S' {
            put(&mut self.output, b't', |out| {
                out.extend((statement.types.len() as u16).to_be_bytes());
                statement.types.iter().for_each(|oid| out.extend(oid.to_be_bytes()));
            });
            self.session.revalidate(db, &statement)?;
        }
        describe(columns, format, &mut self.output);
        Ok(())
    }

    fn execute(&mut self, db: &mut Database, now: u64, body: &mut Reader<'_>) -> Result {
        let name = body.text()?;
        let limit = body.number32()? as usize;
        body.end()?;
        let portal = self.session.portals.get(name).cloned().ok_or_else(unknown_portal)?;
        let command = &portal.statement.command;
        if self.session.failed() && !command.ends_transaction() && *command != Command::Empty {
            return Err(aborted());
        }
        if portal.done || (portal.sent > 0 && has_one_row(command)) {
            return self.execute_again(name, command);
        }
        let how = How { simple: false, alone: true, limit, sent: portal.sent };
        let done = self.session.run(db, command, &portal.parameters, how, &mut self.output)?;
        self.executed(db, now, name, &portal, how, done);
        Ok(())
    }

    fn execute_again(&mut self, name: &str, command: &Command) -> Result {
        if self.session.columns(command) == Columns::NoRows {
            return Err(Failure::new("55000", "the portal cannot be run"));
        }
        if let Some(portal) = self.session.portals.get_mut(name) {
            portal.done = true;
        }
        let tag = if matches!(command, Command::Show(_)) { "SHOW" } else { "SELECT 0" };
        complete(tag, &mut self.output);
        Ok(())
    }

    fn executed(
        &mut self,
        db: &mut Database,
        now: u64,
        name: &str,
        portal: &Portal,
        how: How,
        done: Done,
    ) {
        let mut sent = portal.sent;
        let mut finished = true;
        match done {
            Done::Complete(tag) => complete(&tag, &mut self.output),
            Done::Empty => put(&mut self.output, b'I', |_| {}),
            Done::Suspended { sent: now_sent } => {
                sent = now_sent;
                finished = false;
                put(&mut self.output, b's', |_| {});
            }
            Done::Slow { ms, value } => {
                let text = portal.statement.text.clone();
                self.slow = Some(Slow { text, value, how, until: now + ms });
            }
            Done::CopyIn(table) => self.copying = Some(Copying::new(false, &table)),
            Done::Dies => return self.kill(db),
        }
        if let Some(portal) = self.session.portals.get_mut(name) {
            (portal.sent, portal.done) = (sent, finished);
        }
        if let Some(transaction) = &mut self.session.transaction {
            transaction.pipelining = true;
        }
    }

    fn close(&mut self, body: &mut Reader<'_>) -> Result {
        let kind = body.byte()?;
        let name = body.text()?;
        body.end()?;
        match kind {
            b'S' => drop(self.session.statements.remove(name)),
            b'P' => drop(self.session.portals.remove(name)),
            _ => return Err(Malformed.into()),
        }
        put(&mut self.output, b'3', |_| {});
        Ok(())
    }
}

impl Binding {
    fn read(body: &mut Reader<'_>) -> std::result::Result<Self, Failure> {
        let portal = body.text()?.to_owned();
        let statement = body.text()?.to_owned();
        let formats = body.number16()?;
        for _ in 0..formats {
            body.number16()?;
        }
        let mut parameters = Vec::new();
        for _ in 0..body.number16()? {
            parameters.push(body.value()?.map(<[u8]>::to_vec));
        }
        let mut results = Vec::new();
        for _ in 0..body.number16()? {
            results.push(body.number16()?);
        }
        body.end()?;
        Ok(Self { portal, statement, formats: formats.into(), parameters, results })
    }
}

/// The only statement of `text`.
fn single(text: &str) -> std::result::Result<Command, Failure> {
    let statements = split(text).into_iter().map(Command::parse);
    let mut statements = statements.filter(|command| *command != Command::Empty);
    match (statements.next(), statements.next()) {
        (Some(Command::Unknown), _) | (_, Some(_)) => Err(syntax_error()),
        (Some(command), None) => Ok(command),
        (None, None) => Ok(Command::Empty),
    }
}

/// Parameters that must be numbers are read when they are bound.
fn check_numbers(statement: &Statement, parameters: &[Option<Vec<u8>>]) -> Result {
    const INT8: u32 = 20;
    for (oid, value) in statement.types.iter().zip(parameters) {
        let Some(value) = value else { continue };
        let number = std::str::from_utf8(value).ok().and_then(|text| text.parse::<i64>().ok());
        if *oid == INT8 && number.is_none() {
            return Err(Failure::new("22P02", "invalid input syntax for type bigint"));
        }
    }
    Ok(())
}

/// Whether its rows are all sent with the first one.
fn has_one_row(command: &Command) -> bool {
    !matches!(
        command,
        Command::Rows(..) | Command::Partial(..) | Command::Execute(_) | Command::Fetch(..)
    )
}
