//! Every committed input of the fuzz targets, given to its target again. No fuzzer is needed for
//! it, so that what a fuzzer found once stays found.
#![allow(
    unreachable_pub,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a target panics when a rule is broken; it reads no input but the fuzzer's"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "../../fuzz/src/lib.rs"]
mod fuzz;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz").join(name)
}

/// The names of files in a folder, without `.rs`, in order.
fn names(folder: &Path) -> BTreeSet<String> {
    let files = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let name = |file: fs::DirEntry| file.file_name().into_string().expect("a name of letters");
    files.map(|file| name(file.unwrap()).trim_end_matches(".rs").to_owned()).collect()
}

#[test]
fn every_committed_input_passes_its_target() {
    for (name, run) in fuzz::TARGETS {
        let corpus = folder("corpus").join(name);
        let inputs = names(&corpus);
        assert!(!inputs.is_empty(), "{name} has no inputs");
        for input in inputs {
            let data = fs::read(corpus.join(&input)).expect("an input is a file");
            let verdict = std::panic::catch_unwind(|| run(&data));
            assert!(verdict.is_ok(), "target {name}, input {input}: see above");
        }
    }
}

#[test]
fn every_target_has_a_program_inputs_and_a_line_in_the_list() {
    let listed: BTreeSet<_> = fuzz::TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&folder("fuzz_targets")), listed, "TARGETS in fuzz/src/lib.rs");
    assert_eq!(names(&folder("corpus")), listed, "fuzz/corpus/");
    let manifest = fs::read_to_string(folder("Cargo.toml")).unwrap();
    let page = fs::read_to_string(folder("README.md")).unwrap();
    for name in listed {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "[[bin]] {name}");
        assert!(page.contains(&format!("| `{name}` |")), "{name} in fuzz/README.md");
    }
}
