//! The server's SQL: a dozen commands whose effects a model can predict.

/// One statement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Command {
    /// `echo v`: one row.
    Echo(String),
    /// `rows n size v`: `n` rows of `size` bytes that begin with `v`.
    Rows(usize, usize, String),
    /// `insert id`: seen by others once its transaction commits.
    Insert(u64),
    /// `deferred id`: like `insert`, and its transaction fails at commit.
    Deferred(u64),
    /// `slow ms v`: one row, later.
    Slow(u64, String),
    /// `fail sqlstate`.
    Fail(String),
    /// `begin`.
    Begin,
    /// `commit`.
    Commit,
    /// `rollback`.
    Rollback,
    /// A command with this tag (`set`, `do`, `listen`, `load`, …) that leaves `name = value`
    /// behind, whatever it is called: `tag name value`.
    Leave { tag: &'static str, name: String, value: String },
    /// `show name`: one row.
    Show(String),
    /// `copy from stdin`: expects data.
    CopyIn,
    /// `copy stdout n v`: `n` lines.
    CopyOut(usize, String),
    /// `discard all`.
    DiscardAll,
    /// `deallocate all`: forgets the named statements.
    DeallocateAll,
    /// Nothing at all.
    Empty,
    /// Anything else: a syntax error.
    Unknown,
}

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
    /// Reads one statement, which may begin with a comment.
    #[must_use]
    pub(super) fn parse(text: &str) -> Self {
        let text = text.trim();
        let text = match text.split_once("*/") {
            Some((comment, rest)) if comment.starts_with("/*") => rest.trim(),
            _ => text,
        };
        let lower = text.to_lowercase();
        let mut words = lower.split_whitespace();
        let first = words.next().unwrap_or_default();
        let rest: Vec<&str> = words.collect();
        let number = |index: usize| rest.get(index).and_then(|w| w.parse().ok()).unwrap_or(0u64);
        let word = |index: usize| rest.get(index).copied().unwrap_or_default().to_owned();
        match first {
            "" => Self::Empty,
            "echo" => Self::Echo(word(0)),
            "rows" => Self::Rows(number(0) as usize, number(1) as usize, word(2)),
            "insert" => Self::Insert(number(0)),
            "deferred" => Self::Deferred(number(0)),
            "slow" => Self::Slow(number(0), word(1)),
            "fail" => Self::Fail(word(0).to_uppercase()),
            "begin" => Self::Begin,
            "commit" => Self::Commit,
            "rollback" => Self::Rollback,
            "show" => Self::Show(word(0)),
            "copy" if rest.contains(&"stdin") => Self::CopyIn,
            "copy" => Self::CopyOut(number(1) as usize, word(2)),
            "discard" => Self::DiscardAll,
            "deallocate" => Self::DeallocateAll,
            "select" | "create" => {
                let tag = if first == "select" { "SELECT 1" } else { "CREATE TABLE" };
                Self::Leave { tag, name: word(1), value: word(2) }
            }
            other => match LEAVING.iter().find(|(name, _)| *name == other) {
                Some((_, tag)) => Self::Leave { tag, name: word(0), value: word(1) },
                None => Self::Unknown,
            },
        }
    }

    /// Whether it may run in a failed transaction.
    #[must_use]
    pub(super) fn ends_transaction(&self) -> bool {
        matches!(self, Self::Commit | Self::Rollback)
    }

    /// Whether it answers with rows.
    #[must_use]
    pub(super) fn has_rows(&self) -> bool {
        matches!(
            self,
            Self::Echo(_)
                | Self::Rows(..)
                | Self::Slow(..)
                | Self::Show(_)
                | Self::Leave { tag: "SELECT 1", .. }
        )
    }
}
