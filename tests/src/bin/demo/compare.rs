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
    let quotient = direct.far.median().as_secs_f64() / pooled.far.median().as_secs_f64();
    format!(
        "Gained: {} faster at {FAR_MS} ms ({:.1} round trips a query, not {:.1}); of {BURST} at once \
         {} fail, not {};\n{} sessions in the database, not {}.",
        times(quotient),
        pooled.round_trips(),
        direct.round_trips(),
        bursts[1].failed(),
        bursts[0].failed(),
        bursts[1].sessions_peak,
        bursts[0].sessions_peak,
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
    let requests = format!("  connections opened for {} queries", 2 * REQUESTS + 1);
    let gained = format!("{:+}", opened[1] as i64 - opened[0] as i64);
    table.row([requests, opened[0].to_string(), opened[1].to_string(), gained]);
    add_bursts(&mut table, bursts);
    table
}

fn add_latency(table: &mut Table, what: &str, direct: &Samples, pooled: &Samples) {
    let quotient =
        |direct: Duration, pooled: Duration| times(direct.as_secs_f64() / pooled.as_secs_f64());
    for (name, direct, pooled) in [
        (format!("{what}, median"), direct.median(), pooled.median()),
        (
            format!("{:>width$}, p95", "", width = what.len()),
            direct.percentile(95),
            pooled.percentile(95),
        ),
    ] {
        table.row([name, ms(direct), ms(pooled), format!("{} faster", quotient(direct, pooled))]);
    }
}

fn add_bursts(table: &mut Table, bursts: &[Burst; 2]) {
    let [direct, pooled] = bursts;
    let mut row = |what: &str, show: &dyn Fn(&Burst) -> String, gained: String| {
        table.row([what.to_owned(), show(direct), show(pooled), gained]);
    };
    row(
        &format!("{BURST} invocations at once, answered"),
        &|b| b.answered.to_string(),
        String::new(),
    );
    let too_many = |b: &Burst| b.errors.get(TOO_MANY).copied().unwrap_or(0);
    row("  \"too many clients\" (53300)", &|b| too_many(b).to_string(), String::new());
    row("  other errors", &|b| (b.failed() - too_many(b)).to_string(), String::new());
    let difference = |pooled: u64, direct: u64| format!("{:+}", pooled as i64 - direct as i64);
    row(
        "  sessions in the database, peak",
        &|b| b.sessions_peak.to_string(),
        difference(pooled.sessions_peak as u64, direct.sessions_peak as u64),
    );
    row(
        "  connections opened (handshakes)",
        &|b| b.connections.to_string(),
        difference(pooled.connections, direct.connections),
    );
    row("  until the last answer", &|b| ms(b.took), String::new());
}
