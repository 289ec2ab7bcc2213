//! Debian's packages, for what neither the machine nor the language registries have.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, bail};

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

/// Unpacks a package's files into a directory and installs the libraries that they need. The package
/// itself is not installed, so its services are not started.
pub(crate) fn unpack(package: &str, directory: &Path, why: &str) -> Result<()> {
    if let Some(obstacle) = obstacle() {
        bail!("{why} takes Debian's package {package}, which cannot be had here ({obstacle})");
    }
    update()?;
    let mut download = apt_get();
    // As root, not as apt's own user, who may not write there.
    download.current_dir(directory).args(["-o", "APT::Sandbox::User=root", "download", package]);
    process::with_progress(&mut download, &format!("apt-get download {package}"), INSTALL_LIMIT)?;
    let archive = archive(directory)?;
    let mut fields = Command::new("dpkg-deb");
    let depends = process::probe(fields.arg("--field").arg(&archive).arg("Depends"));
    let depends = depends.with_context(|| format!("dpkg-deb cannot read {package}"))?;
    let missing: Vec<&str> =
        libraries(&depends).into_iter().filter(|name| !is_there(name)).collect();
    if !missing.is_empty() {
        install(&missing, why)?;
    }
    let mut extract = Command::new("dpkg-deb");
    extract.arg("--extract").arg(&archive).arg(directory);
    process::with_progress(&mut extract, "dpkg-deb --extract", INSTALL_LIMIT)?;
    Ok(fs::remove_file(archive)?)
}

fn archive(directory: &Path) -> Result<PathBuf> {
    let mut files = directory.read_dir()?.flatten().map(|entry| entry.path());
    let found = files.find(|path| path.extension().is_some_and(|extension| extension == "deb"));
    found.with_context(|| format!("apt-get left no package in {}", directory.display()))
}

/// The libraries among a package's dependencies: a program that is only run takes no more.
fn libraries(depends: &str) -> Vec<&str> {
    let names = depends.split(',').filter_map(|choice| choice.split_whitespace().next());
    names.filter(|name| name.starts_with("lib")).collect()
}

/// Whether a package is installed; apt would bring it up to date, unasked.
fn is_there(package: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat=${db:Status-Status}", package]);
    process::probe(&mut query).is_some_and(|status| status == "installed")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_libraries_that_a_package_needs_are_its_first_choices() {
        let depends = "lsb-base (>= 3.1), libc-ares2 (>= 1.12), libpam0g, libfoo1 | libfoo0 (>= 2)";
        assert_eq!(libraries(depends), ["libc-ares2", "libpam0g", "libfoo1"]);
        assert!(libraries("").is_empty());
    }
}
