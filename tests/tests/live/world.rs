//! The scene of a live test: PostgreSQL, a way to it, and workerd with the coordinator and the
//! test Worker, started in one line.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pierhead_tests::agent::Agent;
use pierhead_tests::http::{Http, encode};
use pierhead_tests::net::{Limits, Stats};
use pierhead_tests::postgres::{DATABASE, PASSWORD, Postgres, PostgresConfig};
use pierhead_tests::proxy::TcpProxy;
use pierhead_tests::tls_front::TlsFront;
use pierhead_tests::tunnel::{Access, Tunnel, TunnelConfig};
use pierhead_tests::workerd::{Workerd, WorkerdConfig};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

use crate::agent::scene::Agents;
use crate::app::App;
use crate::workers::{
    app, bound, coordinator, drivers, embedded, far_gateway_caller, gateway_caller, guides, holder,
    peek, silent, typescript, wire,
};

/// Longer than anything that happens by itself soon, on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// Runs a story. All run in one runtime, so that they can share a PostgreSQL and its control
/// connection.
pub(crate) fn live<T>(story: impl Future<Output = T>) -> T {
    static RUNTIME: std::sync::OnceLock<Runtime> = std::sync::OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().unwrap()).block_on(story)
}

/// The server of all worlds that do not need one of their own.
async fn shared_postgres() -> Arc<Postgres> {
    static SHARED: OnceCell<Arc<Postgres>> = OnceCell::const_new();
    let start = async || {
        let config = PostgresConfig { max_connections: 300, ..PostgresConfig::default() };
        Arc::new(Postgres::start(config).await.unwrap())
    };
    SHARED.get_or_init(start).await.clone()
}

/// What to start. Calls about a database are about the one named last.
pub(crate) struct Setup {
    databases: Vec<Database>,
    pub(crate) agents: Agents,
    own_postgres: Option<PostgresConfig>,
    access: Option<Access>,
    examples: bool,
    guide: bool,
    drivers: bool,
    silent: bool,
    far_gateway: bool,
    stays: bool,
    typescript: bool,
    trust: bool,
    verbose: bool,
    variables: Vec<(String, String)>,
    workerd: WorkerdConfig,
}

struct Database {
    name: String,
    user: &'static str,
    password: Option<String>,
    /// `tunnel=…` and what depends on it.
    way: Way,
    keys: String,
    secrets: Vec<(&'static str, String)>,
    /// Instead of everything else.
    url: Option<String>,
}

enum Way {
    Tunnel,
    Direct {
        tls: &'static str,
    },
    /// TLS from the first byte.
    TlsFront,
    /// Straight to the server, because a certificate is for its name.
    DirectLocalhost {
        tls: &'static str,
    },
    /// Through agents; what stands behind `tunnel=agent`.
    Agent {
        further: &'static str,
    },
}

impl Setup {
    /// Database `main`, user `scram_user`, through the tunnel.
    pub(crate) fn new() -> Self {
        let setup = Self {
            databases: Vec::new(),
            agents: Agents::default(),
            own_postgres: None,
            access: None,
            examples: false,
            guide: false,
            drivers: false,
            silent: false,
            far_gateway: false,
            stays: false,
            typescript: false,
            trust: false,
            verbose: false,
            variables: Vec::new(),
            workerd: WorkerdConfig::new(),
        };
        setup.database("main")
    }

    /// Another database.
    pub(crate) fn database(mut self, name: &str) -> Self {
        self.databases.push(Database {
            name: name.into(),
            user: "scram_user",
            password: Some(PASSWORD.into()),
            way: Way::Tunnel,
            keys: String::new(),
            secrets: Vec::new(),
            url: None,
        });
        self
    }

    fn last(&mut self) -> &mut Database {
        self.databases.last_mut().unwrap()
    }

    pub(crate) fn user(mut self, user: &'static str) -> Self {
        self.last().user = user;
        self
    }

    pub(crate) fn password(mut self, password: Option<&str>) -> Self {
        self.last().password = password.map(String::from);
        self
    }

    /// Keys of the URL, `a=b&c=d`.
    pub(crate) fn keys(mut self, keys: &str) -> Self {
        self.last().keys.push_str(&format!("&{keys}"));
        self
    }

    /// The whole URL, right or wrong.
    pub(crate) fn url(mut self, url: &str) -> Self {
        self.last().url = Some(url.into());
        self
    }

    /// Over TCP, through the proxy.
    pub(crate) fn direct(mut self, tls: &'static str) -> Self {
        self.last().way = Way::Direct { tls };
        self
    }

    /// Over TCP, to `localhost`.
    pub(crate) fn direct_localhost(mut self, tls: &'static str) -> Self {
        self.last().way = Way::DirectLocalhost { tls };
        self
    }

