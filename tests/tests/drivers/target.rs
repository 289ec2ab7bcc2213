//! The ways to a database that a driver can be given.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pierhead_engine::{Settings, Status};
use pierhead_tests::native::Native;
use pierhead_tests::postgres::{PASSWORD, Postgres};

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
}

impl Target {
    /// What each driver's program is run through.
    pub(crate) const POOLED: &[Self] = &[Self::Native];

    /// As it is called in what tests print.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Native => "native",
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
        let settings = Settings {
            user: role.into(),
            password: Some(PASSWORD.into()),
            database: database.clone(),
            application_name: application.clone(),
            pool_size: sessions,
            pinned_max: sessions,
            ..Settings::default()
        };
        let (address, between) = match target {
            Target::Direct => (postgres.addr(), Between::Nothing),
            Target::Native => {
                let native = Native::start(settings, postgres.addr()).unwrap();
                let address = match mode {
                    Mode::Transaction => native.transaction,
                    Mode::Session => native.session,
                };
                (address, Between::Native(native))
            }
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

    /// The pool's counters, where there is a pool that can be asked.
    pub(crate) async fn status(&self) -> Option<Status> {
        match &self.between {
            Between::Nothing => None,
            Between::Native(native) => Some(native.status().await),
        }
    }

    /// The shell, for what does not come by its port.
    pub(crate) fn native(&self) -> Option<&Native> {
        match &self.between {
            Between::Nothing => None,
            Between::Native(native) => Some(native),
        }
    }

    /// Every session is free again, and what it was asked for is over: a driver that has left leaves
    /// nothing.
    pub(crate) async fn is_left_clean(&self) {
        if let Some(status) = stage::until(async || {
            let status = self.status().await?;
            let busy = status.leased + status.resetting + status.draining + status.waiting;
            (busy + status.sockets + status.request_bytes + status.answer_bytes > 0)
                .then_some(status)
        })
        .await
        {
            panic!("the pool is not at rest after the driver has left: {status:#?}");
        }
    }
}
