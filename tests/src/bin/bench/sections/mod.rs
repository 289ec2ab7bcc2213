//! What is measured, one file for each section.

mod idle;
mod large;
mod latency;
mod pgbench;
mod soak;
mod storms;
mod throughput;
mod weight;

use std::sync::Arc;

use anyhow::{Result, bail};

use crate::figures::Figures;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::stage::Stage;

/// All sections, in the order of a full run.
pub(crate) const NAMES: [&str; 6] = ["latency", "throughput", "large", "storms", "idle", "weight"];

/// Those that are measured only when they are named.
pub(crate) const NAMED: [&str; 1] = ["soak"];

/// All names, in the order in which they are measured.
pub(crate) fn all() -> Vec<&'static str> {
    NAMES.into_iter().chain(NAMED).collect()
}

/// What a section has to say.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    pub(crate) figures: Figures,
    /// What a reader of the figures has to know.
    pub(crate) notes: Vec<String>,
}

pub(crate) async fn measure(
    name: &str,
    stage: &Arc<Stage>,
    plan: &Plan,
    progress: &mut Progress,
) -> Result<Measured> {
    match name {
        "latency" => latency::measure(stage, plan, progress).await,
        "throughput" => throughput::measure(stage, plan, progress).await,
        "large" => large::measure(stage, plan, progress).await,
        "idle" => idle::measure(plan, progress).await,
        "soak" => soak::measure(stage, plan, progress).await,
        "storms" => storms::measure(stage, plan, progress).await,
        "weight" => weight::measure(stage, plan, progress).await,
        other => bail!("there is no section {other}"),
    }
}