    /// Over TCP with `tls=on`, to `localhost`.
    pub(crate) fn direct_tls_front(mut self) -> Self {
        self.last().way = Way::TlsFront;
        self
    }

    /// Through an agent, one unless [`agents`](Self::agents) says otherwise.
    pub(crate) fn agent(self) -> Self {
        self.agent_and("")
    }

    /// Through an agent; `further` stands behind `tunnel=agent`, e.g. `,direct&tls=off`.
    pub(crate) fn agent_and(mut self, further: &'static str) -> Self {
        self.last().way = Way::Agent { further };
        let (token, next) = (self.agents.token(), self.agents.next_token());
        self.last().secrets.push(("AGENT_TOKEN", token));
        self.last().secrets.push(("AGENT_TOKEN_NEXT", next));
        let name = self.last().name.clone();
        self.agents.serve(&name);
        self
    }

    /// What the coordinator presents to the tunnel.
    pub(crate) fn service_token(mut self, id: &str, secret: &str) -> Self {
        self.last().secrets.push(("ACCESS_CLIENT_ID", id.into()));
        self.last().secrets.push(("ACCESS_CLIENT_SECRET", secret.into()));
        self
    }

    /// What the tunnel accepts.
    pub(crate) fn access(mut self, id: &str, secret: &str) -> Self {
        self.access = Some(Access { client_id: id.into(), client_secret: secret.into() });
        self
    }

    /// A server for this world alone, which it may stop.
    pub(crate) fn own_postgres(mut self, config: PostgresConfig) -> Self {
        self.own_postgres = Some(config);
        self
    }

    /// workerd trusts the server's certificate.
    pub(crate) fn trust(mut self) -> Self {
        self.trust = true;
        self
    }

    /// The examples run too, by their names.
    pub(crate) fn examples(mut self) -> Self {
        self.examples = true;
        self
    }

    /// The guide's Worker runs too, as `guide` and `guide-bound`.
    pub(crate) fn guide(mut self) -> Self {
        self.guide = true;
        self
    }

    /// The Workers with a driver or an ORM run too, by their names.
    pub(crate) fn drivers(mut self) -> Self {
        self.drivers = true;
        self
    }

    /// The Worker on the npm package runs too, by the name `typescript`.
    pub(crate) fn typescript(mut self) -> Self {
        self.typescript = true;
        self
    }

    /// Binds `SILENT` in the test Worker: a coordinator that never answers.
    pub(crate) fn silent_coordinator(mut self) -> Self {
        self.silent = true;
        self
    }

    /// The coordinator logs every step.
    #[allow(dead_code, reason = "for whoever looks for a bug")]
    pub(crate) fn verbose(mut self) -> Self {
        self.verbose = true;
        self
    }

    /// Ports of workerd into the gateway: one for a transaction at a time, one for sessions.
    pub(crate) fn gateway_ports(mut self) -> Self {
        self.workerd = self.workerd.gateway_ports("coordinator");
        self
    }

    /// A port of this name into the gateway, with these props of a binding.
    pub(crate) fn gateway_port(mut self, name: &str, props: Value) -> Self {
        self.workerd = self.workerd.gateway_port(name, "coordinator", props);
        self
    }

    /// A Worker that asks for `path` at the gateway, with these props; see `gateway::CALLER`.
    pub(crate) fn gateway_caller(mut self, name: &str, props: Value) -> Self {
        self.workerd = self.workerd.worker(gateway_caller(name, props));
        self
    }

    /// A Worker `far` that asks like a [`gateway_caller`](Self::gateway_caller), over `World::wire`.
    pub(crate) fn far_gateway_caller(mut self) -> Self {
        self.far_gateway = true;
        self
    }

    /// A variable of the coordinator's Worker that belongs to no database.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// What sockets must log in with.
    pub(crate) fn socket_password(mut self, password: &str) -> Self {
        self.last().secrets.push(("SOCKET_PASSWORD", password.into()));
        self
    }

    /// Clients that stay: a port for sockets, and a Worker that holds leases.
    pub(crate) fn stays(mut self) -> Self {
        self.stays = true;
        self
    }

    pub(crate) fn inspector(mut self) -> Self {
        self.workerd = self.workerd.inspector();
        self
    }

    pub(crate) fn crash_control(mut self) -> Self {
        self.workerd = self.workerd.crash_control();
        self
    }

