//! What an operator decides about one database's pool.

use crate::allowance::Allowance;
use crate::io::Mode;
use crate::time::Millis;

/// When a session's state is cleared between clients.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ResetPolicy {
    /// After an exchange that shows a sign of having changed it (`docs/reset.md` lists the signs).
    #[default]
    Detected,
    /// After every exchange.
    Always,
}

/// What becomes of a statement that changes a session beyond its transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum StatePolicy {
    /// A socket's plain `SET`s are followed; what cannot be followed pins its session. An exchange's
    /// are reset.
    #[default]
    Follow,
    /// It is refused, whoever sends it.
    Reject,
}

/// A kind of tunnel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Way {
    /// Our own: agents dial in, and sessions outlive the coordinator.
    Agent,
    /// The platform's `connect()`. Holds back bytes that were not granted.
    Direct,
    /// One outgoing WebSocket per stream. Cannot hold back.
    Cloudflared,
}

impl Way {
    /// True where bytes that were not granted are held back.
    pub(crate) fn holds_back(self) -> bool {
        self != Self::Cloudflared
    }
}

/// One database's settings.
#[derive(Clone)]
pub struct Settings {
    /// Role to log in as.
    pub user: String,
    /// Its password, if it has one.
    pub password: Option<String>,
    /// What sockets must log in with; nothing is asked of them if absent.
    pub socket_password: Option<String>,
    /// Database to log in to.
    pub database: String,
    /// `application_name` of every session.
    pub application_name: String,
    /// The cap: sessions that exist at once, at least 1.
    pub pool_size: usize,
    /// Clients that may wait for a session at once.
    pub max_waiters: usize,
    /// How long a client may wait for a session.
    pub wait_timeout: Millis,
    /// How long a request may take in all, when its caller does not say.
    pub query_timeout: Millis,
    /// How long opening a session may take, tunnel and authentication included.
    pub connect_timeout: Millis,
    /// How long a session may be idle.
    pub idle_timeout: Millis,
    /// How old a session may become, less a random share.
    pub max_lifetime: Millis,
    /// When state is cleared.
    pub reset: ResetPolicy,
    /// What becomes of statements that change a session.
    pub state: StatePolicy,
    /// How long a socket holds a session, where nobody says otherwise.
    pub mode: Mode,
    /// Sessions that sockets may hold beyond their transactions at once, because of state that
    /// cannot be followed or because they asked for a session of their own.
    pub pinned_max: usize,
    /// Sessions that are kept open although nobody uses them.
    pub min_idle: usize,
    /// Sessions that one class of clients may hold at once; 0 for as many as there are.
    pub class_size: usize,
    /// How long a transaction may take, from grant to release; 0 for as long as it likes.
    pub transaction_timeout: Millis,
    /// How long a client may hold a session in a transaction without sending anything; 0 for as long
    /// as it likes.
    pub idle_in_transaction_timeout: Millis,
    /// How long a socket may be silent outside a transaction; 0 for as long as it likes.
    pub client_idle_timeout: Millis,
    /// Keep statements prepared from one client to the next.
    pub plan_cache: bool,
    /// The bytes that all coordinators of one isolate may hold together.
    pub allowance: Allowance,
    /// Tunnels in order of preference; at least one. Another is used when none before it can be.
    pub ways: Vec<Way>,
    /// The name under which agents and clients know the database: the coordinator's own.
    pub name: String,
    /// How long a client waits for an agent to dial in before the next tunnel is used, or, if
    /// there is none, before it is told so.
    pub tunnel_wait: Millis,
    /// Ask the database for TLS (`SSLRequest`) on each stream of [`Way::Direct`].
    pub start_tls: bool,
    /// Log every change of every session's state.
    pub verbose: bool,
}

impl Settings {
    /// True if TLS is asked for on a stream of this tunnel.
    pub(crate) fn start_tls_by(&self, way: Way) -> bool {
        self.start_tls && way == Way::Direct
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            user: String::new(),
            password: None,
            socket_password: None,
            database: String::new(),
            application_name: "pierhead".into(),
            pool_size: 10,
            max_waiters: 1000,
            wait_timeout: Millis::secs(10),
            query_timeout: Millis::secs(30),
            connect_timeout: Millis::secs(10),
            idle_timeout: Millis::secs(60),
            max_lifetime: Millis::secs(30 * 60),
            reset: ResetPolicy::Detected,
            state: StatePolicy::Follow,
            mode: Mode::Transaction,
            pinned_max: 5,
            min_idle: 0,
            class_size: 0,
            transaction_timeout: Millis(0),
            idle_in_transaction_timeout: Millis::secs(30),
            client_idle_timeout: Millis::secs(60),
            plan_cache: true,
            allowance: Allowance::default(),
            ways: vec![Way::Cloudflared],
            name: "main".into(),
            tunnel_wait: Millis::secs(5),
            start_tls: false,
            verbose: false,
        }
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("user", &self.user)
            .field("password", &self.password.as_ref().map(|_| "***"))
            .field("socket_password", &self.socket_password.as_ref().map(|_| "***"))
            .field("database", &self.database)
            .field("pool_size", &self.pool_size)
            .field("reset", &self.reset)
            .finish_non_exhaustive()
    }
}
