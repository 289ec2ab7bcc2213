//! The ways to a database that a driver can be given.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pierhead_engine::Settings;
use pierhead_tests::http::encode;
use pierhead_tests::native::Native;
use pierhead_tests::postgres::{PASSWORD, Postgres};
use pierhead_tests::workerd::{Worker, Workerd, WorkerdConfig, built};

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
    Workerd,
}

impl Target {
    /// What each driver's program is run through.
    pub(crate) const POOLED: &[Self] = &[Self::Native, Self::Workerd];

    /// As it is called in what tests print.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Native => "native",
            Self::Workerd => "workerd",
        }
    }
}

/// For how long a client gets a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    Transaction,
    Session,
}

/// What is between a program and its database.
enum Between {
    Nothing,
    Native(Native),
    Workerd(Workerd),
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
        let pool = Pool { role, database: &database, application: &application, sessions };
        let (address, between) = match target {
            Target::Direct => (postgres.addr(), Between::Nothing),
            Target::Native => pool.native(postgres.addr(), mode),
            Target::Workerd => pool.workerd(postgres.addr(), mode).await,
        };
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
            Between::Workerd(workerd) => {
                let page = workerd.http("peek").unwrap();
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

    /// The shell, for what does not come by its port.
    pub(crate) fn native(&self) -> Option<&Native> {
        match &self.between {
            Between::Nothing | Between::Workerd(_) => None,
            Between::Native(native) => Some(native),
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

/// A pool as every target has it.
struct Pool<'a> {
    role: &'a str,
    database: &'a str,
    application: &'a str,
    sessions: usize,
}

impl Pool<'_> {
    fn native(&self, postgres: SocketAddr, mode: Mode) -> (SocketAddr, Between) {
        let settings = Settings {
            user: self.role.into(),
            password: Some(PASSWORD.into()),
            database: self.database.into(),
            application_name: self.application.into(),
            pool_size: self.sessions,
            pinned_max: self.sessions,
            ..Settings::default()
        };
        let native = Native::start(settings, postgres).unwrap();
        let address = match mode {
            Mode::Transaction => native.transaction,
            Mode::Session => native.session,
        };
        (address, Between::Native(native))
    }

    /// The coordinator's name is the database's, and so is what clients call it.
    async fn workerd(&self, postgres: SocketAddr, mode: Mode) -> (SocketAddr, Between) {
        let Self { role, database, application, sessions } = self;
        let url = format!(
            "postgres://{role}@{postgres}/{database}?tunnel=direct&tls=off&pool_size={sessions}\
             &pinned={sessions}&application_name={}",
            encode(application)
        );
        let variable = format!("PIERHEAD_DB_{}", database.to_uppercase());
        let coordinator = Worker::from_directory("coordinator", built("coordinator").unwrap())
            .durable_object("Pierhead")
            .namespace("PIERHEAD", "Pierhead", "coordinator")
            .text(&format!("{variable}_PASSWORD"), PASSWORD)
            .text(&variable, url);
        let peek =
            Worker::from_script("peek", PEEK).namespace("PIERHEAD", "Pierhead", "coordinator");
        let config = WorkerdConfig::new().worker(coordinator).worker(peek);
        let workerd = Workerd::start(config.gateway_ports("coordinator")).await.unwrap();
        let ports = workerd.gateway_ports().unwrap();
        let address = match mode {
            Mode::Transaction => ports.transaction,
            Mode::Session => ports.session,
        };
        (address, Between::Workerd(workerd))
    }
}

/// Fetches the status page of an object, which only a binding reaches.
const PEEK: &str = r#"
export default {
  fetch(request, env) {
    const name = new URL(request.url).searchParams.get("db");
    return env.PIERHEAD.getByName(name).fetch("http://object/status");
  },
};
"#;
