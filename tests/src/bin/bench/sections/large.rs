//! Large results: how fast they come, and what they make workerd hold.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::Measured;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::stage::Stage;
use crate::ways::{Way, Work};

/// Between two looks at the memory.
const LOOK: Duration = Duration::from_millis(20);

pub(super) async fn measure(
    stage: &Arc<Stage>,
    plan: &Plan,
    progress: &mut Progress,
) -> Result<Measured> {
    let mut measured = Measured::default();
    let ways: Vec<_> =
        stage.ways().into_iter().filter(|way| !matches!(way, Way::Rpc | Way::Native)).collect();
    for round in 0..plan.rounds {
        for &megabytes in plan.megabytes {
            for &way in &ways {
                progress.at(round, plan.rounds, &format!("{megabytes} MB, {}", way.id()));
                read(stage, way, megabytes, &mut measured).await?;
            }
        }
    }
    Ok(measured)
}

async fn read(
    stage: &Arc<Stage>,
    way: Way,
    megabytes: usize,
    measured: &mut Measured,
) -> Result<()> {
    let before = stage.workerd().resident_bytes()?;
    let work = Work::Big(megabytes * 1_000_000 / 1_024);
    let began = Instant::now();
    let mut peak = before;
    let asking = stage.ask(way, work);
    tokio::pin!(asking);
    let answer = loop {
        tokio::select! {
            answer = &mut asking => break answer,
            () = tokio::time::sleep(LOOK) => peak = peak.max(stage.workerd().resident_bytes()?),
        }
    };
    let seconds = began.elapsed().as_secs_f64();
    let (who, at) = (way.id(), megabytes as f64);
    measured.figures.push("errors", who, at, "answers", f64::from(u8::from(answer.is_err())));
    if let Err(error) = answer {
        // A tunnel that cannot wait for its reader may lose a large result, and says so.
        let of = format!("{megabytes} MB by {who} failed: ");
        if !measured.notes.iter().any(|note| note.starts_with(&of)) {
            measured.notes.push(format!("{of}{}", error.root_cause()));
        }
        return Ok(());
    }
    measured.figures.push("rate", who, at, "MB/s", at / seconds);
    let more = peak.saturating_sub(before) as f64 / 1e6;
    measured.figures.push("memory", who, at, "MB", more);
    Ok(())
}
