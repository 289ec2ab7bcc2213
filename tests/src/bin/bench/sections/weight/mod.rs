//! What Pierhead weighs: bytes of a deployment, the start of its isolate, instructions of the
//! processor, memory of an agent. Nothing here depends on the emulated distance.

mod agent;
mod counted;
mod isolate;

use std::process::Command;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};

use super::Measured;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::stage::Stage;

/// Whose the figures of the deployment are.
const COORDINATOR: &str = "coordinator";

pub(super) async fn measure(
    stage: &Arc<Stage>,
    plan: &Plan,
    progress: &mut Progress,
) -> Result<Measured> {
    let mut measured = Measured::default();
    deployment(&mut measured)?;
    for round in 0..plan.rounds {
        progress.at(round, plan.rounds, "starts of isolates");
        isolate::start(stage, &mut measured).await?;
        progress.at(round, plan.rounds, "memory of an agent");
        agent::memory(stage, plan, &mut measured).await?;
    }
    measured.notes.push(isolate::NOTE.into());
    measured.notes.push(agent::note(plan));
    progress.step("weight: counting instructions");
    counted::instructions(plan, &mut measured).await?;
    Ok(measured)
}

/// The bytes that are deployed, as `cargo xtask size` counts them.
fn deployment(measured: &mut Measured) -> Result<()> {
    let table = said(cargo().args(["xtask", "size"]))?;
    let figures = &mut measured.figures;
    let mut sum = 0.0;
    for (metric, row) in [("wasm", "wasm"), ("glue", "glue with our entry")] {
        let (raw, gzipped) = sizes(&table, row)?;
        figures.push(metric, COORDINATOR, 0.0, "bytes", raw);
        figures.push(&format!("{metric}/gzip"), COORDINATOR, 0.0, "bytes", gzipped);
        sum += gzipped;
    }
    figures.push("sum/gzip", COORDINATOR, 0.0, "bytes", sum);
    Ok(())
}

/// A row's bytes as they are and gzipped.
fn sizes(table: &str, row: &str) -> Result<(f64, f64)> {
    let numbers = table.lines().find_map(|line| {
        let mut numbers = line.strip_prefix(row)?.split_whitespace().map(str::parse::<f64>);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    });
    numbers.with_context(|| format!("`cargo xtask size` says nothing of {row}:\n{table}"))
}

/// Cargo, in this clone.
fn cargo() -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    command
}

/// What a program prints, if it ends well. Its progress goes to this program's standard error.
fn said(command: &mut Command) -> Result<String> {
    let output = command.stderr(std::process::Stdio::inherit()).output();
    let output = output.with_context(|| format!("cannot start {:?}", command.get_program()))?;
    let text = String::from_utf8(output.stdout)?;
    if !output.status.success() {
        bail!("{:?} failed ({}): {text}", command.get_program(), output.status);
    }
    ensure!(!text.is_empty(), "{:?} printed nothing", command.get_program());
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_by_their_row() {
        let table = "coordinator    bytes  gzipped\nwasm   700123  290001\n\
                     glue (worker-build)  100  50\nglue with our entry  3000  1000\n";
        assert_eq!(sizes(table, "wasm").unwrap(), (700_123.0, 290_001.0));
        assert_eq!(sizes(table, "glue with our entry").unwrap(), (3_000.0, 1_000.0));
        let error = sizes(table, "glue").unwrap_err().to_string();
        assert!(error.contains("says nothing of glue"), "{error}");
    }
}
