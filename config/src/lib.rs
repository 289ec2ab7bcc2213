//! The configuration of one database: a URL in the variable `PIERHEAD_DB_<NAME>`, secrets in
//! variables beside it. One parser serves every program of Pierhead, and its table of keys
//! ([`KEYS`]) is the one in `docs/configuration.md`.
//!
//! Whatever is unknown, repeated, malformed or contradictory is refused, never guessed. Errors name
//! the variable, the key and the fix; they never contain a value, because a value may be a secret in
//! the wrong place.

mod agent;
mod database;
mod error;
mod keys;
mod reader;
mod secret;
mod url;
mod value;

pub use agent::AgentDatabase;
pub use database::{
    AccessToken, Address, DatabaseConfig, Jurisdiction, Location, Reset, Tls, Tunnel, variable,
};
pub use error::ConfigError;
pub use keys::{KEYS, KeyDoc, table};
pub use secret::{Secret, Secrets};
