//! Set-up: what the builds and tests need beyond cargo. Each part is the same three questions:
//! is it there; can it be had the ordinary way; which fallback works where only package
//! registries can be reached.

mod drivers;
mod npm;
mod pgbouncer;
mod postgres;
mod wasm_bindgen;
mod wasm_std;
mod worker_build;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::layout::{Layout, Lock, read_or_empty};
use crate::{process, versions};
pub(crate) use drivers::ensure as ensure_drivers;
pub(crate) use npm::{Npm, ci as npm_ci};
pub(crate) use pgbouncer::{VARIABLE as PGBOUNCER, ensure as ensure_pgbouncer};
use wasm_std::WasmCompiler;

/// The tools, found or installed.
pub(crate) struct Tools {
    npm: Npm,
    compiler: WasmCompiler,
    worker_build: PathBuf,
    /// Nothing where worker-build fetches the program itself.
    wasm_bindgen: Option<PathBuf>,
    /// Only there when set up for running something.
    postgres: Option<PathBuf>,
    /// The same, and only where there is one.
    psql: Option<PathBuf>,
}

/// What the tools are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Building Workers: who only deploys gets no database server installed.
    Build,
    /// Also running them against a database.
    Run,
}

impl Tools {
    /// A Node that the pinned wrangler runs on.
    pub(crate) fn node(&self) -> &Path {
        &self.npm.node
    }

    /// The esbuild program.
    pub(crate) fn esbuild(&self) -> &Path {
        &self.npm.esbuild
    }

    /// The wasm-opt program.
    pub(crate) fn wasm_opt(&self) -> &Path {
        &self.npm.wasm_opt
    }

    /// What tests, demo and benchmark read to find the tools, the built Workers and the agent.
    pub(crate) fn variables(&self, layout: &Layout, agent: &Path) -> Vec<(&'static str, PathBuf)> {
        let mut variables = vec![
            ("PIERHEAD_WORKERD", self.npm.workerd.clone()),
            ("PIERHEAD_NODE", self.npm.node.clone()),
            ("PIERHEAD_NODE_MODULES", layout.node_modules()),
            ("PIERHEAD_WORKERS", layout.workers()),
            ("PIERHEAD_AGENT_BIN", agent.to_owned()),
        ];
        variables.extend(self.postgres.clone().map(|bin| ("PIERHEAD_PG_BIN", bin)));
        variables.extend(self.psql.clone().map(|program| ("PIERHEAD_PSQL", program)));
        variables
    }

    /// Cargo for wasm without the glue of a Worker, with the compiler that it shall use.
    pub(crate) fn cargo_for_wasm(&self, layout: &Layout) -> Result<Command> {
        let mut command = Command::new("cargo");
        process::without_cargo_environment(&mut command)
            .current_dir(&layout.root)
            .env("CARGO_TARGET_DIR", layout.wasm_target())
            .env("CARGO_BUILD_TARGET", "wasm32-unknown-unknown");
        if let WasmCompiler::Private { bin } = &self.compiler {
            command.env("RUSTC", bin.join("rustc")).env("PATH", path_with(bin)?);
        }
        Ok(command)
    }

    /// `worker-build` with the compiler and the helpers it shall use.
    pub(crate) fn worker_build(&self, layout: &Layout) -> Result<Command> {
        let mut command = Command::new(&self.worker_build);
        process::without_cargo_environment(&mut command)
            .env("CARGO_TARGET_DIR", layout.wasm_target())
            .env("WASM_OPT_BIN", &self.npm.wasm_opt)
            .env("ESBUILD_BIN", &self.npm.esbuild);
        if let Some(program) = &self.wasm_bindgen {
            command.env("WASM_BINDGEN_BIN", program);
        }
        if let WasmCompiler::Private { bin } = &self.compiler {
            // worker-build asks the `rustc` on PATH for its target directory, cargo asks RUSTC.
            command.env("RUSTC", bin.join("rustc")).env("PATH", path_with(bin)?);
        }
        Ok(command)
    }

