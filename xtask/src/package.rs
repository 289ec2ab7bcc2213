//! The npm package `pierhead` (`worker-client/js`): its dependencies, its build, its unit tests, and the
//! file that is published.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::layout::{Layout, Lock, read_or_empty};
use crate::process;
use crate::setup::{Tools, npm_ci};
use crate::stamp::Hash;
use crate::workers;

/// The compiler takes seconds; on a busy machine more of them.
const BUILD_LIMIT: Duration = Duration::from_secs(120);

/// The parser takes seconds, unless a build of the Workers holds cargo's lock.
const PARSER_LIMIT: Duration = Duration::from_secs(600);

/// Directory of the package.
pub(crate) fn directory(layout: &Layout) -> PathBuf {
    layout.root.join("worker-client/js")
}

/// Installs what the package and its tests use, from its lock file, and compiles it to `dist/`, with the
/// parser of configurations.
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
    process::with_progress(&mut compile, "tsc of the npm package", BUILD_LIMIT)?;
    parser(layout, tools, &directory.join("dist/check.wasm"))
}

/// Builds `config/check` to a file.
fn parser(layout: &Layout, tools: &Tools, file: &Path) -> Result<()> {
    let mut build = tools.cargo_for_wasm(layout)?;
    build.args(["build", "--quiet", "--release", "--package", "pierhead-check", "--lib"]);
    process::with_progress(&mut build, "build of the parser for Node", PARSER_LIMIT)?;
    let built = layout.wasm_target().join("wasm32-unknown-unknown/release/pierhead_check.wasm");
    let stamp = layout.root.join("target/package/parser-stamp");
    let mut hash = Hash::new();
    hash.text(&tools.fingerprint()).file(&built)?;
    let hash = hash.finish();
    if file.exists() && read_or_empty(&stamp) == hash {
        return Ok(());
    }
    // What rustc uses, and no more: the oldest Node must read the result.
    let mut shrink = Command::new(tools.wasm_opt());
    shrink.args(["-Oz", "--mvp-features", "--enable-bulk-memory", "--enable-bulk-memory-opt"]);
    shrink.args(["--enable-sign-ext", "--enable-nontrapping-float-to-int"]);
    shrink.args(["--enable-mutable-globals", "--enable-reference-types", "--enable-multivalue"]);
    shrink.arg("--enable-call-indirect-overlong").arg(&built).arg("-o").arg(file);
    process::with_progress(&mut shrink, "wasm-opt of the parser for Node", PARSER_LIMIT)?;
    fs::write(&stamp, hash).context("cannot write a stamp")
}

/// Compiles the package, and adds the built coordinator, the program and the licenses: all that is published.
pub(crate) fn assemble(layout: &Layout, tools: &Tools) -> Result<()> {
    let wasm = workers::coordinator_build(layout).join("index_bg.wasm");
    if !wasm.exists() {
        bail!("{} is missing: run `cargo xtask build` first", wasm.display());
    }
    build(layout, tools)?;
    let directory = directory(layout);
    let coordinator = directory.join("dist/coordinator");
    fs::create_dir_all(&coordinator)?;
    workers::bundle(
        layout,
        tools,
        &directory.join("coordinator/index.mjs"),
        &coordinator.join("index.js"),
        workers::Platform::Worker,
    )?;
    for (from, to) in [("index.d.ts", "index.d.ts"), ("dev.mjs", "dev.js")] {
        fs::copy(directory.join("coordinator").join(from), coordinator.join(to))?;
    }
    fs::copy(&wasm, coordinator.join("index_bg.wasm"))
        .with_context(|| format!("cannot copy {}", wasm.display()))?;
    let mut program = Command::new(tools.esbuild());
    program.current_dir(&directory).args([
        "src/cli/main.ts",
        "--outfile=dist/bin.mjs",
        "--bundle",
        "--platform=node",
        "--format=esm",
        "--target=node20",
        "--main-fields=module,main",
        "--log-level=warning",
        "--banner:js=#!/usr/bin/env node",
    ]);
    process::with_progress(&mut program, "esbuild of the package's program", BUILD_LIMIT)?;
    for license in ["LICENSE-APACHE", "LICENSE-MIT"] {
        fs::copy(layout.root.join(license), directory.join(license))?;
    }
    Ok(())
}

/// Makes the file that is published.
pub(crate) fn pack(layout: &Layout, tools: &Tools) -> Result<PathBuf> {
    assemble(layout, tools)?;
    let directory = directory(layout);
    let target = layout.root.join("target/package");
    let mut pack = Command::new("npm");
    pack.current_dir(&directory)
        .args(["pack", "--ignore-scripts", "--loglevel=error", "--pack-destination"])
        .arg(&target);
    process::with_progress(&mut pack, "npm pack", BUILD_LIMIT)?;
    Ok(target.join(format!("pierhead-{}.tgz", version(&directory)?)))
}

/// Bundles the stories of the live tests for Node, as a framework's server would be.
pub(crate) fn bundle_for_node(layout: &Layout, tools: &Tools, module: &Path) -> Result<()> {
    let mut command = Command::new(tools.esbuild());
    command
        .current_dir(directory(layout))
        .args(["test/node/index.ts", "--bundle", "--platform=node", "--format=esm"])
        .args(["--target=node20", "--log-level=warning"])
        // Node has no such module: the stories find nothing bound.
        .arg("--alias:cloudflare:workers=./test/node/unbound.ts")
        .arg(
            "--banner:js=import { createRequire } from \"node:module\"; \
             const require = createRequire(import.meta.url);",
        )
        .arg(format!("--outfile={}", module.display()));
    process::with_progress(&mut command, "esbuild of the stories for Node", BUILD_LIMIT)
}

/// The version in the package's manifest.
fn version(directory: &Path) -> Result<String> {
    let manifest = fs::read_to_string(directory.join("package.json"))?;
    let line = manifest.lines().find_map(|line| line.trim().strip_prefix("\"version\": \""));
    let version = line.and_then(|rest| rest.split('"').next());
    Ok(version.context("package.json has no version")?.to_owned())
}

/// Runs the package's unit tests, and checks the types of the programs that the live tests run.
pub(crate) fn test(layout: &Layout, tools: &Tools) -> Result<()> {
    build(layout, tools)?;
    let directory = directory(layout);
    for project in ["test/worker", "test/bench", "test/node"] {
        let mut check = Command::new(tools.node());
        check.current_dir(&directory).args(["node_modules/typescript/bin/tsc", "-p", project]);
        process::with_progress(&mut check, &format!("tsc of {project}"), BUILD_LIMIT)?;
    }
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
