use std::time::Duration;

use crate::reader::Reader;
use crate::secret::SUFFIXES;
use crate::value::word;
use crate::{ConfigError, Secret, Secrets, url};

/// Everything there is to know about one database before it is dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseConfig {
    /// The name that callers use, `[a-z][a-z0-9_]{0,31}`.
    pub name: String,
    /// The database role.
    pub user: String,
    /// Its password, if the server asks for one.
    pub password: Option<Secret>,
    /// Where the server listens, as seen from its own network.
    pub address: Address,
    /// The database's name at the server.
    pub database: String,
    /// How bytes reach the server: one, or an agent and what is used while
    /// none is connected.
    pub tunnels: Vec<Tunnel>,
    /// How long a request waits for an agent before the next tunnel is tried.
    pub tunnel_wait: Duration,
    /// What an agent may identify itself by; at most two, empty unless a tunnel is [`Tunnel::Agent`].
    pub agent_tokens: Vec<Secret>,
    /// The most sessions, 1 to 1,000.
    pub pool_size: u32,
    /// The most requests waiting for a session; 0 means that none waits.
    pub max_waiters: u32,
    /// How long a request waits for a session.
    pub wait_timeout: Duration,
    /// The time a request has in all when its caller gives none.
    pub query_timeout: Duration,
    /// How long opening a session may take.
    pub connect_timeout: Duration,
    /// A session unused for this long is closed.
    pub idle_timeout: Duration,
    /// A session older than this is replaced.
    pub max_lifetime: Duration,
    /// When a session's state is cleared.
    pub reset: Reset,
    /// The sessions' name in `pg_stat_activity`.
    pub application_name: String,
    /// Where the coordinator is created.
    pub location: Option<Location>,
    /// The jurisdiction that the coordinator never leaves.
    pub jurisdiction: Option<Jurisdiction>,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// TCP.
    Tcp {
        /// Host name or address; an IPv6 address is in brackets.
        host: String,
        /// Port.
        port: u16,
    },
    /// A unix socket, which only an agent on the same machine can open.
    Unix {
        /// The absolute directory that holds the socket.
        directory: String,
        /// The number in the socket's name.
        port: u16,
    },
}

impl Address {
    /// The unix socket's path, named as PostgreSQL names it; nothing for TCP.
    #[must_use]
    pub fn socket_path(&self) -> Option<String> {
        match self {
            Self::Tcp { .. } => None,
            Self::Unix { directory, port } => {
                Some(format!("{}/.s.PGSQL.{port}", directory.trim_end_matches('/')))
            }
        }
    }
}

/// `host:port`, or the socket's path.
impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix { .. } => f.write_str(&self.socket_path().unwrap_or_default()),
        }
    }
}

/// How bytes reach the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tunnel {
    /// An agent beside the server dials in; where it connects to is its own configuration.
    Agent,
    /// One outgoing WebSocket per session to a hostname that cloudflared publishes.
    Cloudflared {
        /// `http` or `https`; always with a path.
        url: String,
        /// The Access service token, if the hostname is protected by one.
        access: Option<AccessToken>,
    },
    /// TCP to the configured host and port.
    Direct {
        /// Host name or address; an IPv6 address is in brackets.
        host: String,
        /// Port.
        port: u16,
        /// Encryption to the database.
        tls: Tls,
    },
}

/// A Cloudflare Access service token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// Header `CF-Access-Client-Id`.
    pub client_id: Secret,
    /// Header `CF-Access-Client-Secret`.
    pub client_secret: Secret,
}

/// Encryption to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// None.
    Off,
    /// From the first byte.
    On,
    /// Asked for with PostgreSQL's SSLRequest; refusal is an error.
    StartTls,
}

/// When a session's state is cleared after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// When something that leaves state was seen.
    Detected,
    /// Always.
    Always,
}

/// A hint where a durable object is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location(&'static str);

/// A jurisdiction that a durable object never leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jurisdiction(&'static str);

impl Location {
    /// As the platform writes it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        self.0
    }

    /// The location that the platform writes so, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        word(name, &LOCATIONS).ok()
    }
}

impl Jurisdiction {
    /// As the platform writes it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        self.0
    }

    /// The jurisdiction that the platform writes so, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        word(name, &JURISDICTIONS).ok()
    }
}

/// A kind of tunnel, as the list in `tunnel=` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Agent,
    Cloudflared,
    Direct,
}

pub(crate) const TUNNELS: [(&str, Kind); 3] =
    [("agent", Kind::Agent), ("cloudflared", Kind::Cloudflared), ("direct", Kind::Direct)];
