//! The ways to a database that a driver can be given.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use hyper::Method;
use pierhead_tests::postgres::{PASSWORD, Postgres};

use crate::pool::{Between, Pool};
use crate::stage;

/// The role that drivers log in as, and that owns their databases.
pub(crate) const USER: &str = "scram_user";

/// A way to the database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Target {
    /// PostgreSQL itself: what everything else is compared with.
    Direct,
    /// The engine behind a port of the native shell.
    Native,
    /// The coordinator in workerd, behind workerd's own port and the gateway.
    Workerd(Way),
}

/// The coordinator's way to the database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    /// A TCP connection of its own.
    Tcp,
    /// An agent's WebSocket.
    Agent,
    /// The emulated cloudflared tunnel.
    Cloudflared,
}

impl Target {
    /// What each driver's program is run through.
    pub(crate) const POOLED: &[Self] = &[
        Self::Native,
        Self::Workerd(Way::Tcp),
        Self::Workerd(Way::Agent),
        Self::Workerd(Way::Cloudflared),
    ];

    /// How many rows a program's big result has.
    pub(crate) fn big_rows(self) -> u32 {
        match self {
            Self::Workerd(Way::Cloudflared) => BIG_ROWS_UNHELD,
            Self::Direct | Self::Native | Self::Workerd(_) => BIG_ROWS,
        }
    }

    /// As it is called in what tests print.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Native => "native",
            Self::Workerd(Way::Tcp) => "workerd",
            Self::Workerd(Way::Agent) => "workerd and an agent",
            Self::Workerd(Way::Cloudflared) => "workerd and cloudflared",
        }
    }
}

/// Rows of a kilobyte in a big result: more than anything on its way holds at once.
pub(crate) const BIG_ROWS: u32 = 20_000;
/// The same where nothing holds the database back: a reader that is slow falls behind by as much as
/// this, and has its connection ended at `ANSWER_UNTAKEN_MAX` (8 MiB).
const BIG_ROWS_UNHELD: u32 = 5_000;

/// For how long a client gets a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    Transaction,
    Session,
}

/// What a pool says of itself.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Sessions in use or on their way out of it, and those who wait for one.
    pub(crate) busy: u64,
    /// Sockets that are open.
    pub(crate) sockets: u64,
    /// Sockets that were opened.
    pub(crate) sockets_opened: u64,
    /// Sockets that kept a session beyond their transaction.
    pub(crate) pins: u64,
    /// Bytes of requests and answers that are held.
    pub(crate) bytes: u64,
}

/// A database of one run's own, and a port that leads to it.
pub(crate) struct Place {
    pub(crate) target: Target,
    pub(crate) address: SocketAddr,
    pub(crate) database: String,
    /// `application_name` of the pool's sessions.
    application: String,
    pub(crate) postgres: Arc<Postgres>,
    between: Between,
}

impl Place {
    /// A new, empty database behind this target, with a pool of so many sessions.
    pub(crate) async fn make(target: Target, mode: Mode, sessions: usize) -> Self {
        Self::of(target, mode, sessions, USER).await
    }

    /// The same for another of the server's roles, which owns the database.
    pub(crate) async fn of(target: Target, mode: Mode, sessions: usize, role: &str) -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let (database, application) = (format!("driver_{number}"), format!("pool-{number}"));
        let postgres = stage::postgres().await;
        let create = format!("create database {database} owner {role} template template0");
        postgres.run(&create).await.unwrap();
        let pool = Pool {
            role,
            database: &database,
            application: &application,
            sessions,
            password: PASSWORD,
            asks: false,
        };
        let (address, between) = pool.of(target, mode, postgres.addr()).await;
        Self { target, address, database, application, postgres, between }
    }

    /// The same for a driver that takes all in one text; the password is spelt as URLs want it.
    pub(crate) fn url(&self) -> String {
        let password: String = PASSWORD.bytes().map(|byte| format!("%{byte:02X}")).collect();
        format!("postgresql://{USER}:{password}@{}/{}", self.address, self.database)
    }

    /// The pool's sessions at the database; nothing where there is no pool.
    pub(crate) async fn sessions(&self) -> usize {
        self.postgres.sessions(&self.application).await.unwrap()
    }

    /// What the pool says of itself, where there is one.
    pub(crate) async fn seen(&self) -> Option<Seen> {
        match &self.between {
            Between::Nothing => None,
            Between::Native(native) => {
                let status = native.status().await;
                let busy = status.leased + status.resetting + status.draining + status.waiting;
                Some(Seen {
                    busy: busy as u64,
                    sockets: status.sockets as u64,
                    sockets_opened: status.counters.sockets,
                    pins: status.counters.pins,
                    bytes: (status.request_bytes + status.answer_bytes) as u64,
                })
            }
            Between::Workerd { workerd, .. } => {
                let page = workerd.http("asks").unwrap();
                let page = page.get(&format!("/?db={}", self.database)).await.unwrap();
                let page = page.ok().unwrap().json().unwrap();
                let sum = |keys: &[&str]| {
                    keys.iter().map(|key| page[*key].as_u64().expect("a number of that name")).sum()
                };
                Some(Seen {
                    busy: sum(&["leased", "resetting", "draining", "waiting"]),
                    sockets: sum(&["sockets"]),
                    sockets_opened: sum(&["sockets_opened"]),
                    pins: sum(&["pins"]),
                    bytes: sum(&["request_bytes", "answer_bytes"]),
                })
            }
        }
    }

    /// Runs a request in an envelope, and returns the answer's.
    pub(crate) async fn exchange(&self, request: Bytes) -> Vec<u8> {
        match &self.between {
            Between::Nothing => panic!("PostgreSQL takes no exchanges"),
            Between::Native(native) => native.exchange(request).await,
            Between::Workerd { workerd, .. } => {
                let worker = workerd.http("asks").unwrap();
                let path = format!("/?db={}", self.database);
                let answer = worker.request(Method::POST, &path, request).await.unwrap();
                answer.ok().unwrap().body.to_vec()
            }
        }
    }

    /// Every session is free again, and what it was asked for is over: a driver that has left leaves
    /// nothing.
    pub(crate) async fn is_left_clean(&self) {
        let left = stage::until(async || {
            let seen = self.seen().await?;
            (seen.busy + seen.sockets + seen.bytes > 0).then_some(seen)
        });
        if let Some(seen) = left.await {
            panic!("the pool is not at rest after the driver has left: {seen:#?}");
        }
    }
}
