//! What all sessions of the scripted server share.

use std::collections::BTreeMap;

use super::auth::Method;

/// The database behind the sessions.
#[derive(Clone, Debug)]
pub struct Database {
    /// How it wants to be convinced.
    pub auth: Method,
    /// The salt of the role's SCRAM secret, the same for every session.
    pub salt: [u8; 16],
    /// The only role.
    pub user: String,
    /// Its password.
    pub password: String,
    /// How often each `insert` was committed.
    pub committed: BTreeMap<u64, u32>,
    /// Places for sessions; one session too many is told `53300`.
    pub max_connections: usize,
    /// Sessions that have a place.
    pub connections: usize,
    /// Whether the refusal comes before (too many for the server) or after authentication (too
    /// many for the role).
    pub refuses_late: bool,
    /// True right after a restart: everybody is told `57P03`.
    pub starting: bool,
    /// Whether `SSLRequest` is answered with yes.
    pub tls: bool,
    /// Whether `discard all` in a transaction is an error (as the real one is) or takes effect
    /// inside it (as other ways of clearing do).
    pub discard_fails_in_transaction: bool,
    /// Whether a message that does not belong into a COPY costs the connection (as it does since
    /// PostgreSQL 14) or only the COPY.
    pub loses_sync: bool,
    /// Value of the parameter that changes with each restart.
    pub version: u32,
    /// How often something happened that a run wants to have seen.
    pub seen: Seen,
    pub(super) next_process: i32,
}

/// Counters of the server's side.
#[derive(Clone, Copy, Default, Debug)]
pub struct Seen {
    /// Sessions that got through start-up.
    pub logins: u64,
    /// Sessions refused with `53300`.
    pub refused_full: u64,
    /// `discard all` that took effect.
    pub discards: u64,
    /// `deallocate all`.
    pub purges: u64,
    /// Messages that no client of ours may send.
    pub garbage: u64,
    /// `rollback` outside of a client's statements cannot be told apart; all of them.
    pub rollbacks: u64,
    /// Statements that a cancel ended.
    pub cancelled: u64,
    /// Cancels that met an idle session or none.
    pub cancelled_nothing: u64,
    /// COPY ended by `CopyFail`.
    pub copies_failed: u64,
}

impl Database {
    /// A database that trusts everybody and has plenty of places.
    #[must_use]
    pub fn new() -> Self {
        Self {
            auth: Method::Trust,
            salt: *b"simulated salt..",
            user: "sim".into(),
            password: "geheim".into(),
            committed: BTreeMap::new(),
            max_connections: 1000,
            connections: 0,
            refuses_late: false,
            starting: false,
            tls: true,
            discard_fails_in_transaction: true,
            loses_sync: false,
            version: 15,
            seen: Seen::default(),
            next_process: 1000,
        }
    }

    /// A process id nobody had before.
    pub fn next_process(&mut self) -> i32 {
        self.next_process += 1;
        self.next_process
    }
}

impl Default for Database {
    fn default() -> Self {
        Self::new()
    }
}
