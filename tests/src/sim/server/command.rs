//! The server's SQL: commands whose effects a model can predict.
//!
//! What is SQL is spelled as SQL. The rest has a twin in SQL, against which a live test compares
//! it: `echo 'v'` is `select 'v'`, `slow 5 v` sleeps five milliseconds, `fail 23505` raises.
#![allow(clippy::wildcard_enum_match_arm, reason = "most commands are like most others")]

/// One statement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Command {
    /// `echo v`, `echo $1`: one row.
    Echo(Value),
    /// `rows n size v`: `n` rows of at least `size` bytes that begin with `v`.
    Rows(usize, usize, String),
    /// `partial n sqlstate v`: `n` rows, then an error.
    Partial(usize, String, String),
    /// `insert id`: seen by others once its transaction commits.
    Insert(Value),
    /// `deferred id`: like `insert`, and its transaction fails at commit.
    Deferred(u64),
    /// `slow ms v`: one row, later.
    Slow(u64, String),
    /// `notice v`: one row, and a notice before it.
    Notice(String),
    /// `fail sqlstate`.
    Fail(String),
    /// `die`: the backend ends as if an administrator had ended it.
    Die,
    /// `begin`, `start transaction`, by its tag.
    Begin(&'static str),
    /// `commit`, `end`.
    Commit,
    /// `rollback`, `abort`.
    Rollback,
    /// `savepoint s`.
    Savepoint(String),
    /// `rollback to s`.
    RollbackTo(String),
    /// `release s`.
    Release(String),
    /// A command with this tag (`set`, `do`, `listen`, `load`, …) that leaves `name = value`
    /// behind, whatever it is called: `tag name value`.
    Leave { tag: &'static str, name: String, value: String },
    /// `set name = v`, `set local name = v`; `reset name` and `set name to default` with `None`.
    Set { name: String, value: Option<String>, local: bool, tag: &'static str },
    /// `set transaction …`: without effect.
    SetTransaction,
    /// `select set_config('name', 'v', true)`: one row.
    SetConfig { name: String, value: String, local: bool },
    /// `reset all`.
    ResetAll,
    /// `show name`: one row.
    Show(String),
    /// `copy t from stdin`: expects lines of text, or of numbers for the table `numbers`.
    CopyIn(String),
    /// `copy stdout n v`: `n` lines.
    CopyOut(usize, String),
    /// `discard all | plans | sequences | temp`.
    Discard(What),
    /// `deallocate name`, `deallocate all` with `None`.
    Deallocate(Option<String>),
    /// `prepare name as …`.
    Prepare(String, Box<Self>),
    /// `execute name`.
    Execute(String),
    /// `create temp table t ()`.
    CreateTemp(String),
    /// `drop table t`.
    Drop(String),
    /// `select from t`: no rows, if there is such a table.
    Read(String),
    /// `listen c`.
    Listen(String),
    /// `unlisten c`, `unlisten *` with `None`.
    Unlisten(Option<String>),
    /// `notify c`, `notify c, 'payload'`.
    Notify(String, String),
    /// `select pg_advisory_lock(k)`, or one of its relatives.
    Lock(Lock, u64),
    /// `declare name cursor [with hold] for …`.
    Declare { name: String, hold: bool, query: Box<Self> },
    /// `fetch n from name`, `fetch all from name` with 0.
    Fetch(usize, String),
    /// `close name`, `close all` with `None`.
    CloseCursor(Option<String>),
    /// `star v`: one row, and its plan breaks with each `alter`.
    Star(String),
    /// `alter`: breaks the plans of all `star` statements once it is committed.
    Alter,
    /// Nothing at all.
    Empty,
    /// Anything else: a syntax error.
    Unknown,
}

/// What a statement takes from its own text or from its parameters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Value {
    /// A constant.
    Text(String),
    /// `$1` and so on, counted from 0.
    Parameter(usize),
}

/// What `discard` discards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum What {
    All,
    Plans,
    Sequences,
    Temp,
}

/// What is done to an advisory lock of the session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lock {
    Take,
    Try,
    Unlock,
    UnlockAll,
}

/// How the rows of a statement look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Columns {
    /// It has no rows.
    NoRows,
    /// Rows without a column.
    Zero,
    /// One column.
    One,
}

impl Command {
    /// Whether it may run in a failed transaction.
    #[must_use]
    pub(super) fn ends_transaction(&self) -> bool {
        matches!(self, Self::Commit | Self::Rollback | Self::RollbackTo(_))
    }

    /// The types of its parameters, if nobody declares others.
    #[must_use]
    pub(super) fn parameters(&self) -> Vec<u32> {
        const INT8: u32 = 20;
        const TEXT: u32 = 25;
        match self {
            Self::Echo(Value::Parameter(last)) => vec![TEXT; last + 1],
            Self::Insert(Value::Parameter(last)) => vec![INT8; last + 1],
            _ => Vec::new(),
        }
    }
}