/// What `tunnel=` accepts. Only an absent agent is passed over, so nothing stands behind the others.
pub(crate) const TUNNEL_LISTS: [&str; 5] =
    ["agent", "cloudflared", "direct", "agent,cloudflared", "agent,direct"];
pub(crate) const TLS: [(&str, Tls); 3] =
    [("off", Tls::Off), ("on", Tls::On), ("starttls", Tls::StartTls)];
pub(crate) const RESETS: [(&str, Reset); 2] =
    [("detected", Reset::Detected), ("always", Reset::Always)];
pub(crate) const LOCATIONS: [(&str, Location); 11] = [
    ("wnam", Location("wnam")),
    ("enam", Location("enam")),
    ("sam", Location("sam")),
    ("weur", Location("weur")),
    ("eeur", Location("eeur")),
    ("apac", Location("apac")),
    ("apac-ne", Location("apac-ne")),
    ("apac-se", Location("apac-se")),
    ("oc", Location("oc")),
    ("afr", Location("afr")),
    ("me", Location("me")),
];
pub(crate) const JURISDICTIONS: [(&str, Jurisdiction); 3] =
    [("eu", Jurisdiction("eu")), ("fedramp", Jurisdiction("fedramp")), ("us", Jurisdiction("us"))];

/// Characters of a database's name: it is part of variables' names and of log lines.
pub(crate) const NAME_CHARACTERS_MAX: usize = 32;
/// What the variable of a database's URL begins with.
pub(crate) const PREFIX: &str = "PIERHEAD_DB_";

/// The variable that holds the URL of the database `name`.
///
/// # Errors
/// When `name` is not a database's name.
pub fn variable(name: &str) -> Result<String, ConfigError> {
    let mut bytes = name.bytes();
    let valid = bytes.next().is_some_and(|b| b.is_ascii_lowercase())
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && name.len() <= NAME_CHARACTERS_MAX;
    if !valid {
        return Err(ConfigError::new(
            "database name",
            "expected a lower-case letter, then up to 31 lower-case letters, digits or _",
        ));
    }
    let upper = name.to_ascii_uppercase();
    if let Some(suffix) = SUFFIXES.iter().find(|suffix| is_secret(&upper, suffix)) {
        return Err(ConfigError::new(
            "database name",
            format!(
                "must not end in _{}, which ends the name of a secret's variable",
                suffix.to_ascii_lowercase()
            ),
        ));
    }
    Ok(format!("{PREFIX}{upper}"))
}

/// Whether a variable's name, without the prefix, is that of a secret: `MAIN_PASSWORD`.
fn is_secret(upper: &str, suffix: &str) -> bool {
    upper.strip_suffix(suffix).is_some_and(|name| name.len() > 1 && name.ends_with('_'))
}

impl DatabaseConfig {
    /// Looks up and parses the configuration of the database `name`; `lookup` gives the value of a
    /// variable or secret, if it is set.
    ///
    /// # Errors
    /// Names the variable, the key and the fix; contains no value.
    pub fn look_up(
        name: &str,
        mut lookup: impl FnMut(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let variable = variable(name)?;
        let Some(url) = lookup(&variable) else {
            return Err(not_set(variable));
        };
        let config = Self::parse(name, &url, &Secrets::look_up(name, lookup)?)?;
        if config.tunnels.contains(&Tunnel::Agent) && config.agent_tokens.is_empty() {
            return Err(token_missing(&variable));
        }
        Ok(config)
    }

    /// Parses the URL of the database `name`. A secret that is absent is not missed: callers, which
    /// have none, read their database's `location` in this way.
    ///
    /// # Errors
    /// Names the variable, the key and the fix; contains no value.
    pub fn parse(name: &str, url: &str, secrets: &Secrets) -> Result<Self, ConfigError> {
        let variable = variable(name)?;
        let parts =
            url::split(url).map_err(|problem| ConfigError::new(variable.as_str(), problem))?;
        Reader::new(variable).database(name, parts, secrets)
    }
}

pub(crate) fn not_set(variable: String) -> ConfigError {
    ConfigError::new(variable, "not set; set it to postgres://user@host:5432/database")
}

pub(crate) fn token_missing(variable: &str) -> ConfigError {
    ConfigError::new(
        format!("{variable}_AGENT_TOKEN"),
        "not set; set the same secret at the Worker and at the agent, e.g. the output of \
         `openssl rand -hex 32`",
    )
}
