//! Everything that is compared, running side by side.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use pierhead_tests::agent::{Agent, AgentConfig};
use pierhead_tests::http::{Http, Response, encode};
use pierhead_tests::net::Limits;
use pierhead_tests::peers::Peer;
use pierhead_tests::pgbouncer::{PgBouncer, PgBouncerConfig};
use pierhead_tests::postgres::{DATABASE, PASSWORD, Postgres, PostgresConfig};
use pierhead_tests::proxy::TcpProxy;
use pierhead_tests::tunnel::{Tunnel, TunnelConfig};
use pierhead_tests::workerd::{Worker, Workerd, WorkerdConfig, built};
use serde_json::json;

use crate::native::Native;
use crate::ways::{Way, Work};

/// Sessions of each pool.
pub(crate) const POOL: usize = 10;
/// Clients that PostgreSQL lets in: what 200 invocations at once need that connect by themselves.
const MAX_CONNECTIONS: usize = 300;
/// The agent's and the door's.
const TOKEN: &str = "a-token-for-this-run-only";
/// For the agent to dial in.
const PATIENCE: Duration = Duration::from_secs(30);
/// The role that everybody uses.
pub(crate) const USER: &str = "scram_user";

/// PostgreSQL; PgBouncer, agent, tunnels and proxies in front of it; an echo peer behind a tunnel;
/// and workerd with the coordinator, the floors' objects and the Workers that call.
///
/// Every way crosses one emulated distance, from workerd to whatever stands beside the database.
#[derive(Debug)]
pub(crate) struct Stage {
    ways: Vec<Way>,
    is_whole: bool,
    // In this order, so that whoever calls goes before whoever is called.
    agent: Agent,
    workerd: Workerd,
    paths: Paths,
    pgbouncer: Option<PgBouncer>,
    postgres: Postgres,
    bench: Http,
    app: Http,
    native: Native,
}

/// The emulated distances.
#[derive(Debug)]
struct Paths {
    /// To the agent.
    link: TcpProxy,
    cloudflared: Tunnel,
    direct: TcpProxy,
    /// Of Workers that connect by themselves, and of the native program.
    by_itself: TcpProxy,
    pgbouncer: Option<TcpProxy>,
    /// To the peers of the floors.
    echo: Tunnel,
    echo_tcp: TcpProxy,
    source: Tunnel,
    _peers: [Peer; 2],
}

impl Stage {
    /// Starts everything; `progress` is told what comes next.
    pub(crate) async fn set(only: &[Way], mut progress: impl FnMut(&str)) -> Result<Self> {
        progress("starting PostgreSQL with the sample data");
        let config = PostgresConfig { max_connections: MAX_CONNECTIONS, ..Default::default() };
        let postgres = Postgres::start(config).await?;
        let pgbouncer = match PgBouncer::program() {
            Some(_) => Some(PgBouncer::start(PgBouncerConfig::of(&postgres).await?).await?),
            None => None,
        };
        progress("starting tunnels, proxies and peers");
        let paths = Paths::open(&postgres, pgbouncer.as_ref())?;
        progress("starting workerd with the coordinator and four Workers");
        let workerd = Workerd::start(workers(&paths)?).await?;
        paths.link.set_targets([workerd.addr("coordinator")?]);
        progress("starting the agent");
        let url = format!("postgres://{}/{DATABASE}?{}", postgres.addr(), keys());
        let agent = Agent::start(AgentConfig {
            name: "bench".into(),
            coordinator: paths.link.addr(),
            databases: vec![("agent".into(), url, TOKEN.into())],
            variables: Vec::new(),
        })?;
        agent.log().wait_for("link up", PATIENCE).await?;
        let (bench, app) = (workerd.http("bench")?, workerd.http("app")?);
        let native = Native::connect(paths.by_itself.addr(), paths.echo_tcp.addr()).await?;
        let ways = Way::ALL.into_iter().filter(|way| {
            let there = *way != Way::PgBouncerPg || pgbouncer.is_some();
            there && (only.is_empty() || only.contains(way))
        });
        let ways = ways.collect();
        let stage = Self {
            ways,
            is_whole: only.is_empty(),
            agent,
            workerd,
            paths,
            pgbouncer,
            postgres,
            bench,
            app,
            native,
        };
        progress("warming all of them");
        for way in stage.ways() {
            stage.ask(way, Work::Queries(1)).await?;
        }
        Ok(stage)
    }

