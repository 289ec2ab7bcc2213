//! Tokens that are kept in files.

use std::fs::File;
use std::io::Read as _;

use super::Variables;
use crate::limits::TOKEN_FILE_BYTES_MAX;

const SUFFIX: &str = "_AGENT_TOKEN";

/// Puts the tokens of files where those of variables are. What names a file is gone afterwards.
///
/// # Errors
/// Names the file, or the variable that is in the way; never a token.
pub(super) fn resolve(flags: &[String], variables: &mut Variables) -> Result<(), String> {
    let mut files = Variables::new();
    for flag in flags {
        let (name, path) =
            flag.split_once('=').ok_or("--token-file: write it as --token-file NAME=FILE")?;
        let url =
            pierhead_config::variable(name).map_err(|error| format!("--token-file: {error}"))?;
        if files.insert(format!("{url}{SUFFIX}"), path.to_owned()).is_some() {
            return Err(format!("--token-file: {name} is given twice; remove one"));
        }
    }
    let named: Vec<_> =
        variables.keys().filter_map(|name| named_by(name)).map(str::to_owned).collect();
    for token in named {
        let Some(path) = variables.remove(&format!("{token}_FILE")) else { continue };
        if variables.contains_key(&token) {
            return Err(format!("{token} and {token}_FILE are both set; remove one"));
        }
        files.entry(token).or_insert(path);
    }
    for (token, path) in files {
        let text = read(&path).map_err(|problem| format!("{token}: the file {path} {problem}"))?;
        variables.insert(token, text);
    }
    match variables.keys().find(|name| is_orphan(name, variables)) {
        None => Ok(()),
        Some(token) => Err(format!(
            "{token} is set, but {} is not; set it to postgres://host:5432/database",
            token.trim_end_matches(SUFFIX)
        )),
    }
}

/// The variable whose content is in the file that this one names.
fn named_by(name: &str) -> Option<&str> {
    let token = name.strip_suffix("_FILE")?;
    (token.starts_with("PIERHEAD_DB_") && token.ends_with(SUFFIX)).then_some(token)
}

/// Whether it is the token of a database that is not configured: a name was mistyped.
fn is_orphan(name: &str, variables: &Variables) -> bool {
    let url = name.strip_suffix(SUFFIX);
    url.is_some_and(|url| url.starts_with("PIERHEAD_DB_") && !variables.contains_key(url))
}

fn read(path: &str) -> Result<String, String> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| format!("cannot be opened: {error}"))?;
    file.take(TOKEN_FILE_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(|error| format!("cannot be read: {error}"))?;
    let token = text.trim();
    if token.is_empty() {
        return Err("is empty; it must hold the token and nothing else".to_owned());
    }
    Ok(token.to_owned())
}
