//! A compiler with a standard library for wasm.
//!
//! Ordinarily rustup has it or fetches it. Where rustup cannot download, Debian's `rustc-web`
//! comes with the source of its standard library, which is built once into a private sysroot in
//! the cache; a small `rustc` script there makes everybody use it. Nothing under /usr changes
//! beyond the packages.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use super::only_fallbacks;
use crate::layout::Layout;
use crate::versions::{RUSTC_MIN, Version};
use crate::{apt, process};

pub(super) const TARGET: &str = "wasm32-unknown-unknown";

/// The component is about 20 MB; a machine that cannot download fails at once.
const RUSTUP_LIMIT: Duration = Duration::from_secs(120);

/// Debian's compiler: an absolute path, since rustup's comes first on PATH.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// Who compiles for wasm.
#[derive(Debug)]
pub(crate) enum WasmCompiler {
    /// The rustc that cargo uses anyway.
    Ordinary,
    /// The script `rustc` in this directory of the cache.
    Private { bin: PathBuf },
}

pub(super) fn ensure(layout: &Layout) -> Result<(WasmCompiler, String)> {
    if !only_fallbacks() && ordinary_has_std() {
        return Ok((WasmCompiler::Ordinary, format!("{TARGET} installed")));
    }
    if let Some(ready) = private(layout, false)? {
        return Ok(ready);
    }
    let refused = match with_rustup() {
        Ok(ready) => return Ok(ready),
        Err(reason) => reason,
    };
    eprintln!("  rustup cannot ({refused}); falling back to Debian's compiler and its std source");
    if std_source().is_none() {
        apt::install(&["rustc-web", "rust-web-src"], "compiling for wasm without rustup's target")
            .with_context(|| format!("`rustup target add {TARGET}` failed: {refused}"))?;
    }
    private(layout, true)?.ok_or_else(|| {
        anyhow!(
            "{DEBIAN_RUSTC} is older than {RUSTC_MIN} or has no std source, also after installing \
             rustc-web and rust-web-src; make `rustup target add {TARGET}` work instead"
        )
    })
}

/// Adds the target the ordinary way; the error is why that did not work.
fn with_rustup() -> Result<(WasmCompiler, String), String> {
    if only_fallbacks() {
        return Err("PIERHEAD_FALLBACKS=1".to_owned());
    }
    eprintln!("  adding {TARGET} with rustup: the Workers are compiled for it");
    let mut add = Command::new("rustup");
    add.args(["target", "add", TARGET]).env("RUSTUP_MAX_RETRIES", "1");
    process::attempt(&mut add, "rustup target add", RUSTUP_LIMIT)?;
    if !ordinary_has_std() {
        return Err("the rustc on PATH is not rustup's".to_owned());
    }
    Ok((WasmCompiler::Ordinary, format!("{TARGET} added by rustup")))
}

/// Whether the rustc on PATH comes with a std for the target.
fn ordinary_has_std() -> bool {
    let mut command = Command::new("rustc");
    process::without_cargo_environment(&mut command).args([
        "--print",
        "target-libdir",
        "--target",
        TARGET,
    ]);
    process::probe(&mut command).is_some_and(|dir| has_std(Path::new(&dir)))
}

fn has_std(libdir: &Path) -> bool {
    let Ok(entries) = libdir.read_dir() else { return false };
    entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
}

/// The source of Debian's std, if compiler and source are there and new enough.
fn std_source() -> Option<PathBuf> {
    let version = process::probe(Command::new(DEBIAN_RUSTC).arg("--version"))?;
    if Version::find(&version)? < RUSTC_MIN {
        return None;
    }
    let sysroot = process::probe(Command::new(DEBIAN_RUSTC).args(["--print", "sysroot"]))?;
    let source = Path::new(&sysroot).join("lib/rustlib/src/rust/library");
    source.join("Cargo.lock").exists().then_some(source)
}

/// The private sysroot for the installed Debian compiler; builds it if asked to.
fn private(layout: &Layout, build: bool) -> Result<Option<(WasmCompiler, String)>> {
    let Some(version) = process::probe(Command::new(DEBIAN_RUSTC).arg("-vV")) else {
        return Ok(None);
    };
    let name = sysroot_name(&version);
    let mut note = format!("{TARGET} in a sysroot of the cache ({name})");
    if !build && !layout.cache.join(&name).exists() {
        return Ok(None);
    }
    if std_source().is_none() && build {
        return Ok(None);
    }
    let directory = layout.cached(&name, |temporary| {
        eprintln!("  building std for {TARGET} from Debian's source (about 1 minute, once)");
        note = format!("{TARGET} built ({name})");
        build_sysroot(temporary)
    })?;
    Ok(Some((WasmCompiler::Private { bin: directory.join("bin") }, note)))
}

