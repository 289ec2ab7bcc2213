//! `SET` and `RESET`: which can be followed, and what they set.

use super::lexer::{Kind, Token, Tokens};
use super::signs::{Sign, has_part};
use crate::limits::SETTING_BYTES_MAX;

/// A change of one session's settings, read from SQL.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    /// A setting gets a value.
    Set {
        /// In lower case, parts joined by dots.
        name: String,
        /// SQL that may stand behind `SET name TO`: literals quoted by us and numbers, separated by
        /// commas. For `timezone` it may be an interval, which stands behind `SET TIME ZONE`.
        value: String,
    },
    /// A setting gets the session's own default again.
    Reset {
        /// In lower case, parts joined by dots.
        name: String,
    },
    /// All settings get their defaults again; the role stays.
    ResetAll,
}

/// What a `SET` or `RESET` does to its session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Effect {
    /// Nothing beyond the transaction.
    Local,
    /// What can be repeated in another session.
    Change(Change),
    /// What cannot.
    Sign(Sign),
}

/// Bytes of an identifier; the server cuts longer ones.
pub(super) const IDENTIFIER_BYTES: usize = 63;

/// Reads behind the word `SET`.
pub(super) fn set(mut tokens: Tokens<'_>) -> Effect {
    let local = words(&mut tokens, &["local"]);
    let session = words(&mut tokens, &["session"]);
    let Some(first) = tokens.peek() else { return CANNOT };
    if first.is_any(&["transaction", "constraints"]) {
        return Effect::Local;
    }
    if session && first.is_any(&["authorization", "characteristics", "session"]) {
        return if local { Effect::Local } else { CANNOT };
    }
    if local && !is_search_path(tokens) {
        return Effect::Local;
    }
    match assignment(&mut tokens).filter(|_| at_end(tokens)) {
        None => CANNOT,
        Some(Change::Set { name, value }) if opens_temporary(&name, &value) => {
            Effect::Sign(Sign::TemporaryTable)
        }
        Some(_) if local => Effect::Local,
        Some(change) => judged(change),
    }
}

/// Reads behind the word `RESET`.
pub(super) fn reset(mut tokens: Tokens<'_>) -> Effect {
    let Some(first) = tokens.peek() else { return CANNOT };
    if first.is("transaction") {
        return Effect::Local;
    }
    let change = if first.is("all") {
        tokens.next();
        Some(Change::ResetAll)
    } else if words(&mut tokens, &["time", "zone"]) {
        Some(Change::Reset { name: "timezone".into() })
    } else {
        name(&mut tokens).map(|name| Change::Reset { name })
    };
    change.filter(|_| at_end(tokens)).map_or(CANNOT, judged)
}

const SEARCH_PATH: &str = "search_path";

const CANNOT: Effect = Effect::Sign(Sign::Set);

/// What a change is by its setting: some last no longer than a transaction however they are set,
/// and the session's user is not a setting that can be followed.
fn judged(change: Change) -> Effect {
    match &change {
        Change::Set { name, .. } | Change::Reset { name } => match name.as_str() {
            "transaction_isolation" | "transaction_read_only" | "transaction_deferrable" => {
                Effect::Local
            }
            "session_authorization" => CANNOT,
            _ => Effect::Change(change),
        },
        Change::ResetAll => Effect::Change(change),
    }
}

/// True if the setting decides where tables are created.
fn is_search_path(mut tokens: Tokens<'_>) -> bool {
    let schema = tokens.peek().is_some_and(|token| token.is("schema"));
    schema || name(&mut tokens).is_some_and(|name| name == SEARCH_PATH)
}

/// True if what is created afterwards may be temporary without another word.
fn opens_temporary(name: &str, value: &str) -> bool {
    name == SEARCH_PATH && has_part(value.as_bytes(), "pg_temp")
}

fn at_end(tokens: Tokens<'_>) -> bool {
    tokens.peek().is_none_or(|token| token.kind == Kind::Semicolon)
}

/// `name TO value` in all its forms.
fn assignment(tokens: &mut Tokens<'_>) -> Option<Change> {
    let mut plain = *tokens;
    if let Some(name) = name(&mut plain)
        && plain.next().is_some_and(|t| t.is("to") || t.is_operator("="))
    {
        *tokens = plain;
        return values(tokens, name);
    }
    if words(tokens, &["time", "zone"]) {
        return time_zone(tokens);
    }
    let first = tokens.next()?;
    if first.is("names") {
        return if at_end(*tokens) {
            default_of("client_encoding")
        } else {
            one(tokens, "client_encoding")
        };
    }
    if first.is("schema") {
        return one(tokens, SEARCH_PATH);
    }
    if first.is("role") { one(tokens, "role") } else { None }
}

fn default_of(name: &str) -> Option<Change> {
    Some(Change::Reset { name: name.into() })
}

/// One value that is no number, for a setting with a form of its own.
fn one(tokens: &mut Tokens<'_>, name: &str) -> Option<Change> {
    let token = tokens.next()?;
    if token.is("default") {
        return default_of(name);
    }
    Some(finished(name.into(), literal(&content(&token)?)))
}

