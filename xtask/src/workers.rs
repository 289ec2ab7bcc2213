//! Building the Workers: worker-build makes wasm and JavaScript of a crate, esbuild bundles the
//! entry file in front of it into one module, `target/workers/<name>/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::layout::{Layout, Lock, read_or_empty};
use crate::package;
use crate::process;
use crate::setup::Tools;
use crate::stamp::{Hash, dep_info_files};

/// A first build of all dependencies with link-time optimisation on two busy cores takes three
/// minutes.
const BUILD_LIMIT: Duration = Duration::from_secs(20 * 60);

/// How the wasm is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// What is deployed and measured.
    Release,
    /// Quicker to build, with debug information; far too large to deploy.
    Dev,
}

impl Profile {
    fn flag(self) -> &'static str {
        match self {
            Self::Release => "--release",
            Self::Dev => "--dev",
        }
    }

    fn directory(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Dev => "debug",
        }
    }
}

/// Where a Worker's code is, relative to the root.
enum Source {
    /// A crate; its entry file is `main` of its wrangler.toml, `js/worker.mjs`, `worker.mjs`, or
    /// else what worker-build leaves.
    Crate(&'static str),
    /// A plain JavaScript Worker that uses npm packages.
    Script(&'static str),
    /// A TypeScript Worker on the npm package `pierhead`, which is built first, and has the built
    /// coordinator in it. The same for Node is `node.mjs` beside it.
    OnPackage(&'static str),
}

struct Worker {
    name: &'static str,
    source: Source,
}

const COORDINATOR: Worker = Worker { name: "coordinator", source: Source::Crate("coordinator") };

const WORKERS: [Worker; 10] = [
    COORDINATOR,
    Worker { name: "app", source: Source::Crate("tests/app") },
    Worker { name: "guide", source: Source::Crate("examples/guide") },
    Worker { name: "tokio-postgres", source: Source::Crate("examples/tokio-postgres") },
    Worker { name: "sea-orm", source: Source::Crate("examples/sea-orm") },
    Worker { name: "bound", source: Source::Crate("examples/bound") },
    Worker { name: "embedded", source: Source::Crate("examples/embedded") },
    Worker { name: "direct", source: Source::Script("tests/direct/worker.mjs") },
    Worker {
        name: "typescript",
        source: Source::OnPackage("worker-client/js/test/worker/index.ts"),
    },
    Worker { name: "bench", source: Source::OnPackage("worker-client/js/test/bench/index.ts") },
];

/// Builds the coordinator Worker.
pub(crate) fn build_coordinator(layout: &Layout, tools: &Tools, profile: Profile) -> Result<()> {
    build(layout, tools, profile, &[COORDINATOR])
}

/// Builds every Worker that the demo and the tests run.
pub(crate) fn build_all(layout: &Layout, tools: &Tools, profile: Profile) -> Result<()> {
    build(layout, tools, profile, &WORKERS)
}

/// Builds some of them.
pub(crate) fn build_named(
    layout: &Layout,
    tools: &Tools,
    profile: Profile,
    names: &[&str],
) -> Result<()> {
    for name in names {
        let known: Vec<_> = WORKERS.into_iter().filter(|worker| worker.name == *name).collect();
        if known.is_empty() {
            let all: Vec<_> = WORKERS.iter().map(|worker| worker.name).collect();
            bail!("there is no Worker `{name}`; there are {}", all.join(", "));
        }
        build(layout, tools, profile, &known)?;
    }
    Ok(())
}

/// Directory of the coordinator's crate, where worker-build leaves its output.
pub(crate) fn coordinator_build(layout: &Layout) -> PathBuf {
    layout.root.join("coordinator/build")
}

/// Directory of the bundled coordinator.
pub(crate) fn coordinator_bundle(layout: &Layout) -> PathBuf {
    layout.workers().join(COORDINATOR.name)
}

fn build(layout: &Layout, tools: &Tools, profile: Profile, workers: &[Worker]) -> Result<()> {
    let started = Instant::now();
    let _lock = Lock::take(&layout.workers(), "build")?;
    for worker in workers {
        let one = Instant::now();
        let note = match worker.source {
            Source::Crate(directory) => {
                let directory = layout.root.join(directory);
                let built = compile(layout, tools, profile, worker.name, &directory)
                    .with_context(|| format!("building the Worker `{}` failed", worker.name))?;
                bundle_crate(layout, tools, worker.name, &directory)?;
                if built { "built" } else { "unchanged" }
            }
            Source::Script(entry) => {
                let entry = layout.root.join(entry);
                bundle(layout, tools, &entry, &module(layout, worker.name), Platform::Node)?;
                "bundled"
            }
            Source::OnPackage(entry) => {
                package::assemble(layout, tools)?;
                let entry = layout.root.join(entry);
                let module = module(layout, worker.name);
                bundle(layout, tools, &entry, &module, Platform::Node)?;
                package::bundle_for_node(layout, tools, &module.with_file_name("node.mjs"))?;
                "bundled"
            }
        };
        eprintln!("  {:<14} {note} ({:.1} s)", worker.name, one.elapsed().as_secs_f32());
    }
    eprintln!("Workers ready in {:.1} s", started.elapsed().as_secs_f32());
    Ok(())
}

/// Runs worker-build unless nothing that went into its last output has changed; tells which.
fn compile(
    layout: &Layout,
    tools: &Tools,
    profile: Profile,
    name: &str,
    directory: &Path,
) -> Result<bool> {
    let manifest = directory.join("Cargo.toml");
    if !manifest.exists() {
        bail!("{} is missing: xtask/src/workers.rs lists the Workers", manifest.display());
    }
    let inputs = Inputs { layout, tools, profile, directory };
    let stamp = layout.wasm_target().join("stamps").join(format!("{name}-{}", profile.directory()));
    if inputs.hash().is_some_and(|hash| hash == read_or_empty(&stamp)) {
        return Ok(false);
    }
    let mut command = tools.worker_build(layout)?;
    command.current_dir(directory).arg(profile.flag());
    process::with_progress(&mut command, &format!("worker-build of {name}"), BUILD_LIMIT)?;
    if let (Some(hash), Some(parent)) = (inputs.hash(), stamp.parent()) {
        fs::create_dir_all(parent)?;
        fs::write(&stamp, hash)?;
    }
    Ok(true)
}

/// What a Worker's build is made of.
struct Inputs<'a> {
    layout: &'a Layout,
    tools: &'a Tools,
    profile: Profile,
    directory: &'a Path,
}

impl Inputs<'_> {
    /// One hash over tools, manifests, every source file that cargo saw, and the output itself
    /// (somebody may have run worker-build by hand). Nothing if any of it is missing.
    fn hash(&self) -> Option<String> {
        let library = library_name(&read_or_empty(&self.directory.join("Cargo.toml")))?;
        let dep_info = self
            .layout
            .wasm_target()
            .join("wasm32-unknown-unknown")
            .join(self.profile.directory())
            .join(format!("{library}.d"));
        let mut hash = Hash::new();
        hash.text(&self.tools.fingerprint());
        for file in dep_info_files(&fs::read_to_string(dep_info).ok()?) {
            hash.file(&file).ok()?;
        }
        for file in ["Cargo.toml", "Cargo.lock", ".cargo/config.toml"] {
            hash.file(&self.layout.root.join(file)).ok()?;
        }
        // Manifests of crates that this one uses may change its features and dependencies.
        for member in members(&read_or_empty(&self.layout.root.join("Cargo.toml"))) {
            hash.file(&self.layout.root.join(member).join("Cargo.toml")).ok()?;
        }
        hash.file(&self.directory.join("Cargo.toml")).ok()?;
        for output in ["index.js", "index_bg.wasm"] {
            hash.file(&self.directory.join("build").join(output)).ok()?;
        }
        Some(hash.finish())
    }
}

fn bundle_crate(layout: &Layout, tools: &Tools, name: &str, directory: &Path) -> Result<()> {
    let configured = main_file(&read_or_empty(&directory.join("wrangler.toml")));
    let usual = ["js/worker.mjs", "worker.mjs", "build/index.js"].map(str::to_owned);
    let entry = configured
        .into_iter()
        .chain(usual)
        .map(|file| directory.join(file))
        .find(|file| file.exists())
        .with_context(|| format!("{} has no entry file", directory.display()))?;
    bundle(layout, tools, &entry, &module(layout, name), Platform::Worker)?;
    let wasm = directory.join("build/index_bg.wasm");
    let to = layout.workers().join(name).join("index_bg.wasm");
    fs::copy(&wasm, &to).with_context(|| format!("cannot copy {}", wasm.display()))?;
    Ok(())
}

/// The bundled module of a Worker.
fn module(layout: &Layout, name: &str) -> PathBuf {
    layout.workers().join(name).join("index.js")
}

/// What a bundle may use.
pub(crate) enum Platform {
    /// Web APIs and `cloudflare:` modules.
    Worker,
    /// The same plus npm packages written for Node (workerd's `nodejs_compat`).
    Node,
}

/// Bundles an entry file and what it imports into one module.
pub(crate) fn bundle(
    layout: &Layout,
    tools: &Tools,
    entry: &Path,
    module: &Path,
    platform: Platform,
) -> Result<()> {
    if let Some(directory) = module.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut command = Command::new(tools.esbuild());
    command
        .current_dir(&layout.root)
        .arg(entry)
        .arg(format!("--outfile={}", module.display()))
        .args(["--bundle", "--format=esm", "--target=es2024", "--log-level=warning"])
        .args(["--conditions=workerd,worker,browser"])
        .args(["--external:cloudflare:*", "--external:node:*", "--external:*.wasm"]);
    if let Platform::Node = platform {
        // Packages for Node `require` its built-in modules; a module has no `require` by itself.
        command.arg("--platform=node").arg(
            "--banner:js=import { createRequire } from \"node:module\"; \
             const require = createRequire(\"/index.js\");",
        );
    }
    let what = format!("esbuild of {}", module.display());
    process::with_progress(&mut command, &what, Duration::from_secs(60))
}

/// The members in a workspace manifest.
fn members(manifest: &str) -> Vec<&str> {
    let list = manifest.split_once("members = [").and_then(|(_, rest)| rest.split_once(']'));
    list.map_or("", |(list, _)| list)
        .split(',')
        .map(|member| member.trim().trim_matches('"'))
        .filter(|member| !member.is_empty())
        .collect()
}

/// The name that cargo gives a package's library file.
fn library_name(manifest: &str) -> Option<String> {
    let name = value(manifest, "[lib]", "name").or_else(|| value(manifest, "[package]", "name"))?;
    Some(name.replace('-', "_"))
}

/// The entry file in a wrangler.toml.
fn main_file(wrangler: &str) -> Option<String> {
    value(wrangler, "", "main")
}

/// A quoted value out of the plain TOML that is written in this repository: `key = "value"` under
/// the given table header, or before any header.
fn value(text: &str, table: &str, key: &str) -> Option<String> {
    let mut current = "";
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            current = line;
        } else if current == table
            && let Some((name, value)) = line.split_once('=')
            && name.trim() == key
        {
            return value.trim().strip_prefix('"')?.split('"').next().map(str::to_owned);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_named_by_lib_or_package() {
        let plain =
            "[package]\nname = \"pierhead-coordinator\"\n\n[lib]\ncrate-type = [\"cdylib\"]\n";
        assert_eq!(library_name(plain).as_deref(), Some("pierhead_coordinator"));
        let named = "[package]\nname = \"a-b\"\n[lib]\nname = \"other\"\n";
        assert_eq!(library_name(named).as_deref(), Some("other"));
        assert_eq!(library_name(""), None);
    }

    #[test]
    fn the_entry_is_the_top_level_main() {
        let text = "name = \"x\"\nmain = \"js/worker.mjs\" # entry\n[build]\nmain = \"no\"\n";
        assert_eq!(main_file(text).as_deref(), Some("js/worker.mjs"));
        assert_eq!(main_file("[build]\nmain = \"no\"\n"), None);
    }

    #[test]
    fn members_are_listed_on_one_line_or_many() {
        assert_eq!(members("members = [\"wire\", \"tests/app\"]\n"), ["wire", "tests/app"]);
        assert_eq!(members("members = [\n  \"wire\",\n  \"engine\",\n]\n"), ["wire", "engine"]);
        assert!(members("[package]\n").is_empty());
    }
}
