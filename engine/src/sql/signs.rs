//! Signs that a statement changes a session beyond its transaction (`docs/reset.md`).
//!
//! What no sign shows, such as a function that sets something, is the documented residue of
//! `reset=detected`.

use super::lexer::{Kind, Token, Tokens};

/// Why a session cannot be handed to another client as it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Sign {
    /// It may get notifications.
    Listen,
    /// A table, view or sequence of its own.
    TemporaryTable,
    /// A lock that lasts as long as the session, or until it is given back.
    AdvisoryLock,
    /// Statements prepared, or dropped among others, by SQL.
    Prepared,
    /// What a prepared statement does that was not seen.
    Execute,
    /// A cursor that outlives its transaction.
    HoldCursor,
    /// A block of code, which may do anything.
    Do,
    /// A procedure, which may do anything.
    Call,
    /// A setting that cannot be repeated in another session.
    Set,
    /// A setting made by a function.
    SetConfig,
    /// Connections of the session's own to other databases.
    Dblink,
    /// Names or strings that different settings read differently, with a suspicious word in them.
    Unclear,
}

impl Sign {
    /// Every one.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 12] = [
        Self::Listen,
        Self::TemporaryTable,
        Self::AdvisoryLock,
        Self::Prepared,
        Self::Execute,
        Self::HoldCursor,
        Self::Do,
        Self::Call,
        Self::Set,
        Self::SetConfig,
        Self::Dblink,
        Self::Unclear,
    ];

    /// True if a statement may have this effect although it failed, or was rolled back.
    pub(crate) fn survives_rollback(self) -> bool {
        match self {
            Self::AdvisoryLock
            | Self::Prepared
            | Self::Execute
            | Self::Do
            | Self::Call
            | Self::Dblink
            | Self::Unclear => true,
            Self::Listen
            | Self::TemporaryTable
            | Self::HoldCursor
            | Self::Set
            | Self::SetConfig => false,
        }
    }

    /// As a status page shows it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Listen => "LISTEN",
            Self::TemporaryTable => "temporary table",
            Self::AdvisoryLock => "advisory lock",
            Self::Prepared => "prepared by SQL",
            Self::Execute => "EXECUTE",
            Self::HoldCursor => "cursor WITH HOLD",
            Self::Do => "DO",
            Self::Call => "CALL",
            Self::Set => "SET that cannot be followed",
            Self::SetConfig => "set_config",
            Self::Dblink => "dblink",
            Self::Unclear => "SQL of more than one reading",
        }
    }
}

/// What a look at one SQL text, or at one tag, shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Signs {
    /// State may outlive the transaction, and this is the first reason found.
    pub(crate) state: Option<Sign>,
    /// Something that no command clears: close the session.
    pub(crate) indelible: bool,
    /// It may ask for COPY data, which would swallow a reset sent behind it.
    pub(crate) copy_in: bool,
}

impl Signs {
    /// Both; the first reason stays.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            state: self.state.or(other.state),
            indelible: self.indelible | other.indelible,
            copy_in: self.copy_in | other.copy_in,
        }
    }

    /// The signs in the tag of a `CommandComplete`, for statements whose text was not read. A tag
    /// says less than the text: that something was set or declared, not for how long.
    pub(crate) fn of_tag(tag: &[u8]) -> Self {
        if is_of_rows(tag) {
            return Self::default();
        }
        let mut tokens = Tokens::new(tag);
        let Some(first) = tokens.next() else { return Self::default() };
        let harmless = tokens.next().is_some_and(|t| t.is_any(&["transaction", "constraints"]));
        let of_command = Self::of_command(&first);
        if harmless { Self { state: None, ..of_command } } else { of_command }
    }

    /// By a statement's first word alone.
    pub(super) fn of_command(word: &Token<'_>) -> Self {
        let sign = COMMANDS.iter().find(|(command, _)| word.is(command));
        Self { state: sign.map(|(_, sign)| *sign), indelible: word.is("load"), copy_in: false }
    }
}

/// What the tags of most statements begin with: those only read and write rows.
const ROWS: [&[u8; 7]; 4] = [b"SELECT ", b"INSERT ", b"UPDATE ", b"DELETE "];

/// True for the tag of a statement that only reads and writes rows.
#[inline]
pub(crate) fn is_of_rows(tag: &[u8]) -> bool {
    tag.first_chunk().is_some_and(|first: &[u8; 7]| ROWS.contains(&first))
}

/// Commands, by first word of a statement or of a tag.
const COMMANDS: [(&str, Sign); 8] = [
    ("set", Sign::Set),
    ("reset", Sign::Set),
    ("listen", Sign::Listen),
    ("prepare", Sign::Prepared),
    ("declare", Sign::HoldCursor),
    ("do", Sign::Do),
    ("call", Sign::Call),
    ("execute", Sign::Execute),
];

/// True if the text has this part, given in lower case.
pub(super) fn has_part(text: &[u8], lower: &str) -> bool {
    text.windows(lower.len()).any(|part| part.eq_ignore_ascii_case(lower.as_bytes()))
}

/// Functions that only give locks back: pools of drivers call them for every connection they get back.
const UNLOCKS: [&str; 3] =
    ["pg_advisory_unlock", "pg_advisory_unlock_shared", "pg_advisory_unlock_all"];