/// A list of values, or the default.
fn values(tokens: &mut Tokens<'_>, name: String) -> Option<Change> {
    if tokens.peek()?.is("default") {
        tokens.next();
        return Some(Change::Reset { name });
    }
    let mut text = String::new();
    loop {
        text.push_str(&value(tokens)?);
        if text.len() > SETTING_BYTES_MAX {
            return None;
        }
        if tokens.peek().is_none_or(|token| token.kind != Kind::Comma) {
            return Some(finished(name, text));
        }
        tokens.next();
        text.push_str(", ");
    }
}

/// `none` is how a role is given back.
fn finished(name: String, value: String) -> Change {
    if name == "role" && value == "'none'" {
        Change::Reset { name }
    } else {
        Change::Set { name, value }
    }
}

fn time_zone(tokens: &mut Tokens<'_>) -> Option<Change> {
    let first = tokens.peek()?;
    if first.is("local") {
        tokens.next();
        return default_of("timezone");
    }
    if !first.is("interval") {
        return values(tokens, "timezone".into());
    }
    tokens.next();
    let mut value = format!("INTERVAL {}", literal(&content(&tokens.next()?)?));
    if words(tokens, &["hour"]) {
        value.push_str(" HOUR");
        if words(tokens, &["to", "minute"]) {
            value.push_str(" TO MINUTE");
        }
    }
    (value.len() <= SETTING_BYTES_MAX).then(|| Change::Set { name: "timezone".into(), value })
}

/// Takes these words, if they come next.
fn words(tokens: &mut Tokens<'_>, lower: &[&str]) -> bool {
    let mut ahead = *tokens;
    let found = lower.iter().all(|word| ahead.next().is_some_and(|token| token.is(word)));
    if found {
        *tokens = ahead;
    }
    found
}

/// One value as SQL of our own.
fn value(tokens: &mut Tokens<'_>) -> Option<String> {
    let token = tokens.next()?;
    let sign = match token {
        token if token.is_operator("-") => "-",
        token if token.is_operator("+") => "",
        token => return number(&token).or_else(|| content(&token).map(|text| literal(&text))),
    };
    Some(format!("{sign}{}", number(&tokens.next()?)?))
}

fn number(token: &Token<'_>) -> Option<String> {
    let fits =
        token.kind == Kind::Number && !token.unclear && token.text.len() <= SETTING_BYTES_MAX;
    let text = fits.then(|| std::str::from_utf8(token.text).ok())??;
    Some(text.to_owned())
}

/// A setting's name. Only what every version takes for one, and none that the server would cut.
fn name(tokens: &mut Tokens<'_>) -> Option<String> {
    let mut name = String::new();
    loop {
        let part = identifier(&tokens.next()?)?;
        let usual = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '.');
        if !part.chars().all(usual) || part.split('.').any(str::is_empty) {
            return None;
        }
        name.push_str(&part.to_ascii_lowercase());
        if name.len() > SETTING_BYTES_MAX {
            return None;
        }
        if tokens.peek().is_none_or(|token| token.kind != Kind::Dot) {
            return Some(name);
        }
        tokens.next();
        name.push('.');
    }
}

/// What an identifier says: folded, or without its quotes. Not if it is longer than the server
/// keeps, or if folding depends on the database's encoding.
fn identifier(token: &Token<'_>) -> Option<String> {
    let text = std::str::from_utf8(token.text).ok()?;
    let name = if token.kind == Kind::Word && text.is_ascii() {
        text.to_ascii_lowercase()
    } else if token.kind == Kind::Quoted && token.ended {
        inner(text, "\"", "\"")?.replace("\"\"", "\"")
    } else {
        return None;
    };
    (!name.is_empty() && name.len() <= IDENTIFIER_BYTES).then_some(name)
}

/// What a string or a bare word says, if every server and every setting agree on it.
fn content(token: &Token<'_>) -> Option<String> {
    if token.text.len() > SETTING_BYTES_MAX || token.unclear || token.continued || !token.ended {
        return None;
    }
    let text = std::str::from_utf8(token.text).ok()?;
    if token.kind == Kind::Plain {
        return (!text.contains('\\'))
            .then(|| inner(text, "'", "'"))?
            .map(|t| t.replace("''", "'"));
    }
    if token.kind == Kind::Escape {
        return unescaped(text.get(1..).and_then(|text| inner(text, "'", "'"))?);
    }
    if token.kind == Kind::Dollar {
        let tag = text.get(1..)?.find('$')? + 2;
        return Some(text.get(tag..text.len().checked_sub(tag)?)?.to_owned());
    }
    if token.is_any(&["default", "local"]) { None } else { identifier(token) }
}

fn inner<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    text.strip_prefix(open)?.strip_suffix(close)
}

/// The content of an `E'…'`. Bytes by number may not be characters; such a text is not followed.
fn unescaped(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let escaped = match c {
            '\\' => chars.next()?,
            '\'' => chars.next().filter(|&c| c == '\'')?,
            c => {
                plain.push(c);
                continue;
            }
        };
        plain.push(match escaped {
            'b' => '\x08',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            '0'..='9' | 'x' | 'u' | 'U' => return None,
            c => c,
        });
    }
    Some(plain)
}

/// A literal that means this text whatever the session's settings are.
pub(crate) fn literal(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if text.contains('\\') {
        format!("E'{}'", doubled.replace('\\', "\\\\"))
    } else {
        format!("'{doubled}'")
    }
}
