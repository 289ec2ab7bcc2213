//! `worker-build`, Cloudflare's program that turns a Worker crate into wasm and JavaScript.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::cargo_install;
use crate::layout::Layout;
use crate::{apt, process, versions};

/// Build files that the tools built from source share; removed when all tools are there.
pub(super) fn build_files(layout: &Layout) -> PathBuf {
    layout.cache.join("tool-build-files")
}

/// Frees the space (about a gigabyte) that building the tools took.
pub(super) fn drop_build_files(layout: &Layout) {
    // Left over, they cost space and nothing else.
    let _ = fs::remove_dir_all(build_files(layout));
}

pub(super) fn ensure(layout: &Layout) -> Result<(PathBuf, String)> {
    let version = versions::WORKER_BUILD;
    let on_path = process::probe(Command::new("worker-build").arg("--version"));
    if on_path.is_some_and(|text| text == version) {
        return Ok(("worker-build".into(), format!("{version} on PATH")));
    }
    let mut note = format!("{version} in the cache");
    let directory = layout.cached(&format!("worker-build-{version}"), |temporary| {
        eprintln!("  building worker-build {version}: it makes the Workers (2 to 5 minutes, once)");
        ensure_openssl()?;
        let spec = ["worker-build", "--locked", "--version", version];
        cargo_install(layout, temporary, &spec, "cargo install worker-build")?;
        note = format!("{version} built");
        Ok(())
    })?;
    Ok((directory.join("bin/worker-build"), note))
}

/// worker-build links the system's OpenSSL on Linux, for downloads.
fn ensure_openssl() -> Result<()> {
    let given = ["OPENSSL_DIR", "OPENSSL_LIB_DIR"].iter().any(|n| std::env::var_os(n).is_some());
    if !cfg!(target_os = "linux") || given {
        return Ok(());
    }
    if process::probe(Command::new("pkg-config").args(["--exists", "openssl"])).is_some() {
        return Ok(());
    }
    apt::install(&["libssl-dev", "pkg-config"], "building worker-build")
}
