use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::check::application_name;
use crate::database::NAME_CHARACTERS_MAX;
use crate::keys::KEYS;
use crate::place::{JURISDICTIONS, LOCATIONS};
use crate::policy::{MODES, RESETS, STATES, SWITCH};
use crate::ranges::*;
use crate::tunnel::Kind;
use crate::url::{Host, Parts};
use crate::value::{Share, duration, duration_or_off, number, shape, share, word};
use crate::{Address, ConfigError, DatabaseConfig, Mode, Reset, Secret, Secrets, State};

const PORT_DEFAULT: u16 = 5432;
/// PostgreSQL cuts longer names.
const ROLE_BYTES_MAX: usize = 63;

/// Reads the parts of one URL; what it refuses, it refuses in the name of the variable.
pub(crate) struct Reader {
    pub(crate) variable: String,
    pub(crate) parameters: BTreeMap<String, String>,
}

impl Reader {
    pub(crate) fn new(variable: String) -> Self {
        Self { variable, parameters: BTreeMap::new() }
    }

    /// What an agent must know: everything but its token.
    pub(crate) fn agent(mut self, parts: Parts) -> Result<(Address, u32), ConfigError> {
        self.check_scheme(&parts.scheme)?;
        self.take_parameters(parts.parameters)?;
        if !self.kinds(Kind::Agent)?.contains(&Kind::Agent) {
            return Err(self.error(
                "tunnel= does not list agent, so an agent has nothing to do; add it, or remove the \
                 variable from the agent",
            ));
        }
        Ok((address(parts.host, parts.port), self.pool_size()?))
    }

    /// Everything the coordinator must know.
    pub(crate) fn database(
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
        let socket_password = secrets.socket_password.clone();
        if socket_password.as_ref().is_some_and(|secret| secret.expose().is_empty()) {
            return Err(ConfigError::new(
                format!("{}_SOCKET_PASSWORD", self.variable),
                "is empty, which no client can log in with; set a password or delete the secret",
            ));
        }
        self.take_parameters(parts.parameters)?;
        let kinds = self.kinds(Kind::Direct)?;
        let address = address(parts.host, parts.port);
        let agent = kinds.contains(&Kind::Agent);
        let idle = if agent { IDLE_TIMEOUT_DEFAULT_AGENT } else { IDLE_TIMEOUT_DEFAULT };
        let pool_size = self.pool_size()?;
        Ok(DatabaseConfig {
            name: name.to_owned(),
            tunnels: self.tunnels(&kinds, &address, secrets)?,
            tunnel_wait: self.duration("tunnel_wait", TUNNEL_WAIT_DEFAULT, &TUNNEL_WAIT)?,
            agent_tokens: if agent { self.tokens(secrets)? } else { Vec::new() },
            user,
            password,
            socket_password,
            address,
            database,
            pool_size,
            max_waiters: self
                .value("max_waiters", MAX_WAITERS_DEFAULT, |v| number(v, MAX_WAITERS))?,
            wait_timeout: self.duration("wait_timeout", WAIT_TIMEOUT_DEFAULT, &WAIT_TIMEOUT)?,
            query_timeout: self.duration("query_timeout", QUERY_TIMEOUT_DEFAULT, &QUERY_TIMEOUT)?,
            connect_timeout: self.duration(
                "connect_timeout",
                CONNECT_TIMEOUT_DEFAULT,
                &CONNECT_TIMEOUT,
            )?,
            idle_timeout: self.duration("idle_timeout", idle, &IDLE_TIMEOUT)?,
            max_lifetime: self.duration("max_lifetime", MAX_LIFETIME_DEFAULT, &MAX_LIFETIME)?,
            reset: self.value("reset", Reset::Detected, |v| word(v, &RESETS))?,
            state: self.value("state", State::Follow, |v| word(v, &STATES))?,
            mode: self.value("mode", Mode::Transaction, |v| word(v, &MODES))?,
            pinned_max: self.pinned_max(pool_size)?,
            min_idle: self.part("min_idle", MIN_IDLE, pool_size)?.unwrap_or(MIN_IDLE_DEFAULT),
            class_size: self.part("class_size", CLASS_SIZE, pool_size)?,
            transaction_timeout: self.duration_or_off(
                "transaction_timeout",
                None,
                &TRANSACTION_TIMEOUT,
            )?,
            idle_in_transaction_timeout: self.duration_or_off(
                "idle_in_transaction_timeout",
                Some(IDLE_IN_TRANSACTION_TIMEOUT_DEFAULT),
                &IDLE_IN_TRANSACTION_TIMEOUT,
            )?,
            client_idle_timeout: self.duration_or_off(
                "client_idle_timeout",
                Some(CLIENT_IDLE_TIMEOUT_DEFAULT),
                &CLIENT_IDLE_TIMEOUT,
            )?,
            plan_cache: self.value("plan_cache", true, |v| word(v, &SWITCH))?,
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

    fn pool_size(&self) -> Result<u32, ConfigError> {
        self.value("pool_size", POOL_SIZE_DEFAULT, |v| number(v, POOL_SIZE))
    }

    fn pinned_max(&self, pool_size: u32) -> Result<u32, ConfigError> {
        let default = Share::Percent(PINNED_PERCENT_DEFAULT);
        let share = self.value("pinned", default, |v| share(v, &PINNED, &PINNED_PERCENT))?;
        self.within_pool("pinned", share.of(pool_size), *PINNED.start(), pool_size)
    }

    /// A number of the pool's sessions, if the key is given.
    fn part(
        &self,
        key: &str,
        range: RangeInclusive<u32>,
        pool_size: u32,
    ) -> Result<Option<u32>, ConfigError> {
        let low = *range.start();
        let part = self.value(key, None, |v| number(v, range).map(Some))?;
        part.map(|part| self.within_pool(key, part, low, pool_size)).transpose()
    }

    /// Refuses a number of sessions that the pool does not have.
    fn within_pool(
        &self,
        key: &str,
        sessions: u32,
        low: u32,
        pool_size: u32,
    ) -> Result<u32, ConfigError> {
        if sessions <= pool_size {
            return Ok(sessions);
        }
        Err(self.error(format!(
            "{key}: {sessions} is more than pool_size, which is {pool_size}; expected {low} to \
             {pool_size}: lower {key} or raise pool_size"
        )))
    }

    fn duration(
        &self,
        key: &str,
        default: Duration,
        range: &RangeInclusive<Duration>,
    ) -> Result<Duration, ConfigError> {
        self.value(key, default, |v| duration(v, range))
    }

    fn duration_or_off(
        &self,
        key: &str,
        default: Option<Duration>,
        range: &RangeInclusive<Duration>,
    ) -> Result<Option<Duration>, ConfigError> {
        self.value(key, default, |v| duration_or_off(v, range))
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

    pub(crate) fn value<T>(
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

    pub(crate) fn error(&self, problem: impl Into<String>) -> ConfigError {
        ConfigError::new(self.variable.as_str(), problem)
    }
}

fn address(host: Host, port: Option<u16>) -> Address {
    let port = port.unwrap_or(PORT_DEFAULT);
    match host {
        Host::Name(host) => Address::Tcp { host, port },
        Host::Directory(directory) => Address::Unix { directory, port },
    }
}
