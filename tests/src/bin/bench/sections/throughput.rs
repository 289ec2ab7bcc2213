//! Queries per second of one coordinator, how evenly waiters are served, and whose processor time it
//! takes.

use std::sync::Arc;

use anyhow::Result;

use super::Measured;
use super::pgbench::Pgbench;
use crate::figures::percentile_ms;
use crate::load::{Load, closed_loop};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::stage::Stage;
use crate::ways::Way;

/// So many callers need longer, for each is to be answered several times.
const MANY: usize = 500;
const LONGER: u32 = 3;

pub(super) async fn measure(
    stage: &Arc<Stage>,
    plan: &Plan,
    progress: &mut Progress,
) -> Result<Measured> {
    let mut measured = Measured::default();
    let ways = stage.ways();
    let pgbench = if stage.is_whole() { Pgbench::find(stage)? } else { None };
    if stage.is_whole() && pgbench.is_none() {
        measured.notes.push("Without pgbench: this PostgreSQL comes without its clients.".into());
    }
    let steps = plan.rounds * plan.callers.len() * ways.len();
    for round in 0..plan.rounds {
        for (index, &callers) in plan.callers.iter().enumerate() {
            for (at, &way) in ways.iter().enumerate() {
                let step = (round * plan.callers.len() + index) * ways.len() + at;
                progress.at(step, steps, &format!("{callers} callers, {}", way.id()));
                let laps = if callers >= MANY { LONGER } else { 1 };
                let load = closed_loop(stage, way, callers, plan.time * laps).await?;
                tell(way, callers, load, &mut measured);
            }
            if let Some(pgbench) = pgbench.as_ref().filter(|_| callers < MANY) {
                pgbench.measure(stage, callers, plan.time, &mut measured).await?;
            }
        }
    }
    Ok(measured)
}

fn tell(way: Way, callers: usize, mut load: Load, measured: &mut Measured) {
    let (who, at) = (way.id(), callers as f64);
    let figures = &mut measured.figures;
    figures.push("rate", who, at, "queries/s", load.per_second());
    let [p50, p99, p999] = [500, 990, 999].map(|of| percentile_ms(&mut load.answered, of));
    for (metric, value) in [("p50", p50), ("p99", p99), ("p999", p999)] {
        figures.push(metric, who, at, "ms", value);
    }
    figures.push("spread", who, at, "p99/p50", p99 / p50.max(1e-9));
    figures.push("errors", who, at, "answers", load.errors as f64);
    let thousands = (load.answered.len() + load.errors) as f64 / 1e3;
    for (process, seconds) in load.spent.parts() {
        let metric = format!("cpu/{process}");
        figures.push(&metric, who, at, "s per 1,000 queries", seconds / thousands);
    }
}