    /// Who is measured: PgBouncer may be missing.
    pub(crate) fn ways(&self) -> Vec<Way> {
        self.ways.clone()
    }

    /// Whether nobody was left out by name.
    pub(crate) fn is_whole(&self) -> bool {
        self.is_whole
    }

    pub(crate) fn postgres(&self) -> &Postgres {
        &self.postgres
    }

    pub(crate) fn pgbouncer(&self) -> Option<&PgBouncer> {
        self.pgbouncer.as_ref()
    }

    pub(crate) fn workerd(&self) -> &Workerd {
        &self.workerd
    }

    pub(crate) fn agent(&self) -> &Agent {
        &self.agent
    }

    pub(crate) fn native(&self) -> &Native {
        &self.native
    }

    /// Sets the emulated round trip of every way.
    pub(crate) fn set_round_trip_ms(&self, ms: u64) {
        let paths = &self.paths;
        let tunnels = [&paths.cloudflared, &paths.echo, &paths.source];
        let proxies = [&paths.link, &paths.direct, &paths.by_itself, &paths.echo_tcp];
        tunnels.into_iter().for_each(|tunnel| tunnel.knobs().set_round_trip_ms(ms));
        let proxies = proxies.into_iter().chain(&paths.pgbouncer);
        proxies.for_each(|proxy| proxy.knobs().set_round_trip_ms(ms));
    }

    /// One invocation, whatever its answer. `from` says which ships it asks for.
    pub(crate) async fn try_ask(&self, way: Way, work: Work, from: usize) -> Result<Response> {
        let (what, n) = work.parts();
        let from = from % 1_000;
        if way == Way::Native {
            bail!("the native program is no Worker");
        }
        if way == Way::SocketTokioPostgres {
            let who = format!("db=cloudflared&user={USER}");
            return self.app.get(&format!("/bench?{who}&what={what}&n={n}&from={from}")).await;
        }
        self.bench.get(&format!("/{}/{what}?n={n}&from={from}", way.id())).await
    }

    /// One invocation that must be answered with what was asked for.
    pub(crate) async fn ask(&self, way: Way, work: Work) -> Result<()> {
        if way == Way::Native {
            return self.native.work(work).await;
        }
        let answer = self.try_ask(way, work, 0).await.and_then(Response::ok);
        let text = answer.with_context(|| format!("{way:?} {work:?}"))?.text();
        let expected = match work {
            Work::Big(kib) => text.contains(&(kib * 1_024).to_string()),
            Work::Queries(_) | Work::Batch(_) | Work::Transaction(_) => {
                !way.asks_a_database() || text.contains("Ship 1 ")
            }
        };
        if !expected {
            bail!("{way:?} {work:?}: it was answered {text}");
        }
        Ok(())
    }

    /// The status of a coordinator's object.
    pub(crate) async fn status(&self, database: &str) -> Result<serde_json::Value> {
        let path = format!("/?db={database}");
        self.workerd.http("status")?.get(&path).await?.ok()?.json()
    }

    /// Connections that Workers, and the native program, have opened to the database by themselves.
    pub(crate) fn connections(&self) -> u64 {
        self.paths.by_itself.stats().streams_total
    }

    /// Streams through the published tunnel that are open.
    pub(crate) fn published_streams(&self) -> usize {
        self.paths.cloudflared.stats().streams_now
    }

    /// Panics if a way broke a limit of the platform.
    pub(crate) fn assert_clean(&self) {
        self.paths.cloudflared.assert_clean();
        self.paths.direct.assert_clean();
    }
}

