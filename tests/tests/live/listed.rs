//! Which entries of the driver matrix are Workers: `entries` runs them, and the page of
//! `docs/compatibility.md` lists them, made by the tests of the drivers.
#![allow(
    dead_code,
    reason = "one of the two programs reads a part of each entry, the other the rest"
)]

/// What each of them tells.
pub(crate) const CHAPTERS: &[&str] =
    &["types", "prepared", "transactions", "big result", "cancel", "two clients"];

/// An entry.
pub(crate) struct Worker {
    /// As the page has it.
    pub(crate) name: &'static str,
    /// How it reaches the pool.
    pub(crate) by: &'static str,
    /// How a statement is ended early.
    pub(crate) cancel: &'static str,
    pub(crate) code: Code,
    /// The npm package whose version it has; none for this repository's own.
    pub(crate) package: Option<&'static str>,
}

/// Where its stories are.
pub(crate) enum Code {
    /// `rust_entry.rs`, on what `tests/app` can be asked for.
    RustClient,
    /// `tests/app/src/driver.rs`.
    TokioPostgres,
    /// Under this name in `worker-client/js/test/worker/matrix.ts`.
    TypeScript(&'static str),
}

const CALLS: &str = "calls";
const HOST: &str = "a socket, by host name";
const STREAM: &str = "a socket, handed over";
const OWN: &str = "its own";
const TIMEOUT: &str = "`statement_timeout`";

pub(crate) const WORKERS: &[Worker] = &[
    Worker {
        name: "the Rust client",
        by: CALLS,
        cancel: "a deadline, a dropped call",
        code: Code::RustClient,
        package: None,
    },
    own("the TypeScript client", "`AbortSignal`", "client"),
    own("its `pg`", TIMEOUT, "pg-calls"),
    on("Drizzle ORM", CALLS, TIMEOUT, "drizzle-calls", "drizzle-orm"),
    on("Kysely", CALLS, "its own, and `statement_timeout`", "kysely-calls", "kysely"),
    on("Prisma's adapter", CALLS, TIMEOUT, "prisma-calls", "@prisma/adapter-pg"),
    Worker {
        name: "tokio-postgres",
        by: STREAM,
        cancel: OWN,
        code: Code::TokioPostgres,
        package: None,
    },
    on("node-postgres", HOST, OWN, "pg-host", "pg"),
    on("node-postgres", STREAM, OWN, "pg-stream", "pg"),
    on("`pg-cursor`, `pg-query-stream`", HOST, "left early", "pg-cursors", "pg-cursor"),
    on("postgres.js", HOST, OWN, "postgres-host", "postgres"),
    on("postgres.js", STREAM, OWN, "postgres-stream", "postgres"),
    on("Sequelize", HOST, TIMEOUT, "sequelize-host", "sequelize"),
    on("Sequelize", STREAM, TIMEOUT, "sequelize-stream", "sequelize"),
    on("Drizzle ORM on node-postgres", HOST, TIMEOUT, "drizzle-pg", "drizzle-orm"),
    on("Kysely on node-postgres", HOST, TIMEOUT, "kysely-pg", "kysely"),
    on("Prisma's adapter on node-postgres", HOST, TIMEOUT, "prisma-pg", "@prisma/adapter-pg"),
];

const fn own(name: &'static str, cancel: &'static str, module: &'static str) -> Worker {
    Worker { name, by: CALLS, cancel, code: Code::TypeScript(module), package: None }
}

const fn on(
    name: &'static str,
    by: &'static str,
    cancel: &'static str,
    module: &'static str,
    package: &'static str,
) -> Worker {
    Worker { name, by, cancel, code: Code::TypeScript(module), package: Some(package) }
}
