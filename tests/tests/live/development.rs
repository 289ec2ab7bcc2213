//! `npx pierhead dev`, and programs in Node beside it, as a framework's development server is one. The
//! stories are those of the Worker, and those in `worker-client/js/test/node`.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use pierhead_tests::agent::{Agent, AgentConfig};
use pierhead_tests::http::encode;
use pierhead_tests::postgres::{DATABASE, PASSWORD, Postgres, PostgresConfig};
use pierhead_tests::process::Guarded;
use pierhead_tests::tunnel::{Access, Tunnel, TunnelConfig};
use pierhead_tests::workerd::built;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::world::{PATIENCE, live};

/// Told in the Worker too. `core` asks for the sample data.
const STORIES: &str = "core/statements core/types core/batches core/errors core/streams \
    core/settings core/shared core/aborts transactions/commits transactions/rolls_back \
    transactions/commit_rides_with_the_last_statement transactions/savepoints \
    transactions/options transactions/several_at_once transactions/streams \
    transactions/a_swallowed_error_does_not_look_like_success \
    transactions/statements_of_one_tick_keep_their_order transactions/an_abort_ends_it \
    drizzle-calls/types drizzle-calls/prepared drizzle-calls/transactions \
    drizzle-calls/two_clients kysely-calls/types kysely-calls/prepared kysely-calls/transactions \
    kysely-calls/two_clients pg/queries pg/transactions prisma-calls/types prisma-calls/transactions";

/// A project's directory, and `pierhead dev` in it.
struct Project {
    dev: Option<Guarded>,
    directory: TempDir,
}

impl Project {
    fn new() -> Self {
        Self { dev: None, directory: tempfile::tempdir().unwrap() }
    }

