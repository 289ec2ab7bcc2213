//! A pool in front of a database, in each of its shells and with each way to the database.

use std::net::SocketAddr;

use pierhead_engine::Settings;
use pierhead_tests::agent::{Agent, AgentConfig};
use pierhead_tests::http::encode;
use pierhead_tests::native::Native;
use pierhead_tests::tunnel::{Tunnel, TunnelConfig};
use pierhead_tests::workerd::{Worker, Workerd, WorkerdConfig, built};

use crate::target::{Mode, Target, Way};

/// What an agent presents at the door.
const TOKEN: &str = "the-token-of-an-agent";

/// What is between a program and its database.
pub(crate) enum Between {
    Nothing,
    Native(Native),
    Workerd { workerd: Box<Workerd>, _far: Far },
}

/// The far end of the coordinator's way, which lives as long as the pool.
pub(crate) enum Far {
    None,
    Agent { _agent: Agent },
    Tunnel { _tunnel: Tunnel },
}

/// A pool as every target has it.
pub(crate) struct Pool<'a> {
    pub(crate) role: &'a str,
    pub(crate) database: &'a str,
    /// `application_name` of its sessions.
    pub(crate) application: &'a str,
    pub(crate) sessions: usize,
    /// The role's, at the database.
    pub(crate) password: &'a str,
    /// Clients are asked for it too.
    pub(crate) asks: bool,
}

impl Pool<'_> {
    /// Starts what this target is; returns where drivers connect.
    pub(crate) async fn of(
        &self,
        target: Target,
        mode: Mode,
        postgres: SocketAddr,
    ) -> (SocketAddr, Between) {
        match target {
            Target::Direct => (postgres, Between::Nothing),
            Target::Native => self.native(postgres, mode),
            Target::Workerd(way) => self.workerd(postgres, mode, way).await,
        }
    }

    fn native(&self, postgres: SocketAddr, mode: Mode) -> (SocketAddr, Between) {
        let settings = Settings {
            user: self.role.into(),
            password: Some(self.password.into()),
            socket_password: self.asks.then(|| self.password.into()),
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

    async fn workerd(&self, postgres: SocketAddr, mode: Mode, way: Way) -> (SocketAddr, Between) {
        let tunnel =
            (way == Way::Cloudflared).then(|| Tunnel::start(TunnelConfig::new(postgres)).unwrap());
        let coordinator = self.coordinator(postgres, tunnel.as_ref(), way);
        let asks =
            Worker::from_script("asks", ASKS).namespace("PIERHEAD", "Pierhead", "coordinator");
        let config = WorkerdConfig::new().worker(coordinator).worker(asks);
        let workerd = Workerd::start(config.gateway_ports("coordinator")).await.unwrap();
        let far = match (way, tunnel) {
            (Way::Agent, _) => Far::Agent { _agent: self.agent(&workerd, postgres) },
            (_, Some(tunnel)) => Far::Tunnel { _tunnel: tunnel },
            (_, None) => Far::None,
        };
        let ports = workerd.gateway_ports().unwrap();
        let address = match mode {
            Mode::Transaction => ports.transaction,
            Mode::Session => ports.session,
        };
        (address, Between::Workerd { workerd: Box::new(workerd), _far: far })
    }

    /// Its name is the database's, and so is what clients call it.
    fn coordinator(&self, postgres: SocketAddr, tunnel: Option<&Tunnel>, way: Way) -> Worker {
        let Self { role, database, application, sessions, .. } = self;
        let way = match way {
            Way::Tcp => "tunnel=direct&tls=off".to_owned(),
            Way::Agent => "tunnel=agent".to_owned(),
            Way::Cloudflared => {
                let url = encode(&tunnel.expect("a tunnel").url());
                format!("tunnel=cloudflared&tunnel_url={url}")
            }
        };
        let url = format!(
            "postgres://{role}@{postgres}/{database}?{way}&pool_size={sessions}&pinned={sessions}\
             &application_name={}",
            encode(application)
        );
        let variable = self.variable();
        let worker = Worker::from_directory("coordinator", built("coordinator").unwrap())
            .durable_object("Pierhead")
            .namespace("PIERHEAD", "Pierhead", "coordinator")
            .text(&format!("{variable}_PASSWORD"), self.password)
            .text(&format!("{variable}_AGENT_TOKEN"), TOKEN)
            .text(&variable, url);
        if self.asks {
            worker.text(&format!("{variable}_SOCKET_PASSWORD"), self.password)
        } else {
            worker
        }
    }

    fn agent(&self, workerd: &Workerd, postgres: SocketAddr) -> Agent {
        let Self { database, sessions, .. } = self;
        let url = format!("postgres://{postgres}/{database}?pool_size={sessions}");
        let config = AgentConfig {
            name: "one".into(),
            coordinator: workerd.addr("coordinator").unwrap(),
            databases: vec![((*database).to_owned(), url, TOKEN.to_owned())],
            variables: Vec::new(),
        };
        Agent::start(config).unwrap()
    }

    fn variable(&self) -> String {
        format!("PIERHEAD_DB_{}", self.database.to_uppercase())
    }
}

/// Asks an object what only a binding can: for its status page, or for the answer to an envelope.
const ASKS: &str = r#"
export default {
  async fetch(request, env) {
    const object = env.PIERHEAD.getByName(new URL(request.url).searchParams.get("db"));
    if (request.method !== "POST") return object.fetch("http://object/status");
    // An answer is bytes, or a stream of them.
    return new Response(await object.exchange(new Uint8Array(await request.arrayBuffer()), () => {}));
  },
};
"#;
