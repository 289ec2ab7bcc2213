//! PgBouncer in front of a throw-away PostgreSQL, which the benchmark compares with: a free loopback
//! port, its files in a temporary directory, gone with its value.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::postgres::{Postgres, ServerUser, free_port};
use crate::process::{Guarded, Log, PrintedLog, raise_open_files};

/// Where `cargo xtask bench` says that the program is.
const VARIABLE: &str = "PIERHEAD_PGBOUNCER";
/// It starts in milliseconds; under valgrind, on a busy machine, in seconds.
const START_TIME: Duration = Duration::from_secs(30);
/// The first version that follows prepared statements in transaction mode.
const FOLLOWS_STATEMENTS: (u32, u32) = (1, 21);
/// Prepared statements on a session, where it follows them: what newer versions have by default.
const MAX_PREPARED_STATEMENTS: u32 = 200;

/// How to start it.
#[derive(Clone, Debug)]
pub struct PgBouncerConfig {
    /// The PostgreSQL that it pools.
    pub target: SocketAddr,
    /// Who may log in, with what PostgreSQL keeps of each one's password. With the password itself
    /// PgBouncer would derive keys of it for every client, which takes it milliseconds each.
    pub users: Vec<(String, String)>,
    /// Sessions for each pair of user and database.
    pub pool_size: usize,
    /// Clients at once. Also how many may wait to be accepted: a burst must not wait for a
    /// retransmission.
    pub max_clients: usize,
    /// Further `name=value` settings.
    pub settings: Vec<String>,
    /// A program and its arguments that run it, as `valgrind` does; empty for none. It runs in
    /// [`PgBouncer::directory`].
    pub under: Vec<String>,
}

impl PgBouncerConfig {
    /// Ten sessions and 2,000 clients in front of this server, for its roles.
    pub async fn of(postgres: &Postgres) -> Result<Self> {
        let sql = "select rolname::text, rolpassword from pg_authid where rolpassword is not null";
        let rows = postgres.control().await?.query(sql, &[]).await?;
        let users = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        Ok(Self::new(postgres.addr(), users))
    }

    fn new(target: SocketAddr, users: Vec<(String, String)>) -> Self {
        let (settings, under) = (Vec::new(), Vec::new());
        Self { target, users, pool_size: 10, max_clients: 2_000, settings, under }
    }
}

/// A running PgBouncer in transaction mode; killed when dropped.
#[derive(Debug)]
pub struct PgBouncer {
    addr: SocketAddr,
    version: String,
    process: Guarded,
    log: PrintedLog,
    // Last: its files go when it has gone.
    directory: TempDir,
}

impl PgBouncer {
    /// The program (`PIERHEAD_PGBOUNCER`); `None` where the set-up could not get it.
    pub fn program() -> Option<PathBuf> {
        std::env::var_os(VARIABLE).map(PathBuf::from)
    }