    /// Starts it with these variables; returns when it serves.
    async fn dev(&mut self, variables: &[(&str, String)]) {
        let mut command = node();
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/../worker-client/js/dist/bin.mjs");
        command
            .args([program, "dev", "--port=0", "--agent-port=0"])
            .current_dir(self.directory.path());
        command.env_remove("PIERHEAD_DATABASE").envs(variables.iter().cloned());
        let log = File::create(self.log()).unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let dev = self.dev.insert(Guarded::spawn(&mut command, None).unwrap());
        // `initdb` writes a thousand files, which a busy disk may take minutes for.
        let deadline = Instant::now() + PATIENCE * 20;
        while !self.directory.path().join(".pierhead/dev.json").exists() {
            let ended = dev.ended().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "{ended:?}: {}", self.said());
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// Tells stories in a directory of the project; what it says if one fails.
    async fn tell(&self, stories: &str) -> Result<String, String> {
        let below = self.directory.path().join("src");
        std::fs::create_dir_all(&below).unwrap();
        let mut command = node();
        command.arg(built("typescript").unwrap().join("node.mjs")).args(stories.split_whitespace());
        command.current_dir(below).env_remove("PIERHEAD_DEV").env_remove("NODE_ENV");
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let text = text + &String::from_utf8_lossy(&output.stderr);
        if output.status.success() { Ok(text) } else { Err(text) }
    }

    async fn must_tell(&self, stories: &str) {
        if let Err(failed) = self.tell(stories).await {
            panic!("{failed}\n--- pierhead dev\n{}", self.said());
        }
    }

    /// Where agents dial in.
    fn door_for_agents(&self) -> SocketAddr {
        let said = self.said();
        let door = said.split_once("agents dial in at ws://").unwrap_or_else(|| panic!("{said}"));
        door.1.split_once(',').unwrap().0.parse().unwrap()
    }

    fn stop(&mut self, signal: Signal) {
        self.dev.take().unwrap().stop(signal, PATIENCE).unwrap();
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap()
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("dev.log")
    }
}

fn node() -> Command {
    Command::new(std::env::var_os("PIERHEAD_NODE").expect("cargo xtask env sets PIERHEAD_NODE"))
}

#[test]
fn the_client_works_in_node_beside_pierhead_dev() {
    live(async {
        let postgres = Postgres::start(PostgresConfig::default()).await.unwrap();
        let mut project = Project::new();
        project.must_tell("itself/nothing_runs").await;
        let url = format!(
            "postgres://scram_user:{}@{}/{DATABASE}?pool_size=3",
            encode(PASSWORD),
            postgres.addr()
        );
        project.dev(&[("PIERHEAD_DATABASE", url)]).await;
        project.must_tell(STORIES).await;

        // Who dies in a transaction holds nothing any more.
        project.tell("itself/dies").await.unwrap_err();
        project.must_tell("itself/is_free_again").await;

        // Neither does who is somebody else.
        let file = project.directory.path().join(".pierhead/dev.json");
        let running = std::fs::read_to_string(&file).unwrap();
        let mut other: serde_json::Value = serde_json::from_str(&running).unwrap();
        other["token"] = "0".repeat(64).into();
        std::fs::write(&file, other.to_string()).unwrap();
        project.must_tell("itself/another_token").await;
        std::fs::write(&file, running).unwrap();

        project.stop(Signal::INT);
        assert!(!file.exists(), "{}", project.said());
        project.must_tell("itself/nothing_runs").await;
        assert!(!project.said().contains(&encode(PASSWORD)) && !project.said().contains(PASSWORD));
    });
}

/// A URL of a database that nobody can dial: its host has no address.
fn private(keys: &str) -> String {
    format!("postgres://scram_user:{}@db.invalid/{DATABASE}?pool_size=3&{keys}", encode(PASSWORD))
}

#[test]
fn a_private_database_is_reached_through_an_agent() {
    live(async {
        const TOKEN: &str = "a-token-of-development";
        let postgres = Postgres::start(PostgresConfig::default()).await.unwrap();
        let mut project = Project::new();
        let variables = [
            ("PIERHEAD_DATABASE", private("tunnel=agent")),
            ("PIERHEAD_DB_MAIN_AGENT_TOKEN", TOKEN.to_owned()),
        ];
        project.dev(&variables).await;
        let start = |token: &str| {
            let url = format!("postgres://{}/{DATABASE}?pool_size=5", postgres.addr());
            let config = AgentConfig {
                name: "one".into(),
                coordinator: project.door_for_agents(),
                databases: vec![("main".into(), url, token.into())],
                variables: Vec::new(),
            };
            Agent::start(config).unwrap()
        };
        let stranger = start("the-token-of-somebody-else");
        stranger.log().wait_for("401", PATIENCE).await.unwrap();
        drop(stranger);

        let agent = start(TOKEN);
        agent.log().wait_for("link up", PATIENCE).await.unwrap();
        project.must_tell("core/types core/streams transactions/commits").await;
        project.stop(Signal::INT);
        assert!(!project.said().contains(TOKEN) && !project.said().contains(PASSWORD));
    });
}

#[test]
fn a_private_database_is_reached_through_cloudflared() {
    live(async {
        let postgres = Postgres::start(PostgresConfig::default()).await.unwrap();
        let (id, secret) = ("an-access-id.access", "an-access-secret");
        let mut config = TunnelConfig::new(postgres.addr());
        config.access = Some(Access { client_id: id.into(), client_secret: secret.into() });
        let tunnel = Tunnel::start(config).unwrap();
        let mut project = Project::new();
        let keys = format!("tunnel=cloudflared&tunnel_url={}", encode(&tunnel.url()));
        let variables = [
            ("PIERHEAD_DATABASE", private(&keys)),
            ("PIERHEAD_DB_MAIN_ACCESS_CLIENT_ID", id.to_owned()),
            ("PIERHEAD_DB_MAIN_ACCESS_CLIENT_SECRET", secret.to_owned()),
        ];
        project.dev(&variables).await;
        // It cannot hold a stream back that outruns its reader.
        project.must_tell("core/types transactions/commits").await;
        project.stop(Signal::INT);
        assert!(!project.said().contains(secret) && !project.said().contains(PASSWORD));
    });
}

#[test]
fn without_a_database_there_is_one_until_the_end() {
    live(async {
        // Its programs may have to be copied to where the server's user can reach them.
        let installed = Postgres::start(PostgresConfig::default()).await.unwrap();
        let mut project = Project::new();
        for signal in [Signal::INT, Signal::KILL] {
            // What it makes stands here.
            let scratch = tempfile::tempdir().unwrap();
            let all = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(scratch.path(), all).unwrap();
            let text = |path: &Path| path.to_str().unwrap().to_owned();
            let variables =
                [("PIERHEAD_PG_BIN", text(installed.bin())), ("TMPDIR", text(scratch.path()))];
            project.dev(&variables).await;
            project.must_tell("core/types transactions/commits").await;
            project.stop(signal);
            // Also when it is killed, and can do nothing itself.
            let deadline = Instant::now() + PATIENCE;
            while scratch.path().read_dir().unwrap().count() > 0 {
                assert!(Instant::now() < deadline, "{:?}", scratch.path().read_dir().unwrap());
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            std::fs::remove_file(project.directory.path().join(".pierhead/dev.json")).ok();
        }
    });
}
