//! The npm package `pierhead` (`worker-client/js`): its dependencies, its build, its unit tests.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::layout::{Layout, Lock, read_or_empty};
use crate::process;
use crate::setup::{Tools, npm_ci};
use crate::stamp::Hash;

/// The compiler takes seconds; on a busy machine more of them.
const BUILD_LIMIT: Duration = Duration::from_secs(120);

/// Directory of the package.
pub(crate) fn directory(layout: &Layout) -> PathBuf {
    layout.root.join("worker-client/js")
}

/// Installs what the package and its tests use, from its lock file, and compiles it to `dist/`.
pub(crate) fn build(layout: &Layout, tools: &Tools) -> Result<()> {
    let directory = directory(layout);
    let _lock = Lock::take(&layout.root.join("target/package"), "build of the npm package")?;
    let mut hash = Hash::new();
    for file in ["package.json", "package-lock.json"] {
        hash.file(&directory.join(file)).with_context(|| format!("cannot read {file}"))?;
    }
    let (hash, stamp) = (hash.finish(), directory.join("node_modules/.pierhead-stamp"));
    if read_or_empty(&stamp) != hash {
        npm_ci(&directory)?;
        fs::write(&stamp, hash)?;
    }
    let mut compile = Command::new(tools.node());
    compile.current_dir(&directory).args(["node_modules/typescript/bin/tsc", "-p", "."]);
    process::with_progress(&mut compile, "tsc of the npm package", BUILD_LIMIT)
}

/// Runs the package's unit tests, and checks the types of the Worker that the live tests run.
pub(crate) fn test(layout: &Layout, tools: &Tools) -> Result<()> {
    build(layout, tools)?;
    let directory = directory(layout);
    let mut check = Command::new(tools.node());
    check.current_dir(&directory).args(["node_modules/typescript/bin/tsc", "-p", "test/worker"]);
    process::with_progress(&mut check, "tsc of the TypeScript test Worker", BUILD_LIMIT)?;
    let mut tests: Vec<PathBuf> = directory
        .join("test")
        .read_dir()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.to_string_lossy().ends_with(".test.mjs"))
        .collect();
    tests.sort();
    let mut command = Command::new(tools.node());
    command.current_dir(&directory).arg("--test").args(tests);
    let status = process::foreground(&mut command)?;
    if !status.success() {
        bail!("{} ({status})", process::shown(&command));
    }
    Ok(())
}
