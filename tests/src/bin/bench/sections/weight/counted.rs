//! Instructions of a query: the engine's by its own benchmark, PgBouncer's beside it, both under
//! callgrind.

use anyhow::{Context as _, Result};
use pierhead_tests::instructions::{Bench, REPETITIONS, ROUNDS, Spent};
use pierhead_tests::pgbouncer::PgBouncer;

use super::{Measured, cargo, said};
use crate::plan::Plan;

/// How the engine is built: as other poolers are, and as the Worker is.
const ENGINES: [(&str, &str); 2] = [("engine", "3"), ("engine (opt-level s)", "s")];
const PGBOUNCER: &str = "pgbouncer";
const PGBOUNCER_WITHOUT_IO: &str = "pgbouncer (without I/O)";
/// Rounds of the engine that PgBouncer can be asked for too begin with this.
const SOCKET: &str = "socket, ";

pub(super) async fn instructions(plan: &Plan, measured: &mut Measured) -> Result<()> {
    if std::process::Command::new("valgrind").arg("--version").output().is_err() {
        let note =
            "No instructions: there is no valgrind (`cargo xtask bench` installs it with apt).";
        measured.notes.push(note.into());
        return Ok(());
    }
    if plan.name == "smoke" {
        // The engine's benchmark is built for minutes; one round shows that counting works.
        return pgbouncer(1, measured).await;
    }
    for (who, level) in ENGINES {
        let mut bench = cargo();
        bench.env("CARGO_PROFILE_BENCH_OPT_LEVEL", level);
        bench.args(["bench", "--quiet", "-p", "pierhead-engine", "--bench", "instructions"]);
        for (round, count) in rows(&said(&mut bench)?)? {
            push(measured, &round, who, count);
        }
    }
    pgbouncer(ROUNDS.len(), measured).await
}

async fn pgbouncer(rounds: usize, measured: &mut Measured) -> Result<()> {
    if PgBouncer::program().is_none() {
        measured.notes.push("PgBouncer is left out: there is none here.".into());
        return Ok(());
    }
    let bench = Bench::start().await?;
    for round in ROUNDS.iter().take(rounds) {
        for _ in 0..REPETITIONS {
            let Spent { all, without_io } = bench.count(round).await?;
            push(measured, round.name, PGBOUNCER, (all / round.queries) as f64);
            push(measured, round.name, PGBOUNCER_WITHOUT_IO, (without_io / round.queries) as f64);
        }
    }
    measured.notes.push(
        "instructions: for a query, in user space, warm, one client. The engine's have no input and \
         output in them. PgBouncer's have; without I/O they leave out libevent and what the C \
         library does around a system call, but not what it does itself for its sockets."
            .into(),
    );
    Ok(())
}

fn push(measured: &mut Measured, round: &str, who: &str, count: f64) {
    let metric = format!("instructions/{round}");
    measured.figures.push(&metric, who, 0.0, "instructions", count);
}

/// The rounds of the engine's table, and what a query costs in each.
fn rows(table: &str) -> Result<Vec<(String, f64)>> {
    let mut rows = Vec::new();
    for line in table.lines().skip(1) {
        let (line, query) = line.rsplit_once(' ').with_context(|| line.to_owned())?;
        let (name, _round) = line.trim_end().rsplit_once(' ').with_context(|| line.to_owned())?;
        let name = name.trim_end();
        let name = name.strip_prefix(SOCKET).unwrap_or(name).to_owned();
        rows.push((name, query.parse().with_context(|| format!("{query} is no number"))?));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_table_is_read_by_round() {
        let table = "instructions                   a round      a query\n\
                     exchange, simple query            8592         8592\n\
                     socket, ten in a pipeline        54112         5411\n";
        let expected =
            [("exchange, simple query".to_owned(), 8_592.0), ("ten in a pipeline".into(), 5_411.0)];
        assert_eq!(rows(table).unwrap(), expected);
        assert!(rows("head\ninstructions cannot be counted: no valgrind").is_err());
    }
}
