//! Checks of texts: a token, a name, the URL of a tunnel.

use std::ops::RangeInclusive;

use crate::ranges::APPLICATION_NAME_BYTES_MAX;
use crate::value::shape;
use crate::{ConfigError, Secret};

/// Shorter ones can be guessed; longer ones are no token, and a header has its limits too.
const TOKEN_CHARACTERS: RangeInclusive<usize> = 16..=256;

/// A token as it can stand in a header, and long enough not to be guessed.
pub(crate) fn check_token(
    variable: &str,
    suffix: &str,
    token: &Secret,
) -> Result<Secret, ConfigError> {
    let text = token.expose();
    if TOKEN_CHARACTERS.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(token.clone());
    }
    let (low, high) = (TOKEN_CHARACTERS.start(), TOKEN_CHARACTERS.end());
    Err(ConfigError::new(
        format!("{variable}_{suffix}"),
        format!(
            "expected {low} to {high} printable ASCII characters without spaces, found {}; \
             `openssl rand -hex 32` makes such a token",
            shape(text)
        ),
    ))
}

pub(crate) fn application_name(value: &str) -> Result<String, String> {
    let length = 1..=APPLICATION_NAME_BYTES_MAX;
    if length.contains(&value.len()) && value.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        return Ok(value.to_owned());
    }
    Err(format!(
        "expected 1 to {APPLICATION_NAME_BYTES_MAX} printable ASCII characters, found {}",
        shape(value)
    ))
}

pub(crate) fn tunnel_url(value: &str) -> Result<String, String> {
    let expected = |what: &str| format!("expected {what}, found {}", shape(value));
    let rest = value.strip_prefix("https://").or_else(|| value.strip_prefix("http://"));
    let Some(rest) = rest else {
        return Err(expected("a URL that begins with https:// or http://"));
    };
    let (authority, path) =
        rest.find(['/', '?']).and_then(|at| rest.split_at_checked(at)).unwrap_or((rest, ""));
    if authority.contains('@') {
        return Err(expected(
            "a URL without user or password; the Access token has variables of its own",
        ));
    }
    let host = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    if authority.is_empty() || !authority.bytes().all(host) {
        return Err(expected("a host name behind ://"));
    }
    if path.contains(|c: char| c.is_whitespace() || c.is_control() || c == '#') {
        return Err(expected("a path without white space or #"));
    }
    Ok(if path.is_empty() { format!("{value}/") } else { value.to_owned() })
}
