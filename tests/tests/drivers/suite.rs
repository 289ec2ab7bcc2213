//! The test suite of a driver, tokio-postgres, as its authors packed it: against PostgreSQL itself
//! and through pools in session mode, with the same result.
//!
//! The suite comes with the crate that these tests are built with, so it takes nothing but the
//! registry. It dials one port of 127.0.0.1, which is written into a copy of it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use pierhead_tests::net::Limits;
use pierhead_tests::postgres::{Postgres, PostgresConfig};
use pierhead_tests::proxy::TcpProxy;
use serde_json::Value;
use tokio_postgres::NoTls;

use crate::pool::Pool;
use crate::stage::live;
use crate::target::{Mode, Target, Way};

/// The port that the suite's authors have their server on.
const THEIR_PORT: &str = "5433";

/// Tests that log in as somebody else than `postgres`: they need a pool for that user, which asks its
/// clients for the password.
const OTHERS: [(&str, &[&str]); 3] = [
    (
        "pass_user",
        &[
            "plain_password_ok",
            "plain_password_wrong",
            "runtime::host_only_ok",
            "runtime::hostaddr_only_ok",
            "runtime::hostaddr_and_host_ok",
        ],
    ),
    ("md5_user", &["md5_password_ok", "md5_password_wrong"]),
    ("scram_user", &["scram_password_ok", "scram_password_wrong"]),
];

#[test]
fn a_drivers_own_tests_end_as_they_do_directly() {
    let address = free_address();
    let suite = Suite { program: build(address.port()), address };
    live(async {
        let postgres = server().await;
        let unlimited = Limits { handshakes: None, streams: None };
        let proxy = TcpProxy::start_on(address, postgres.addr(), unlimited).unwrap();
        let directly = run(&suite, &[]).await;
        drop(proxy);
        let passed = directly.values().filter(|verdict| *verdict == "ok").count();
        eprintln!("{passed} of {} tests of the driver pass directly", directly.len());
        assert!(passed > 100, "{directly:?}");
        for target in [Target::Native, Target::Workerd(Way::Tcp)] {
            let mut pooled = through(target, &postgres, "postgres", &suite, &[]).await;
            for (user, tests) in OTHERS {
                pooled.extend(through(target, &postgres, user, &suite, tests).await);
            }
            assert!(directly.keys().eq(pooled.keys()));
            let different: Vec<_> = directly
                .iter()
                .filter(|(name, verdict)| pooled.get(*name) != Some(*verdict))
                .map(|(name, verdict)| format!("{name}: {verdict} directly, {}", pooled[name]))
                .collect();
            assert!(different.is_empty(), "{target:?}: {different:#?}");
        }
    });
}

/// The suite, built for the port of this address.
struct Suite {
    program: PathBuf,
    address: SocketAddr,
}

/// A port below those that systems give to outgoing connections, one of which could take it before
/// it is listened on.
fn free_address() -> SocketAddr {
    let mut ports = 18_000..20_000;
    let port = ports.find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
    (Ipv4Addr::LOCALHOST, port.expect("a free port")).into()
}

/// The suite through a pool whose user is this one; all but `postgres` prove who they are.
async fn through(
    target: Target,
    postgres: &Postgres,
    user: &str,
    suite: &Suite,
    tests: &[&str],
) -> BTreeMap<String, String> {
    let pool = Pool {
        role: user,
        database: "postgres",
        application: "suite",
        sessions: 20,
        password: "password",
        asks: user != "postgres",
    };
    let (address, _between) = pool.of(target, Mode::Session, postgres.addr()).await;
    let unlimited = Limits { handshakes: None, streams: None };
    let _proxy = TcpProxy::start_on(suite.address, address, unlimited).unwrap();
    run(suite, tests).await
}

