//! Prints what PgBouncer spends on the rounds that the engine's benchmark counts.
//! `cargo xtask bench --instructions` runs it.
#![allow(clippy::print_stdout, reason = "a command line program: printing is what it is for")]

use anyhow::Result;
use pierhead_tests::instructions::{Bench, REPETITIONS, ROUNDS};
use pierhead_tests::pgbouncer::PgBouncer;

#[tokio::main]
async fn main() -> Result<()> {
    if PgBouncer::program().is_none() {
        println!("PgBouncer is left out: there is none (PIERHEAD_PGBOUNCER)");
        return Ok(());
    }
    let bench = Bench::start().await?;
    println!("{:<44} {:>12} {:>12} {:>12}", "instructions", "a round", "a query", "without I/O");
    for round in ROUNDS {
        let (mut all, mut without_io) = (Vec::new(), Vec::new());
        for _ in 0..REPETITIONS {
            let spent = bench.count(round).await?;
            all.push(spent.all);
            without_io.push(spent.without_io);
        }
        let (all, without_io) = (median(all), median(without_io));
        let (query, without_io) = (all / round.queries, without_io / round.queries);
        println!("{:<44} {all:>12} {query:>12} {without_io:>12}", round.name);
    }
    Ok(())
}

fn median(mut counts: Vec<u64>) -> u64 {
    counts.sort_unstable();
    counts.get(counts.len() / 2).copied().unwrap_or_default()
}
