//! What the driver matrix runs (`tests/drivers`): the packages of Node, Python and Rust that it pins,
//! and Debian's for Java. Only `cargo xtask test` and `env --drivers` ask for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::part;
use crate::layout::{Layout, Lock, read_or_empty};
use crate::stamp::Hash;
use crate::versions::{PYTHON_MIN, Version};
use crate::{apt, process};

/// Some hundred megabytes of packages, or some two hundred crates to compile.
const INSTALL_LIMIT: Duration = Duration::from_secs(900);

/// Debian's pgJDBC.
const PGJDBC: &str = "/usr/share/java/postgresql.jar";

/// Where the drivers are.
pub(crate) struct Drivers {
    python: PathBuf,
    rust: PathBuf,
    /// Nothing where there is no Java to be had.
    java: Option<PathBuf>,
}

impl Drivers {
    /// What the tests read to find them.
    pub(crate) fn variables(&self) -> Vec<(&'static str, PathBuf)> {
        let mut variables = vec![
            ("PIERHEAD_PYTHON", self.python.clone()),
            ("PIERHEAD_RUST_DRIVERS", self.rust.clone()),
        ];
        if let Some(java) = &self.java {
            variables.push(("PIERHEAD_JAVA", java.clone()));
            variables.push(("PIERHEAD_PGJDBC", PGJDBC.into()));
        }
        variables
    }
}

/// Installs what is missing.
pub(crate) fn ensure(layout: &Layout) -> Result<Drivers> {
    let _lock = Lock::take(&layout.cache, "set-up")?;
    let folder = layout.root.join("tests/drivers");
    part("Node's drivers", || node(&folder.join("node")))?;
    part("Node's servers", || node(&folder.join("frameworks")))?;
    part("Prisma", || node(&folder.join("prisma")))?;
    let python = part("Python's drivers", || python(layout, &folder.join("python")))?;
    let rust = part("Rust's drivers", || rust(layout, &folder.join("rust")))?;
    let java = part("Java's driver", || Ok(java()))?;
    Ok(Drivers { python, rust, java })
}

/// `npm ci` beside the programs. Install scripts are not needed.
fn node(folder: &Path) -> Result<((), String)> {
    let mut lock = Hash::new();
    for file in ["package.json", "package-lock.json"] {
        lock.file(&folder.join(file)).with_context(|| format!("cannot read {file}"))?;
    }
    let (lock, stamp) = (lock.finish(), folder.join("node_modules/.pierhead-stamp"));
    if read_or_empty(&stamp) == lock {
        return Ok(((), "installed".to_owned()));
    }
    let mut command = Command::new("npm");
    command
        .current_dir(folder)
        .args(["ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"])
        .args(["--loglevel=error", "--fetch-timeout=60000"]);
    process::with_progress(&mut command, "npm ci", INSTALL_LIMIT)?;
    fs::write(&stamp, &lock)?;
    Ok(((), "installed now".to_owned()))
}

/// A virtual environment in the cache, one for each list of packages; returns its Python.
fn python(layout: &Layout, folder: &Path) -> Result<(PathBuf, String)> {
    let requirements = folder.join("requirements.txt");
    let system = system_python()?;
    let mut list = Hash::new();
    list.file(&requirements)?.text(&system.to_string());
    let name = format!("drivers-python-{}", list.finish());
    // Filled in place: an environment cannot be moved. Its stamp says that it is complete.
    let environment = layout.cache.join(name);
    let (program, stamp) = (environment.join("bin/python"), environment.join("complete"));
    if !stamp.exists() {
        let mut make = Command::new("python3");
        make.args(["-m", "venv", "--clear"]).arg(&environment);
        process::with_progress(&mut make, "python3 -m venv", INSTALL_LIMIT)?;
        let mut install = Command::new(&program);
        install
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"])
            .args(["--only-binary", ":all:", "--requirement"])
            .arg(&requirements);
        process::with_progress(&mut install, "pip install", INSTALL_LIMIT)?;
        fs::write(&stamp, "")?;
    }
    Ok((program, format!("installed, on Python {system}")))
}

/// A Python that can make environments; Debian cuts that into a package of its own.
fn system_python() -> Result<Version> {
    let version = || {
        let text = process::probe(Command::new("python3").arg("--version"))?;
        process::probe(Command::new("python3").args(["-c", "import ensurepip, venv"]))?;
        Version::find(&text)
    };
    if version().is_none() {
        apt::install(&["python3", "python3-venv"], "drivers of Python are tested")?;
    }
    match version() {
        Some(found) if found >= PYTHON_MIN => Ok(found),
        Some(found) => bail!("Python {found} is too old: install {PYTHON_MIN} or newer"),
        None => bail!("python3 with its module venv is missing"),
    }
}

/// Builds the programs; returns their directory.
fn rust(layout: &Layout, folder: &Path) -> Result<(PathBuf, String)> {
    let target = layout.root.join("target/drivers");
    let mut command = Command::new("cargo");
    process::without_cargo_environment(&mut command)
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", &target)
        .args(["build", "--locked"]);
    process::with_progress(&mut command, "building Rust's drivers", INSTALL_LIMIT)?;
    Ok((target.join("debug"), "built".to_owned()))
}

/// A Java that compiles what it runs, and Debian's pgJDBC. Its absence is no failure: it is a large
/// installation for one entry.
fn java() -> (Option<PathBuf>, String) {
    if process::probe(Command::new("javac").arg("--version")).is_none() {
        return (None, "none: there is no Java development kit".to_owned());
    }
    if !Path::new(PGJDBC).exists()
        && let Err(error) = apt::install(&["libpostgresql-jdbc-java"], "pgJDBC is tested")
    {
        return (None, format!("none: {error:#}"));
    }
    (Some("java".into()), format!("found {PGJDBC}"))
}
