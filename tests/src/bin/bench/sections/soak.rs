//! Whether memory grows: many callers for many minutes, through calls and through sockets.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result};

use super::Measured;
use crate::load::closed_loop;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::stage::Stage;
use crate::ways::Way;

/// Each has half of the callers.
const WAYS: [Way; 2] = [Way::ExchangeAgent, Way::SocketPg];
/// The object that both use; that of sockets has a name of its own.
const OBJECT: &str = "agent";

pub(super) async fn measure(
    stage: &Arc<Stage>,
    plan: &Plan,
    progress: &mut Progress,
) -> Result<Measured> {
    let mut measured = Measured::default();
    let began = Instant::now();
    let mut looks = vec![look(stage, 0.0).await?];
    while began.elapsed() < plan.soak {
        let done = began.elapsed().as_secs() as usize;
        progress.at(done, plan.soak.as_secs() as usize, "under load");
        load(stage, plan, &mut measured).await?;
        looks.push(look(stage, began.elapsed().as_secs_f64() / 60.0).await?);
    }
    tell(&looks, &mut measured);
    measured.notes.push(format!(
        "{} callers, half of them through `{}`, half through `{}`, in turns of {:.0} s; between two turns \
         the isolate collects and is looked at. `isolate` is JavaScript, runtime, buffers and wasm together.",
        plan.soak_callers,
        WAYS[0].id(),
        WAYS[1].id(),
        plan.soak_turn.as_secs_f64()
    ));
    Ok(measured)
}

async fn load(stage: &Arc<Stage>, plan: &Plan, measured: &mut Measured) -> Result<()> {
    let [calls, sockets] =
        WAYS.map(|way| closed_loop(stage, way, plan.soak_callers / 2, plan.soak_turn));
    let (calls, sockets) = tokio::try_join!(calls, sockets)?;
    for (way, load) in WAYS.into_iter().zip([calls, sockets]) {
        let figures = &mut measured.figures;
        figures.push("rate", way.id(), 0.0, "queries/s", load.per_second());
        figures.push("errors", way.id(), 0.0, "answers", load.errors as f64);
    }
    Ok(())
}

/// What is held at one moment, in MB.
struct Look {
    minutes: f64,
    parts: [(&'static str, f64); 5],
}

async fn look(stage: &Stage, minutes: f64) -> Result<Look> {
    // What the first collection finalizes is let go of by the second.
    stage.workerd().heap_collected("coordinator").await?;
    let heap = stage.workerd().heap_collected("coordinator").await?;
    let wasm = stage.status(OBJECT).await?["wasm_memory_bytes"].as_u64();
    let wasm = wasm.context("the status names no wasm memory")?;
    let parts = [
        ("js", heap.used + heap.embedder),
        ("buffers", heap.backing),
        ("wasm", wasm),
        ("isolate", heap.sum() + wasm),
        ("agent-process", stage.agent().resident_bytes()?),
    ];
    Ok(Look { minutes, parts: parts.map(|(part, bytes)| (part, bytes as f64 / 1e6)) })
}

/// The course of each part; of whole processes, what the slope of the second half makes of it.
fn tell(looks: &[Look], measured: &mut Measured) {
    let figures = &mut measured.figures;
    for look in looks {
        // Moments that are no round numbers would be read as exact.
        let minutes = (look.minutes * 100.0).round() / 100.0;
        for (part, megabytes) in look.parts {
            figures.push("memory", part, minutes, "MB", megabytes);
        }
    }
    let half = &looks[looks.len() / 2..];
    for (index, (part, _)) in looks[0].parts.into_iter().enumerate() {
        let course: Vec<_> = half.iter().map(|look| (look.minutes, look.parts[index].1)).collect();
        let (begin, end) = fitted(&course);
        figures.push("begin", part, 0.0, "MB", begin);
        figures.push("end", part, 0.0, "MB", end);
        if ["isolate", "agent-process"].contains(&part) {
            figures.push("growth", part, 0.0, "MB", end - begin);
        }
    }
}

/// The first and the last point of the line that lies closest to all (least squares).
fn fitted(points: &[(f64, f64)]) -> (f64, f64) {
    let count = points.len().max(1) as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let across: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    let along: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let slope = if across > 0.0 { along / across } else { 0.0 };
    let at = |point: Option<&(f64, f64)>| point.map_or(y, |(minutes, _)| y + slope * (minutes - x));
    (at(points.first()), at(points.last()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_fitted_to_what_lies_around_it() {
        let near =
            |(a, b): (f64, f64), (c, d): (f64, f64)| (a - c).abs() < 1e-9 && (b - d).abs() < 1e-9;
        assert!(near(fitted(&[(1.0, 5.0), (2.0, 7.0), (3.0, 9.0)]), (5.0, 9.0)));
        assert!(near(fitted(&[(0.0, 4.0), (1.0, 6.0), (2.0, 4.0)]), (14.0 / 3.0, 14.0 / 3.0)));
        assert!(near(fitted(&[(3.0, 4.0)]), (4.0, 4.0)));
    }

    #[test]
    fn only_whole_processes_grow() {
        let look = |minutes, megabytes| {
            let parts = ["js", "buffers", "wasm", "isolate", "agent-process"];
            Look { minutes, parts: parts.map(|part| (part, megabytes)) }
        };
        let mut measured = Measured::default();
        // The first half's growth is none.
        tell(&[look(0.0, 1.0), look(0.5, 9.0), look(1.0, 9.0), look(1.5, 9.5)], &mut measured);
        let figures = measured.figures.into_vec();
        let growth: Vec<_> = figures.iter().filter(|figure| figure.metric == "growth").collect();
        assert_eq!(growth.len(), 2);
        assert!(growth.iter().all(|figure| (figure.rounds[0] - 0.5).abs() < 1e-9));
    }
}
