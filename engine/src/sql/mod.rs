//! What one SQL text shows: what it leaves in a session, what it sets, what it does to the
//! transaction.
//!
//! Only the server knows what SQL does. This reads as much as can be known from the text alone and
//! errs on the side of a sign. It need be right only for texts that the server accepts: another one
//! changes nothing.

mod coarse;
mod control;
mod extent;
mod fingerprint;
mod fold;
mod lexer;
mod scan;
mod setting;
mod signs;

pub(crate) use self::control::{Control, Deallocate};
pub(crate) use self::fingerprint::{fingerprint, normalised};
pub(crate) use self::setting::{Change, literal};
pub(crate) use self::signs::{Sign, Signs, is_of_rows};

pub(crate) use self::lexer::Kind;
#[cfg(any(fuzzing, feature = "fuzzing"))]
pub(crate) use self::lexer::Lexer;

use self::extent::Extent;
use self::lexer::{Token, Tokens};
use self::setting::Effect;
use self::signs::Walk;
use crate::limits::SETTINGS_MAX;

/// Everything a look at one SQL text shows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) signs: Signs,
    /// Plain `SET`s and `RESET`s in order, if the text's effect on the session is exactly these.
    pub(crate) changes: Vec<Change>,
    /// Statements that are not empty. At least 2 if the text has more than one reading, so that
    /// nobody takes it for a single one.
    pub(crate) statements: usize,
    /// What its only statement does to the transaction; nothing, for a text of several.
    pub(crate) control: Control,
    /// Its only statement ends a transaction and begins the next: `AND CHAIN`.
    pub(crate) chain: bool,
    /// What it has in common with texts that differ in constants only; 0 if nobody asked.
    pub(crate) fingerprint: u64,
    /// It holds a command that changes sessions, so that its tag tells nothing new.
    pub(crate) shows_command: bool,
    /// The text is exactly one `DEALLOCATE`.
    pub(crate) deallocate: Option<Deallocate>,
    /// The text is exactly one `DISCARD ALL`; its effect on settings is in `changes`.
    pub(crate) discard_all: bool,
}

impl Facts {
    /// True if the session lets go of prepared statements when the text has run.
    pub(crate) fn forgets(&self) -> bool {
        self.deallocate.is_some() || self.discard_all
    }

    /// True if anything is known that matters when the text has run.
    pub(crate) fn matter(&self) -> bool {
        self.signs.state.is_some()
            || self.signs.indelible
            || self.signs.copy_in
            || !self.changes.is_empty()
            || self.control != Control::None
            || self.deallocate.is_some()
            || self.shows_command
    }
}

/// Reads a text.
pub(crate) fn read(sql: &[u8]) -> Facts {
    Reading::default().of(sql).unwrap_or_else(|| coarse::read(sql))
}

/// What was read so far.
#[derive(Default)]
struct Reading {
    facts: Facts,
    /// A statement about transactions was among them.
    controls: bool,
    /// A statement about all prepared statements, or about one by name.
    deallocates: bool,
}

impl Reading {
    /// None if the text has more than one reading.
    fn of(mut self, sql: &[u8]) -> Option<Facts> {
        let mut tokens = Tokens::new(sql);
        while let Some(first) = tokens.next() {
            if first.kind != Kind::Semicolon {
                self.facts.statements += 1;
                self.statement(first, &mut tokens)?;
            }
        }
        Some(self.finished())
    }

    /// Reads one statement, up to and with its semicolon.
    fn statement<'a>(&mut self, first: Token<'a>, tokens: &mut Tokens<'a>) -> Option<()> {
        let (mut command, mut behind) = (first, *tokens);
        if command.kind == Kind::Open {
            command = behind.find(|token| token.kind != Kind::Open)?;
        }
        self.command(&command, behind);
        let mut extent = Extent::new(&first, *tokens);
        let mut walk = Walk::new(&command);
        let mut next = Some(first);
        while let Some(token) = next.take() {
            if token.unclear {
                return None;
            }
            if extent.ends_with(&token) {
                break;
            }
            self.facts.signs.copy_in |= walk.copies_in(&token);
            if let Some(sign) = walk.see(token, *tokens) {
                self.sign(sign);
            }
            next = tokens.next();
        }
        if extent.is_open() {
            self.sign(Sign::Unclear);
        }
        Some(())
    }

    fn note(&mut self, signs: Signs) {
        self.facts.signs = self.facts.signs.and(signs);
    }

    fn sign(&mut self, sign: Sign) {
        self.note(Signs { state: Some(sign), ..Signs::default() });
    }

    /// What a statement's first words say.
    fn command(&mut self, first: &Token<'_>, behind: Tokens<'_>) {
        let (control, chain) = control::control(first, behind);
        self.facts.shows_command |= Signs::of_command(first) != Signs::default();
        if control != Control::None {
            (self.facts.control, self.facts.chain) = (control, chain);
            self.controls = true;
        } else if first.is("set") {
            self.effect(setting::set(behind));
        } else if first.is("reset") {
            self.effect(setting::reset(behind));
        } else if first.is("deallocate") {
            self.facts.deallocate = control::deallocate(behind);
            self.deallocates = true;
        } else if first.is("discard") {
            self.discard(behind);
        } else if !first.is("declare") {
            self.note(Signs::of_command(first));
        }
    }

    fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::Local => {}
            Effect::Change(change) if self.facts.changes.len() < SETTINGS_MAX => {
                self.facts.changes.push(change);
            }
            Effect::Change(_) => self.sign(Sign::Set),
            Effect::Sign(sign) => self.sign(sign),
        }
    }

    fn discard(&mut self, behind: Tokens<'_>) {
        if behind.peek().is_some_and(|token| token.is("all")) {
            self.facts.discard_all = true;
            self.facts.changes.push(Change::ResetAll);
            self.facts.changes.push(Change::Reset { name: "role".into() });
        }
    }

    /// What holds only for a text of one statement, or only for settings and nothing else.
    fn finished(mut self) -> Facts {
        if self.facts.statements > 1 {
            // The names it means are the client's, and among others it cannot be answered for them.
            if self.deallocates {
                self.sign(Sign::Prepared);
            }
            self.facts.deallocate = None;
            self.facts.discard_all = false;
            (self.facts.control, self.facts.chain) = (Control::None, false);
        }
        let signs = self.facts.signs;
        if !self.facts.changes.is_empty() && (self.controls || signs.indelible) {
            self.sign(Sign::Set);
        }
        if self.facts.signs.state.is_some() {
            self.facts.changes = Vec::new();
        }
        self.facts
    }
}

#[cfg(test)]
mod tests;
