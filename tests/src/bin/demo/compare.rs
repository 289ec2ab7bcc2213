//! The comparison: what a Worker gains that does not connect by itself.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use pierhead_tests::show::{
    Align, Burst, FAR_MS, Latency, Samples, Stage, Table, Way, burst, latency, ms, times,
};

use crate::progress::Progress;

/// Requests of each way at each distance.
const REQUESTS: usize = 40;
/// Invocations that start at once.
const BURST: usize = 200;
/// Until the last session of a burst has gone.
const PATIENCE: Duration = Duration::from_secs(10);
/// PostgreSQL's refusal of one connection too many.
const TOO_MANY: &str = "53300";

/// Measures both ways, interleaved, and prints the table.
pub(crate) async fn run(stage: &Arc<Stage>, progress: &mut Progress) -> Result<()> {
    progress.step(&format!(
        "measuring {REQUESTS} requests each way, without and with a round trip of {FAR_MS} ms"
    ));
    let latencies = latency(stage, REQUESTS, |done| progress.count(done, REQUESTS)).await?;
    // Since the start: the session that served them all was opened for the example queries.
    let opened = Way::BOTH.map(|way| stage.connections(way));

    stage.set_round_trip_ms(FAR_MS);
    progress.step(&format!("{BURST} invocations at once, each with its own connection"));
    let direct = burst(stage, Way::ByItself, BURST).await?;
    stage.postgres().wait_for_sessions(Way::ByItself.application(), 0, PATIENCE).await?;
    progress.step(&format!("{BURST} invocations at once, through the coordinator"));
    let pooled = burst(stage, Way::Coordinator, BURST).await?;
    stage.set_round_trip_ms(0);
    progress.done();

    let bursts = [direct, pooled];
    println!("\n{}\n", summary(&latencies, &bursts));
    println!("{}", table(&latencies, opened, &bursts));
    println!(
        "  The same question both ways, interleaved, on this machine just now. PostgreSQL's\n  \
         max_connections is 100, the coordinator's pool_size 10; the {BURST} came at {FAR_MS} ms. The way\n  \
         without Pierhead uses no TLS here; with TLS it takes two round trips more.\n"
    );
    if bursts[1].failed() > 0 {
        bail!("through the coordinator, some of {BURST} failed: {:?}", bursts[1].errors);
    }
    stage.tunnel().assert_clean();
    Ok(())
}

/// What stands out.
fn summary([direct, pooled]: &[Latency; 2], bursts: &[Burst; 2]) -> String {
    let [alone, together] = bursts;
    format!(
        "Gained: a query {FAR_MS} ms away takes {}, not {} ({:.2} round trips, not {:.2});\n\
         of {BURST} invocations at once {} fail, not {}; the database has {} sessions, not {}.",
        ms(pooled.far.median()),
        ms(direct.far.median()),
        pooled.round_trips(),
        direct.round_trips(),
        together.failed(),
        alone.failed(),
        together.sessions_peak,
        alone.sessions_peak,
    )
}

fn table(latencies: &[Latency; 2], opened: [u64; 2], bursts: &[Burst; 2]) -> Table {
    let columns = ["", "connect each time", "through Pierhead", "gained"];
    let mut table = Table::new(
        columns.map(|name| (name, if name.is_empty() { Align::Left } else { Align::Right })),
    );
    let [direct, pooled] = latencies;
    add_latency(&mut table, "latency, database beside the Worker", &direct.near, &pooled.near);
    add_latency(
        &mut table,
        &format!("latency, database {FAR_MS} ms away"),
        &direct.far,
        &pooled.far,
    );
    let trips = latencies.each_ref().map(Latency::round_trips);
    table.row([
        format!("  round trips per query at {FAR_MS} ms"),
        format!("{:.2}", trips[0]),
        format!("{:.2}", trips[1]),
        format!("{:+.1}", trips[1] - trips[0]),
    ]);
    let requests = format!("connections opened for {} queries", 2 * REQUESTS + 1);
    let gained = format!("{:+}", opened[1] as i64 - opened[0] as i64);
    table.row([requests, opened[0].to_string(), opened[1].to_string(), gained]);
    add_bursts(&mut table, bursts);
    table
}

fn add_latency(table: &mut Table, what: &str, direct: &Samples, pooled: &Samples) {
    let mut row = |name: &str, direct: Duration, pooled: Duration| {
        let gained = times(direct.as_secs_f64() / pooled.as_secs_f64());
        table.row([name, &ms(direct), &ms(pooled), &format!("{gained} faster")]);
    };
    row(&format!("{what}, median"), direct.median(), pooled.median());
    row("  95th percentile", direct.percentile(95), pooled.percentile(95));
}

fn add_bursts(table: &mut Table, bursts: &[Burst; 2]) {
    let mut row = |what: &str, count: &dyn Fn(&Burst) -> i64| {
        let [direct, pooled] = bursts.each_ref().map(count);
        let gained =
            if direct == pooled { String::new() } else { format!("{:+}", pooled - direct) };
        table.row([what.to_owned(), direct.to_string(), pooled.to_string(), gained]);
    };
    let too_many = |burst: &Burst| burst.errors.get(TOO_MANY).map_or(0, |count| *count as i64);
    row(&format!("{BURST} invocations at once, answered"), &|burst| burst.answered as i64);
    row("  refused: too many clients (53300)", &too_many);
    row("  other errors", &|burst| burst.failed() as i64 - too_many(burst));
    row("  sessions in the database, peak", &|burst| burst.sessions_peak as i64);
    row("  connections opened for them", &|burst| burst.connections as i64);
    let [direct, pooled] = bursts.each_ref().map(|burst| ms(burst.took));
    table.row(["  until the last answer", &direct, &pooled]);
}
