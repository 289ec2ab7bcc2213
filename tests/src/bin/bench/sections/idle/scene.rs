//! A coordinator by itself, with one database: whatever its isolate holds belongs to what is measured.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use pierhead_tests::agent::{Agent, AgentConfig};
use pierhead_tests::http::encode;
use pierhead_tests::net::{Controls, Limits};
use pierhead_tests::postgres::{DATABASE, Postgres};
use pierhead_tests::proxy::TcpProxy;
use pierhead_tests::tunnel::{Tunnel, TunnelConfig};
use pierhead_tests::workerd::{Worker, Workerd, WorkerdConfig, built};
use serde_json::{Value, json};

/// Of the pool, and so of its clients. It has no password: many sessions are opened, and what a login
/// costs is not what is measured.
pub(super) const USER: &str = "trust_user";
/// The agent's and the door's.
const TOKEN: &str = "a-token-for-this-run-only";
/// For an agent to dial in, and for a pool to come to rest.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(100);

/// What carries the pool's sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    Agent,
    Cloudflared,
    Direct,
}

impl Carrier {
    pub(super) const ALL: [Self; 3] = [Self::Agent, Self::Cloudflared, Self::Direct];

    /// The name in figures.
    pub(super) const fn id(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Cloudflared => "cloudflared",
            Self::Direct => "direct",
        }
    }
}

/// Bytes of an isolate by what they are; see [`PARTS`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Held([f64; 4]);

/// JavaScript's objects; what the runtime keeps for them; buffers; wasm memory.
pub(super) const PARTS: [&str; 4] = ["js", "runtime", "buffers", "wasm"];

impl Held {
    /// How much more it is than before for each of `count`.
    pub(super) fn more(self, before: Self, count: usize) -> Self {
        let mut more = self;
        for (part, before) in more.0.iter_mut().zip(before.0) {
            *part = (*part - before) / count as f64;
        }
        more
    }

    pub(super) fn sum(self) -> f64 {
        self.0.iter().sum()
    }

    pub(super) fn parts(self) -> impl Iterator<Item = (&'static str, f64)> {
        PARTS.into_iter().zip(self.0)
    }
}

#[derive(Debug)]
pub(super) struct Scene {
    // In this order, so that whoever calls goes before whoever is called.
    agent: Option<Agent>,
    workerd: Workerd,
    link: TcpProxy,
    cloudflared: Tunnel,
    direct: TcpProxy,
}

impl Scene {
    /// Starts workerd and what it needs; `keys` are those of the database's URL, without `pool_size`.
    pub(super) async fn set(
        postgres: &Postgres,
        carrier: Carrier,
        pool: usize,
        keys: &str,
    ) -> Result<Self> {
        let unlimited = || Limits { handshakes: None, streams: None };
        let cloudflared = Tunnel::start(TunnelConfig::new(postgres.addr()))?;
        let direct = TcpProxy::start(postgres.addr(), unlimited())?;
        let link = TcpProxy::start(postgres.addr(), unlimited())?;
        let way = match carrier {
            Carrier::Agent => "db.invalid/*tunnel=agent".into(),
            Carrier::Cloudflared => {
                format!("db.invalid/*tunnel=cloudflared&tunnel_url={}", encode(&cloudflared.url()))
            }
            Carrier::Direct => format!("{}/*tunnel=direct&tls=off", direct.addr()),
        };
        let (host, way) = way.split_once("/*").context("a host and a way")?;
        let keys = format!("pool_size={pool}&{keys}");
        let url = format!("postgres://{USER}@{host}/{DATABASE}?{keys}&{way}");
        let workerd = Workerd::start(workers(&url)?).await?;
        link.set_targets([workerd.addr("coordinator")?]);
        let agent = match carrier {
            Carrier::Agent => Some(agent(&link, postgres, &keys).await?),
            Carrier::Cloudflared | Carrier::Direct => None,
        };
        let scene = Self { agent, workerd, link, cloudflared, direct };
        scene.ask().await?;
        Ok(scene)
    }

    pub(super) fn workerd(&self) -> &Workerd {
        &self.workerd
    }

    pub(super) fn agent(&self) -> Option<&Agent> {
        self.agent.as_ref()
    }

    pub(super) fn set_round_trip_ms(&self, ms: u64) {
        for path in [&*self.link, &*self.cloudflared, &*self.direct] as [&Controls; 3] {
            path.knobs().set_round_trip_ms(ms);
        }
    }

