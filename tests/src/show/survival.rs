//! Coordinators that sleep, crash and lose their connections, and what is left of their pools.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::json;

use super::FAR_MS;
use super::stage::{caller, coordinator};
use crate::agent::{Agent, AgentConfig};
use crate::http::{Http, encode};
use crate::net::{Controls, Limits};
use crate::postgres::{DATABASE, Postgres, PostgresConfig};
use crate::proxy::TcpProxy;
use crate::tunnel::{Tunnel, TunnelConfig};
use crate::workerd::{Worker, Workerd, WorkerdConfig, built};

/// Sessions of each pool.
const POOL: usize = 3;
/// The agent's and the door's.
const TOKEN: &str = "a-token-for-this-run-only";
/// Longer than an object that may sleep stays awake.
const IDLE: Duration = Duration::from_secs(12);
/// For an agent to come back after its coordinator was away.
const PATIENCE: Duration = Duration::from_secs(30);
/// For how long queries keep their sessions in use, so that as many at once need as many sessions.
/// On a busy machine the last may come when the first is over: then the next time is tried.
const HOLDS: [&str; 3] = ["0.3", "1", "4"];
/// Stands around the coordinator's Worker, and says when an object begins to live.
const COUNTS_BIRTHS: &str = r#"
import entry, { Pierhead as Base } from "./index.js";
export class Pierhead extends Base {
  constructor(ctx, env) {
    super(ctx, env);
    console.log(`born: ${ctx.id.name}`);
  }
}
export default entry;
"#;

/// How a pool reaches the database. Each is a database of its own to the coordinator, and all are
/// the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tunnels {
    /// Through our agent, which dialled in.
    Agent,
    /// Through an emulated cloudflared.
    Cloudflared,
    /// TCP.
    Direct,
}

impl Tunnels {
    /// All, in the order of the table.
    pub const ALL: [Self; 3] = [Self::Agent, Self::Cloudflared, Self::Direct];

    const fn database(self) -> &'static str {
        match self {
            Self::Agent => "main",
            Self::Cloudflared => "published",
            Self::Direct => "straight",
        }
    }
}

/// What happens to the coordinators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Nobody asks anything for a while.
    Idle,
    /// All objects are ended, as by a deploy or a crash.
    Abort,
    /// workerd is killed and started again.
    Kill,
    /// Every connection of every tunnel breaks.
    Cut,
}

impl Event {
    /// All, in the order of the demo.
    pub const ALL: [Self; 4] = [Self::Idle, Self::Abort, Self::Kill, Self::Cut];

    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "12 s without a query",
            Self::Abort => "all objects aborted",
            Self::Kill => "kill -9 workerd, start again",
            Self::Cut => "all connections cut",
        }
    }
}

/// What an event left of one pool.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Sessions that were there before, by their server processes.
    pub kept: usize,
    /// Of so many.
    pub of: usize,
    /// Connections opened to the database since the event.
    pub opened: u64,
    /// Until the first query after it was answered.
    pub first: Duration,
    /// Whether the object that answered is a new one: the old one was asleep, or is gone.
    pub new_object: bool,
}

/// PostgreSQL, an agent, an emulated cloudflared, TCP proxies, and workerd with a coordinator whose
/// three databases are the same one.
#[derive(Debug)]
pub struct Survival {
    agent: Agent,
    workerd: Workerd,
    link: TcpProxy,
    tunnel: Tunnel,
    tcp: TcpProxy,
    /// Between the agent and the database.
    origin: TcpProxy,
    _postgres: Postgres,
    pids: [BTreeSet<i64>; 3],
}

impl Survival {
    /// Starts everything and warms the pools; `progress` is told what comes next.
    pub async fn set(mut progress: impl FnMut(&str)) -> Result<Self> {
        progress("starting PostgreSQL with the sample data");
        let postgres = Postgres::start(PostgresConfig::default()).await?;
        let unlimited = Limits { handshakes: None, streams: None };
        let proxy = |target| TcpProxy::start(target, unlimited.clone());
        let tunnel = Tunnel::start(TunnelConfig::new(postgres.addr()))?;
        let (tcp, origin) = (proxy(postgres.addr())?, proxy(postgres.addr())?);
        progress("starting workerd with the coordinator");
        let workers = WorkerdConfig::new()
            .worker(pools(&tunnel, &tcp)?)
            .worker(caller(Worker::from_directory("app", built("app")?)))
            .crash_control();
        let workerd = Workerd::start(workers).await?;
        progress("starting the agent");
        let link = proxy(workerd.addr("coordinator")?)?;
        let url = format!("postgres://{}/{DATABASE}?pool_size={POOL}", origin.addr());
        let agent = Agent::start(AgentConfig {
            name: "demo".into(),
            coordinator: link.addr(),
            databases: vec![("main".into(), url, TOKEN.into())],
            variables: Vec::new(),
        })?;
        agent.log().wait_for("link up", PATIENCE).await?;
        for path in [&*link, &*tunnel, &*tcp] as [&Controls; 3] {
            path.knobs().set_round_trip_ms(FAR_MS);
        }
        let pids = [const { BTreeSet::new() }; 3];
        let mut stage =
            Self { agent, workerd, link, tunnel, tcp, origin, _postgres: postgres, pids };
        progress("warming three pools");
        for (index, way) in Tunnels::ALL.into_iter().enumerate() {
            stage.pids[index] = stage.use_pool(way).await?;
        }
        // A session is parked when it has been idle for a moment.
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(stage)
    }

