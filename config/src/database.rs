use std::collections::BTreeMap;
use std::time::Duration;

use crate::keys::{
    APPLICATION_NAME_BYTES_MAX, APPLICATION_NAME_DEFAULT, CONNECT_TIMEOUT, CONNECT_TIMEOUT_DEFAULT,
    IDLE_TIMEOUT, IDLE_TIMEOUT_DEFAULT, KEYS, MAX_LIFETIME, MAX_LIFETIME_DEFAULT, MAX_WAITERS,
    MAX_WAITERS_DEFAULT, POOL_SIZE, POOL_SIZE_DEFAULT, QUERY_TIMEOUT, QUERY_TIMEOUT_DEFAULT,
    WAIT_TIMEOUT, WAIT_TIMEOUT_DEFAULT,
};
use crate::url::{self, Parts};
use crate::value::{duration, number, shape, word};
use crate::{ConfigError, Secret, Secrets};

/// Everything there is to know about one database before it is dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseConfig {
    /// The name that callers use, `[a-z][a-z0-9_]{0,31}`.
    pub name: String,
    /// The database role.
    pub user: String,
    /// Its password, if the server asks for one.
    pub password: Option<Secret>,
    /// Host name or address; an IPv6 address is in brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The database's name at the server.
    pub database: String,
    /// How bytes reach the server.
    pub tunnel: Tunnel,
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

/// How bytes reach the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tunnel {
    /// One outgoing WebSocket per session to a hostname that cloudflared publishes.
    Cloudflared {
        /// `http` or `https`; always with a path.
        url: String,
        /// The Access service token, if the hostname is protected by one.
        access: Option<AccessToken>,
    },
    /// TCP to the configured host and port.
    Direct {
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

pub(crate) const TUNNELS: [&str; 2] = ["cloudflared", "direct"];
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
const NAME_CHARACTERS_MAX: usize = 32;
const PORT_DEFAULT: u16 = 5432;
/// PostgreSQL cuts longer names.
const ROLE_BYTES_MAX: usize = 63;

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
    Ok(format!("PIERHEAD_DB_{}", name.to_ascii_uppercase()))
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
            return Err(ConfigError::new(
                variable,
                "not set; set it to postgres://user@host:5432/database",
            ));
        };
        Self::parse(name, &url, &Secrets::look_up(name, lookup)?)
    }

    /// Parses the URL of the database `name`.
    ///
    /// # Errors
    /// Names the variable, the key and the fix; contains no value.
    pub fn parse(name: &str, url: &str, secrets: &Secrets) -> Result<Self, ConfigError> {
        let variable = variable(name)?;
        let parts =
            url::split(url).map_err(|problem| ConfigError::new(variable.as_str(), problem))?;
        Reader { variable, parameters: BTreeMap::new() }.read(name, parts, secrets)
    }
}

struct Reader {
    variable: String,
    parameters: BTreeMap<String, String>,
}

impl Reader {
    fn read(
        mut self,
        name: &str,
        parts: Parts,
        secrets: &Secrets,
    ) -> Result<DatabaseConfig, ConfigError> {
        self.check_scheme(&parts.scheme)?;
        let Some(user) = parts.user else {
            return Err(self.error("the URL has no user; write postgres://user@host/database"));
        };
        let database = parts.database.unwrap_or_else(|| user.clone());
        for (what, value) in [("user", &user), ("database", &database)] {
            if value.len() > ROLE_BYTES_MAX {
                return Err(self.error(format!(
                    "the {what} has {} bytes, PostgreSQL takes at most {ROLE_BYTES_MAX}",
                    value.len()
                )));
            }
        }
        let password = self.password(parts.password, secrets)?;
        self.take_parameters(parts.parameters)?;
        Ok(DatabaseConfig {
            name: name.to_owned(),
            tunnel: self.tunnel(&parts.host, secrets)?,
            user,
            password,
            host: parts.host,
            port: parts.port.unwrap_or(PORT_DEFAULT),
            database,
            pool_size: self.value("pool_size", POOL_SIZE_DEFAULT, |v| number(v, POOL_SIZE))?,
            max_waiters: self
                .value("max_waiters", MAX_WAITERS_DEFAULT, |v| number(v, MAX_WAITERS))?,
            wait_timeout: self
                .value("wait_timeout", WAIT_TIMEOUT_DEFAULT, |v| duration(v, &WAIT_TIMEOUT))?,
            query_timeout: self
                .value("query_timeout", QUERY_TIMEOUT_DEFAULT, |v| duration(v, &QUERY_TIMEOUT))?,
            connect_timeout: self.value("connect_timeout", CONNECT_TIMEOUT_DEFAULT, |v| {
                duration(v, &CONNECT_TIMEOUT)
            })?,
            idle_timeout: self
                .value("idle_timeout", IDLE_TIMEOUT_DEFAULT, |v| duration(v, &IDLE_TIMEOUT))?,
            max_lifetime: self
                .value("max_lifetime", MAX_LIFETIME_DEFAULT, |v| duration(v, &MAX_LIFETIME))?,
            reset: self.value("reset", Reset::Detected, |v| word(v, &RESETS))?,
            application_name: self.value(
                "application_name",
                APPLICATION_NAME_DEFAULT.to_owned(),
                application_name,
            )?,
            location: self.value("location", None, |v| word(v, &LOCATIONS).map(Some))?,
            jurisdiction: self
                .value("jurisdiction", None, |v| word(v, &JURISDICTIONS).map(Some))?,
        })
    }

