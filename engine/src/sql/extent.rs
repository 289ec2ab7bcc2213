//! Where a statement ends: at its semicolon, except inside what `CREATE` makes of statements.

use super::lexer::{Kind, Token, Tokens};

/// How deep a statement is in parentheses and in a body of statements.
#[derive(Default)]
pub(super) struct Extent<'a> {
    creates: bool,
    /// A function or procedure, which may have a body `BEGIN ATOMIC … END`.
    routine: bool,
    parentheses: usize,
    /// `BEGIN ATOMIC` and each `CASE` in it.
    body: usize,
    before: Option<Token<'a>>,
}

impl<'a> Extent<'a> {
    /// Of the statement that begins with this token.
    pub(super) fn new(first: &Token<'_>, mut behind: Tokens<'_>) -> Self {
        if !first.is("create") {
            return Self::default();
        }
        let kind = behind.find(|token| !token.is_any(&["or", "replace"]));
        let routine = kind.is_some_and(|token| token.is_any(&["function", "procedure"]));
        Self { creates: true, routine, ..Self::default() }
    }

    /// Takes the next token; true if it is the statement's end.
    pub(super) fn ends_with(&mut self, token: &Token<'a>) -> bool {
        if token.kind == Kind::Semicolon && !self.is_open() {
            return true;
        }
        if !self.creates {
            return false;
        }
        if token.kind == Kind::Open {
            self.parentheses += 1;
        } else if token.kind == Kind::Close {
            self.parentheses = self.parentheses.saturating_sub(1);
        } else if token.kind == Kind::Word && self.routine && self.parentheses == 0 {
            self.word(token);
        }
        self.before = Some(*token);
        false
    }

    /// True if the text ended in the middle of it.
    pub(super) fn is_open(&self) -> bool {
        self.body > 0 || self.parentheses > 0
    }

    fn word(&mut self, token: &Token<'a>) {
        let before_is = |word| self.before.is_some_and(|before| before.is(word));
        let is_name = before_is("as") || self.before.is_some_and(|before| before.kind == Kind::Dot);
        if token.is("atomic") && before_is("begin") {
            self.body = self.body.max(1);
        } else if self.body > 0 && !is_name {
            if token.is("case") {
                self.body += 1;
            } else if token.is("end") {
                self.body -= 1;
            }
        }
    }
}
