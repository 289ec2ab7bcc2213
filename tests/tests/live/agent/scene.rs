//! What a world with agents has besides the others, and what stories about agents ask of it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pierhead_tests::agent::{Agent, AgentConfig};
use pierhead_tests::http::encode;
use pierhead_tests::postgres::DATABASE;
use pierhead_tests::proxy::TcpProxy;
use serde_json::Value;

use crate::app::App;
use crate::world::{PATIENCE, World};

/// Stands around the coordinator's Worker and logs each object that begins to live: the only way
/// to look at an object that sleeps without waking it.
pub(crate) const COUNTS_BIRTHS: &str = r#"
import entry, { Pierhead as Base } from "./index.js";
export { Gateway } from "./index.js";
export class Pierhead extends Base {
  constructor(ctx, env) {
    super(ctx, env);
    console.log(`born: ${ctx.id.name}`);
  }
}
export default entry;
"#;

/// What an agent logs when a link is up.
const LINK_UP: &str = "link up";

/// The agents of a world that is being set up.
pub(crate) struct Agents {
    /// Their instances.
    names: Vec<String>,
    databases: Vec<String>,
    cap: usize,
    variables: Vec<(String, String)>,
    /// Makes the tokens this world's own.
    number: usize,
    /// What the agents present instead of the first token.
    presented: Option<String>,
    /// The directory of the database's socket, if agents are to use that.
    socket: Option<String>,
    /// The database's port, which is in the name of its socket.
    pub(crate) port: u16,
}

impl Default for Agents {
    fn default() -> Self {
        static NUMBERS: AtomicUsize = AtomicUsize::new(1);
        Self {
            names: vec!["one".into()],
            databases: Vec::new(),
            cap: 20,
            variables: Vec::new(),
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            presented: None,
            socket: None,
            port: 0,
        }
    }
}

impl Agents {
    pub(crate) fn serve(&mut self, database: &str) {
        self.databases.push(database.into());
    }

    /// The token of all agents.
    pub(crate) fn token(&self) -> String {
        format!("first-agent-token-{:04}", self.number)
    }

    /// The token that is valid beside it.
    pub(crate) fn next_token(&self) -> String {
        format!("second-agent-token-{:04}", self.number)
    }

    /// Both.
    pub(crate) fn tokens(&self) -> [String; 2] {
        [self.token(), self.next_token()]
    }

    /// What an agent of this world is started with.
    fn config(&self, name: &str, link: &TcpProxy, origin: &TcpProxy, verbose: bool) -> AgentConfig {
        let host = match &self.socket {
            Some(directory) => format!("{}:{}", encode(directory), self.port),
            None => origin.addr().to_string(),
        };
        let url = format!("postgres://{host}/{DATABASE}?pool_size={}", self.cap);
        let token = self.presented.clone().unwrap_or_else(|| self.token());
        let database = |name: &String| (name.clone(), url.clone(), token.clone());
        let mut variables = self.variables.clone();
        if verbose {
            variables.push(("PIERHEAD_LOG".into(), "debug".into()));
        }
        AgentConfig {
            name: name.into(),
            coordinator: link.addr(),
            databases: self.databases.iter().map(database).collect(),
            variables,
        }
    }

    /// Starts them; none if no database has the way.
    pub(crate) fn start(&self, link: &TcpProxy, origin: &TcpProxy, verbose: bool) -> Vec<Agent> {
        if self.databases.is_empty() {
            return Vec::new();
        }
        let start = |name: &String| Agent::start(self.config(name, link, origin, verbose)).unwrap();
        self.names.iter().map(start).collect()
    }
}

impl crate::world::Setup {
    /// The instances of the agents, one for each.
    pub(crate) fn agents(mut self, names: &[&str]) -> Self {
        self.agents.names = names.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    /// How many connections each agent may hold: 20 unless said.
    pub(crate) fn agent_cap(mut self, cap: usize) -> Self {
        self.agents.cap = cap;
        self
    }

    /// A variable of the agents.
    pub(crate) fn agent_variable(mut self, name: &str, value: &str) -> Self {
        self.agents.variables.push((name.into(), value.into()));
        self
    }

    /// The agents present the second token.
    pub(crate) fn next_token(mut self) -> Self {
        self.agents.presented = Some(self.agents.next_token());
        self
    }

    /// The agents present a token that nobody gave them.
    pub(crate) fn wrong_token(mut self) -> Self {
        self.agents.presented = Some("a-token-that-is-wrong".into());
        self
    }

    /// The directory of the database's socket, where agents find it instead of behind the proxy.
    pub(crate) fn agent_socket(mut self, directory: &str) -> Self {
        self.agents.socket = Some(directory.into());
        self
    }
}

impl World {
    /// How many objects of this database have begun to live so far. Wakes none.
    pub(crate) fn births(&self, database: &str) -> usize {
        self.workerd.log().count(&format!("born: {database}"))
    }

