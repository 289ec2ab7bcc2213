//! How bytes reach the server, and where it listens.

use crate::check::{check_token, tunnel_url};
use crate::database::token_missing;
use crate::reader::Reader;
use crate::value::word;
use crate::{ConfigError, Secret, Secrets};

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

impl Reader {
    /// The kinds in `tunnel=`, the preferred one first, or `default` alone. Refuses what belongs to a
    /// kind that is not among them.
    pub(crate) fn kinds(&self, default: Kind) -> Result<Vec<Kind>, ConfigError> {
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

    pub(crate) fn tunnels(
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

    pub(crate) fn tokens(&self, secrets: &Secrets) -> Result<Vec<Secret>, ConfigError> {
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
}
