//! Hints of the engine, held against what can be configured.

use pierhead_config::KEYS;

/// Where the engine says what to do about an error.
const FILES: [&str; 4] = [
    "engine/src/failure.rs",
    "engine/src/auth/handshake.rs",
    "engine/src/core/forward.rs",
    "engine/src/database/refused.rs",
];

/// The texts of a source file, tests left out.
fn texts(file: &str) -> Vec<String> {
    let source = super::read(file);
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code: String = lines.flat_map(|line| [line, " "]).collect();
    let code = code.replace("\\\"", "").replace("\\ ", " ");
    code.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || "_=<>".contains(c)))
}

#[test]
fn hints_name_keys_as_a_configuration_has_them() {
    let is_key = |word: &str| KEYS.iter().any(|key| key.key == word);
    let (mut named, mut wrong) = (0, Vec::new());
    for text in FILES.iter().flat_map(|file| texts(file)).filter(|text| text.contains(' ')) {
        let before = named;
        for word in words(&text).filter(|word| *word != "=") {
            match word.split_once('=') {
                Some((key, _)) if is_key(key) => named += 1,
                Some(_) => wrong.push(format!("{word:?} is no key, in {text:?}")),
                None if word.contains('_') && is_key(word) => {
                    wrong.push(format!("{word:?} is a key: write {word}=, in {text:?}"));
                }
                None => {}
            }
        }
        if named > before && !text.contains("PIERHEAD_DB_<NAME>") {
            wrong.push(format!("where is that key to be changed? {text:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(named >= 12, "{named} hints name a key: does this test find them?");
}

#[test]
fn hints_name_secrets_that_the_page_of_the_configuration_has() {
    let page = super::read("docs/configuration.md");
    let mut named = 0;
    for text in FILES.iter().flat_map(|file| texts(file)) {
        for (at, _) in text.match_indices("_<NAME>_").chain(text.match_indices(" _A")) {
            let name = text.get(at..).unwrap_or_default();
            let name = name.trim_start_matches("_<NAME>").trim_start();
            let name: String =
                name.chars().take_while(|c| c.is_ascii_uppercase() || *c == '_').collect();
            assert!(page.contains(&name), "{name:?} in {text:?}");
            named += 1;
        }
    }
    assert!(named >= 3, "{named}");
}
