//! `cargo xtask size`: what a deployment of the coordinator weighs.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::layout::Layout;
use crate::setup::{self, Scope};
use crate::workers::{self, Profile};

/// Builds the coordinator and prints its sizes. Limits of the platform count compressed bytes.
pub(crate) fn run(layout: &Layout) -> Result<()> {
    let tools = setup::run(layout, Scope::Build)?;
    workers::build_coordinator(layout, &tools, Profile::Release)?;
    let bundle = workers::coordinator_bundle(layout);
    let rows = [
        ("wasm", measure(&bundle.join("index_bg.wasm"))?),
        ("glue (worker-build)", measure(&workers::coordinator_build(layout).join("index.js"))?),
        ("glue with our entry", measure(&bundle.join("index.js"))?),
    ];
    println!("{:<22} {:>12} {:>12}", "coordinator", "bytes", "gzipped");
    for (name, (raw, gzipped)) in rows {
        println!("{name:<22} {raw:>12} {gzipped:>12}");
    }
    Ok(())
}

fn measure(path: &Path) -> Result<(usize, usize)> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&bytes)?;
    Ok((bytes.len(), encoder.finish()?.len()))
}