/// Names the sysroot after the exact compiler: artifacts of another one do not load.
fn sysroot_name(verbose_version: &str) -> String {
    let field = |key: &str| {
        verbose_version.lines().find_map(|line| line.strip_prefix(key)).unwrap_or("unknown").trim()
    };
    let commit: String = field("commit-hash:").chars().take(9).collect();
    format!("wasm-sysroot-{}-{commit}", field("release:"))
}

fn build_sysroot(sysroot: &Path) -> Result<()> {
    let host = debian_host()?;
    let scratch = sysroot.join("scratch");
    build_std(&scratch)?;

    let target_lib = sysroot.join("lib/rustlib").join(TARGET).join("lib");
    fs::create_dir_all(&target_lib)?;
    let built = scratch.join("target").join(TARGET).join("release/deps");
    for entry in built.read_dir().with_context(|| format!("no {}", built.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default();
        let extension = path.extension().unwrap_or_default();
        let library = extension == "rlib" || extension == "rmeta";
        if library && !name.to_string_lossy().starts_with("libseed-") {
            fs::copy(&path, target_lib.join(name))?;
        }
    }
    fs::remove_dir_all(&scratch)?;

    // Build scripts and macros run on the host: Debian's own host libraries serve those.
    let host_dir = sysroot.join("lib/rustlib").join(&host);
    fs::create_dir_all(host_dir.join("bin"))?;
    symlink(Path::new("/usr/lib/rustlib").join(&host).join("lib"), host_dir.join("lib"))?;
    symlink(find_linker()?, host_dir.join("bin/rust-lld"))?;

    fs::create_dir_all(sysroot.join("bin"))?;
    let script = sysroot.join("bin/rustc");
    // The libraries of the rustup toolchain that cargo puts on the path are not this compiler's.
    let text = format!(
        "#!/bin/sh\nunset LD_LIBRARY_PATH\n\
         exec {DEBIAN_RUSTC} --sysroot \"${{0%/bin/rustc}}\" \"$@\"\n"
    );
    fs::write(&script, text)?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// Compiles std as a dependency of an empty library; cargo has no command for std alone.
fn build_std(scratch: &Path) -> Result<()> {
    fs::create_dir_all(scratch.join("src"))?;
    fs::write(scratch.join("src/lib.rs"), "")?;
    fs::write(
        scratch.join("Cargo.toml"),
        "[package]\nname = \"seed\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[workspace]\n",
    )?;
    let mut command = Command::new("cargo");
    process::without_cargo_environment(&mut command)
        .current_dir(scratch)
        .env("CARGO_TARGET_DIR", scratch.join("target"))
        .env("RUSTC", DEBIAN_RUSTC)
        // Building std is an unstable flag; the compiler is stable.
        .env("RUSTC_BOOTSTRAP", "1")
        // Without it a later link-time optimisation finds no bitcode in std.
        .env("RUSTFLAGS", "-Cembed-bitcode=yes")
        .args(["build", "--release", "-Zbuild-std=std,panic_abort", "--target", TARGET]);
    process::with_progress(&mut command, "cargo build of std", Duration::from_secs(900))
}

fn debian_host() -> Result<String> {
    process::probe(Command::new(DEBIAN_RUSTC).arg("-vV"))
        .and_then(|text| text.lines().find_map(|l| l.strip_prefix("host: ").map(str::to_owned)))
        .ok_or_else(|| anyhow!("`{DEBIAN_RUSTC} -vV` names no host"))
}

/// The linker for wasm: the one in the rustup toolchain, else one that Debian has.
fn find_linker() -> Result<PathBuf> {
    let mut rustc = Command::new("rustc");
    process::without_cargo_environment(&mut rustc).args(["--print", "target-libdir"]);
    if let Some(libdir) = process::probe(&mut rustc) {
        let linker = Path::new(&libdir).with_file_name("bin").join("rust-lld");
        if linker.exists() {
            return Ok(linker);
        }
    }
    let mut directories: Vec<PathBuf> = Path::new("/usr/lib")
        .read_dir()?
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("llvm-"))
        .map(|entry| entry.path().join("bin/lld"))
        .filter(|program| program.exists())
        .collect();
    directories.sort();
    match directories.pop() {
        Some(linker) => Ok(linker),
        None => bail!("no rust-lld in the rustup toolchain; `apt-get install lld-22` has one"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sysroot_is_named_after_its_exact_compiler() {
        let text = "rustc 1.96.0 (ac68faa20 2026-05-25) (built from a source tarball)\n\
                    binary: rustc\ncommit-hash: ac68faa20c58cbccd01ee7208bf3b6e93a7d7f96\n\
                    host: x86_64-unknown-linux-gnu\nrelease: 1.96.0\nLLVM version: 22.1.8\n";
        assert_eq!(sysroot_name(text), "wasm-sysroot-1.96.0-ac68faa20");
        assert_eq!(sysroot_name(""), "wasm-sysroot-unknown-unknown");
    }
}
