//! One line of a script: a message of the client, or a pause.

use pierhead_tests::sim::message::client;

/// What a client does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// `Q sql`.
    Query(String),
    /// `P name sql`; `-` for the unnamed statement.
    Parse(String, String),
    /// `B portal statement parameters…`.
    Bind(String, String, Vec<Option<String>>),
    /// `D S name`, `C P name`: describe or close.
    Target(u8, u8, String),
    /// `E portal limit`.
    Execute(String, u32),
    /// `F oid arguments…`.
    Call(u32, Vec<String>),
    /// `d data`, where `\n` is a line's end.
    Data(String),
    /// `S`, `H`, `c`, `f`, `X`.
    Plain(u8),
    /// `raw 21 00 …`: bytes in hexadecimal.
    Raw(Vec<u8>),
    /// `...`: everything that is to come has come.
    Pause,
    /// `cancel`, by a request of its own.
    Cancel,
}

impl Step {
    pub(crate) fn read(line: &str) -> Option<Self> {
        let line = line.trim();
        let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
        let mut words = rest.split_whitespace().map(|word| word.trim_matches('-').to_owned());
        let mut word = || words.next().unwrap_or_default();
        Some(match first {
            "" => return None,
            "Q" => Self::Query(rest.to_owned()),
            "P" => {
                let (_, sql) = rest.split_once(' ').unwrap_or_default();
                Self::Parse(word(), sql.to_owned())
            }
            "B" => {
                let (portal, statement) = (word(), word());
                let parameter = |text: String| (text != "null").then_some(text);
                Self::Bind(portal, statement, words.map(parameter).collect())
            }
            "D" | "C" => Self::Target(first.as_bytes()[0], word().as_bytes()[0], word()),
            "E" => Self::Execute(word(), word().parse().unwrap_or(0)),
            "F" => Self::Call(word().parse().unwrap(), words.collect()),
            "d" => Self::Data(rest.replace("\\n", "\n")),
            "S" | "H" | "c" | "f" | "X" => Self::Plain(first.as_bytes()[0]),
            "raw" => Self::Raw(words.map(|hex| u8::from_str_radix(&hex, 16).unwrap()).collect()),
            "..." => Self::Pause,
            "cancel" => Self::Cancel,
            _ => panic!("no step: {line}"),
        })
    }

    pub(crate) fn is_pause(&self) -> bool {
        *self == Self::Pause
    }

    pub(crate) fn is_cancel(&self) -> bool {
        *self == Self::Cancel
    }

    /// Its bytes, with `sql` in the dialect of the server it is for.
    pub(crate) fn put(&self, out: &mut Vec<u8>, mut sql: impl FnMut(&str) -> String) {
        match self {
            Self::Query(text) => client::query(out, &sql(text)),
            Self::Parse(name, text) => client::parse(out, name, &sql(text), &[]),
            Self::Bind(portal, statement, values) => {
                let values: Vec<Option<&str>> = values.iter().map(Option::as_deref).collect();
                client::bind(out, portal, statement, &values);
            }
            Self::Target(tag, kind, name) => client::target(out, *tag, *kind, name),
            Self::Execute(portal, limit) => client::execute(out, portal, *limit),
            Self::Call(function, arguments) => {
                let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                client::call(out, *function, &arguments);
            }
            Self::Data(text) => client::data(out, text.as_bytes()),
            Self::Plain(b'S') => client::sync(out),
            Self::Plain(b'H') => client::flush(out),
            Self::Plain(b'c') => client::copy_done(out),
            Self::Plain(b'f') => client::copy_fail(out, "enough"),
            Self::Plain(_) => client::terminate(out),
            Self::Raw(bytes) => out.extend(bytes),
            Self::Pause | Self::Cancel => {}
        }
    }
}