/// A server with the users and extensions that the suite's authors use.
async fn server() -> Postgres {
    let hba = ["host all postgres 127.0.0.1/32 trust", "host all pass_user 127.0.0.1/32 password"];
    let postgres =
        Postgres::start(PostgresConfig { hba: hba.map(String::from).into(), ..Default::default() })
            .await
            .unwrap();
    let users = "create role pass_user login password 'password'; \
                 alter role scram_user password 'password'; \
                 set password_encryption = 'md5'; alter role md5_user password 'password'";
    postgres.run(users).await.unwrap();
    let port = postgres.addr().port();
    let connection = format!("host=127.0.0.1 port={port} user=postgres dbname=postgres");
    let (client, connection) = tokio_postgres::connect(&connection, NoTls).await.unwrap();
    tokio::spawn(connection);
    for extension in ["hstore", "citext", "ltree"] {
        // Some packages of the server come without them; then their tests fail both ways.
        if let Err(error) = client.batch_execute(&format!("create extension {extension}")).await {
            eprintln!("no {extension}: {error}");
        }
    }
    postgres
}

/// Runs the suite, or these tests of it; returns each test's verdict.
async fn run(suite: &Suite, tests: &[&str]) -> BTreeMap<String, String> {
    let mut command = Command::new(&suite.program);
    command.args(["--test-threads", "4", "--exact"]).args(tests);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let verdicts: BTreeMap<String, String> = printed
        .lines()
        .filter_map(|line| line.strip_prefix("test ")?.split_once(" ... "))
        .map(|(name, verdict)| (name.to_owned(), verdict.to_owned()))
        .collect();
    if verdicts.values().any(|verdict| verdict == "FAILED") {
        let failures = printed.find("\nfailures:").map_or("", |at| &printed[at..]);
        eprintln!("{failures}");
    }
    assert!(!verdicts.is_empty(), "{printed}");
    verdicts
}

/// Builds the suite in a copy of the crate, for this port; returns the program.
fn build(port: u16) -> PathBuf {
    let here = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let copy = here.join("tokio-postgres");
    drop(std::fs::remove_dir_all(&copy));
    std::fs::create_dir_all(&copy).unwrap();
    let source = source();
    for part in ["src", "tests", "Cargo.toml", "Cargo.lock"] {
        let copied = Command::new("cp").arg("-RL").arg(source.join(part)).arg(&copy).status();
        assert!(copied.unwrap().success(), "{part} cannot be copied");
    }
    for file in ["tests/test/main.rs", "tests/test/runtime.rs"] {
        let file = copy.join(file);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(THEIR_PORT), "the suite does not dial port {THEIR_PORT} any more");
        std::fs::write(file, text.replace(THEIR_PORT, &port.to_string())).unwrap();
    }
    let manifest = copy.join("Cargo.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, without_benchmarks(&text)).unwrap();
    let mut command = cargo();
    command.current_dir(&copy).args(["test", "--test", "test", "--all-features", "--no-run"]);
    command.args(["--message-format", "json"]).env("CARGO_TARGET_DIR", here.join("driver"));
    eprintln!("… building tokio-postgres' own tests");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let messages = String::from_utf8(output.stdout).unwrap();
    let program = messages.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        Some(PathBuf::from(message["executable"].as_str()?))
    });
    program.expect("cargo names the program it built")
}

/// The sources of the crate that these tests are built with.
fn source() -> PathBuf {
    let mut command = cargo();
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = command.args(["metadata", "--format-version", "1"]).output().unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|package| package["name"] == "tokio-postgres").unwrap();
    Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap().to_owned()
}

/// The manifest for a package of its own, without what only its benchmarks need.
fn without_benchmarks(manifest: &str) -> String {
    let mut kept = String::new();
    for section in manifest.split("\n[") {
        let drops = ["[bench]]", "dev-dependencies.criterion]", "dev-dependencies.env_logger]"];
        if !drops.iter().any(|head| section.starts_with(head)) {
            kept.push_str(if kept.is_empty() { "" } else { "\n[" });
            kept.push_str(section);
        }
    }
    kept + "\n[workspace]\n"
}

fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    // What cargo told these tests is not about that crate.
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("CARGO_PKG") || name_text.starts_with("CARGO_MANIFEST") {
            command.env_remove(name);
        }
    }
    command
}