    fn check_scheme(&self, scheme: &str) -> Result<(), ConfigError> {
        match scheme {
            "postgres" | "postgresql" => Ok(()),
            "mysql" | "mariadb" => {
                Err(self.error("MySQL is not supported yet; only postgres:// is"))
            }
            _ => Err(self.error("the URL must begin with postgres:// or postgresql://")),
        }
    }

    fn password(
        &self,
        in_url: Option<String>,
        secrets: &Secrets,
    ) -> Result<Option<Secret>, ConfigError> {
        match (in_url, &secrets.password) {
            (Some(_), Some(_)) => Err(self.error(format!(
                "a password is in the URL and in {}_PASSWORD; remove it from the URL",
                self.variable
            ))),
            (Some(password), None) => Ok(Some(password.into())),
            (None, password) => Ok(password.clone()),
        }
    }

    fn take_parameters(&mut self, parameters: Vec<(String, String)>) -> Result<(), ConfigError> {
        for (key, value) in parameters {
            if !KEYS.iter().any(|known| known.key == key) {
                return Err(self.unknown(&key, &value));
            }
            if self.parameters.contains_key(&key) {
                return Err(self.error(format!("{key} is given twice; remove one")));
            }
            self.parameters.insert(key, value);
        }
        Ok(())
    }

    fn unknown(&self, key: &str, value: &str) -> ConfigError {
        let known: Vec<_> = KEYS.iter().map(|known| known.key).collect();
        // A key that does not look like one may be part of a password.
        let printable = key.len() <= NAME_CHARACTERS_MAX
            && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        let key = if printable { format!("`{key}`") } else { format!("({})", shape(key)) };
        let instead = if key == "`sslmode`" { " use tls instead;" } else { "" };
        self.error(format!(
            "unknown key {key}, its value is {};{instead} accepted keys: {}",
            shape(value),
            known.join(", ")
        ))
    }

    fn tunnel(&self, host: &str, secrets: &Secrets) -> Result<Tunnel, ConfigError> {
        let names = TUNNELS.map(|name| (name, name));
        let tunnel = self.value("tunnel", "direct", |v| word(v, &names))?;
        if tunnel == "cloudflared" {
            self.refuse("tls", "with tunnel=cloudflared; the tunnel is encrypted")?;
            let default = format!("https://{host}/");
            let url = self.value("tunnel_url", default, tunnel_url)?;
            return Ok(Tunnel::Cloudflared { url, access: self.access(secrets)? });
        }
        self.refuse("tunnel_url", "with tunnel=direct; add tunnel=cloudflared")?;
        Ok(Tunnel::Direct { tls: self.value("tls", Tls::StartTls, |v| word(v, &TLS))? })
    }

    fn access(&self, secrets: &Secrets) -> Result<Option<AccessToken>, ConfigError> {
        let missing = |suffix: &str, other: &str| {
            ConfigError::new(
                format!("{}_{suffix}", self.variable),
                format!("not set, but {}_{other} is; set both or neither", self.variable),
            )
        };
        match (&secrets.access_client_id, &secrets.access_client_secret) {
            (None, None) => Ok(None),
            (Some(_), None) => Err(missing("ACCESS_CLIENT_SECRET", "ACCESS_CLIENT_ID")),
            (None, Some(_)) => Err(missing("ACCESS_CLIENT_ID", "ACCESS_CLIENT_SECRET")),
            (Some(id), Some(secret)) => {
                Ok(Some(AccessToken { client_id: id.clone(), client_secret: secret.clone() }))
            }
        }
    }

    fn refuse(&self, key: &str, why: &str) -> Result<(), ConfigError> {
        match self.parameters.get(key) {
            Some(_) => Err(self.error(format!("{key} means nothing {why}, or remove it"))),
            None => Ok(()),
        }
    }

    fn value<T>(
        &self,
        key: &str,
        default: T,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, ConfigError> {
        match self.parameters.get(key) {
            None => Ok(default),
            Some(value) => parse(value).map_err(|problem| self.error(format!("{key}: {problem}"))),
        }
    }

    fn error(&self, problem: impl Into<String>) -> ConfigError {
        ConfigError::new(self.variable.as_str(), problem)
    }
}

fn application_name(value: &str) -> Result<String, String> {
    let length = 1..=APPLICATION_NAME_BYTES_MAX;
    if length.contains(&value.len()) && value.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        return Ok(value.to_owned());
    }
    Err(format!(
        "expected 1 to {APPLICATION_NAME_BYTES_MAX} printable ASCII characters, found {}",
        shape(value)
    ))
}

fn tunnel_url(value: &str) -> Result<String, String> {
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