    /// The server processes of a pool.
    pub fn pids(&self, way: Tunnels) -> &BTreeSet<i64> {
        &self.pids[way as usize]
    }

    /// What the agent has logged.
    pub fn agent_log(&self) -> String {
        self.agent.log().text()
    }

    /// Lets it happen, and looks at each pool.
    pub async fn survive(&mut self, event: Event) -> Result<[Outcome; 3]> {
        let opened = Tunnels::ALL.map(|way| self.connections(way));
        let births = Tunnels::ALL.map(|way| self.births(way));
        self.happen(event).await?;
        let mut outcomes = Vec::new();
        for (index, way) in Tunnels::ALL.into_iter().enumerate() {
            let asked = Instant::now();
            self.app()?.get(&format!("/echo?value=first&db={}", way.database())).await?.ok()?;
            let first = asked.elapsed();
            let after = self.use_pool(way).await?;
            outcomes.push(Outcome {
                kept: after.intersection(&self.pids[index]).count(),
                of: POOL,
                opened: self.connections(way) - opened[index],
                first,
                new_object: self.births(way) > births[index],
            });
            self.pids[index] = after;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        outcomes.try_into().ok().context("three pools have three outcomes")
    }

    /// Returns when the agent is there again, whose link it was.
    async fn happen(&mut self, event: Event) -> Result<()> {
        let links = self.agent.log().count("link up");
        match event {
            Event::Idle => {
                tokio::time::sleep(IDLE).await;
                return Ok(());
            }
            Event::Abort => self.workerd.abort_all_objects().await?,
            Event::Kill => {
                self.workerd.restart().await?;
                self.link.set_targets([self.workerd.addr("coordinator")?]);
            }
            Event::Cut => {
                self.link.knobs().reset_all();
                self.tunnel.knobs().cut_all();
                self.tcp.knobs().cut_all();
            }
        }
        self.agent.log().wait_for_more("link up", links, PATIENCE).await
    }

    /// Uses all sessions of a pool at once; gives their server processes.
    async fn use_pool(&self, way: Tunnels) -> Result<BTreeSet<i64>> {
        let mut used = 0;
        for seconds in HOLDS {
            let pids = self.hold(way, seconds).await?;
            used = pids.len();
            if used == POOL {
                return Ok(pids);
            }
        }
        bail!("{way:?}: {POOL} queries at once used {used} sessions")
    }

    /// The server processes of as many queries at once as the pool has sessions.
    async fn hold(&self, way: Tunnels, seconds: &str) -> Result<BTreeSet<i64>> {
        let path = format!("/query?db={}", way.database());
        let sql = format!("select pg_backend_pid() from (select pg_sleep({seconds})) held");
        let calls: Vec<_> = (0..POOL)
            .map(|_| {
                let (app, path) = (self.app(), path.clone());
                let body = json!({ "sql": sql, "params": [] });
                tokio::spawn(async move {
                    let answer = app?.post_json(&path, &body).await?.ok()?.json()?;
                    let pid = answer["rows"][0][0].as_str().context("no process id")?;
                    anyhow::Ok(pid.parse::<i64>()?)
                })
            })
            .collect();
        let mut pids = BTreeSet::new();
        for call in calls {
            pids.insert(call.await??);
        }
        Ok(pids)
    }

    fn app(&self) -> Result<Http> {
        self.workerd.http("app")
    }

    fn connections(&self, way: Tunnels) -> u64 {
        match way {
            Tunnels::Agent => self.origin.stats().streams_total,
            Tunnels::Cloudflared => self.tunnel.stats().streams_total,
            Tunnels::Direct => self.tcp.stats().streams_total,
        }
    }

    fn births(&self, way: Tunnels) -> usize {
        self.workerd.log().count(&format!("born: {}", way.database()))
    }
}

/// The coordinator with one database for each way.
fn pools(tunnel: &Tunnel, tcp: &TcpProxy) -> Result<Worker> {
    let url = |host: &str, way: &str| {
        format!("postgres://scram_user@{host}/{DATABASE}?pool_size={POOL}&idle_timeout=10m&{way}")
    };
    let published = format!("tunnel=cloudflared&tunnel_url={}", encode(&tunnel.url()));
    let urls = [
        ("MAIN", url("db.invalid", "tunnel=agent")),
        ("PUBLISHED", url("db.invalid", &published)),
        ("STRAIGHT", url(&tcp.addr().to_string(), "tunnel=direct&tls=off")),
    ];
    let worker = coordinator(&urls)?.around(COUNTS_BIRTHS);
    Ok(caller(worker).text("PIERHEAD_DB_MAIN_AGENT_TOKEN", TOKEN))
}
