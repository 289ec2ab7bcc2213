//! Debian's packages, for what neither the machine nor the language registries have.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::process;

/// Fetching the package lists from a slow mirror takes a minute or two.
const UPDATE_LIMIT: Duration = Duration::from_secs(180);
/// Some hundred megabytes (compiler, LLVM) over a slow line.
const INSTALL_LIMIT: Duration = Duration::from_secs(600);

/// Why packages cannot be installed here, if they cannot.
pub(crate) fn obstacle() -> Option<&'static str> {
    if !Path::new("/etc/debian_version").exists() || !Path::new("/usr/bin/apt-get").exists() {
        return Some("this is not Debian");
    }
    let root = process::probe(Command::new("id").arg("-u")).is_some_and(|id| id == "0");
    (!root).then_some("not running as root")
}

/// Installs packages with apt; says what to do by hand where it may not.
pub(crate) fn install(packages: &[&str], why: &str) -> Result<()> {
    let list = packages.join(" ");
    if let Some(obstacle) = obstacle() {
        bail!(
            "{why} needs the system packages {list} and they cannot be installed from here \
             ({obstacle}); install them yourself (Debian: `apt-get install {list}`), then run \
             `cargo xtask setup` again"
        );
    }
    update()?;
    eprintln!("  installing {list} with apt: {why}");
    process::with_progress(
        apt_get().args(["install", "--yes", "--no-install-recommends"]).args(packages),
        &format!("apt-get install {list}"),
        INSTALL_LIMIT,
    )
}

/// Fetches the package lists, once per run: a bare machine has none.
fn update() -> Result<()> {
    static DONE: OnceLock<()> = OnceLock::new();
    if DONE.get().is_some() {
        return Ok(());
    }
    let _ = DONE.set(());
    process::with_progress(apt_get().arg("update"), "apt-get update", UPDATE_LIMIT)
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").env_remove("LD_LIBRARY_PATH").args([
        "-q",
        "-o",
        "Acquire::http::Timeout=30",
        "-o",
        "Acquire::Retries=2",
        // Another apt on the machine, e.g. the nightly upgrade: wait for it, in seconds.
        "-o",
        "DPkg::Lock::Timeout=180",
    ]);
    command
}
