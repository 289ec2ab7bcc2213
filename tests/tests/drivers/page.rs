//! `docs/compatibility.md`: what is tested, in which versions, and what differs, made from the tests.

use std::collections::BTreeMap;
use std::path::Path;

use crate::compare::Entry;
use crate::corpus::statements::statements;
use crate::listed;
use crate::matrix;
use crate::stage::folder;

/// One line of the matrix. Its version is read from where it is pinned.
struct Row {
    driver: &'static str,
    pinned: Pinned,
    mode: &'static str,
    tested: &'static str,
    /// The test that does it.
    test: &'static str,
    /// Its program, if that tells of the usual chapters.
    entry: Option<&'static Entry>,
}

/// Where a version is pinned.
enum Pinned {
    Npm(&'static str),
    /// In the manifest of this folder.
    NpmOf(&'static str, &'static str),
    Pip(&'static str),
    Crate(&'static str),
    /// It comes with something else.
    With(&'static str),
}

const SERVERS: Pinned = Pinned::With("the server's (15 or newer)");
const USUAL: &str = "types there and back, prepared statements, transactions with savepoints and errors, \
                     a large result, cancel, two clients' settings and tables";

const ROWS: &[Row] = &[
    Row {
        driver: "psql",
        pinned: SERVERS,
        mode: "transaction, session",
        tested: "all that drivers are tested for; `\\d` and its like, `\\copy`, Ctrl-C, `FETCH_COUNT`",
        test: "psql_in_transaction_mode",
        entry: Some(&matrix::PSQL),
    },
    Row {
        driver: "pgbench",
        pinned: SERVERS,
        mode: "transaction",
        tested: "TPC-B with simple, extended and prepared statements: 50 clients on 5 sessions, the books balanced",
        test: "pgbench_with_fifty_clients_on_five_sessions",
        entry: None,
    },
    Row {
        driver: "pg_dump, pg_restore",
        pinned: SERVERS,
        mode: "session",
        tested: "plain, custom and, with two jobs, directory format; restored and dumped again",
        test: "pg_dump_and_pg_restore_in_session_mode",
        entry: None,
    },
    Row {
        driver: "node-postgres (`pg`, `pg-cursor`, `pg-query-stream`)",
        pinned: Pinned::Npm("pg"),
        mode: "transaction",
        tested: "[1]; cursors and streams, also left early; LISTEN",
        test: "pg_with_cursors_and_streams",
        entry: Some(&matrix::PG),
    },
    Row {
        driver: "postgres.js",
        pinned: Pinned::Npm("postgres"),
        mode: "transaction",
        tested: "[1]; pipelines with failures in them, cursors, COPY both ways, LISTEN",
        test: "postgres_js",
        entry: Some(&matrix::POSTGRES_JS),
    },
    Row {
        driver: "Sequelize",
        pinned: Pinned::Npm("sequelize"),
        mode: "transaction",
        tested: "[1]; 50 connections on 5 sessions, none kept by the SETs that each one sends",
        test: "sequelize_with_fifty_clients_on_five_sessions",
        entry: Some(&matrix::SEQUELIZE),
    },
    Row {
        driver: "Drizzle ORM",
        pinned: Pinned::Npm("drizzle-orm"),
        mode: "transaction",
        tested: "[1], on node-postgres",
        test: "drizzle_kit_migrates",
        entry: Some(&matrix::DRIZZLE),
    },
    Row {
        driver: "drizzle-kit",
        pinned: Pinned::Npm("drizzle-kit"),
        mode: "transaction",
        tested: "`generate`, `migrate` twice",
        test: "drizzle_kit_migrates",
        entry: None,
    },
    Row {
        driver: "Prisma's migrations",
        pinned: Pinned::Npm("prisma"),
        mode: "session",
        tested: "`migrate deploy` twice, `status`, a migration that fails; by the schema engine in wasm, over `@prisma/adapter-pg`",
        test: "prisma_migrates_in_session_mode",
        entry: None,
    },
    Row {
        driver: "Prisma's client, on `pierhead/prisma`",
        pinned: Pinned::NpmOf("prisma", "prisma"),
        mode: "calls",
        tested: "types, relations, transactions with errors, a large result, two at once; in a Worker that wrangler runs",
        test: "prismas_client_over_calls",
        entry: None,
    },
    Row {
        driver: "Vite, its server for rendering",
        pinned: Pinned::NpmOf("frameworks", "vite"),
        mode: "calls",
        tested: "a page, beside `npx pierhead dev`",
        test: "vite_vitest_and_next_find_the_pool",
        entry: None,
    },
    Row {
        driver: "Vitest",
        pinned: Pinned::NpmOf("frameworks", "vitest"),
        mode: "calls",
        tested: "tests with a transaction that is rolled back, beside `npx pierhead dev`",
        test: "vite_vitest_and_next_find_the_pool",
        entry: None,
    },
    Row {
        driver: "Next, its development server",
        pinned: Pinned::NpmOf("frameworks", "next"),
        mode: "calls",
        tested: "a route and a component of the server, beside `npx pierhead dev`",
        test: "vite_vitest_and_next_find_the_pool",
        entry: None,
    },
    Row {
        driver: "psycopg 3",
        pinned: Pinned::Pip("psycopg"),
        mode: "transaction",
        tested: "[1]; pipelines, server-side cursors, COPY in text and binary, two-phase commit, LISTEN",
        test: "psycopg_with_pipelines_cursors_and_copy",
        entry: Some(&matrix::PSYCOPG),
    },
    Row {
        driver: "asyncpg",
        pinned: Pinned::Pip("asyncpg"),
        mode: "transaction",
        tested: "[1]; its pool, which resets each connection; COPY, LISTEN",
        test: "asyncpg",
        entry: Some(&matrix::ASYNCPG),
    },
    Row {
        driver: "SQLAlchemy, on psycopg",
        pinned: Pinned::Pip("SQLAlchemy"),
        mode: "session",
        tested: "its own suite for dialects, test by test; through the engine's port and workerd's",
        test: "sqlalchemys_dialect_suite",
        entry: None,
    },
    Row {
        driver: "sqlx",
        pinned: Pinned::Crate("sqlx"),
        mode: "transaction",
        tested: "[1]; COPY, LISTEN",
        test: "sqlx",
        entry: Some(&matrix::SQLX),
    },
    Row {
        driver: "sqlx's migrations",
        pinned: Pinned::Crate("sqlx"),
        mode: "session",
        tested: "two at once, of which one waits for the other's advisory lock; undo; a tool that dies with the lock",
        test: "sqlx_migrates_in_session_mode",
        entry: None,
    },
    Row {
        driver: "tokio-postgres",
        pinned: Pinned::Crate("tokio-postgres"),
        mode: "transaction",
        tested: "[1]; pipelines, portals, COPY, LISTEN",
        test: "tokio_postgres",
        entry: Some(&matrix::TOKIO_POSTGRES),
    },
    Row {
        driver: "tokio-postgres' own tests",
        pinned: Pinned::With("that of these tests"),
        mode: "session",
        tested: "all that its authors packed, test by test; those of passwords on pools that ask for one; through the engine's port and workerd's",
        test: "a_drivers_own_tests_end_as_they_do_directly",
        entry: None,
    },
    Row {
        driver: "pgJDBC",
        pinned: Pinned::With("Debian's"),
        mode: "transaction",
        tested: "[1]; statements prepared at the server, batches, results fetched in parts, COPY, LISTEN",
        test: "pgjdbc",
        entry: Some(&matrix::PGJDBC),
    },
];

/// The version in a folder's manifest.
fn npm(programs: &str, name: &str) -> String {
    let manifest = std::fs::read_to_string(folder(programs).join("package.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    manifest["dependencies"][name].as_str().unwrap().to_owned()
}

fn version(pinned: &Pinned) -> String {
    let read = |name: &str| std::fs::read_to_string(folder(name)).unwrap();
    match pinned {
        Pinned::With(what) => (*what).to_owned(),
        Pinned::Npm(name) => npm("node", name),
        Pinned::NpmOf(folder, name) => npm(folder, name),
        Pinned::Pip(name) => {
            let list = read("python/requirements.txt");
            let found = list.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("=="));
            found.unwrap().to_owned()
        }
        Pinned::Crate(name) => {
            let manifest = read("rust/Cargo.toml");
            let line = manifest.lines().find_map(|line| line.strip_prefix(&format!("{name} = ")));
            line.unwrap().split("\"=").nth(1).unwrap().split('"').next().unwrap().to_owned()
        }
    }
}

/// What each entry tells: the programs' headings, and the Workers' stories.
fn chapters() -> String {
    let mut table = String::from("| entry | version | from |");
    table.push_str(&listed::CHAPTERS.iter().map(|name| format!(" {name} |")).collect::<String>());
    table.push_str(&format!("\n{}|\n", "|---".repeat(3 + listed::CHAPTERS.len())));
    for worker in listed::WORKERS {
        let version = worker_version(worker);
        let cells = listed::CHAPTERS.iter().map(|name| cell(name, true, worker.cancel));
        let cells: String = cells.collect();
        let listed::Worker { name, by, .. } = worker;
        table.push_str(&format!("| {name} | {version} | a Worker, {by} |{cells}\n"));
    }
    for Row { driver, pinned, entry, .. } in ROWS {
        let Some(entry) = entry else { continue };
        let cells = listed::CHAPTERS.iter();
        let cells: String = cells.map(|name| cell(name, entry.has(name), entry.cancel)).collect();
        table.push_str(&format!("| {driver} | {} | a TCP port |{cells}\n", version(pinned)));
    }
    table
}

fn cell(chapter: &str, tells: bool, cancel: &str) -> String {
    match (tells, chapter) {
        (false, _) => " no |".to_owned(),
        (true, "cancel") => format!(" {cancel} |"),
        (true, _) => " yes |".to_owned(),
    }
}

/// From where the Workers' packages and crates are pinned.
fn worker_version(worker: &listed::Worker) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
    match (&worker.code, worker.package) {
        (listed::Code::TokioPostgres, _) => {
            let lock = read("Cargo.lock");
            let package =
                lock.split("[[package]]").find(|one| one.contains("name = \"tokio-postgres\""));
            let version = package.unwrap().lines().find_map(|line| line.strip_prefix("version = "));
            version.unwrap().trim_matches('"').to_owned()
        }
        (_, None) => "this".to_owned(),
        (_, Some(name)) => {
            let package: serde_json::Value =
                serde_json::from_str(&read("worker-client/js/package.json")).unwrap();
            package["devDependencies"][name].as_str().unwrap().to_owned()
        }
    }
}

fn drivers() -> String {
    let mut table =
        String::from("| driver or tool | version | mode | tested |\n|---|---|---|---|\n");
    for Row { driver, pinned, mode, tested, .. } in ROWS {
        let version = version(pinned);
        table.push_str(&format!("| {driver} | {version} | {mode} | {tested} |\n"));
    }
    table.push_str(&format!("\n[1]: {USUAL}.\n"));
    table
}

/// The marks of the corpus, those of one reason together.
fn differences() -> String {
    let mut reasons: BTreeMap<(String, &'static str, String), Vec<String>> = BTreeMap::new();
    let all = statements();
    for statement in &all {
        for mark in statement.marks() {
            let key = (mark.path.clone(), mark.form(), mark.reason.clone());
            let sql = statement.sql.replace('|', "\\|").replace('\n', " ");
            reasons.entry(key).or_default().push(format!("`{sql}`"));
        }
    }
    let sockets = reasons.keys().any(|(path, ..)| path != "exchange");
    let sockets = if sockets { "Some differ over sockets." } else { "None differs over sockets." };
    let mut table = format!("{} statements. {sockets}\n\n", all.len());
    table.push_str("| path | form | why | statements |\n|---|---|---|---|\n");
    for ((path, form, reason), statements) in reasons {
        table.push_str(&format!("| {path} | {form} | {reason} | {} |\n", statements.join(", ")));
    }
    table
}

/// The page with its made parts as they must be.
fn made(page: &str) -> String {
    let mut page = page.to_owned();
    let parts = [("drivers", drivers()), ("chapters", chapters()), ("differences", differences())];
    for (name, part) in parts {
        let (start, end) = (format!("<!-- {name}: made -->\n"), format!("<!-- {name}: end -->"));
        let from = page.find(&start).unwrap_or_else(|| panic!("no {start}")) + start.len();
        let to = page.find(&end).unwrap_or_else(|| panic!("no {end}"));
        page.replace_range(from..to, &part);
    }
    page
}

/// With `REWRITE_DOCS=1` in the environment the page is brought up to date instead.
#[test]
fn the_page_says_what_is_tested() {
    const PAGE: &str = "docs/compatibility.md";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(PAGE);
    let page = std::fs::read_to_string(&path).unwrap();
    let made = made(&page);
    if std::env::var_os("REWRITE_DOCS").is_some() {
        return std::fs::write(path, made).unwrap();
    }
    let advice = "REWRITE_DOCS=1 cargo test -p pierhead-tests --test drivers page rewrites it";
    assert!(page == made, "{PAGE} is out of date: {advice}");
}

#[test]
fn every_line_of_the_page_has_its_test() {
    let sources =
        ["frameworks", "java", "node", "prisma", "psql", "python", "rust", "suite"].map(|name| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/drivers");
            std::fs::read_to_string(path.join(format!("{name}.rs"))).unwrap()
        });
    for Row { driver, test, .. } in ROWS {
        let has = sources.iter().any(|source| source.contains(&format!("#[test]\nfn {test}()")));
        assert!(has, "{driver} is said to be tested by {test}, which there is not");
    }
}
