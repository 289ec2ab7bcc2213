//! A scripted PostgreSQL backend, sans I/O: bytes in, bytes out, its own little SQL.
//!
//! It is honest for clients that speak the protocol themselves: names and their errors, portals,
//! `Flush`, COPY, settings with rollback and savepoints, notifications, locks, stale plans. A live
//! test (`scripted_server`) tells it and a real PostgreSQL the same, and compares what they say.
//!
//! | commands | |
//! |---|---|
//! | rows | `echo v`, `echo $1`, `rows n size v`, `partial n sqlstate v`, `notice v`, `slow ms v`, `star v` |
//! | effects | `insert id`, `insert $1`, `deferred id` (fails at commit), `alter` (breaks the plans of `star`) |
//! | failures | `fail sqlstate`, `die` (57P01); anything unknown is a syntax error |
//! | transactions | `begin`, `commit`, `rollback`, `savepoint s`, `rollback to s`, `release s`, `set transaction …` |
//! | settings | `set [local] name = v`, `set_config`, `reset name`, `reset all`, `show name`; `app.a`, `app.b` and `app.c` always exist |
//! | state | `create temp table t ()`, `select from t`, `drop table t`, `listen`, `unlisten`, `notify`, `select pg_advisory_lock(1)` and its relatives, `prepare`, `execute`, `deallocate`, `declare c cursor [with hold] for …`, `fetch n from c`, `close c`, `discard …` |
//! | COPY | `copy t from stdin`, `copy numbers from stdin` (other lines are 22P02), `copy stdout n v` |
//! | functions | 3062, `reverse(text)` |
//!
//! `x` and `y` are special: `set x v`, `listen x v`, `declare c cursor with hold for x v` and so on
//! leave a value behind that `show x` shows, whatever the command does in earnest.
//!
//! A world chooses on the [`Database`](database::Database) how honest it is to be:
//! `greets_fully`, `holds_replies` and `loses_sync` make it what the real one is.
//! `Database::mail` holds notifications for idle sessions until [`Backend::deliver`]; a
//! [`Trip`] lets any message fail, or end the session.

pub mod auth;
mod backend;
mod command;
mod copy;
pub mod database;
mod extended;
mod lexer;
mod mischief;
mod parse;
mod prepared;
mod protocol;
mod reader;
mod reply;
mod run;
mod run_state;
mod session;
mod settings;
mod startup;
#[cfg(test)]
mod tests;
mod transaction;
mod values;

pub use backend::{Backend, CANCEL_CODE, STARTUP_CODE, Trip};
pub use mischief::Mischief;
