//! What the documents say, held against what is built.

mod benchmarks;
/// The file itself: the crate around it is for Workers, and large.
#[path = "../../../coordinator/src/limits.rs"]
mod coordinator;
mod hints;
mod limits;
mod states;

use std::path::{Path, PathBuf};
use std::{env, fs};

fn path(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// With `REWRITE_DOCS=1` in the environment the page is brought up to date instead.
#[test]
fn the_page_of_limits_is_made_from_the_limits() {
    const PAGE: &str = "docs/limits.md";
    if env::var_os("REWRITE_DOCS").is_some() {
        fs::write(path(PAGE), limits::page()).unwrap();
    }
    let same = fs::read_to_string(path(PAGE)).is_ok_and(|page| page == limits::page());
    assert!(same, "REWRITE_DOCS=1 cargo test -p pierhead-tests --lib docs rewrites {PAGE}");
}

#[test]
fn the_readme_shows_the_example_that_is_built() {
    let example = read("examples/bound/src/lib.rs");
    let (_, code) = example.split_once("\n\n").unwrap();
    assert!(read("README.md").contains(code), "copy examples/bound/src/lib.rs into README.md");
    assert!(code.lines().count() < 40, "the first example is to stay short");
}

/// The guide's code is that of the examples, which the live tests run.
#[test]
fn the_rust_guide_shows_code_that_is_built() {
    let page = read("docs/guides/rust-worker.md");
    let files = ["guide/src/calls", "guide/src/moor", "guide/src/notes", "guide/src/table"];
    let files = files.iter().chain(&["tokio-postgres/src/lib"]);
    let sources: Vec<String> = files.map(|file| read(&format!("examples/{file}.rs"))).collect();
    let blocks: Vec<&str> = page
        .split("```rust\n")
        .skip(1)
        .map(|rest| rest.split_once("```").map_or(rest, |(block, _)| block))
        .collect();
    assert!(blocks.len() >= 6, "only {} blocks of code", blocks.len());
    for block in blocks {
        assert!(sources.iter().any(|source| source.contains(block)), "in no example:\n{block}");
    }
}

/// The workflow is a file, whose steps `tests/tests/drivers/migrations.rs` runs.
#[test]
fn the_guide_to_migrations_shows_the_workflow_that_is_run() {
    let workflow = read("tests/drivers/node/migrations/.github/workflows/migrations.yml");
    let shown = format!("```yaml\n{workflow}```\n");
    assert!(read("docs/guides/migrations.md").contains(&shown), "copy the workflow into the page");
}

#[test]
fn the_index_of_guides_names_each_page() {
    let index = read("docs/guides/README.md");
    for entry in path("docs/guides").read_dir().unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let named = name == "README.md" || index.contains(&format!("]({name})"));
        assert!(named, "docs/guides/README.md does not send anybody to {name}");
    }
}

#[test]
fn the_signs_of_state_are_those_that_the_page_lists() {
    let page = read("docs/reset.md");
    for (file, list) in [("signs", "COMMANDS"), ("coarse", "WORDS")] {
        let source = read(&format!("engine/src/sql/{file}.rs"));
        let from = source.find(&format!("const {list}")).unwrap();
        let list = source[from..].split_once(';').unwrap().1.split_once("];").unwrap().0;
        for word in list.split('"').skip(1).step_by(2) {
            let shown = page.contains(&format!("`{word}`"))
                || page.contains(&format!("`{}`", word.to_uppercase()));
            assert!(shown, "docs/reset.md does not list {word}");
        }
    }
}
