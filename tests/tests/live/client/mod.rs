//! The Rust client in a Worker: what needs more than one call, or more than rows.

mod copies;
mod guide;
mod settings;
mod streams;
mod transactions;
