//! Reads commands.
#![allow(clippy::wildcard_enum_match_arm, reason = "most commands are like most others")]

use super::command::{Command, Lock, Value, What};
use super::lexer::{Word, words};

/// First words that leave session state, with their command tags. The rest of what an engine can
/// know is in the words: `select set_config x v`, `select advisory x v`, `create temp x v`.
const LEAVING: [(&str, &str); 9] = [
    ("set", "SET"),
    ("reset", "RESET"),
    ("listen", "LISTEN"),
    ("prepare", "PREPARE"),
    ("do", "DO"),
    ("call", "CALL"),
    ("load", "LOAD"),
    ("declare", "DECLARE CURSOR"),
    ("execute", "SELECT 1"),
];

impl Command {
    /// Reads one statement.
    #[must_use]
    pub(super) fn parse(text: &str) -> Self {
        let words = words(text);
        let plain: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        Self::read(&plain, &words)
    }

    fn read(words: &[&str], all: &[Word]) -> Self {
        match words {
            [] => Self::Empty,
            ["begin", ..] => Self::Begin("BEGIN"),
            ["start", "transaction", ..] => Self::Begin("START TRANSACTION"),
            ["commit" | "end", ..] => Self::Commit,
            ["rollback", "to", "savepoint", name] | ["rollback", "to", name] => {
                Self::RollbackTo((*name).to_owned())
            }
            ["rollback" | "abort", ..] => Self::Rollback,
            ["savepoint", name] => Self::Savepoint((*name).to_owned()),
            ["release", "savepoint", name] | ["release", name] => Self::Release((*name).to_owned()),
            ["set" | "reset" | "show" | "discard" | "deallocate", ..] => {
                Self::read_settings(words, all)
            }
            ["select", "set_config", "(", ..] => Self::read_settings(words, all),
            ["prepare", name, "as", rest @ ..] => {
                match Self::read(rest, all.get(3..).unwrap_or_default()) {
                    Self::Unknown | Self::Empty => Self::Unknown,
                    inner => Self::Prepare((*name).to_owned(), Box::new(inner)),
                }
            }
            ["declare", name, "cursor", "with", "hold", "for", rest @ ..] => {
                Self::declare(name, true, rest, all.get(6..))
            }
            ["declare", name, "cursor", "for", rest @ ..] => {
                Self::declare(name, false, rest, all.get(4..))
            }
            ["fetch", "all", "from", name] => Self::Fetch(0, (*name).to_owned()),
            ["fetch", count, "from", name] => {
                Self::Fetch(number(count) as usize, (*name).to_owned())
            }
            ["do", body] if raised(body).is_some() => {
                Self::Fail(raised(body).unwrap_or_default().to_owned())
            }
            ["close", "all"] => Self::CloseCursor(None),
            ["close", name] => Self::CloseCursor(Some((*name).to_owned())),
            _ => Self::read_more(words),
        }
    }

    fn declare(name: &str, hold: bool, rest: &[&str], all: Option<&[Word]>) -> Self {
        match (Self::read(rest, all.unwrap_or_default()), rest) {
            (Self::Unknown, [name, value]) if hold => {
                let (name, value) = ((*name).to_owned(), (*value).to_owned());
                Self::Leave { tag: "DECLARE CURSOR", name, value }
            }
            (Self::Unknown | Self::Empty, _) => Self::Unknown,
            (query, _) => Self::Declare { name: name.to_owned(), hold, query: Box::new(query) },
        }
    }

    fn read_settings(words: &[&str], all: &[Word]) -> Self {
        let is_default =
            |value: &&str| *value == "default" && all.last().is_some_and(|word| !word.constant);
        let set = |name: &str, value: &[&str], local| {
            let value = value.join("");
            let value = (!is_default(&value.as_str())).then_some(value);
            Self::Set { name: name.to_owned(), value, local, tag: "SET" }
        };
        let reset = |name: &str| {
            let name = name.to_owned();
            Self::Set { name, value: None, local: false, tag: "RESET" }
        };
        match words {
            ["set", "transaction", ..] | ["set", "session", "characteristics", ..] => {
                Self::SetTransaction
            }
            ["set", "session", "authorization", value] => {
                set("session_authorization", &[value], false)
            }
            ["set", "role", value] => set("role", &[value], false),
            ["set", "time", "zone", value] => set("timezone", &[value], false),
            ["set", "names", value] => set("client_encoding", &[value], false),
            ["set", "local", name, "=" | "to", value @ ..] => set(name, value, true),
            ["set", "session", name, "=" | "to", value @ ..]
            | ["set", name, "=" | "to", value @ ..] => set(name, value, false),
            ["select", "set_config", "(", name, ",", value, ",", local, ")"] => Self::SetConfig {
                name: name.to_lowercase(),
                value: (*value).to_owned(),
                local: *local == "true",
            },
            ["reset", "all"] => Self::ResetAll,
            ["reset", "session", "authorization"] => reset("session_authorization"),
            ["reset", "time", "zone"] => reset("timezone"),
            ["reset", name] => reset(name),
            ["show", name] => Self::Show((*name).to_owned()),
            ["discard", "all"] => Self::Discard(What::All),
            ["discard", "plans"] => Self::Discard(What::Plans),
            ["discard", "sequences"] => Self::Discard(What::Sequences),
            ["discard", "temp" | "temporary"] => Self::Discard(What::Temp),
            ["deallocate", "all"] | ["deallocate", "prepare", "all"] => Self::Deallocate(None),
            ["deallocate", "prepare", name] | ["deallocate", name] => {
                Self::Deallocate(Some((*name).to_owned()))
            }
            _ => Self::read_leaving(words),
        }
    }

