//! PostgreSQL's own programs through the pool: `pgbench` with ten clients for each session, `psql`.

use std::path::PathBuf;
use std::process::Output;

use pierhead_tests::postgres::{DATABASE, PASSWORD};

use super::scene::Scene;
use crate::world::live;

/// A program beside the server's. Some packages of the server come without it.
fn program(name: &str) -> Option<PathBuf> {
    let found = PathBuf::from(std::env::var_os("PIERHEAD_PG_BIN")?).join(name);
    if !found.exists() {
        eprintln!("NOT RUN: this PostgreSQL comes without {name}");
        return None;
    }
    Some(found)
}

async fn run(program: PathBuf, address: std::net::SocketAddr, arguments: &[&str]) -> Output {
    let mut command = std::process::Command::new(program);
    command.args(["-h", &address.ip().to_string(), "-p", &address.port().to_string()]);
    command.args(["-U", "scram_user"]).args(arguments).arg(DATABASE);
    command.env("PGPASSWORD", PASSWORD).env("LC_ALL", "C");
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// What a program printed, if it ended well.
#[track_caller]
fn printed(output: &Output) -> String {
    let (out, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{out}\n{errors}", output.status);
    out.into_owned()
}

/// The number behind a word of a summary.
fn number(summary: &str, word: &str) -> f64 {
    let line = summary.lines().find_map(|line| line.trim().strip_prefix(word));
    let word = line.and_then(|rest| rest.split_whitespace().next());
    word.and_then(|word| word.split('/').next()?.parse().ok())
        .unwrap_or_else(|| panic!("{summary}"))
}

/// Sums that a lost or a doubled transaction would tear apart.
const BOOKS: &str = "select (select sum(abalance) from pgbench_accounts) = sum(delta) \
                     and (select sum(tbalance) from pgbench_tellers) = \
                     (select sum(bbalance) from pgbench_branches), count(*) from pgbench_history";

#[test]
fn pgbench_runs_fifty_clients_on_five_sessions_in_all_three_protocols() {
    live(async {
        let Some(pgbench) = program("pgbench") else { return };
        let scene = Scene::of(5).await;
        printed(&run(pgbench.clone(), scene.postgres.addr(), &["-i", "-q", "-s", "1"]).await);
        let mut booked = 0.0;
        for protocol in ["simple", "extended", "prepared"] {
            for script in ["-S", "-N", "-btpcb-like"] {
                let seconds = if script == "-N" { "1" } else { "5" };
                let arguments =
                    ["-n", "-M", protocol, "-c", "50", "-j", "2", "-T", seconds, script];
                let output = run(pgbench.clone(), scene.native.transaction, &arguments).await;
                let summary = printed(&output);
                let errors = String::from_utf8_lossy(&output.stderr).into_owned();
                assert_eq!(number(&summary, "number of failed transactions:"), 0.0, "{summary}");
                assert!(!errors.contains("error") && !errors.contains("abort"), "{errors}");
                let done = number(&summary, "number of transactions actually processed:");
                assert!(done > 50.0, "{summary}");
                eprintln!(
                    "{protocol} {script}: {done} transactions, {:.0} a second",
                    number(&summary, "tps =")
                );
                booked += if script == "-S" { 0.0 } else { done };
                assert!(scene.sessions().await <= 5);
            }
        }
        let books = scene.direct().await.query(BOOKS).await;
        assert_eq!(books, format!("T D(t,{booked}) C(SELECT 1) Z(I)"));
        assert_eq!(scene.until_at_rest().await.counters.lost, 0);
    });
}

#[test]
fn psql_looks_around() {
    live(async {
        let Some(psql) = program("psql") else { return };
        let scene = Scene::of(1).await;
        let script = [
            "-X",
            "-v",
            "ON_ERROR_STOP=1",
            "-c",
            "\\d berths",
            "-c",
            "\\timing on",
            "-c",
            "begin; select count(*) from ships; commit",
            "-c",
            "\\copy (select id, name from berths order by id limit 2) to stdout",
        ];
        let out = printed(&run(psql.clone(), scene.native.transaction, &script).await);
        for wanted in ["berths_pkey", "200", "1\tPier 1\n2\tPier 2", "COMMIT"] {
            assert!(out.contains(wanted), "{wanted} is not in:\n{out}");
        }
    });
}