    /// One query through the package's call; how long it took.
    pub(super) async fn ask(&self) -> Result<Duration> {
        let began = Instant::now();
        let answer = self.workerd.http("app")?.get("/echo?db=main&value=ahoy").await?.ok()?;
        if !answer.text().contains("ahoy") {
            bail!("a query was answered {}", answer.text());
        }
        Ok(began.elapsed())
    }

    /// The object's counters.
    pub(super) async fn status(&self) -> Result<Value> {
        self.workerd.http("wire")?.get("/status").await?.ok()?.json()
    }

    /// Returns when so many sessions are at rest, and no other is left.
    pub(super) async fn at_rest(&self, sessions: usize) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            let status = self.status().await?;
            let count = |name: &str| status[name].as_u64().unwrap_or(0) as usize;
            let resting = if self.agent.is_some() { "parked" } else { "idle" };
            if count(resting) >= sessions && count("opening") + count("leased") == 0 {
                return Ok(());
            }
            if Instant::now() > until {
                bail!("{sessions} sessions were not at rest in {PATIENCE:?}: {status}");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What the isolate holds.
    pub(super) async fn held(&self) -> Result<Held> {
        // What the first collection finalizes is let go of by the second.
        self.workerd.heap_collected("coordinator").await?;
        let heap = self.workerd.heap_collected("coordinator").await?;
        let wasm = self.status().await?["wasm_memory_bytes"].as_u64();
        let wasm = wasm.context("the status names no wasm memory")?;
        let parts = [heap.used, heap.embedder, heap.backing, wasm];
        Ok(Held(parts.map(|bytes| bytes as f64)))
    }

    /// Messages that the object has received from its tunnel so far; `None` where bytes come without.
    pub(super) async fn messages(&self, carrier: Carrier) -> Result<Option<u64>> {
        Ok(match carrier {
            Carrier::Agent => self.status().await?["link_messages_in"].as_u64(),
            Carrier::Cloudflared => Some(self.cloudflared.stats().frames_to_client),
            Carrier::Direct => None,
        })
    }
}

async fn agent(link: &TcpProxy, postgres: &Postgres, keys: &str) -> Result<Agent> {
    let url = format!("postgres://{}/{DATABASE}?{keys}", postgres.addr());
    let agent = Agent::start(AgentConfig {
        name: "idle".into(),
        coordinator: link.addr(),
        databases: vec![("main".into(), url, TOKEN.into())],
        variables: Vec::new(),
    })?;
    agent.log().wait_for("link up", PATIENCE).await?;
    Ok(agent)
}

/// The gateway by its port and by a Worker that is bound to it, and the object alone.
fn workers(url: &str) -> Result<WorkerdConfig> {
    let coordinator = Worker::from_directory("coordinator", built("coordinator")?)
        .durable_object("Pierhead")
        .text("PIERHEAD_DB_MAIN", url)
        .text("PIERHEAD_DB_MAIN_AGENT_TOKEN", TOKEN);
    let bound = |worker: Worker| worker.namespace("PIERHEAD", "Pierhead", "coordinator");
    let wire = Worker::from_script("wire", WIRE).tcp().gateway("GATEWAY", "coordinator", json!({}));
    Ok(WorkerdConfig::new()
        .worker(bound(coordinator))
        .worker(bound(Worker::from_directory("app", built("app")?)))
        .worker(bound(wire))
        .gateway_ports("coordinator")
        .inspector()
        .crash_control())
}

/// Leads to the object alone, by TCP and by `/socket`; to the gateway by `/gateway`.
const WIRE: &str = r#"
export default {
  async connect(socket, env) {
    const far = env.PIERHEAD.getByName("main").connect("pierhead:5432");
    await Promise.allSettled([socket.readable.pipeTo(far.writable), far.readable.pipeTo(socket.writable)]);
  },
  fetch(request, env) {
    const object = env.PIERHEAD.getByName("main");
    switch (new URL(request.url).pathname) {
      case "/status": return object.fetch("http://object/status");
      case "/socket": return object.fetch(new Request("https://pierhead/socket", request));
      case "/gateway": return env.GATEWAY.fetch(new Request("https://pierhead/socket", request));
    }
    return new Response("ready\n");
  },
};
"#;