    fn read_more(words: &[&str]) -> Self {
        let owned = |word: &str| word.to_owned();
        match words {
            ["echo"] => Self::Echo(Value::Text(String::new())),
            ["echo", value] => Self::Echo(Value::read(value)),
            ["rows", count, size, value] => {
                Self::Rows(number(count) as usize, number(size) as usize, owned(value))
            }
            ["partial", count, sqlstate, value] => {
                Self::Partial(number(count) as usize, sqlstate.to_uppercase(), owned(value))
            }
            ["insert", id] => Self::Insert(Value::read(id)),
            ["deferred", id] => Self::Deferred(number(id)),
            ["slow", ms, value] => Self::Slow(number(ms), owned(value)),
            ["notice", value] => Self::Notice(owned(value)),
            ["fail", sqlstate] => Self::Fail(sqlstate.to_uppercase()),
            ["die"] => Self::Die,
            ["star", value] => Self::Star(owned(value)),
            ["alter"] => Self::Alter,
            ["copy", "stdout", count, value] => Self::CopyOut(number(count) as usize, owned(value)),
            ["copy", table, "from", "stdin"] => Self::CopyIn(owned(table)),
            ["execute", name] => Self::Execute(owned(name)),
            ["create", "temp" | "temporary", "table", name, ..] => Self::CreateTemp(owned(name)),
            ["drop", "table", name] => Self::Drop(owned(name)),
            ["select", "from", name] => Self::Read(owned(name)),
            ["listen", channel] => Self::Listen(owned(channel)),
            ["unlisten", "*"] => Self::Unlisten(None),
            ["unlisten", channel] => Self::Unlisten(Some(owned(channel))),
            ["notify", channel] => Self::Notify(owned(channel), String::new()),
            ["notify", channel, ",", payload] => Self::Notify(owned(channel), owned(payload)),
            ["select", name, "(", ")"] if *name == "pg_advisory_unlock_all" => {
                Self::Lock(Lock::UnlockAll, 0)
            }
            ["select", name, "(", key, ")"] => match *name {
                "pg_advisory_lock" => Self::Lock(Lock::Take, number(key)),
                "pg_try_advisory_lock" => Self::Lock(Lock::Try, number(key)),
                "pg_advisory_unlock" => Self::Lock(Lock::Unlock, number(key)),
                _ => Self::Unknown,
            },
            _ => Self::read_leaving(words),
        }
    }

    fn read_leaving(words: &[&str]) -> Self {
        let word = |index: usize| words.get(index).copied().unwrap_or_default().to_owned();
        match words.first().copied().unwrap_or_default() {
            "select" => Self::Leave { tag: "SELECT 1", name: word(2), value: word(3) },
            "create" => Self::Leave { tag: "CREATE TABLE", name: word(2), value: word(3) },
            first => match LEAVING.iter().find(|(name, _)| *name == first) {
                Some((_, tag)) => Self::Leave { tag, name: word(1), value: word(2) },
                None => Self::Unknown,
            },
        }
    }
}

impl Value {
    fn read(word: &str) -> Self {
        let index = word.strip_prefix('$').and_then(|digits| digits.parse::<usize>().ok());
        match index {
            Some(index) if (1..100).contains(&index) => Self::Parameter(index - 1),
            _ => Self::Text(word.to_owned()),
        }
    }
}

fn number(word: &str) -> u64 {
    word.parse().unwrap_or(0)
}

/// The SQLSTATE that an anonymous block raises, if that is all it does.
fn raised(body: &str) -> Option<&str> {
    body.strip_prefix("BEGIN RAISE EXCEPTION USING ERRCODE = '")?.get(..5)
}
