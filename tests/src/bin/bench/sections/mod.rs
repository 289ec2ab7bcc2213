//! What is measured, one file for each section.

mod large;
mod latency;
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
pub(crate) const NAMES: [&str; 5] = ["latency", "throughput", "large", "storms", "weight"];

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
        "storms" => storms::measure(stage, plan, progress).await,
        "weight" => weight::measure(stage, plan, progress).await,
        other => bail!("there is no section {other}"),
    }
}
