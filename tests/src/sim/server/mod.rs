//! A scripted PostgreSQL backend, sans I/O: bytes in, bytes out, its own little SQL.

pub mod auth;
mod backend;
mod command;
pub mod database;
mod protocol;
mod session;
mod startup;
#[cfg(test)]
mod tests;

pub use backend::{Backend, CANCEL_CODE, Mischief, STARTUP_CODE};