    /// Starts it; returns when it accepts connections.
    pub async fn start(config: PgBouncerConfig) -> Result<Self> {
        let program = Self::program()
            .with_context(|| format!("{VARIABLE} is not set: `cargo xtask env --bench` does"))?;
        let version = version(&program)?;
        let directory = tempfile::Builder::new().prefix("pierhead-pgbouncer-").tempdir()?;
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let (process, log) = launch(&program, &config, addr, &version, directory.path())?;
        let mut started = Self { addr, version, process, log, directory };
        started.until_it_accepts().await?;
        Ok(started)
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Its version: `1.18.0`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether this version gives each session the statements that its client has prepared.
    pub fn follows_statements(&self) -> bool {
        follows_statements(&self.version)
    }

    /// The directory that it runs in and may write to, gone with it.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// What it has logged.
    pub fn log(&self) -> &Log {
        &self.log.log
    }

    /// Lets it end by itself, once its sessions are idle; what runs it then writes its results.
    pub async fn stop(&mut self) -> Result<()> {
        self.process.signal(Signal::INT)?;
        self.process.wait(START_TIME).await?;
        Ok(())
    }

    async fn until_it_accepts(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_TIME;
        while tokio::net::TcpStream::connect(self.addr).await.is_err() {
            if self.process.ended()?.is_some() || Instant::now() > deadline {
                bail!("PgBouncer did not start; its log:\n{}", self.log.log.text());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }
}

fn launch(
    program: &Path,
    config: &PgBouncerConfig,
    addr: SocketAddr,
    version: &str,
    directory: &Path,
) -> Result<(Guarded, PrintedLog)> {
    raise_open_files();
    let user = ServerUser::find()?;
    // The set-up's cache may be in a home that the server's user cannot enter.
    let copy = directory.join("pgbouncer");
    std::fs::copy(program, &copy).with_context(|| format!("cannot copy {}", program.display()))?;
    let settings = directory.join("pgbouncer.ini");
    let users = directory.join("users.txt");
    std::fs::write(&settings, ini(config, addr, version, &users))?;
    std::fs::write(&users, userlist(&config.users))?;
    std::fs::set_permissions(&users, std::fs::Permissions::from_mode(0o600))?;
    user.own(directory)?;
    let mut words = config.under.iter().map(String::as_str).map(Path::new).chain([&*copy]);
    let mut command = Command::new(words.next().context("no program")?);
    command.args(words).arg(&settings);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    user.runs(&mut command);
    command.current_dir(directory);
    let log = PrintedLog { of: "PgBouncer".into(), log: Log::default() };
    let mut process = Guarded::spawn(&mut command, Some(directory))?;
    log.log.collect(process.child().stderr.take().context("no standard error")?);
    Ok((process, log))
}

/// Transaction mode, nothing encrypted and nothing logged for each client, as on our own way.
fn ini(config: &PgBouncerConfig, addr: SocketAddr, version: &str, users: &Path) -> String {
    let mut lines = vec![
        "[databases]".to_owned(),
        format!("* = host={} port={}", config.target.ip(), config.target.port()),
        "[pgbouncer]".to_owned(),
        format!("listen_addr = {}", addr.ip()),
        format!("listen_port = {}", addr.port()),
        format!("listen_backlog = {}", config.max_clients),
        "unix_socket_dir =".to_owned(),
        "pool_mode = transaction".to_owned(),
        format!("default_pool_size = {}", config.pool_size),
        format!("max_client_conn = {}", config.max_clients),
        "auth_type = scram-sha-256".to_owned(),
        format!("auth_file = {}", users.display()),
        "server_tls_sslmode = disable".to_owned(),
        // Drivers send it, and it would refuse them.
        "ignore_startup_parameters = extra_float_digits".to_owned(),
        "log_connections = 0".to_owned(),
        "log_disconnections = 0".to_owned(),
    ];
    if follows_statements(version) {
        lines.push(format!("max_prepared_statements = {MAX_PREPARED_STATEMENTS}"));
    }
    lines.extend(config.settings.iter().cloned());
    lines.join("\n") + "\n"
}

fn userlist(users: &[(String, String)]) -> String {
    let field = |text: &str| text.replace('"', "\"\"");
    users
        .iter()
        .map(|(role, secret)| format!("\"{}\" \"{}\"\n", field(role), field(secret)))
        .collect()
}

/// The number in `PgBouncer 1.18.0`.
fn version(program: &Path) -> Result<String> {
    let output = Command::new(program).arg("--version").output();
    let output = output.with_context(|| format!("cannot start {}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let number = text.strip_prefix("PgBouncer ").and_then(|rest| rest.split_whitespace().next());
    let number = number.with_context(|| format!("{VARIABLE} names a program without version"))?;
    Ok(number.to_owned())
}

fn follows_statements(version: &str) -> bool {
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= FOLLOWS_STATEMENTS
}

#[cfg(test)]
mod tests {
    use tokio_postgres::{Config, NoTls};

    use super::*;
    use crate::postgres::{DATABASE, PASSWORD, PostgresConfig};

    #[test]
    fn what_a_version_can_do_goes_by_its_number() {
        for (version, follows) in
            [("1.18.0", false), ("1.21.0", true), ("1.9", false), ("2.0", true)]
        {
            assert_eq!(follows_statements(version), follows, "{version}");
        }
    }

    async fn connect(addr: SocketAddr) -> tokio_postgres::Client {
        let (client, connection) = Config::new()
            .host(addr.ip().to_string())
            .port(addr.port())
            .user("scram_user")
            .password(PASSWORD)
            .dbname(DATABASE)
            .connect(NoTls)
            .await
            .unwrap();
        tokio::spawn(async move { drop(connection.await) });
        client
    }

    #[tokio::test]
    async fn clients_share_its_sessions_and_it_goes_with_its_value() {
        if PgBouncer::program().is_none() {
            eprintln!("NOT RUN: there is no PgBouncer ({VARIABLE})");
            return;
        }
        let postgres = Postgres::start(PostgresConfig::default()).await.unwrap();
        let mut config = PgBouncerConfig::of(&postgres).await.unwrap();
        config.pool_size = 1;
        let bouncer = PgBouncer::start(config).await.unwrap();
        let mut sessions = Vec::new();
        for _ in 0..3 {
            let client = connect(bouncer.addr()).await;
            let row = client.simple_query("select pg_backend_pid()").await.unwrap();
            sessions.push(format!("{row:?}"));
        }
        sessions.dedup();
        assert_eq!(sessions.len(), 1, "{sessions:?}");
        let (addr, directory) = (bouncer.addr(), bouncer.directory().to_owned());
        drop(bouncer);
        assert!(std::net::TcpStream::connect(addr).is_err());
        assert!(!directory.exists());
    }

    #[tokio::test]
    async fn it_ends_by_itself_when_told_to() {
        if PgBouncer::program().is_none() {
            eprintln!("NOT RUN: there is no PgBouncer ({VARIABLE})");
            return;
        }
        let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
        let mut bouncer = PgBouncer::start(PgBouncerConfig::new(nobody, Vec::new())).await.unwrap();
        assert!(!bouncer.version().is_empty());
        bouncer.stop().await.unwrap();
        assert!(std::net::TcpStream::connect(bouncer.addr()).is_err());
    }
}
