//! A throw-away PostgreSQL server: temporary directory, free loopback port, roles for every
//! authentication method, gone with its value.

mod client;
mod install;
mod tls;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::sync::Mutex;

use crate::process::{Guarded, Log};
use install::Installation;
pub(crate) use install::ServerUser;

/// The password of all four test roles; not ASCII, with characters that URLs and configuration
/// files like to break.
pub const PASSWORD: &str = "secret-ü %:/@'\"\\";
/// The database that holds the sample data and that all roles may use.
pub const DATABASE: &str = "sample";
/// The roles, each with its authentication method (as `pg_hba.conf` calls it).
pub const ROLES: [(&str, &str); 4] = [
    ("trust_user", "trust"),
    ("clear_user", "password"),
    ("md5_user", "md5"),
    ("scram_user", "scram-sha-256"),
];

/// `initdb` and the first start take a second or two; a busy machine may need much more.
const START_TIME: Duration = Duration::from_secs(60);

/// How to start a server.
#[derive(Clone, Debug)]
pub struct PostgresConfig {
    /// `max_connections`; three of them are kept for the control connection.
    pub max_connections: usize,
    /// Offer TLS with a certificate for `localhost` and 127.0.0.1 from a CA made for this server.
    pub tls: bool,
    /// Further `name=value` settings.
    pub settings: Vec<String>,
    /// Lines of `pg_hba.conf` that go before all others.
    pub hba: Vec<String>,
}

impl Default for PostgresConfig {
    fn default() -> Self {
        Self { max_connections: 100, tls: false, settings: Vec::new(), hba: Vec::new() }
    }
}

/// A running server. All methods take `&self`, so it can be shared by tests.
#[derive(Debug)]
pub struct Postgres {
    installation: Installation,
    arguments: Vec<String>,
    addr: SocketAddr,
    admin_password: String,
    ca: Option<String>,
    log: Log,
    server: Mutex<Option<Guarded>>,
    control: Mutex<Option<std::sync::Arc<tokio_postgres::Client>>>,
    // Last: the server's files go when the server has gone.
    directory: TempDir,
}