impl Paths {
    fn open(postgres: &Postgres, pgbouncer: Option<&PgBouncer>) -> Result<Self> {
        // The limit of six is per Durable Object; a Worker has it per request.
        let unlimited = || Limits { handshakes: None, streams: None };
        let (echo, source) = (Peer::echo()?, Peer::source()?);
        let to = postgres.addr();
        Ok(Self {
            link: TcpProxy::start(to, unlimited())?,
            cloudflared: Tunnel::start(TunnelConfig::new(to))?,
            direct: TcpProxy::start(to, Limits::default())?,
            by_itself: TcpProxy::start(to, unlimited())?,
            pgbouncer: pgbouncer
                .map(|pgbouncer| TcpProxy::start(pgbouncer.addr(), unlimited()))
                .transpose()?,
            echo: Tunnel::start(TunnelConfig::new(echo.addr()))?,
            echo_tcp: TcpProxy::start(echo.addr(), unlimited())?,
            source: Tunnel::start(TunnelConfig::new(source.addr()))?,
            _peers: [echo, source],
        })
    }
}

/// What every database of the coordinator is told. Nobody is refused for want of patience: with a
/// thousand callers the last waits for all others.
fn keys() -> String {
    format!("pool_size={POOL}&idle_timeout=10m&max_waiters=2000&wait_timeout=60s")
}

fn workers(paths: &Paths) -> Result<WorkerdConfig> {
    Ok(WorkerdConfig::new()
        .worker(coordinator(paths)?)
        .worker(floors(paths))
        .worker(bench(paths)?)
        .worker(caller(Worker::from_directory("app", built("app")?)))
        .worker(caller(Worker::from_script("status", STATUS)))
        .gateway_ports("coordinator")
        .inspector()
        .crash_control())
}

/// Shows an object's counters, which only a Worker bound to it can see.
const STATUS: &str = r#"
export default {
  fetch(request, env) {
    const name = new URL(request.url).searchParams.get("db");
    return name ? env.PIERHEAD.getByName(name).fetch("http://object/status") : new Response("status\n");
  },
};
"#;

/// One database for each tunnel, all the same one. Named `main` is the one that ports ask for.
fn coordinator(paths: &Paths) -> Result<Worker> {
    let url =
        |host: &str, way: &str| format!("postgres://{USER}@{host}/{DATABASE}?{}&{way}", keys());
    let published = format!("tunnel=cloudflared&tunnel_url={}", encode(&paths.cloudflared.url()));
    let urls = [
        ("AGENT", url("db.invalid", "tunnel=agent")),
        ("CLOUDFLARED", url("db.invalid", &published)),
        ("MAIN", url("db.invalid", &published)),
        ("DIRECT", url(&paths.direct.addr().to_string(), "tunnel=direct&tls=off")),
    ];
    let directory = built("coordinator")?;
    let mut worker = Worker::from_directory("coordinator", directory).durable_object("Pierhead");
    for (name, url) in urls {
        let variable = format!("PIERHEAD_DB_{name}");
        worker = worker.text(&format!("{variable}_PASSWORD"), PASSWORD).text(&variable, url);
    }
    Ok(caller(worker).text("PIERHEAD_DB_AGENT_AGENT_TOKEN", TOKEN))
}

fn caller(worker: Worker) -> Worker {
    worker.namespace("PIERHEAD", "Pierhead", "coordinator")
}

fn floors(paths: &Paths) -> Worker {
    ["Empty", "Forward", "Pour"]
        .into_iter()
        .fold(Worker::from_script("floors", include_str!("floors.mjs")), Worker::durable_object)
        .text("ECHO_URL", paths.echo.url())
        .text("SOURCE_URL", paths.source.url())
}

fn bench(paths: &Paths) -> Result<Worker> {
    let url = |proxy: &TcpProxy| {
        let password = encode(PASSWORD);
        format!("postgres://{USER}:{password}@{}/{DATABASE}?sslmode=disable", proxy.addr())
    };
    let pgbouncer = paths.pgbouncer.as_ref().map(url).unwrap_or_default();
    Ok(caller(Worker::from_directory("bench", built("bench")?))
        .flag("nodejs_compat")
        .namespace("EMPTY", "Empty", "floors")
        .namespace("FORWARD", "Forward", "floors")
        .namespace("POUR", "Pour", "floors")
        .gateway("GATEWAY", "coordinator", json!({}))
        .text("DIRECT_URL", url(&paths.by_itself))
        .text("PGBOUNCER_URL", pgbouncer))
}
