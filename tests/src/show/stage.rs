//! The real parts, set up for a comparison.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::QUESTION;
use crate::http::{Http, Response, encode, path_with_query};
use crate::net::Limits;
use crate::postgres::{DATABASE, PASSWORD, Postgres, PostgresConfig};
use crate::proxy::TcpProxy;
use crate::tunnel::{Tunnel, TunnelConfig};
use crate::workerd::{Worker, Workerd, WorkerdConfig, built};

/// Rows that the question asks for, as `examples/bound` does.
const ROWS: &str = "10";

/// Shows the coordinator's counters, which only a Worker bound to it can see: `/?db=main`.
const STATUS: &str = r#"
export default {
  fetch(request, env) {
    const name = new URL(request.url).searchParams.get("db") ?? "main";
    return env.PIERHEAD.getByName(name).fetch("http://object/status");
  },
};
"#;

/// Who asks the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// `tests/direct`: connects with `pg` for each request.
    ByItself,
    /// `examples/bound`: through the coordinator and the tunnel.
    Coordinator,
}

impl Way {
    /// Both, in the order of every table.
    pub const BOTH: [Self; 2] = [Self::ByItself, Self::Coordinator];

    /// The application name of its sessions at the database.
    pub const fn application(self) -> &'static str {
        match self {
            Self::ByItself => "direct",
            Self::Coordinator => "pierhead",
        }
    }
}

/// How to set the stage.
#[derive(Clone, Copy, Debug)]
pub struct StageConfig {
    /// `max_connections` of the server.
    pub max_connections: usize,
    /// `pool_size` of every database of the coordinator.
    pub pool_size: usize,
    /// Whether [`Workerd::abort_all_objects`] works.
    pub crash_control: bool,
}

impl Default for StageConfig {
    fn default() -> Self {
        Self { max_connections: 100, pool_size: 10, crash_control: false }
    }
}

/// PostgreSQL with the sample data; in front of it an emulated tunnel and two plain TCP proxies;
/// workerd with the coordinator and the Workers `bound`, `app`, `direct` and `status`.
///
/// The coordinator knows three databases, all the same one: `main` through the tunnel, `trust`
/// likewise but without a password, `tcp` over direct TCP.
#[derive(Debug)]
pub struct Stage {
    // In this order, so that whoever calls goes before whoever is called.
    workerd: Workerd,
    tunnel: Tunnel,
    by_itself: TcpProxy,
    tcp: TcpProxy,
    postgres: Postgres,
    bound: Http,
    direct: Http,
    app: Http,
}

impl Stage {
    /// Starts everything; `progress` is told what comes next.
    pub async fn set(config: StageConfig, mut progress: impl FnMut(&str)) -> Result<Self> {
        progress("starting PostgreSQL with the sample data");
        let server =
            PostgresConfig { max_connections: config.max_connections, ..Default::default() };
        let postgres = Postgres::start(server).await?;
        progress("starting the emulated tunnel and TCP proxies");
        let tunnel = Tunnel::start(TunnelConfig::new(postgres.addr()))?;
        // The limit of six is per Durable Object; a Worker has it per request.
        let unlimited = Limits { handshakes: None, streams: None };
        let by_itself = TcpProxy::start(postgres.addr(), unlimited)?;
        let tcp = TcpProxy::start(postgres.addr(), Limits::default())?;
        progress("starting workerd with the coordinator and four Workers");
        let urls = urls(config.pool_size, &tunnel, &tcp);
        let mut workers = WorkerdConfig::new()
            .worker(coordinator(&urls)?)
            .worker(caller(Worker::from_directory("bound", built("bound")?)))
            .worker(caller(Worker::from_directory("app", built("app")?)))
            .worker(caller(Worker::from_script("status", STATUS)))
            .worker(direct(&by_itself)?)
            .gateway_ports("coordinator");
        if config.crash_control {
            workers = workers.crash_control();
        }
        let workerd = Workerd::start(workers).await?;
        let (bound, direct, app) =
            (workerd.http("bound")?, workerd.http("direct")?, workerd.http("app")?);
        Ok(Self { workerd, tunnel, by_itself, tcp, postgres, bound, direct, app })
    }

