//! PgBouncer, which the benchmark compares with. Nothing else needs it: where it cannot be had, that
//! contender is left out and the rest is measured.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow};

use super::part;
use crate::layout::{Layout, Lock};
use crate::{apt, process};

/// What the harness reads to find it; whoever sets it measures another build than Debian's.
pub(crate) const VARIABLE: &str = "PIERHEAD_PGBOUNCER";

/// Finds the program or gets Debian's; nothing where neither is possible.
pub(crate) fn ensure(layout: &Layout) -> Result<Option<PathBuf>> {
    let _lock = Lock::take(&layout.cache, "set-up")?;
    part("PgBouncer", || find_or_unpack(layout))
}

fn find_or_unpack(layout: &Layout) -> Result<(Option<PathBuf>, String)> {
    if let Some(chosen) = std::env::var_os(VARIABLE).map(PathBuf::from) {
        let version = version(&chosen)
            .with_context(|| format!("{VARIABLE} names {}: no PgBouncer", chosen.display()))?;
        let note = format!("{version}, which {VARIABLE} names");
        return Ok((Some(chosen), note));
    }
    // Not on every user's PATH.
    for place in ["pgbouncer", "/usr/sbin/pgbouncer"] {
        if let Some(found) = resolved(place)
            && let Some(version) = version(&found)
        {
            let note = format!("{version} in {}", found.display());
            return Ok((Some(found), note));
        }
    }
    let cached = layout.cache.join("pgbouncer/usr/sbin/pgbouncer");
    if let Some(version) = version(&cached) {
        return Ok((Some(cached), format!("{version}, Debian's program in the cache")));
    }
    match unpacked(layout) {
        Ok((program, version)) => Ok((Some(program), format!("{version}, Debian's program"))),
        Err(error) => Ok((None, format!("none, it is left out: {error:#}"))),
    }
}

/// The program of Debian's package without the package: installed, it starts a service and starts it
/// again with the machine.
fn unpacked(layout: &Layout) -> Result<(PathBuf, String)> {
    // What is there has not started, or it would have been found: of another release, perhaps.
    let stale = layout.cache.join("pgbouncer");
    if stale.exists() {
        fs::remove_dir_all(&stale).with_context(|| format!("cannot clear {}", stale.display()))?;
    }
    let directory = layout.cached("pgbouncer", |temporary| {
        apt::unpack("pgbouncer", temporary, "the comparison with PgBouncer")
    })?;
    let program = directory.join("usr/sbin/pgbouncer");
    let version = version(&program)
        .ok_or_else(|| anyhow!("Debian's program does not start ({})", program.display()))?;
    Ok((program, version))
}

/// A program's whole path: who runs it later as another user has another PATH.
fn resolved(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| path.exists());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|place| place.join(name)).find(|place| place.exists())
}

/// The first line of what it says of itself: `PgBouncer 1.18.0`.
fn version(program: &Path) -> Option<String> {
    let text = process::probe(Command::new(program).arg("--version"))?;
    text.lines().next().filter(|line| line.starts_with("PgBouncer")).map(str::to_owned)
}
