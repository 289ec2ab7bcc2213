//! Extra headers of the request that opens a link, such as an Access service token's. Their values
//! are secrets.

use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};

/// One header; its value is marked as sensitive and so never printed.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub(crate) name: HeaderName,
    pub(crate) value: HeaderValue,
}

/// Headers that the upgrade itself consists of.
const OURS: [&str; 8] = [
    "authorization",
    "connection",
    "content-length",
    "host",
    "te",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

/// The headers of the flags, then those of the variable.
///
/// # Errors
/// Names the flag or variable, and the header if it is well formed; never a value.
pub(super) fn read(flags: &[String], variable: Option<&String>) -> Result<Vec<Header>, String> {
    let variable = variable.map_or("", String::as_str);
    let separator = if variable.trim().contains('\n') { '\n' } else { ';' };
    let flags = flags.iter().map(|text| ("--header", text.as_str()));
    let lines = variable.split(separator).map(|text| ("PIERHEAD_AGENT_HEADERS", text));
    flags
        .chain(lines.filter(|(_, text)| !text.trim().is_empty()))
        .map(|(source, text)| header(text).map_err(|problem| format!("{source}: {problem}")))
        .collect()
}

fn header(text: &str) -> Result<Header, String> {
    let malformed = || "expected `Name: value`".to_owned();
    let (name, value) = text.split_once(':').ok_or_else(malformed)?;
    let name: HeaderName = name.trim().parse().map_err(|_| malformed())?;
    if OURS.contains(&name.as_str()) || name.as_str().starts_with("sec-websocket-") {
        return Err(format!("{name} belongs to the agent itself; remove it"));
    }
    let mut value: HeaderValue =
        value.trim().parse().map_err(|_| format!("the value of {name} is not printable ASCII"))?;
    value.set_sensitive(true);
    Ok(Header { name, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(flags: &[&str], variable: &str) -> Result<Vec<String>, String> {
        let flags: Vec<_> = flags.iter().map(|&flag| flag.to_owned()).collect();
        let headers = read(&flags, Some(&variable.to_owned()))?;
        Ok(headers.iter().map(|header| header.name.to_string()).collect())
    }

    #[test]
    fn headers_come_from_flags_and_from_one_or_several_lines() {
        assert_eq!(names(&["A: 1"], "B: 2; C: 3").unwrap(), ["a", "b", "c"]);
        assert_eq!(names(&[], "Cookie: x=1; y=2\nB: 2\n").unwrap(), ["cookie", "b"]);
        assert_eq!(names(&[], "").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_header_of_the_upgrade_is_refused_and_no_value_is_said() {
        for text in
            ["Authorization: hidden", "Sec-WebSocket-Key: hidden", "hidden", "X: hid\u{7}den"]
        {
            let error = names(&[text], "").unwrap_err();
            assert!(error.starts_with("--header: "), "{error}");
            assert!(!error.contains("hid"), "{error}");
        }
        let header = header("CF-Access-Client-Secret: hidden").unwrap();
        assert!(!format!("{header:?}").contains("hidden"));
    }
}
