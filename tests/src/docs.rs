//! What the documents say, held against what is built.

use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    fs::read_to_string(root.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

#[test]
fn the_readme_shows_the_example_that_is_built() {
    let example = read("examples/bound/src/lib.rs");
    let (_, code) = example.split_once("\n\n").unwrap();
    assert!(read("README.md").contains(code), "copy examples/bound/src/lib.rs into README.md");
    assert!(code.lines().count() < 40, "the first example is to stay short");
}

#[test]
fn the_signs_of_state_are_those_that_the_page_lists() {
    let page = read("docs/reset.md");
    let signs = read("engine/src/database/signs.rs");
    for list in ["STATE_COMMANDS", "STATE_WORDS", "STATE_PARTS"] {
        let from = signs.find(&format!("const {list}")).unwrap();
        let list = signs[from..].split_once(';').unwrap().1.split_once("];").unwrap().0;
        for word in list.split('"').skip(1).step_by(2) {
            let shown = page.contains(&format!("`{word}`"))
                || page.contains(&format!("`{}`", word.to_uppercase()));
            assert!(shown, "docs/reset.md does not list {word}");
        }
    }
}