/// The sign in a name, by its parts. Locks named `…advisory_xact…` end with their transaction.
pub(super) fn in_name(name: &[u8]) -> Option<Sign> {
    const SHORTEST: usize = "dblink".len();
    let last = name.len().checked_sub(SHORTEST)?;
    let mut pairs = name.windows(2).take(last + 1).enumerate();
    pairs.find_map(|(at, pair)| {
        // Most names end here.
        let (lower, sign) = match *pair {
            [b'p' | b'P', b'g' | b'G'] => ("pg_temp", Sign::TemporaryTable),
            [b'd' | b'D', b'b' | b'B'] => ("dblink", Sign::Dblink),
            [b'a' | b'A', b'd' | b'D'] => ("advisory", Sign::AdvisoryLock),
            _ => return None,
        };
        let part = name.get(at..)?;
        let of_transaction = sign == Sign::AdvisoryLock && begins(part, "advisory_xact");
        let leaves = begins(part, lower) && !of_transaction && !is_one_of(name, &UNLOCKS);
        leaves.then_some(sign)
    })
}

fn begins(name: &[u8], lower: &str) -> bool {
    name.get(..lower.len()).is_some_and(|part| part.eq_ignore_ascii_case(lower.as_bytes()))
}

/// What a statement is, and the two tokens in front of the one that is looked at.
pub(super) struct Walk<'a> {
    copies: bool,
    declares: bool,
    explains: bool,
    /// As they are written, the nearest first.
    before: [&'a [u8]; 2],
}

impl<'a> Walk<'a> {
    /// Of the statement that begins with this word.
    pub(super) fn new(command: &Token<'_>) -> Self {
        Self {
            copies: command.is("copy"),
            declares: command.is("declare"),
            explains: command.is("explain"),
            before: [b"", b""],
        }
    }

    fn before_is(&self, words: &[&str]) -> bool {
        is_one_of(self.before[0], words)
    }

    /// The sign in one token, whose successors are `behind`.
    pub(super) fn see(&mut self, token: Token<'a>, behind: Tokens<'a>) -> Option<Sign> {
        let sign = if token.kind == Kind::Word {
            self.in_word(&token, behind).or_else(|| in_name(token.text))
        } else if token.kind == Kind::Quoted {
            let sets = token.text == b"\"set_config\"" && !sets_locally(behind);
            if sets { Some(Sign::SetConfig) } else { in_name(token.text) }
        } else if token.kind == Kind::UnicodeQuoted {
            Some(Sign::Unclear)
        } else {
            None
        };
        self.before = [token.text, self.before[0]];
        sign
    }

    /// True if a `COPY` asks for data where this token stands.
    pub(super) fn copies_in(&self, token: &Token<'_>) -> bool {
        self.copies && token.is_any(&["stdin", "stdout"]) && self.before_is(&["from"])
    }

    fn in_word(&self, word: &Token<'a>, behind: Tokens<'a>) -> Option<Sign> {
        match word.text.len() {
            4 if self.declares && word.is("hold") && self.before_is(&["with"]) => {
                Some(Sign::HoldCursor)
            }
            4 | 9 if word.is_any(&["temp", "temporary"]) && self.makes_temporary(behind) => {
                Some(Sign::TemporaryTable)
            }
            7 if word.is("execute") && self.executes() => Some(Sign::Execute),
            10 if word.is("set_config") && !sets_locally(behind) => Some(Sign::SetConfig),
            _ => None,
        }
    }

    /// `CREATE … TEMP`, `SELECT … INTO TEMP`; not `INSERT INTO temp`, where it is a table's name.
    fn makes_temporary(&self, mut behind: Tokens<'a>) -> bool {
        if self.before_is(&["create", "replace", "local", "global"]) {
            return true;
        }
        let inserts = is_one_of(self.before[1], &["insert", "merge"]);
        let is_name = behind.next().is_none_or(|next| {
            matches!(next.kind, Kind::Open | Kind::Dot | Kind::Semicolon)
                || next.is_any(&["select", "default", "as", "with", "using"])
                // A table may be called `values`, too.
                || next.is("values") && behind.next().is_some_and(|t| t.kind == Kind::Open)
        });
        self.before_is(&["into"]) && !(inserts && is_name)
    }

    /// `EXPLAIN EXECUTE`, `CREATE TABLE … AS EXECUTE`; not `GRANT EXECUTE` and triggers.
    fn executes(&self) -> bool {
        self.explains || self.before_is(&["as"])
    }
}

fn is_one_of(text: &[u8], lower: &[&str]) -> bool {
    lower.iter().any(|word| text.eq_ignore_ascii_case(word.as_bytes()))
}

/// True if exactly `( X , Y , true )` follows: a setting for one transaction.
fn sets_locally(mut tokens: Tokens<'_>) -> bool {
    let opens = tokens.next().is_some_and(|token| token.kind == Kind::Open);
    opens
        && argument(&mut tokens)
        && argument(&mut tokens)
        && tokens.next().is_some_and(|token| token.is("true"))
        && tokens.next().is_some_and(|token| token.kind == Kind::Close)
}

/// A constant that does not speak of temporary tables, its cast, and the comma behind it.
fn argument(tokens: &mut Tokens<'_>) -> bool {
    let Some(value) = tokens.next() else { return false };
    let plain = matches!(value.kind, Kind::Plain | Kind::Dollar | Kind::Parameter | Kind::Number);
    if !plain || value.unclear || has_part(value.text, "pg_temp") {
        return false;
    }
    let mut next = tokens.next();
    if next.is_some_and(|token| token.kind == Kind::Cast) {
        if tokens.next().is_none_or(|token| token.kind != Kind::Word) {
            return false;
        }
        next = tokens.next();
    }
    next.is_some_and(|token| token.kind == Kind::Comma)
}
