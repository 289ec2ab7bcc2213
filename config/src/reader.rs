use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::database::{
    Address, JURISDICTIONS, Kind, LOCATIONS, NAME_CHARACTERS_MAX, RESETS, TLS, TUNNELS,
    token_missing,
};
use crate::keys::{
    APPLICATION_NAME_BYTES_MAX, APPLICATION_NAME_DEFAULT, CONNECT_TIMEOUT, CONNECT_TIMEOUT_DEFAULT,
    IDLE_TIMEOUT, IDLE_TIMEOUT_DEFAULT, IDLE_TIMEOUT_DEFAULT_AGENT, KEYS, MAX_LIFETIME,
    MAX_LIFETIME_DEFAULT, MAX_WAITERS, MAX_WAITERS_DEFAULT, POOL_SIZE, POOL_SIZE_DEFAULT,
    QUERY_TIMEOUT, QUERY_TIMEOUT_DEFAULT, TUNNEL_WAIT, TUNNEL_WAIT_DEFAULT, WAIT_TIMEOUT,
    WAIT_TIMEOUT_DEFAULT,
};
use crate::url::{Host, Parts};
use crate::value::{duration, number, shape, word};
use crate::{AccessToken, ConfigError, DatabaseConfig, Reset, Secret, Secrets, Tls, Tunnel};

const PORT_DEFAULT: u16 = 5432;
/// PostgreSQL cuts longer names.
const ROLE_BYTES_MAX: usize = 63;
/// Shorter ones can be guessed; longer ones are no token, and a header has its limits too.
const TOKEN_CHARACTERS: RangeInclusive<usize> = 16..=256;

/// Reads the parts of one URL; what it refuses, it refuses in the name of the variable.
pub(crate) struct Reader {
    variable: String,
    parameters: BTreeMap<String, String>,
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
        let cap = self.value("pool_size", POOL_SIZE_DEFAULT, |v| number(v, POOL_SIZE))?;
        Ok((address(parts.host, parts.port), cap))
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
        self.take_parameters(parts.parameters)?;
        let kinds = self.kinds(Kind::Direct)?;
        let address = address(parts.host, parts.port);
        let agent = kinds.contains(&Kind::Agent);
        let idle = if agent { IDLE_TIMEOUT_DEFAULT_AGENT } else { IDLE_TIMEOUT_DEFAULT };
        Ok(DatabaseConfig {
            name: name.to_owned(),
            tunnels: self.tunnels(&kinds, &address, secrets)?,
            tunnel_wait: self
                .value("tunnel_wait", TUNNEL_WAIT_DEFAULT, |v| duration(v, &TUNNEL_WAIT))?,
            agent_tokens: if agent { self.tokens(secrets)? } else { Vec::new() },
            user,
            password,
            address,
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
            idle_timeout: self.value("idle_timeout", idle, |v| duration(v, &IDLE_TIMEOUT))?,
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

    /// The kinds in `tunnel=`, the preferred one first, or `default` alone. Refuses what belongs to a
    /// kind that is not among them.
    fn kinds(&self, default: Kind) -> Result<Vec<Kind>, ConfigError> {
        let kinds = self.value("tunnel", vec![default], |value| {
            let mut kinds = Vec::new();
            for kind in value.split(',') {
                let kind = word(kind, &TUNNELS)?;
                if kinds.contains(&kind) {
                    return Err("names a tunnel twice; remove one".to_owned());
                }
                if kinds.last().is_some_and(|&before| before != Kind::Agent) {
                    return Err(
                        "only an absent agent is passed over, so what follows another tunnel is \
                         never used; write agent alone, agent and one more, or one without agent"
                            .to_owned(),
                    );
                }
                kinds.push(kind);
            }
            Ok(kinds)
        })?;
        for (key, kind) in
            [("tls", Kind::Direct), ("tunnel_url", Kind::Cloudflared), ("tunnel_wait", Kind::Agent)]
        {
            if self.parameters.contains_key(key) && !kinds.contains(&kind) {
                return Err(self.out_of_place(key, kind, &kinds));
            }
        }
        Ok(kinds)
    }

    fn out_of_place(&self, key: &str, needed: Kind, kinds: &[Kind]) -> ConfigError {
        let name = |wanted: &Kind| TUNNELS.iter().find(|(_, kind)| kind == wanted).map(|(n, _)| *n);
        let given: Vec<_> = kinds.iter().filter_map(name).collect();
        let (given, needed) = (given.join(","), name(&needed).unwrap_or_default());
        self.error(format!(
            "{key} means nothing with tunnel={given}; add {needed} to tunnel= or remove {key}"
        ))
    }

    fn tunnels(
        &self,
        kinds: &[Kind],
        address: &Address,
        secrets: &Secrets,
    ) -> Result<Vec<Tunnel>, ConfigError> {
        let tunnel = |kind: &Kind| match (kind, address) {
            (Kind::Agent, _) => Ok(Tunnel::Agent),
            (_, Address::Unix { .. }) => Err(self.error(
                "the host is a directory, and only an agent can open a unix socket in it; write \
                 tunnel=agent alone, or a host name",
            )),
            (Kind::Cloudflared, Address::Tcp { host, .. }) => Ok(Tunnel::Cloudflared {
                url: self.value("tunnel_url", format!("https://{host}/"), tunnel_url)?,
                access: self.access(secrets)?,
            }),
            (Kind::Direct, Address::Tcp { host, port }) => Ok(Tunnel::Direct {
                host: host.clone(),
                port: *port,
                tls: self.value("tls", Tls::StartTls, |v| word(v, &TLS))?,
            }),
        };
        kinds.iter().map(tunnel).collect()
    }

    fn tokens(&self, secrets: &Secrets) -> Result<Vec<Secret>, ConfigError> {
        let given = [
            ("AGENT_TOKEN", &secrets.agent_token),
            ("AGENT_TOKEN_NEXT", &secrets.agent_token_next),
        ];
        if secrets.agent_token.is_none() && secrets.agent_token_next.is_some() {
            return Err(token_missing(&self.variable));
        }
        let given = given.into_iter().filter_map(|(suffix, token)| Some((suffix, token.as_ref()?)));
        given.map(|(suffix, token)| check_token(&self.variable, suffix, token)).collect()
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

fn address(host: Host, port: Option<u16>) -> Address {
    let port = port.unwrap_or(PORT_DEFAULT);
    match host {
        Host::Name(host) => Address::Tcp { host, port },
        Host::Directory(directory) => Address::Unix { directory, port },
    }
}

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
