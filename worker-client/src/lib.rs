//! Query a PostgreSQL database from a Cloudflare Worker through a Pierhead coordinator.
//!
//! ```no_run
//! use pierhead_client::{Database, Error};
//! use worker::{Env, Response};
//!
//! async fn item(env: &Env, id: i64) -> Result<String, Error> {
//!     let db = Database::from_env(env, "main")?;
//!     let row = db.query_one("select name, price from items where id = $1", &[&id]).await?;
//!     Ok(format!("{}: {}", row.get::<String>("name")?, row.get::<String>("price")?))
//! }
//!
//! async fn handle(env: &Env) -> worker::Result<Response> {
//!     match item(env, 42).await {
//!         Ok(text) => Response::ok(text),
//!         // 503 with Retry-After, 504, 409, …
//!         Err(error) => error.to_response(),
//!     }
//! }
//! ```
//!
//! # Calls
//!
//! Each of [`query`](Database::query), [`query_one`](Database::query_one),
//! [`query_opt`](Database::query_opt), [`execute`](Database::execute) and
//! [`batch`](Database::batch) is one trip to the coordinator and one transaction. There is nothing to
//! connect, to prepare or to close. Results are kept in memory up to 64 MiB; larger ones are read
//! with [`query_stream`](Database::query_stream).
//!
//! Every call has a deadline, 30 seconds unless given, that holds also when the coordinator never
//! answers. A call that is dropped is aborted.
//!
//! # Types
//!
//! | PostgreSQL | Rust |
//! |---|---|
//! | `smallint`, `integer`, `bigint`, `oid` | `i16`, `i32`, `i64`, `u32` |
//! | `real`, `double precision` | `f32`, `f64` |
//! | `bool` | `bool` |
//! | `bytea` | `Vec<u8>`, `&[u8]` |
//! | `date`, `time`, `timestamp`, `timestamptz` | types of `chrono` (feature `chrono`) |
//! | `uuid` | `uuid::Uuid` (feature `uuid`) |
//! | `json`, `jsonb` | `serde_json::Value`, [`Json`] (feature `json`) |
//! | arrays | `Vec`, slices, nested for more dimensions |
//! | any type that may be NULL | `Option` |
//! | `text`, `numeric`, enums, domains, composites and every other type | `String`, `&str`, [`AsText`] |
//!
//! Parameters go out as text without a type, and the server infers it: a `String` can be given for
//! anything. Results are checked against the type of their column.

mod connect;
mod copy;
mod database;
mod db_error;
mod de;
mod error;
mod exchange;
mod http;
mod keyword;
mod progress;
mod result;
mod row;
mod rpc;
mod scope;
mod settings;
mod statement;
mod stream;
mod terms;
mod transaction;
mod types;

pub use copy::{CopyIn, CopyOut};
pub use database::{Builder, Database};
pub use db_error::DbError;
pub use error::Error;
pub use progress::Mark;
pub use result::BatchResult;
pub use row::{Column, ColumnIndex, Row, Rows};
pub use scope::Scope;
pub use statement::Statement;
pub use stream::RowStream;
pub use transaction::{Isolation, Savepoint, Transaction, TransactionBuilder};
#[cfg(feature = "json")]
pub use types::Json;
pub use types::{AsText, DecodeError, FromColumn, IsNull, ParamError, ToParam};
