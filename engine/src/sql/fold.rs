//! A text without its constants, piece by piece.
//!
//! Constants, parameters and lists of them become one `?`; white space and comments are left out.
//! So nothing that a client kept in a string or a number is ever shown. Where a text goes on in
//! more than one way, or is not terminated, nothing behind that point is shown either.

use super::lexer::{Kind, Lexer, Token};

/// A folded token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Piece<'a> {
    pub(super) kind: Kind,
    /// Its bytes; those of a word in any case.
    pub(super) text: &'a [u8],
}

/// Stands for a constant, or for a list of them.
const MARK: Piece<'static> = Piece { kind: Kind::Parameter, text: b"?" };

/// Stands for what is not shown.
const REST: Piece<'static> = Piece { kind: Kind::Other, text: "…".as_bytes() };

/// Gives the pieces to the sink, until it answers that it wants no more.
pub(super) fn fold<'a>(sql: &'a [u8], sink: impl FnMut(Piece<'a>) -> bool) {
    let mut lists = Lists::new(sink);
    let mut scene = Scene::default();
    for token in Lexer::new(sql) {
        if token.unclear || !token.ended {
            lists.push(REST);
            return;
        }
        if matches!(token.kind, Kind::Space | Kind::Comment) {
            continue;
        }
        if scene.holds_sign(token) {
            continue;
        }
        for piece in scene.pieces(token).into_iter().flatten() {
            if !lists.push(piece) {
                return;
            }
        }
    }
    lists.end();
}

/// What the tokens so far mean for the next one.
#[derive(Default)]
struct Scene<'a> {
    before: Option<Token<'a>>,
    /// A sign that belongs to a number, if one follows.
    sign: Option<Token<'a>>,
    /// The statement's first word.
    command: Option<Token<'a>>,
    /// Behind `SET name TO`, where words are values.
    value: bool,
}

impl<'a> Scene<'a> {
    /// Keeps a sign behind an operator, a parenthesis or a comma.
    fn holds_sign(&mut self, token: Token<'a>) -> bool {
        let signs = token.is_operator("-") || token.is_operator("+");
        let unary = self
            .before
            .is_none_or(|before| matches!(before.kind, Kind::Operator | Kind::Open | Kind::Comma));
        let holds = signs && unary && self.sign.is_none();
        if holds {
            self.sign = Some(token);
        }
        holds
    }

    /// What stands for this token, behind the sign that was kept.
    fn pieces(&mut self, token: Token<'a>) -> [Option<Piece<'a>>; 2] {
        let sign = self.sign.take().filter(|_| token.kind != Kind::Number);
        let piece = if self.is_glued(&token) {
            None
        } else if token.is_constant() || self.is_value(&token) {
            Some(MARK)
        } else {
            Some(Piece { kind: token.kind, text: token.text })
        };
        self.follow(token);
        [sign.map(|sign| Piece { kind: sign.kind, text: sign.text }), piece]
    }

    /// A word that stands right behind a number may be a part of it that SQL does not know.
    fn is_glued(&self, token: &Token<'a>) -> bool {
        let number = |t: &Token<'_>| matches!(t.kind, Kind::Number | Kind::Parameter);
        token.kind == Kind::Word
            && self.before.is_some_and(|t| number(&t) && t.at + t.text.len() == token.at)
    }

    /// A name that is as good as a constant: the value of a setting, a savepoint, a prepared
    /// statement.
    fn is_value(&self, token: &Token<'a>) -> bool {
        let Some(command) = self.command else { return false };
        if !matches!(token.kind, Kind::Word | Kind::Quoted | Kind::UnicodeQuoted) {
            return false;
        }
        if command.is("set") {
            self.value && !token.is("default")
        } else if command.is_any(&["savepoint", "release", "rollback", "deallocate"]) {
            !token.is_any(&TRANSACTION_WORDS)
        } else {
            false
        }
    }

    fn follow(&mut self, token: Token<'a>) {
        self.before = Some(token);
        if token.kind == Kind::Semicolon {
            (self.command, self.value) = (None, false);
        } else if self.command.is_none() {
            self.command = Some(token);
        } else {
            self.value |= token.is_operator("=") || token.is_any(&VALUE_WORDS);
        }
    }
}