    /// What a built Worker depends on besides its sources: changes when a tool does.
    pub(crate) fn fingerprint(&self) -> String {
        format!(
            "{:?} {} {} {:?}",
            self.compiler,
            versions::WORKER_BUILD,
            versions::WASM_BINDGEN,
            self.npm.fingerprint
        )
    }
}

/// Finds the tools of a scope and installs the missing ones.
pub(crate) fn run(layout: &Layout, scope: Scope) -> Result<Tools> {
    let started = Instant::now();
    check_lock_file(layout)?;
    let _lock = Lock::take(&layout.cache, "set-up")?;
    let npm = part("npm packages", || npm::ensure(layout))?;
    let postgres = match scope {
        Scope::Build => None,
        Scope::Run => Some(part("PostgreSQL", || postgres::ensure(layout, &npm))?),
    };
    let psql = match &postgres {
        Some(bin) => part("psql", || postgres::psql(bin))?,
        None => None,
    };
    let compiler = part("std for wasm", || wasm_std::ensure(layout))?;
    let worker_build = part("worker-build", || worker_build::ensure(layout))?;
    let wasm_bindgen = part("wasm-bindgen", || wasm_bindgen::ensure(layout, &npm))?;
    worker_build::drop_build_files(layout);
    eprintln!("set-up ready in {:.1} s", started.elapsed().as_secs_f32());
    Ok(Tools { npm, compiler, worker_build, wasm_bindgen, postgres, psql })
}

/// One part of the set-up, as it reports itself: the value and what there is to say about it.
fn part<T>(name: &str, ensure: impl FnOnce() -> Result<(T, String)>) -> Result<T> {
    let started = Instant::now();
    let (value, note) =
        ensure().with_context(|| format!("set-up of {name} failed (docs/building.md)"))?;
    let took = started.elapsed();
    let seconds = if took < Duration::from_secs(1) {
        String::new()
    } else {
        format!(" ({:.0} s)", took.as_secs_f32())
    };
    eprintln!("  {name:<14} {note}{seconds}");
    Ok(value)
}

/// wasm-bindgen's program refuses a library of another version, after a long build: say it now.
fn check_lock_file(layout: &Layout) -> Result<()> {
    let lock = read_or_empty(&layout.root.join("Cargo.lock"));
    match versions::locked(&lock, "wasm-bindgen") {
        Some(version) if version != versions::WASM_BINDGEN => bail!(
            "Cargo.lock has wasm-bindgen {version}, set-up installs {}: make \
             xtask/src/versions.rs and the root Cargo.toml agree",
            versions::WASM_BINDGEN
        ),
        _ => Ok(()),
    }
}

/// Whether to behave as where only package registries are reachable: `PIERHEAD_FALLBACKS=1`, to
/// try the fallbacks on a machine that does not need them.
fn only_fallbacks() -> bool {
    std::env::var_os("PIERHEAD_FALLBACKS").is_some_and(|value| value == "1")
}

/// PATH with one directory before all others.
pub(crate) fn path_with(first: &Path) -> Result<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(first.to_owned()).chain(std::env::split_paths(&path));
    std::env::join_paths(all).context("cannot put a directory on PATH")
}

/// `cargo install` into a directory of the cache. Tools run for seconds and take minutes to
/// build optimised, so they are built with little optimisation, and share their build files.
fn cargo_install(layout: &Layout, root: &Path, spec: &[&str], what: &str) -> Result<()> {
    let mut command = Command::new("cargo");
    process::without_cargo_environment(&mut command)
        // Outside of the clone: its cargo configuration is not about tools.
        .current_dir(&layout.cache)
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_INCREMENTAL", "0")
        .args(["install", "--debug", "--no-track", "--root"])
        .arg(root)
        .arg("--target-dir")
        .arg(worker_build::build_files(layout))
        .args(spec);
    process::with_progress(&mut command, what, Duration::from_secs(20 * 60))
}