    /// Starts it all; returns when it listens. No session is open then.
    pub(crate) async fn start(mut self) -> World {
        static WORLDS: AtomicUsize = AtomicUsize::new(0);
        let application = format!("world-{}", WORLDS.fetch_add(1, Ordering::Relaxed));
        let postgres = match &self.own_postgres {
            Some(config) => Arc::new(Postgres::start(config.clone()).await.unwrap()),
            None => shared_postgres().await,
        };
        let mut tunnel = TunnelConfig::new(postgres.addr());
        tunnel.access = self.access.clone();
        let tunnel = Tunnel::start(tunnel).unwrap();
        let proxy = TcpProxy::start(postgres.addr(), Limits::default()).unwrap();

        let origin = TcpProxy::start(postgres.addr(), Limits { handshakes: None, streams: None });
        let origin = origin.unwrap();

        let fronted = self.databases.iter().any(|database| matches!(database.way, Way::TlsFront));
        let front = fronted.then(|| TlsFront::start(&postgres).unwrap());

        let mut variables = std::mem::take(&mut self.variables);
        let mut secrets = vec![PASSWORD.to_owned(), encode(PASSWORD), "secret-ü".to_owned()];
        for database in &self.databases {
            let variable = format!("PIERHEAD_DB_{}", database.name.to_uppercase());
            let url = database.url(&postgres, &tunnel, &proxy, front.as_ref(), &application);
            variables.push((variable.clone(), url));
            if let Some(password) = &database.password {
                variables.push((format!("{variable}_PASSWORD"), password.clone()));
                secrets.push(password.clone());
            }
            for (name, value) in &database.secrets {
                variables.push((format!("{variable}_{name}"), value.clone()));
                secrets.push(value.clone());
            }
        }
        if self.verbose {
            variables.push(("PIERHEAD_LOG".into(), "debug".into()));
        }
        let mut app = app();
        let mut config = self.workerd.worker(coordinator(&variables)).worker(peek());
        if self.silent {
            app = app.namespace("SILENT", "Pierhead", "silent");
            config = config.worker(silent());
        }
        config = config.worker(app);
        if self.typescript {
            config = config.worker(typescript());
        }
        if self.examples {
            config = config.worker(bound()).worker(embedded(&variables));
        }
        if self.stays {
            config = config.worker(wire()).worker(holder());
        }
        if self.guide {
            config = guides(&variables).into_iter().fold(config, WorkerdConfig::worker);
        }
        if self.drivers {
            config = drivers().into_iter().fold(config, WorkerdConfig::worker);
        }
        if self.trust {
            config = config.trust(postgres.ca().unwrap());
        }
        let wire = TcpProxy::start(postgres.addr(), Limits { handshakes: None, streams: None });
        let wire = wire.unwrap();
        if self.far_gateway {
            let props = serde_json::json!({});
            config = config.far_gateway(FAR_GATEWAY, "coordinator", props, wire.addr());
            config = config.worker(far_gateway_caller("far", FAR_GATEWAY));
        }
        let workerd = Workerd::start(config).await.unwrap();
        if self.far_gateway {
            wire.set_targets([workerd.addr(FAR_GATEWAY).unwrap()]);
        }
        self.agents.port = postgres.addr().port();
        let tokens = self.agents.tokens();
        secrets.extend(tokens.clone());
        let unlimited = Limits { handshakes: None, streams: None };
        let link = TcpProxy::start(workerd.addr("coordinator").unwrap(), unlimited).unwrap();
        let agents = self.agents.start(&link, &origin, self.verbose);
        let _front = front;
        World {
            agents,
            tokens,
            link,
            wire,
            postgres,
            tunnel,
            proxy,
            origin,
            _front,
            workerd,
            application,
            secrets,
        }
    }
}

impl Database {
    fn url(
        &self,
        postgres: &Postgres,
        tunnel: &Tunnel,
        proxy: &TcpProxy,
        front: Option<&TlsFront>,
        application: &str,
    ) -> String {
        if let Some(url) = &self.url {
            return url.clone();
        }
        let (host, way) = match self.way {
            Way::Tunnel => {
                let tunnel_url = encode(&tunnel.url());
                ("db.invalid".to_owned(), format!("tunnel=cloudflared&tunnel_url={tunnel_url}"))
            }
            Way::Direct { tls } => (proxy.addr().to_string(), format!("tunnel=direct&tls={tls}")),
            Way::TlsFront => {
                let host = format!("localhost:{}", front.unwrap().port());
                (host, "tunnel=direct&tls=on".to_owned())
            }
            Way::DirectLocalhost { tls } => {
                let host = format!("localhost:{}", postgres.addr().port());
                (host, format!("tunnel=direct&tls={tls}"))
            }
            Way::Agent { further } => (proxy.addr().to_string(), format!("tunnel=agent{further}")),
        };
        let (user, keys) = (self.user, &self.keys);
        format!("postgres://{user}@{host}/{DATABASE}?{way}&application_name={application}{keys}")
    }
}

/// The service and the socket at both ends of `World::wire`.
const FAR_GATEWAY: &str = "far-gateway";

/// A running scene. When it ends well, it checks what must hold in every story: no violation in
/// tunnel and proxy, no secret in workerd's log.
pub(crate) struct World {
    pub(crate) agents: Vec<Agent>,
    /// The two that the door lets in.
    pub(crate) tokens: [String; 2],
    /// Between the agents and the coordinator's Worker.
    pub(crate) link: TcpProxy,
    /// Between the Worker `far` and the gateway.
    pub(crate) wire: TcpProxy,
    pub(crate) postgres: Arc<Postgres>,
    pub(crate) tunnel: Tunnel,
    pub(crate) proxy: TcpProxy,
    /// Between the agents and the database.
    pub(crate) origin: TcpProxy,
    _front: Option<TlsFront>,
    pub(crate) workerd: Workerd,
    /// `application_name` of this world's sessions.
    pub(crate) application: String,
    secrets: Vec<String>,
}

impl World {
    /// The test Worker, asking database `main`.
    pub(crate) fn app(&self) -> App {
        App::new(self.workerd.http("app").unwrap(), "main")
    }

