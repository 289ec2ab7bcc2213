//! PostgreSQL's server programs, for throw-away databases.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::npm::{Npm, embedded_postgres_package};
use crate::layout::Layout;
use crate::versions::{EMBEDDED_POSTGRES, POSTGRES_MIN, Version};
use crate::{apt, process};

/// Programs that a throw-away database takes.
const PROGRAMS: [&str; 3] = ["initdb", "postgres", "pg_ctl"];

pub(super) fn ensure(layout: &Layout, npm: &Npm) -> Result<(PathBuf, String)> {
    if let Some(found) = local() {
        return Ok(found);
    }
    let cached = packaged_bin(&layout.cache.join(packaged_name()));
    if let Some(version) = usable(&cached) {
        return Ok((cached, format!("{version}, npm's packaged server in the cache")));
    }
    let refused = match apt::obstacle() {
        Some(obstacle) => format!("no Debian package: {obstacle}"),
        None => match from_debian() {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => format!("Debian's package is older than {POSTGRES_MIN}"),
            Err(error) => format!("{error:#}"),
        },
    };
    eprintln!("  using npm's packaged PostgreSQL server ({refused})");
    packaged(layout, npm).with_context(|| {
        format!(
            "no PostgreSQL {POSTGRES_MIN} or newer on this machine and none could be installed; \
             install it, or put its `pg_config` on PATH"
        )
    })
}

/// A `psql`: of the server, of another PostgreSQL on this machine, or Debian's. Its absence is no
/// failure: the tests that take one say that they did not run.
pub(super) fn psql(server: &Path) -> Result<(Option<PathBuf>, String)> {
    let found = || std::iter::once(server.to_owned()).chain(places()).find_map(usable_psql);
    let note = |program: PathBuf| {
        let note = format!("found {}", program.display());
        Ok((Some(program), note))
    };
    if let Some(program) = found() {
        return note(program);
    }
    if let Err(error) = apt::install(&["postgresql-client"], "the gateway is tested with psql") {
        return Ok((None, format!("none: {error:#}")));
    }
    match found() {
        Some(program) => note(program),
        None => Ok((None, "none: Debian's package has no psql that runs here".to_owned())),
    }
}

/// The program in a directory, if it runs: a link or a wrapper may lead nowhere.
fn usable_psql(directory: PathBuf) -> Option<PathBuf> {
    let program = directory.join("psql");
    if !program.exists() {
        return None;
    }
    process::probe(Command::new(&program).arg("--version"))?;
    Some(program)
}

/// A server that is installed here already, the newest of them; of two alike the one with a `psql`.
fn local() -> Option<(PathBuf, String)> {
    let found = places().into_iter().filter_map(|place| Some((usable(&place)?, place)));
    let rank = |version: &Version, place: &Path| (*version, place.join("psql").exists());
    let (version, place) = found.max_by_key(|(version, place)| rank(version, place))?;
    let note = format!("{version} in {}", place.display());
    Some((place, note))
}

/// Where PostgreSQL's programs may be.
fn places() -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> = Vec::new();
    places.extend(process::probe(Command::new("pg_config").arg("--bindir")).map(PathBuf::from));
    for root in ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt", "/usr/local"] {
        let Ok(entries) = Path::new(root).read_dir() else { continue };
        places.extend(entries.flatten().map(|entry| entry.path().join("bin")));
    }
    if let Some(path) = std::env::var_os("PATH") {
        places.extend(std::env::split_paths(&path));
    }
    places
}

/// The version of the server in a directory, if it is whole and new enough.
fn usable(directory: &Path) -> Option<Version> {
    if !PROGRAMS.iter().all(|program| directory.join(program).exists()) {
        return None;
    }
    let text = process::probe(Command::new(directory.join("postgres")).arg("--version"))?;
    Version::find(&text).filter(|version| *version >= POSTGRES_MIN)
}

/// Debian's package, kept from starting a database of its own.
fn from_debian() -> Result<Option<(PathBuf, String)>> {
    let settings = Path::new("/etc/postgresql-common/createcluster.d");
    fs::create_dir_all(settings)?;
    fs::write(
        settings.join("pierhead.conf"),
        "# Only the programs are wanted here, not a database on port 5432.\n\
         create_main_cluster = false\n",
    )?;
    apt::install(&["postgresql"], "the tests and the demo start throw-away databases")?;
    Ok(local())
}

fn packaged_name() -> String {
    format!("embedded-postgres-{EMBEDDED_POSTGRES}")
}

fn packaged_bin(directory: &Path) -> PathBuf {
    let package = embedded_postgres_package().unwrap_or_default();
    directory.join("node_modules").join(package).join("native/bin")
}

fn packaged(layout: &Layout, npm: &Npm) -> Result<(PathBuf, String)> {
    let package = embedded_postgres_package()?;
    let directory = layout.cached(&packaged_name(), |temporary| {
        let mut command = Command::new("npm");
        command
            .current_dir(temporary)
            .args(["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", "."])
            .arg("--ignore-scripts")
            .arg(format!("{package}@{EMBEDDED_POSTGRES}"));
        process::with_progress(&mut command, "npm install", Duration::from_secs(300))?;
        // npm packages cannot carry symbolic links; this script of the package makes them.
        let script =
            temporary.join("node_modules").join(&package).join("scripts/hydrate-symlinks.js");
        if script.exists() {
            let mut hydrate = Command::new(&npm.node);
            hydrate.current_dir(script.parent().and_then(Path::parent).unwrap_or(temporary));
            process::with_progress(hydrate.arg(&script), "linking", Duration::from_secs(60))?;
        }
        Ok(())
    })?;
    let bin = packaged_bin(&directory);
    match usable(&bin) {
        Some(version) => Ok((bin, format!("{version}, npm's packaged server"))),
        None => bail!("the packaged server in {} does not run here", bin.display()),
    }
}