    /// Waits until the coordinator has this many links.
    pub(crate) async fn until_links(&self, count: usize) {
        self.until_status("linked", |status| status["links"] == count).await;
    }

    /// Waits until all sessions are parked, so that nothing keeps the object awake.
    pub(crate) async fn until_parked(&self, count: usize) -> Value {
        self.until_status("parked", |status| status["parked"] == count).await
    }

    /// What `asked` says of a question that wakes the object, which has all its sessions parked; the
    /// question is asked again if the same life of the object turns out to have answered it.
    pub(crate) async fn woken<T>(&self, parked: usize, asked: impl AsyncFn() -> T) -> T {
        const TRIES: usize = 20;
        for _ in 0..TRIES {
            let before = self.until_parked(parked).await;
            self.workerd.hibernate_all_objects().await.unwrap();
            let said = asked().await;
            if self.status().await["life"] != before["life"] {
                return said;
            }
        }
        panic!("it did not sleep, {TRIES} times");
    }

    /// The server processes of this world's sessions, as the database knows them.
    pub(crate) async fn server_pids(&self) -> BTreeSet<i32> {
        let sql = "select pid from pg_stat_activity where application_name = $1";
        let control = self.postgres.control().await.unwrap();
        let rows = control.query(sql, &[&self.application]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Workerd dies (SIGKILL) and comes back with the same storage, on other ports; returns when
    /// the agents have found it.
    pub(crate) async fn crash_workerd(&mut self) {
        let seen: Vec<_> = self.agents.iter().map(|agent| agent.log().count(LINK_UP)).collect();
        self.workerd.restart().await.unwrap();
        self.link.set_targets([self.workerd.addr("coordinator").unwrap()]);
        for (agent, seen) in self.agents.iter().zip(seen) {
            // As long as the longest back-off, and more.
            agent.log().wait_for_more(LINK_UP, seen, Duration::from_secs(40)).await.unwrap();
        }
    }
}

/// Uses `count` sessions at the same time, and says which server processes they have.
pub(crate) async fn use_sessions(app: &App, count: usize) -> BTreeSet<i32> {
    use_sessions_for(app, count, "''").await
}

/// The same, each for a result that holds this expression too.
pub(crate) async fn use_sessions_for(app: &App, count: usize, what: &str) -> BTreeSet<i32> {
    let mut pids = BTreeSet::new();
    // On a busy machine the last may come when the first is over: then all stay longer.
    for seconds in ["0.4", "2", "8"] {
        pids = at_once(app, count, what, seconds).await;
        if pids.len() == count {
            return pids;
        }
    }
    panic!("{count} at the same time need as many sessions, not {pids:?}");
}

async fn at_once(app: &App, count: usize, what: &str, seconds: &str) -> BTreeSet<i32> {
    let sql = format!("select pg_backend_pid(), {what} from (select pg_sleep({seconds})) held");
    let calls: Vec<_> = (0..count)
        .map(|_| {
            let (app, sql) = (app.clone(), sql.clone());
            tokio::spawn(async move { pid(&app.query(&sql, &[]).await.unwrap()) })
        })
        .collect();
    let mut pids = BTreeSet::new();
    for call in calls {
        pids.insert(call.await.unwrap());
    }
    pids
}

fn pid(answer: &Value) -> i32 {
    answer["rows"][0][0].as_str().unwrap().parse().unwrap()
}

/// Looks again and again until `looks` says yes; says how long it took.
pub(crate) async fn until<F: Future<Output = bool>>(
    what: &str,
    mut looks: impl FnMut() -> F,
) -> Duration {
    let began = Instant::now();
    while !looks().await {
        assert!(began.elapsed() < PATIENCE, "never {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    began.elapsed()
}
