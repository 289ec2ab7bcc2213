//! What all sessions of the scripted server share.

use std::collections::{BTreeMap, BTreeSet};

use super::auth::Method;
use super::transaction::Work;
use crate::sim::message::{put, put_cstr};

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
    /// Whether the greeting tells of all parameters, as the real one does, or of three.
    pub greets_fully: bool,
    /// Whether replies wait for `Flush`, `Sync` or a full buffer, as they do in the real one.
    pub holds_replies: bool,
    /// How often `alter` was committed.
    pub generation: u64,
    /// Notifications that wait for the session of a process id.
    pub mail: BTreeMap<i32, Vec<Notification>>,
    /// How often sessions were told of a notification on a channel.
    pub notified: BTreeMap<String, u64>,
    /// How often something happened that a run wants to have seen.
    pub seen: Seen,
    pub(super) next_process: i32,
    /// Who listens to a channel.
    pub(super) listeners: BTreeMap<String, BTreeSet<i32>>,
    /// Who holds an advisory lock, and how often.
    pub(super) locks: BTreeMap<u64, (i32, u32)>,
}

/// What a `notify` tells a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notification {
    process: i32,
    pub(super) channel: String,
    payload: String,
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
    /// Messages that no client of ours may send.
    pub garbage: u64,
    /// `rollback` outside of a client's statements cannot be told apart; all of them.
    pub rollbacks: u64,
    /// Statements that a cancel ended.
    pub cancelled: u64,
    /// Cancels that met an idle session or none.
    pub cancelled_nothing: u64,
    /// Function calls.
    pub calls: u64,
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
            greets_fully: false,
            holds_replies: false,
            generation: 0,
            mail: BTreeMap::new(),
            notified: BTreeMap::new(),
            seen: Seen::default(),
            next_process: 1000,
            listeners: BTreeMap::new(),
            locks: BTreeMap::new(),
        }
    }

    /// A process id nobody had before.
    pub fn next_process(&mut self) -> i32 {
        self.next_process += 1;
        self.next_process
    }

    /// What a transaction of `process` has done can be seen from now on.
    pub(super) fn commit(&mut self, process: i32, work: Work) {
        for id in work.inserts {
            *self.committed.entry(id).or_default() += 1;
        }
        self.generation += work.alters;
        let mut told = BTreeSet::new();
        for (channel, payload) in work.notifies {
            for listener in self.listeners.get(&channel).into_iter().flatten() {
                if told.insert((*listener, channel.clone(), payload.clone())) {
                    let (channel, payload) = (channel.clone(), payload.clone());
                    let mail = Notification { process, channel, payload };
                    self.mail.entry(*listener).or_default().push(mail);
                }
            }
        }
    }

    /// Whether any session listens to this channel.
    #[must_use]
    pub fn has_listener(&self, channel: &str) -> bool {
        self.listeners.contains_key(channel)
    }

    /// `process` listens to exactly these channels.
    pub(super) fn publish(&mut self, process: i32, channels: &BTreeSet<String>) {
        if self.listeners.is_empty() && channels.is_empty() {
            return;
        }
        self.listeners.retain(|channel, listeners| {
            if !channels.contains(channel) {
                listeners.remove(&process);
            }
            !listeners.is_empty()
        });
        for channel in channels {
            self.listeners.entry(channel.clone()).or_default().insert(process);
        }
    }

    /// The session of `process` has ended.
    pub(super) fn forget(&mut self, process: i32) {
        self.publish(process, &BTreeSet::new());
        self.unlock_all(process);
        self.mail.remove(&process);
    }

    /// Takes an advisory lock. False if somebody else has it.
    pub(super) fn lock(&mut self, process: i32, key: u64) -> bool {
        let (holder, times) = self.locks.entry(key).or_insert((process, 0));
        if *holder == process {
            *times += 1;
        }
        *holder == process
    }

    /// Gives an advisory lock back. False if it was not held.
    pub(super) fn unlock(&mut self, process: i32, key: u64) -> bool {
        let Some((holder, times)) = self.locks.get_mut(&key) else { return false };
        if *holder != process {
            return false;
        }
        *times -= 1;
        if *times == 0 {
            self.locks.remove(&key);
        }
        true
    }

    /// Gives all advisory locks of a session back.
    pub(super) fn unlock_all(&mut self, process: i32) {
        self.locks.retain(|_, (holder, _)| *holder != process);
    }
}

impl Notification {
    /// Writes it as a `NotificationResponse`.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put(out, b'A', |out| {
            out.extend(self.process.to_be_bytes());
            put_cstr(out, &self.channel);
            put_cstr(out, &self.payload);
        });
    }
}

impl Default for Database {
    fn default() -> Self {
        Self::new()
    }
}
