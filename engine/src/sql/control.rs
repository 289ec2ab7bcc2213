//! Statements about transactions and about prepared statements.

use super::lexer::{Kind, Token, Tokens};
use super::setting::IDENTIFIER_BYTES;

/// What a statement does to its transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Control {
    /// Nothing.
    #[default]
    None,
    /// `BEGIN`, `START TRANSACTION`.
    Begin,
    /// `COMMIT`, `END`.
    Commit,
    /// `ROLLBACK`, `ABORT`.
    Rollback,
    /// `ROLLBACK TO`.
    RollbackTo,
    /// `SAVEPOINT`.
    Savepoint,
    /// `RELEASE`.
    Release,
    /// `PREPARE TRANSACTION`.
    PrepareTransaction,
}

/// What a `DEALLOCATE` drops.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Deallocate {
    /// Every prepared statement.
    All,
    /// The one of this name.
    Name(Vec<u8>),
}

/// What a statement that begins with `first` does to its transaction, and whether another one
/// follows at once (`AND CHAIN`).
pub(super) fn control(first: &Token<'_>, mut tokens: Tokens<'_>) -> (Control, bool) {
    let next_is = |words: &[&str]| tokens.peek().is_some_and(|token| token.is_any(words));
    if first.is("begin") || (first.is("start") && next_is(&["transaction"])) {
        (Control::Begin, false)
    } else if first.is("savepoint") {
        (Control::Savepoint, false)
    } else if first.is("release") {
        (Control::Release, false)
    } else if first.is("prepare") && next_is(&["transaction"]) {
        (Control::PrepareTransaction, false)
    } else if first.is_any(&["commit", "end", "rollback", "abort"]) && !next_is(&["prepared"]) {
        if next_is(&["work", "transaction"]) {
            tokens.next();
        }
        ended(first, tokens)
    } else {
        (Control::None, false)
    }
}

fn ended(first: &Token<'_>, mut tokens: Tokens<'_>) -> (Control, bool) {
    let next = tokens.next();
    if first.is_any(&["commit", "end"]) {
        (Control::Commit, chains(next, tokens))
    } else if next.is_some_and(|token| token.is("to")) {
        (Control::RollbackTo, false)
    } else {
        (Control::Rollback, chains(next, tokens))
    }
}

fn chains(and: Option<Token<'_>>, mut tokens: Tokens<'_>) -> bool {
    and.is_some_and(|token| token.is("and")) && tokens.next().is_some_and(|t| t.is("chain"))
}

/// Reads behind the word `DEALLOCATE`.
pub(super) fn deallocate(mut tokens: Tokens<'_>) -> Option<Deallocate> {
    let mut name = tokens.next()?;
    if name.is("prepare")
        && let Some(next) = tokens.peek().filter(|next| next.kind != Kind::Semicolon)
    {
        name = next;
    }
    if name.is("all") {
        return Some(Deallocate::All);
    }
    let mut name = if name.kind == Kind::Word {
        name.text.to_ascii_lowercase()
    } else if name.kind == Kind::Quoted {
        without_quotes(name.text)?
    } else {
        return None;
    };
    cut(&mut name);
    Some(Deallocate::Name(name))
}

fn without_quotes(text: &[u8]) -> Option<Vec<u8>> {
    let inner = text.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let mut name = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(&b) = bytes.next() {
        name.push(b);
        if b == b'"' {
            bytes.next();
        }
    }
    Some(name)
}

/// As the server cuts an identifier: whole characters only.
fn cut(name: &mut Vec<u8>) {
    if name.len() > IDENTIFIER_BYTES {
        let inside = |at: usize| name.get(at).is_some_and(|b| b & 0xc0 == 0x80);
        let end = (0..=IDENTIFIER_BYTES).rev().find(|&at| !inside(at)).unwrap_or(0);
        name.truncate(end);
    }
}