    /// The test Worker, asking another database.
    pub(crate) fn app_of(&self, database: &str) -> App {
        App::new(self.workerd.http("app").unwrap(), database)
    }

    /// A client of any Worker.
    pub(crate) fn http(&self, worker: &str) -> Http {
        self.workerd.http(worker).unwrap()
    }

    /// The coordinator's counters. Asking wakes it.
    pub(crate) async fn status(&self) -> Value {
        self.status_of("main").await
    }

    /// The counters of another database's coordinator.
    pub(crate) async fn status_of(&self, database: &str) -> Value {
        let peek = self.workerd.http("peek").unwrap();
        peek.get(&format!("/?db={database}")).await.unwrap().ok().unwrap().json().unwrap()
    }

    /// Waits until the coordinator's counters look so.
    pub(crate) async fn until_status(&self, what: &str, looks: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = self.status().await;
            if looks(&status) {
                return status;
            }
            assert!(Instant::now() < deadline, "never {what}: {status}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The tunnel's counters.
    pub(crate) fn stats(&self) -> Stats {
        self.tunnel.stats()
    }

    /// At most this many streams may be open at once, from now on.
    pub(crate) fn limit_streams(&self, streams: usize) {
        let limits = Limits { streams: Some(streams), ..Limits::default() };
        self.tunnel.counters().set_limits(limits.clone());
        self.proxy.counters().set_limits(limits);
    }

    /// This world's sessions at the database.
    pub(crate) async fn sessions(&self) -> usize {
        self.postgres.sessions(&self.application).await.unwrap()
    }

    /// Waits until the database has exactly this many sessions of this world.
    pub(crate) async fn until_sessions(&self, count: usize) {
        self.postgres.wait_for_sessions(&self.application, count, PATIENCE).await.unwrap();
    }

    /// Waits until exactly this many streams are open in the tunnel, which notices the end of a
    /// session a moment after the database does.
    pub(crate) async fn until_streams(&self, count: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.stats().streams_now != count {
            assert!(Instant::now() < deadline, "{} streams are open", self.stats().streams_now);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Sessions of this world that run a statement right now.
    pub(crate) async fn busy_sessions(&self) -> i64 {
        let sql = "select count(*) from pg_stat_activity \
                   where application_name = $1 and state = 'active'";
        let control = self.postgres.control().await.unwrap();
        control.query_one(sql, &[&self.application]).await.unwrap().get(0)
    }

    /// Waits until exactly this many sessions run a statement.
    pub(crate) async fn until_busy(&self, count: i64) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let busy = self.busy_sessions().await;
            if busy == count {
                return;
            }
            assert!(Instant::now() < deadline, "{busy} sessions are busy, wanted {count}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "--- tunnel: {:#?}\n--- proxy: {:#?}",
                self.tunnel.stats(),
                self.proxy.stats()
            );
            if !self.agents.is_empty() {
                eprintln!(
                    "--- link: {:#?}\n--- origin: {:#?}",
                    self.link.stats(),
                    self.origin.stats()
                );
            }
            return;
        }
        self.tunnel.assert_clean();
        self.proxy.assert_clean();
        let logs = self.agents.iter().map(Agent::log).chain([self.workerd.log()]);
        for log in logs.map(|log| log.text()) {
            for secret in &self.secrets {
                assert!(!log.contains(secret.as_str()), "a secret is in a log");
            }
        }
    }
}