    /// The database server.
    pub fn postgres(&self) -> &Postgres {
        &self.postgres
    }

    /// workerd.
    pub fn workerd(&self) -> &Workerd {
        &self.workerd
    }

    /// The tunnel between coordinator and database.
    pub fn tunnel(&self) -> &Tunnel {
        &self.tunnel
    }

    /// The way of the Worker that connects by itself.
    pub fn proxy(&self) -> &TcpProxy {
        &self.by_itself
    }

    /// A client of the Worker `app`, which runs any statement.
    pub fn app(&self) -> &Http {
        &self.app
    }

    /// Sets the emulated round trip of every way to the database.
    pub fn set_round_trip_ms(&self, ms: u64) {
        for knobs in [self.tunnel.knobs(), self.by_itself.knobs(), self.tcp.knobs()] {
            knobs.set_round_trip_ms(ms);
        }
    }

    /// Asks the question once, whatever the answer.
    pub async fn try_ask(&self, way: Way) -> Result<Response> {
        match way {
            Way::ByItself => self.direct.get(&question()).await,
            Way::Coordinator => self.bound.get("/").await,
        }
    }

    /// Asks the question once and checks the answer; says how long it took.
    pub async fn ask(&self, way: Way) -> Result<Duration> {
        let began = Instant::now();
        let answer = self.try_ask(way).await;
        let took = began.elapsed();
        let text = answer.and_then(Response::ok).with_context(|| format!("{way:?}"))?.text();
        if !text.contains("Ship 10") {
            bail!("{way:?}: the answer misses rows: {text}");
        }
        Ok(took)
    }

    /// How many connections this way has opened since the start.
    pub fn connections(&self, way: Way) -> u64 {
        match way {
            Way::ByItself => self.by_itself.stats().handshakes_total,
            Way::Coordinator => self.tunnel.stats().handshakes_total,
        }
    }
}

/// The path of the question for the Worker `direct`.
pub(super) fn question() -> String {
    path_with_query("/query", &[("sql", QUESTION), ("p", ROWS)])
}

/// Name and URL of the coordinator's databases.
fn urls(pool_size: usize, tunnel: &Tunnel, tcp: &TcpProxy) -> [(&'static str, String); 3] {
    let url = |user: &str, host: &str, application: &str, way: &str| {
        format!(
            "postgres://{user}@{host}/{DATABASE}?pool_size={pool_size}\
             &application_name={application}&{way}"
        )
    };
    let through = format!("tunnel=cloudflared&tunnel_url={}", encode(&tunnel.url()));
    let direct = "tunnel=direct&tls=off";
    [
        ("MAIN", url("scram_user", "db.invalid", Way::Coordinator.application(), &through)),
        ("TRUST", url("trust_user", "db.invalid", "pierhead-trust", &through)),
        ("TCP", url("scram_user", &tcp.addr().to_string(), "pierhead-tcp", direct)),
    ]
}

/// The coordinator with these databases; `scram_user` has a password.
pub(super) fn coordinator(urls: &[(&str, String)]) -> Result<Worker> {
    let mut worker = caller(
        Worker::from_directory("coordinator", built("coordinator")?).durable_object("Pierhead"),
    );
    for (name, url) in urls {
        let variable = format!("PIERHEAD_DB_{name}");
        if url.contains("//scram_user@") {
            worker = worker.text(&format!("{variable}_PASSWORD"), PASSWORD);
        }
        worker = worker.text(&variable, url.as_str());
    }
    Ok(worker)
}

/// Binds the coordinator's objects.
pub(super) fn caller(worker: Worker) -> Worker {
    worker.namespace("PIERHEAD", "Pierhead", "coordinator")
}

fn direct(proxy: &TcpProxy) -> Result<Worker> {
    let url = format!(
        "postgres://scram_user:{}@{}/{DATABASE}?sslmode=disable",
        encode(PASSWORD),
        proxy.addr()
    );
    let worker = Worker::from_directory("direct", built("direct")?);
    Ok(worker.flag("nodejs_compat").text("DATABASE_URL", url))
}
