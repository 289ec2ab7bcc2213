//! `PIERHEAD_URL`: where the Worker is.

use tokio_tungstenite::tungstenite::http::Uri;

/// The Worker's URL, taken apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Base {
    /// `wss`.
    pub(crate) secure: bool,
    /// A name or address; an IPv6 address is in brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Host and port as written.
    authority: String,
    /// Empty, or begins with `/`; never ends with it.
    path: String,
}

impl Base {
    /// Takes `wss://host[:port][/base]` apart.
    ///
    /// # Errors
    /// What is wrong with it, without a value.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        const FORM: &str = "write wss://host or wss://host:port/base";
        let uri: Uri = text.parse().map_err(|_| format!("not a URL; {FORM}"))?;
        let secure = match uri.scheme_str() {
            Some("wss") => true,
            Some("ws") => false,
            Some("https") => return Err("begins with https://; write wss:// instead".to_owned()),
            Some("http") => return Err("begins with http://; write ws:// instead".to_owned()),
            _ => return Err(format!("not a WebSocket's URL; {FORM}")),
        };
        let authority = uri.authority().ok_or_else(|| format!("has no host; {FORM}"))?;
        if authority.as_str().contains('@') {
            return Err("has a user or password in it; the token has a variable of its own, \
                PIERHEAD_DB_<NAME>_AGENT_TOKEN"
                .to_owned());
        }
        if uri.query().is_some() || text.contains('#') {
            return Err(format!("has a ? or # in it; {FORM}"));
        }
        if uri.host().is_none_or(str::is_empty) || authority.as_str().ends_with(':') {
            return Err(format!("has no host or no port; {FORM}"));
        }
        Ok(Self {
            secure,
            host: authority.host().to_owned(),
            port: authority.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            authority: authority.as_str().to_owned(),
            path: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// Where the links of `database` are opened.
    pub(crate) fn agent_url(&self, database: &str) -> String {
        format!("{self}/pierhead/agent/{database}")
    }

    /// Whether it is this machine, so that plain `ws` shows the token to nobody else.
    pub(crate) fn is_loopback(&self) -> bool {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost"
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl std::fmt::Display for Base {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.secure { "wss" } else { "ws" };
        write!(f, "{scheme}://{}{}", self.authority, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_opened_below_the_base() {
        let base = Base::parse("wss://app.example.com").unwrap();
        assert_eq!((base.secure, base.host.as_str(), base.port), (true, "app.example.com", 443));
        assert_eq!(base.agent_url("main"), "wss://app.example.com/pierhead/agent/main");
        let base = Base::parse("ws://[::1]:8787/db/").unwrap();
        assert_eq!((base.host.as_str(), base.port), ("[::1]", 8787));
        assert_eq!(base.agent_url("main"), "ws://[::1]:8787/db/pierhead/agent/main");
        assert!(base.is_loopback());
    }

    #[test]
    fn what_is_no_websocket_url_is_refused_with_the_fix() {
        for (text, fix) in [
            ("https://app.example.com", "wss://"),
            ("app.example.com", "write wss://host"),
            ("wss://", "write wss://host"),
            ("wss://app.example.com?x=1", "? or #"),
            ("wss://me:secret@app.example.com", "PIERHEAD_DB_<NAME>_AGENT_TOKEN"),
            ("", "write wss://host"),
        ] {
            let error = Base::parse(text).unwrap_err();
            assert!(error.contains(fix), "{text}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
