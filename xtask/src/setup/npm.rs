//! The npm packages of the root `package.json`: workerd, wrangler, esbuild, binaryen, `pg`, and
//! on Linux a Node new enough for wrangler.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use crate::layout::{Layout, read_or_empty};
use crate::process;
use crate::stamp::Hash;
use crate::versions::{NODE_FOR_WRANGLER, NODE_MIN, Version};

/// About 150 MB to download.
const INSTALL_LIMIT: Duration = Duration::from_secs(600);

/// Programs out of the npm packages.
pub(crate) struct Npm {
    /// A Node that the pinned wrangler runs on: the machine's own or the packaged one.
    pub(crate) node: PathBuf,
    pub(crate) workerd: PathBuf,
    pub(crate) esbuild: PathBuf,
    pub(crate) wasm_opt: PathBuf,
    /// Changes with the locked versions.
    pub(crate) fingerprint: String,
}

pub(super) fn ensure(layout: &Layout) -> Result<(Npm, String)> {
    let own_node = process::probe(Command::new("node").arg("--version"))
        .and_then(|text| Version::find(&text))
        .ok_or_else(|| {
            anyhow!("there is no Node.js: install {NODE_MIN} or newer with npm, then try again")
        })?;
    if own_node < NODE_MIN {
        bail!("Node.js {own_node} is too old: install {NODE_MIN} or newer");
    }
    let modules = layout.node_modules();
    let mut lock = Hash::new();
    lock.text(std::env::consts::OS).text(std::env::consts::ARCH);
    for file in ["package.json", "package-lock.json"] {
        lock.file(&layout.root.join(file)).with_context(|| format!("cannot read {file}"))?;
    }
    let fingerprint = lock.finish();
    let stamp = modules.join(".pierhead-stamp");
    let mut note = "installed".to_owned();
    if read_or_empty(&stamp) != fingerprint {
        eprintln!("  installing npm packages: workerd, wrangler and what bundles the Workers");
        ci(&layout.root)?;
        fs::write(&stamp, &fingerprint)?;
        note = "installed now".to_owned();
    }
    let node = node_for_wrangler(&modules, own_node)?;
    let npm = Npm {
        node,
        workerd: program(
            &modules.join("@cloudflare").join(workerd_package()?).join("bin/workerd"),
        )?,
        esbuild: program(
            &modules.join("@esbuild").join(platform("x64", "arm64")?).join("bin/esbuild"),
        )?,
        wasm_opt: program(&modules.join("binaryen/bin/wasm-opt"))?,
        fingerprint,
    };
    Ok((npm, note))
}

/// `npm ci` in a directory, once more if it fails: a registry hiccup is common, and a second try is
/// cheap because what arrived is cached. Install scripts are not needed: every program used here
/// comes in a platform package.
pub(crate) fn ci(directory: &Path) -> Result<()> {
    let command = || {
        let mut command = Command::new("npm");
        command
            .current_dir(directory)
            .args(["ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"])
            .args(["--loglevel=error", "--fetch-timeout=60000"]);
        command
    };
    if process::attempt(&mut command(), "npm ci", INSTALL_LIMIT).is_ok() {
        return Ok(());
    }
    process::with_progress(&mut command(), "npm ci (second try)", INSTALL_LIMIT)
        .with_context(|| format!("cannot fill {}", directory.join("node_modules").display()))
}

fn node_for_wrangler(modules: &Path, own: Version) -> Result<PathBuf> {
    if own >= NODE_FOR_WRANGLER {
        return which("node");
    }
    if !cfg!(target_os = "linux") {
        bail!("Node.js {own} is too old for wrangler: install {NODE_FOR_WRANGLER} or newer");
    }
    let package = platform("x64", "arm64")?;
    program(&modules.join(format!("node-{package}")).join("bin/node"))
}

/// Finds a program on PATH; Node's own answer is its real path, past any version manager's shim.
fn which(program: &str) -> Result<PathBuf> {
    process::probe(Command::new(program).args(["-p", "process.execPath"]))
        .map(PathBuf::from)
        .ok_or_else(|| anyhow!("{program} does not say where it is"))
}

fn workerd_package() -> Result<String> {
    Ok(format!("workerd-{}", platform("64", "arm64")?))
}

/// `linux-x64` and the like, as package names spell it.
fn platform(x86_64: &str, aarch64: &str) -> Result<String> {
    let system = match std::env::consts::OS {
        "linux" => "linux",
        "macos" => "darwin",
        other => bail!("there are no packaged tools for {other}: use Linux or macOS"),
    };
    let processor = match std::env::consts::ARCH {
        "x86_64" => x86_64,
        "aarch64" => aarch64,
        other => bail!("there are no packaged tools for {other}: use x86_64 or aarch64"),
    };
    Ok(format!("{system}-{processor}"))
}

fn program(path: &Path) -> Result<PathBuf> {
    if !path.exists() {
        bail!("npm installed no {}: remove node_modules and try again", path.display());
    }
    Ok(path.to_owned())
}

/// The packaged PostgreSQL server's package name for this platform.
pub(super) fn embedded_postgres_package() -> Result<String> {
    Ok(format!("@embedded-postgres/{}", platform("x64", "arm64")?))
}
