//! The `wasm-bindgen` program. Normally worker-build downloads it; where it cannot, it is built
//! from source here.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::npm::Npm;
use super::{cargo_install, only_fallbacks};
use crate::layout::Layout;
use crate::{process, versions};

pub(super) fn ensure(layout: &Layout, npm: &Npm) -> Result<(Option<PathBuf>, String)> {
    let version = versions::WASM_BINDGEN;
    let name = format!("wasm-bindgen-{version}");
    let ordinary = !only_fallbacks();
    if ordinary && is_wanted(Path::new("wasm-bindgen")) {
        return Ok((Some("wasm-bindgen".into()), format!("{version} on PATH")));
    }
    if ordinary && downloaded_by_worker_build(layout) {
        return Ok((None, format!("{version} downloaded by worker-build")));
    }
    if ordinary && !layout.cache.join(&name).exists() && download_reachable(npm) {
        return Ok((None, format!("{version}: worker-build will download it")));
    }
    let mut note = format!("{version} in the cache");
    let directory = layout.cached(&name, |temporary| {
        eprintln!(
            "  building wasm-bindgen {version}: its download cannot be reached \
             (2 to 5 minutes, once)"
        );
        // Without --locked: the lock file in the package names crates that no longer resolve.
        let spec = ["wasm-bindgen-cli", "--bin", "wasm-bindgen", "--version", version];
        cargo_install(layout, temporary, &spec, "cargo install wasm-bindgen-cli")?;
        note = format!("{version} built");
        Ok(())
    })?;
    Ok((Some(directory.join("bin/wasm-bindgen")), note))
}

fn is_wanted(program: &Path) -> bool {
    process::probe(Command::new(program).arg("--version"))
        .is_some_and(|text| text == format!("wasm-bindgen {}", versions::WASM_BINDGEN))
}

/// worker-build keeps its downloads in the user's cache directory, one directory per version.
fn downloaded_by_worker_build(layout: &Layout) -> bool {
    let mut places = vec![layout.cache.with_file_name("worker-build")];
    if let (true, Some(home)) = (cfg!(target_os = "macos"), std::env::home_dir()) {
        places.push(home.join("Library/Caches/worker-build"));
    }
    let suffix = format!("-{}", versions::WASM_BINDGEN);
    places.iter().filter_map(|place| place.read_dir().ok()).flatten().flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with("wasm-bindgen-")
            && name.ends_with(&suffix)
            && is_wanted(&entry.path().join("wasm-bindgen"))
    })
}

/// Asks for the head of the release that worker-build downloads, with five seconds to answer:
/// worker-build itself tries for half a minute before it gives up.
fn download_reachable(npm: &Npm) -> bool {
    let url = format!(
        "https://github.com/wasm-bindgen/wasm-bindgen/releases/download/{0}/\
         wasm-bindgen-{0}-x86_64-unknown-linux-musl.tar.gz",
        versions::WASM_BINDGEN
    );
    let script = "fetch(process.argv[1], {method: 'HEAD', signal: AbortSignal.timeout(5000)})\
                  .then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))";
    process::probe(Command::new(&npm.node).args(["-e", script, &url])).is_some()
}