impl Postgres {
    /// Makes a new cluster and starts it, with roles and sample data. Uses the binaries in
    /// `PIERHEAD_PG_BIN`.
    pub async fn start(config: PostgresConfig) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("pierhead-pg-").tempdir()?;
        let installation = Installation::find(directory.path())?;
        let admin_password = random_password()?;
        let data = directory.path().join("data");
        installation.initdb(directory.path(), &data, &admin_password)?;
        std::fs::write(data.join("pg_hba.conf"), hba(&config.hba))?;
        let mut settings = settings(&config);
        let mut ca = None;
        if config.tls {
            ca = Some(tls::write_certificates(&data)?);
            settings.push("ssl=on".into());
        }
        installation.own(&data)?;
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let mut arguments =
            vec!["-D".into(), path_text(&data)?, "-p".into(), addr.port().to_string()];
        for setting in settings {
            arguments.extend(["-c".into(), setting]);
        }
        let postgres = Self {
            installation,
            arguments,
            addr,
            admin_password,
            ca,
            log: Log::default(),
            server: Mutex::new(None),
            control: Mutex::new(None),
            directory,
        };
        postgres.start_again().await?;
        postgres.create_roles_and_data().await?;
        Ok(postgres)
    }

    /// The directory of its programs, where the server's user can run them, for as long as it runs.
    pub fn bin(&self) -> &Path {
        self.installation.bin()
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The process id of the postmaster.
    ///
    /// # Errors
    /// If it is not running, or just being stopped.
    pub fn id(&self) -> Result<u32> {
        let server = self.server.try_lock().ok();
        let server = server.as_ref().and_then(|server| server.as_ref());
        Ok(server.context("the server is not running")?.id())
    }

    /// The CA certificate that clients must trust, in PEM; `None` without TLS.
    pub fn ca(&self) -> Option<&str> {
        self.ca.as_deref()
    }

    /// Paths of its certificate and key; the files exist with TLS only.
    pub fn certificate_files(&self) -> (PathBuf, PathBuf) {
        let data = self.directory.path().join("data");
        (data.join("server.crt"), data.join("server.key"))
    }

    /// What the server has logged.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Starts the server again after [`stop`](Self::stop) or [`stop_hard`](Self::stop_hard), on
    /// the same port; returns when it answers.
    pub async fn start_again(&self) -> Result<()> {
        let mut server = self.server.lock().await;
        if server.is_some() {
            bail!("the server is running already");
        }
        let mut command = Command::new(self.installation.binary("postgres"));
        command.args(&self.arguments).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        self.installation.as_server_user(&mut command);
        let mut started = Guarded::spawn(&mut command, Some(self.directory.path()))?;
        if let Some(stderr) = started.child().stderr.take() {
            self.log.collect(stderr);
        }
        let deadline = Instant::now() + START_TIME;
        loop {
            if started.ended()?.is_some() || Instant::now() > deadline {
                bail!("PostgreSQL did not start; its log:\n{}", self.log.text());
            }
            match self.control().await {
                Ok(_) => break,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        *server = Some(started);
        Ok(())
    }

    /// Ends all sessions with `57P01` and stops ("fast").
    pub async fn stop(&self) -> Result<()> {
        self.end(Signal::INT).await
    }

    /// Stops at once, without a goodbye ("immediate"): sessions just break.
    pub async fn stop_hard(&self) -> Result<()> {
        self.end(Signal::QUIT).await
    }

    /// Stops fast and starts again on the same port.
    pub async fn restart(&self) -> Result<()> {
        self.stop().await?;
        self.start_again().await
    }

    async fn end(&self, signal: Signal) -> Result<()> {
        let Some(mut server) = self.server.lock().await.take() else {
            bail!("the server is not running");
        };
        let stopped = tokio::task::spawn_blocking(move || server.stop(signal, START_TIME));
        stopped.await?
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.get_mut().take() {
            // Not SIGKILL: the postmaster must take its children and shared memory along.
            server.stop(Signal::QUIT, Duration::from_secs(5)).ok();
        }
        if std::thread::panicking() {
            let lines = self.log.lines();
            let newest = &lines[lines.len().saturating_sub(40)..];
            eprintln!("--- PostgreSQL's log, newest lines\n{}", newest.join("\n"));
        }
    }
}

fn settings(config: &PostgresConfig) -> Vec<String> {
    let mut settings: Vec<String> = [
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        // Nothing here is worth surviving a crash of the machine.
        "fsync=off",
        "synchronous_commit=off",
        "full_page_writes=off",
        "log_line_prefix=%m [%p] %u %a ",
        "TimeZone=UTC",
        "lc_messages=C",
    ]
    .map(String::from)
    .into();
    settings.push(format!("max_connections={}", config.max_connections));
    settings.extend(config.settings.iter().cloned());
    settings
}

fn hba(first: &[String]) -> String {
    let roles = ROLES.iter().flat_map(|(role, method)| {
        let host = format!("host all {role} 127.0.0.1/32 {method}");
        [host, format!("local all {role} {method}")]
    });
    let last = "host all postgres 127.0.0.1/32 scram-sha-256\n".to_owned();
    first.iter().cloned().chain(roles).chain([last]).collect::<Vec<_>>().join("\n")
}

/// A port below those that systems give to outgoing connections, one of which could take it
/// before the server starts, or while it is down.
pub(crate) fn free_port() -> Result<u16> {
    const PORTS: std::ops::Range<u16> = 20_000..32_000;
    for _ in 0..100 {
        let port = PORTS.start + u16::from_le_bytes(random()?) % (PORTS.end - PORTS.start);
        if std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port between {} and {}", PORTS.start, PORTS.end)
}

fn random<const N: usize>() -> Result<[u8; N]> {
    use std::io::Read as _;
    let mut bytes = [0; N];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// The superuser can run programs, and other users of the machine can reach the port.
fn random_password() -> Result<String> {
    Ok(random::<16>()?.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn path_text(path: &Path) -> Result<String> {
    let text = path.to_str().with_context(|| format!("{path:?} is not UTF-8"))?;
    Ok(text.to_owned())
}

/// The directory that holds the server's binaries.
fn binaries() -> Result<PathBuf> {
    let path = std::env::var_os("PIERHEAD_PG_BIN")
        .context("PIERHEAD_PG_BIN is not set: run `cargo xtask test`, which finds PostgreSQL")?;
    let path = PathBuf::from(path);
    for name in ["initdb", "postgres"] {
        if !path.join(name).exists() {
            bail!("PIERHEAD_PG_BIN has no {name}: point it at the bin directory of PostgreSQL 15+");
        }
    }
    Ok(path)
}
