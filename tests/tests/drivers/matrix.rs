//! The programs of the matrix, and what each tells of. A run compares the headings that a program
//! prints with these, and the page shows them.

use crate::compare::Entry;
use crate::target::Mode;

/// What every driver's program tells about, each under a heading of its own (`== types`).
pub(crate) const CHAPTERS: &[&str] = crate::listed::CHAPTERS;

const OWN_CANCEL: &str = "its own";

const DRIVER: Entry = Entry {
    name: "",
    mode: Mode::Transaction,
    sessions: 3,
    chapters: CHAPTERS,
    further: &[],
    cancel: OWN_CANCEL,
};

pub(crate) const PSQL: Entry =
    Entry { name: "psql", cancel: "Ctrl-C", further: &["describe", "copy"], ..DRIVER };
pub(crate) const PG_DUMP: Entry = Entry {
    name: "pg_dump",
    mode: Mode::Session,
    sessions: 5,
    chapters: &[],
    further: &["filled", "dumped", "restored", "copied back as text"],
    ..DRIVER
};
pub(crate) const PG: Entry = Entry { name: "pg", further: &["notifications"], ..DRIVER };
pub(crate) const POSTGRES_JS: Entry =
    Entry { name: "postgres", further: &["notifications"], ..DRIVER };
pub(crate) const SEQUELIZE: Entry =
    Entry { name: "sequelize", sessions: 5, cancel: "`statement_timeout`", ..DRIVER };
pub(crate) const DRIZZLE: Entry = Entry {
    name: "drizzle",
    cancel: "`statement_timeout`, and that of `pg`",
    further: &["migrations"],
    ..DRIVER
};
pub(crate) const PRISMA: Entry = Entry {
    name: "prisma",
    mode: Mode::Session,
    chapters: &[],
    further: &["migrations", "a migration that fails"],
    ..DRIVER
};
pub(crate) const PSYCOPG: Entry =
    Entry { name: "psycopg", further: &["pipeline", "notifications"], ..DRIVER };
pub(crate) const ASYNCPG: Entry = Entry { name: "asyncpg", ..DRIVER };
pub(crate) const SQLX: Entry =
    Entry { name: "sqlx", cancel: "a dropped query, and `statement_timeout`", ..DRIVER };
pub(crate) const SQLX_MIGRATE: Entry = Entry {
    name: "sqlx migrate",
    mode: Mode::Session,
    chapters: &[],
    further: &["migrations"],
    ..DRIVER
};
pub(crate) const TOKIO_POSTGRES: Entry = Entry { name: "tokio-postgres", ..DRIVER };
pub(crate) const PGJDBC: Entry = Entry { name: "pgjdbc", ..DRIVER };
