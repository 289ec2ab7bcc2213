//! Writes what a section measured.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use pierhead_tests::report::{Machine, Section};

use crate::plan::Request;
use crate::sections::Measured;
use crate::stage::Stage;

/// Writes the file of a section; gives its path.
pub(crate) async fn section(
    id: &str,
    request: &Request,
    stage: &Stage,
    took: Duration,
    measured: Measured,
) -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = root.join(if request.write { "docs/benchmarks" } else { "target/bench" });
    let plan = request.plan.name;
    let mut command = format!("cargo xtask bench {id}");
    if plan != "full" {
        command += &format!(" --{plan}");
    }
    if id == "soak" {
        command += &format!(" --minutes {}", request.plan.soak.as_secs() / 60);
    }
    if !request.only.is_empty() {
        let only: Vec<_> = request.only.iter().map(|way| way.id()).collect();
        command += &format!(" --only {}", only.join(","));
    }
    let section = Section {
        id: id.into(),
        date: today(),
        command,
        plan: plan.into(),
        took_s: took.as_secs_f64(),
        machine: Machine::here(),
        versions: versions(stage).await?,
        figures: measured.figures.into_vec(),
        notes: measured.notes,
    };
    section.write(&folder)?;
    Ok(Section::path(&folder, id))
}

/// The day, as the system knows it.
fn today() -> String {
    said(Command::new("date").args(["-u", "+%Y-%m-%d"]))
}

async fn versions(stage: &Stage) -> Result<BTreeMap<String, String>> {
    let rows = stage.postgres().control().await?.query_one("show server_version", &[]).await?;
    let number = rows.get::<_, String>(0).split(' ').next().unwrap_or_default().to_owned();
    let mut versions = BTreeMap::from([("PostgreSQL".to_owned(), number)]);
    if let Some(pgbouncer) = stage.pgbouncer() {
        versions.insert("PgBouncer".into(), pgbouncer.version().to_owned());
    }
    let workerd = std::env::var_os("PIERHEAD_WORKERD").unwrap_or_default();
    let said = said(Command::new(workerd).arg("--version"));
    versions.insert("workerd".into(), said.trim_start_matches("workerd ").to_owned());
    versions.insert("Pierhead".into(), env!("CARGO_PKG_VERSION").to_owned());
    Ok(versions)
}

/// What a program prints; nothing if it does not run.
fn said(command: &mut Command) -> String {
    let output = command.output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).trim().to_owned()
}
