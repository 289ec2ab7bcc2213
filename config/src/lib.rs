//! The configuration of one database: a URL in the variable `PIERHEAD_DB_<NAME>`, secrets in
//! variables beside it. One parser serves every program of Pierhead, and its table of keys
//! ([`KEYS`]) is the one in `docs/configuration.md`.
//!
//! Whatever is unknown, repeated, malformed or contradictory is refused, never guessed. Errors name
//! the variable, the key and the fix; they never contain a value, because a value may be a secret in
//! the wrong place. The one exception is a number in the range of its key that contradicts another.

mod agent;
mod check;
mod database;
mod error;
mod keys;
mod place;
mod policy;
mod ranges;
mod reader;
mod secret;
mod tunnel;
mod url;
mod value;

pub use agent::AgentDatabase;
pub use database::{DatabaseConfig, database_of, is_secret, variable};
pub use error::ConfigError;
pub use keys::{DefaultValue, KEYS, KeyDoc, Values, table};
pub use place::{Jurisdiction, Location};
pub use policy::{Mode, Reset, State};
pub use secret::{Secret, Secrets};
pub use tunnel::{AccessToken, Address, Tls, Tunnel};
