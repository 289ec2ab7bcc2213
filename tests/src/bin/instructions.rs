//! Prints what PgBouncer spends on the rounds that the engine's benchmark counts.
//! `cargo xtask bench --instructions` runs it.
#![allow(clippy::print_stdout, reason = "a command line program: printing is what it is for")]

use anyhow::Result;
use pierhead_tests::instructions::{Bench, ROUNDS, Spent};
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
        let Spent { all, without_io } = bench.count(round).await?;
        let (query, without_io) = (all / round.queries, without_io / round.queries);
        println!("{:<44} {all:>12} {query:>12} {without_io:>12}", round.name);
    }
    Ok(())
}
