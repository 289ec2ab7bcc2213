use std::fmt;

use crate::{ConfigError, variable};

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself, to be handed to what needs it and to nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What ends the name of a secret's variable. A variable with such a name holds no database's URL.
pub(crate) const SUFFIXES: [&str; 6] = [
    "PASSWORD",
    "ACCESS_CLIENT_ID",
    "ACCESS_CLIENT_SECRET",
    "AGENT_TOKEN",
    "AGENT_TOKEN_NEXT",
    // Where the agent program finds the token in a file.
    "AGENT_TOKEN_FILE",
];

/// The secrets beside a database's URL.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// `PIERHEAD_DB_<NAME>_PASSWORD`
    pub password: Option<Secret>,
    /// `PIERHEAD_DB_<NAME>_SOCKET_PASSWORD`
    pub socket_password: Option<Secret>,
    /// `PIERHEAD_DB_<NAME>_ACCESS_CLIENT_ID`
    pub access_client_id: Option<Secret>,
    /// `PIERHEAD_DB_<NAME>_ACCESS_CLIENT_SECRET`
    pub access_client_secret: Option<Secret>,
    /// `PIERHEAD_DB_<NAME>_AGENT_TOKEN`
    pub agent_token: Option<Secret>,
    /// `PIERHEAD_DB_<NAME>_AGENT_TOKEN_NEXT`, valid beside it while tokens are being changed.
    pub agent_token_next: Option<Secret>,
}

impl Secrets {
    /// Looks up the secrets of the database `name`.
    ///
    /// # Errors
    /// When `name` is not a database's name.
    pub fn look_up(
        name: &str,
        mut lookup: impl FnMut(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let url = variable(name)?;
        let mut secret = |suffix| lookup(&format!("{url}_{suffix}")).map(Secret::from);
        Ok(Self {
            password: secret("PASSWORD"),
            socket_password: secret("SOCKET_PASSWORD"),
            access_client_id: secret("ACCESS_CLIENT_ID"),
            access_client_secret: secret("ACCESS_CLIENT_SECRET"),
            agent_token: secret("AGENT_TOKEN"),
            agent_token_next: secret("AGENT_TOKEN_NEXT"),
        })
    }
}