/// Behind these, in a `SET`, stands its value.
const VALUE_WORDS: [&str; 6] = ["to", "role", "names", "schema", "zone", "authorization"];

/// Words that are no names in statements about savepoints and prepared statements.
const TRANSACTION_WORDS: [&str; 10] =
    ["to", "savepoint", "work", "transaction", "and", "no", "chain", "prepared", "prepare", "all"];

/// Leaves out what a list repeats: `?, ?` is `?`, and `(?), (?)` behind `VALUES` or inside
/// parentheses is `(?)`. Semicolons stand only between statements.
struct Lists<'a, S> {
    sink: S,
    /// What was passed on of this statement, the latest first.
    passed: [Option<Piece<'a>>; 4],
    held: Held,
    /// A statement ended; the sink learns of it if another one follows.
    semicolon: bool,
}

/// What is held back because it may repeat what was passed on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Held {
    Nothing,
    Comma,
    /// `, (`
    Row,
    /// `, (?`, for any number of constants.
    Constants,
    /// `, (?,`
    ConstantsComma,
}

const COMMA: Piece<'static> = Piece { kind: Kind::Comma, text: b"," };
const OPEN: Piece<'static> = Piece { kind: Kind::Open, text: b"(" };
const CLOSE: Piece<'static> = Piece { kind: Kind::Close, text: b")" };
const SEMICOLON: Piece<'static> = Piece { kind: Kind::Semicolon, text: b";" };

impl<'a, S: FnMut(Piece<'a>) -> bool> Lists<'a, S> {
    fn new(sink: S) -> Self {
        Self { sink, passed: [None; 4], held: Held::Nothing, semicolon: false }
    }

    /// False if the sink wants no more.
    fn push(&mut self, piece: Piece<'a>) -> bool {
        let held = match (self.held, piece) {
            (Held::Nothing, COMMA) if self.behind_constant() || self.behind_row() => Held::Comma,
            (Held::Comma, MARK) if self.behind_constant() => Held::Nothing,
            (Held::Comma, OPEN) if self.behind_row() => Held::Row,
            (Held::Row | Held::ConstantsComma, MARK) => Held::Constants,
            (Held::Constants, COMMA) => Held::ConstantsComma,
            (Held::Constants, CLOSE) => Held::Nothing,
            (Held::Nothing, _) => return self.pass(piece),
            (_, _) => return self.flush() && self.pass(piece),
        };
        self.held = held;
        true
    }

    /// What was held back belongs to no list after all.
    fn flush(&mut self) -> bool {
        let pieces: &[Piece<'static>] = match self.held {
            Held::Nothing => &[],
            Held::Comma => &[COMMA],
            Held::Row => &[COMMA, OPEN],
            Held::Constants => &[COMMA, OPEN, MARK],
            Held::ConstantsComma => &[COMMA, OPEN, MARK, COMMA],
        };
        self.held = Held::Nothing;
        pieces.iter().all(|piece| self.pass(*piece))
    }

    fn pass(&mut self, piece: Piece<'a>) -> bool {
        if piece == SEMICOLON {
            self.semicolon |= self.passed[0].is_some();
            self.passed = [None; 4];
            return true;
        }
        let [first, second, third, _] = self.passed;
        self.passed = [Some(piece), first, second, third];
        let parted = !std::mem::take(&mut self.semicolon) || (self.sink)(SEMICOLON);
        parted && (self.sink)(piece)
    }

    /// The end of the text.
    fn end(mut self) {
        self.flush();
    }

    fn behind_constant(&self) -> bool {
        self.passed[0] == Some(MARK)
    }

    fn behind_row(&self) -> bool {
        let [close, mark, open, before] = self.passed;
        (close, mark, open) == (Some(CLOSE), Some(MARK), Some(OPEN))
            && before
                .is_some_and(|before| before == OPEN || before.text.eq_ignore_ascii_case(b"values"))
    }
}
