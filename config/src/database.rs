use std::time::Duration;

use crate::reader::Reader;
use crate::secret::SUFFIXES;
use crate::{
    Address, ConfigError, Jurisdiction, Location, Mode, Reset, Secret, Secrets, State, Tunnel, url,
};

/// Everything there is to know about one database before it is dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseConfig {
    /// The name that callers use, `[a-z][a-z0-9_]{0,31}`.
    pub name: String,
    /// The database role.
    pub user: String,
    /// Its password, if the server asks for one.
    pub password: Option<Secret>,
    /// What sockets must log in with; nothing is asked of them if absent.
    pub socket_password: Option<Secret>,
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
    /// What becomes of statements that change a session beyond their transaction.
    pub state: State,
    /// How long a socket holds a session, unless something else is said.
    pub mode: Mode,
    /// The most sessions held beyond their transactions, 1 to `pool_size`.
    pub pinned_max: u32,
    /// Sessions kept open although nobody uses them, 0 to `pool_size`.
    pub min_idle: u32,
    /// The most sessions that one class of callers holds, 1 to `pool_size`; all if absent.
    pub class_size: Option<u32>,
    /// How long a transaction may take; as long as it likes if absent.
    pub transaction_timeout: Option<Duration>,
    /// How long a transaction may wait for its client; as long as it likes if absent.
    pub idle_in_transaction_timeout: Option<Duration>,
    /// How long a socket may be silent outside a transaction; as long as it likes if absent.
    pub client_idle_timeout: Option<Duration>,
    /// Statements stay prepared from one client to the next.
    pub plan_cache: bool,
    /// The sessions' name in `pg_stat_activity`.
    pub application_name: String,
    /// Where the coordinator is created.
    pub location: Option<Location>,
    /// The jurisdiction that the coordinator never leaves.
    pub jurisdiction: Option<Jurisdiction>,
}

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
    if let Some(suffix) = SUFFIXES.iter().find(|suffix| ends_in(&upper, suffix)) {
        return Err(ConfigError::new(
            "database name",
            format!(
                "must not end in _{}, which ends the name of a secret's variable",
                suffix.to_ascii_lowercase()
            ),
        ));
    }
    // PIERHEAD_DB_X_SOCKET_PASSWORD would be the password of two databases.
    if ends_in(&upper, "SOCKET") {
        return Err(ConfigError::new(
            "database name",
            "must not end in _socket, with which the name of a secret's variable goes on",
        ));
    }
    Ok(format!("{PREFIX}{upper}"))
}

/// The name of the database whose URL a variable would hold; nothing for a secret's variable, and for one
/// that is not Pierhead's. The name may be none that a database can have: [`variable`] says so.
#[must_use]
pub fn database_of(variable: &str) -> Option<String> {
    let upper = variable.strip_prefix(PREFIX)?;
    (!is_secret(variable)).then(|| upper.to_ascii_lowercase())
}

/// Whether a variable's name is that of a database's secret: `PIERHEAD_DB_MAIN_PASSWORD`.
#[must_use]
pub fn is_secret(variable: &str) -> bool {
    let upper = variable.strip_prefix(PREFIX).unwrap_or_default();
    SUFFIXES.iter().any(|suffix| ends_in(upper, suffix))
}

/// Whether a variable's name, without the prefix, is a database's with this behind it: `MAIN_PASSWORD`.
fn ends_in(upper: &str, suffix: &str) -> bool {
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
