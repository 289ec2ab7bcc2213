//! Warm requests: how long one takes, and how many get through.

use std::sync::Arc;

use anyhow::Result;
use pierhead_tests::show::{
    Align, FAR_MS, Latency, Samples, Stage, Table, Way, latency, median, ms, throughput, times,
};

use crate::Plan;

/// Callers at once.
const CALLERS: [usize; 3] = [1, 10, 100];

/// One request at a time, near and far.
pub(crate) async fn latencies(stage: &Stage, plan: Plan) -> Result<Table> {
    let [direct, pooled] = latency(stage, plan.requests, |_| {}).await?;
    let mut table = Table::new([
        ("round trip", Align::Left),
        ("direct median", Align::Right),
        ("p95", Align::Right),
        ("coordinator median", Align::Right),
        ("p95", Align::Right),
        ("direct / coordinator", Align::Right),
    ]);
    let mut row = |name: String, direct: &Samples, pooled: &Samples| {
        let (a, b) = (direct.median(), pooled.median());
        let ratio = times(a.as_secs_f64() / b.as_secs_f64());
        let (a95, b95) = (direct.percentile(95), pooled.percentile(95));
        table.row([name, ms(a), ms(a95), ms(b), ms(b95), ratio]);
    };
    row("0 ms".into(), &direct.near, &pooled.near);
    row(format!("{FAR_MS} ms"), &direct.far, &pooled.far);
    let trips = |latency: &Latency| format!("{:.2}", latency.round_trips());
    let (direct, pooled) = (trips(&direct), trips(&pooled));
    table.row(["trips a query".into(), direct, String::new(), pooled]);
    Ok(table)
}

/// Many callers, near and far, in alternating rounds.
pub(crate) async fn rates(stage: &Arc<Stage>, plan: Plan) -> Result<Table> {
    let mut table = Table::new([
        ("round trip", Align::Left),
        ("callers", Align::Right),
        ("direct /s", Align::Right),
        ("failed", Align::Right),
        ("coordinator /s", Align::Right),
        ("failed", Align::Right),
        ("coordinator / direct", Align::Right),
    ]);
    for far_ms in [0, FAR_MS] {
        stage.set_round_trip_ms(far_ms);
        for callers in CALLERS {
            eprintln!("requests per second, {callers} callers, {far_ms} ms");
            let measured = rounds(stage, plan, callers).await?;
            let [direct, pooled] = [0, 1].map(|way| median(column(&measured, way)));
            let ratios = measured.iter().map(|round| round[1].0 / round[0].0.max(1e-9)).collect();
            let failed = |way: usize| measured.iter().map(|round| round[way].1).sum::<usize>();
            table.row([
                format!("{far_ms} ms"),
                callers.to_string(),
                format!("{direct:.0}"),
                failed(0).to_string(),
                format!("{pooled:.0}"),
                failed(1).to_string(),
                times(median(ratios)),
            ]);
        }
    }
    stage.set_round_trip_ms(0);
    Ok(table)
}

/// Rate and failures of both ways, per round.
type Round = [(f64, usize); 2];

async fn rounds(stage: &Arc<Stage>, plan: Plan, callers: usize) -> Result<Vec<Round>> {
    // Opens what the pool will need.
    throughput(stage, Way::Coordinator, callers, plan.time / 3).await?;
    let mut rounds = Vec::new();
    for _ in 0..plan.rounds {
        let mut round = Round::default();
        for (way, cell) in Way::BOTH.into_iter().zip(&mut round) {
            let rate = throughput(stage, way, callers, plan.time).await?;
            *cell = (rate.per_second(), rate.failed);
        }
        rounds.push(round);
    }
    Ok(rounds)
}

fn column(rounds: &[Round], way: usize) -> Vec<f64> {
    rounds.iter().filter_map(|round| round.get(way)).map(|(rate, _)| *rate).collect()
}
