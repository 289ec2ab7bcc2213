//! workerd with several Workers, as Cloudflare would run them but on loopback.

mod config;
mod control;
mod gateway;
mod inspector;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use crate::http::Http;
use crate::process::{Guarded, Log, PrintedLog, raise_open_files, resident_bytes};

pub use config::{Worker, WorkerdConfig};
pub use gateway::GatewayPorts;
pub use inspector::{HeapUsage, PROFILE_INTERVAL};

/// Compatibility date of everything that runs here.
pub const COMPATIBILITY_DATE: &str = "2026-11-01";

/// Loading a dozen megabytes of wasm on a busy machine takes seconds.
const START_TIME: Duration = Duration::from_secs(60);

/// A running workerd; killed when dropped, its newest log lines printed if that is in a panic.
#[derive(Debug)]
pub struct Workerd {
    process: Guarded,
    /// Ports by socket name, the Workers' names.
    ports: BTreeMap<String, u16>,
    inspector: Option<u16>,
    log: PrintedLog,
    config: WorkerdConfig,
    // Last: the storage goes when the process has gone.
    directory: TempDir,
}

impl Workerd {
    /// Starts workerd (`PIERHEAD_WORKERD`) and waits until all Workers listen.
    pub async fn start(config: WorkerdConfig) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("pierhead-workerd-").tempdir()?;
        Self::start_in(config, directory).await
    }

    async fn start_in(config: WorkerdConfig, directory: TempDir) -> Result<Self> {
        let log = Log::default();
        let (process, ports, inspector) = launch(&config, directory.path(), &log).await?;
        let log = PrintedLog { of: "workerd".into(), log };
        Ok(Self { process, ports, inspector, log, config, directory })
    }

    /// Kills workerd as a crash would (SIGKILL). [`restart`](Self::restart) starts it again.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Kills workerd as a crash would and starts it again with the same storage. Its ports change.
    pub async fn restart(&mut self) -> Result<()> {
        self.process.kill()?;
        let launched = launch(&self.config, self.directory.path(), &self.log.log).await?;
        (self.process, self.ports, self.inspector) = launched;
        Ok(())
    }

    /// Starts a second workerd with the same Workers and a copy of the storage as it is now: to
    /// whoever is dialled in, a later copy of the same objects.
    pub async fn twin(&self) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("pierhead-workerd-").tempdir()?;
        let storage = self.directory.path().join("storage");
        let copied = Command::new("cp").arg("-r").arg(&storage).arg(directory.path()).status()?;
        if !copied.success() {
            bail!("cannot copy {storage:?}");
        }
        Self::start_in(self.config.clone(), directory).await
    }

    /// Where this Worker listens, or the port of this name.
    pub fn addr(&self, worker: &str) -> Result<SocketAddr> {
        let port =
            self.ports.get(worker).with_context(|| format!("no Worker or port named {worker}"))?;
        Ok((Ipv4Addr::LOCALHOST, *port).into())
    }

    /// Where this Worker listens for TCP connections. Needs [`Worker::tcp`].
    pub fn tcp_addr(&self, worker: &str) -> Result<SocketAddr> {
        self.addr(&config::tcp_socket(worker))
    }

    /// A client for this Worker.
    pub fn http(&self, worker: &str) -> Result<Http> {
        Ok(Http::new(self.addr(worker)?))
    }

    /// What workerd and the Workers have logged.
    pub fn log(&self) -> &Log {
        &self.log.log
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Memory of the whole process, resident, in bytes (Linux only).
    pub fn resident_bytes(&self) -> Result<u64> {
        resident_bytes(self.id())
    }

    /// Memory of the isolate of this Worker and of all Durable Objects of its classes. Needs
    /// [`WorkerdConfig::inspector`].
    pub async fn heap(&self, worker: &str) -> Result<HeapUsage> {
        inspector::heap_usage(self.inspector_addr()?, worker, None).await
    }

    /// Like [`heap`](Self::heap) after a garbage collection: what is really held. Asks the Worker
    /// for `/` now and then, because only an isolate that runs collects.
    pub async fn heap_collected(&self, worker: &str) -> Result<HeapUsage> {
        let visit = self.http(worker)?;
        inspector::heap_usage(self.inspector_addr()?, worker, Some(visit)).await
    }

    /// What the isolate of this Worker spends its time on, as the content of a `.cpuprofile` file,
    /// which browsers' tools show. Needs [`WorkerdConfig::inspector`].
    pub async fn cpu_profile(&self, worker: &str, time: Duration) -> Result<serde_json::Value> {
        let visit = self.http(worker)?;
        inspector::cpu_profile(self.inspector_addr()?, worker, time, visit).await
    }

    /// Ends all Durable Objects at once, as a crash of their machine: memory gone, sockets cut,
    /// storage kept. Needs [`WorkerdConfig::crash_control`].
    pub async fn abort_all_objects(&self) -> Result<()> {
        self.http(control::NAME)?.get("/abort-all").await?.ok()?;
        Ok(())
    }

    /// Puts all Durable Objects to sleep now: memory gone, hibernatable sockets kept. Fails after
    /// half a minute if an object holds what does not hibernate, e.g. an outgoing connection.
    /// Needs [`WorkerdConfig::crash_control`].
    pub async fn hibernate_all_objects(&self) -> Result<()> {
        self.http(control::NAME)?.get("/hibernate-all").await?.ok()?;
        Ok(())
    }

    /// Where the inspector listens.
    pub fn inspector_addr(&self) -> Result<SocketAddr> {
        let port = self.inspector.context("workerd was started without its inspector")?;
        Ok((Ipv4Addr::LOCALHOST, port).into())
    }
}

/// Starts workerd and waits until all Workers listen.
async fn launch(
    config: &WorkerdConfig,
    directory: &Path,
    log: &Log,
) -> Result<(Guarded, BTreeMap<String, u16>, Option<u16>)> {
    raise_open_files();
    let binary = binary()?;
    let file = config.write(directory)?;
    let (mut process, reports) = spawn(&binary, &file, config, directory, log)?;
    let sockets = config.sockets();
    let inspect = config.with_inspector;
    let waiting = tokio::task::spawn_blocking(move || listen(reports, &sockets, inspect));
    match waiting.await? {
        Ok((ports, inspector)) => Ok((process, ports, inspector)),
        Err(error) => {
            process.ended()?;
            bail!("workerd did not start: {error}; its log:\n{}", log.text());
        }
    }
}

/// A directory with a built Worker, by name, below `PIERHEAD_WORKERS`.
pub fn built(name: &str) -> Result<PathBuf> {
    let root = std::env::var_os("PIERHEAD_WORKERS")
        .context("PIERHEAD_WORKERS is not set: run `cargo xtask test`, which builds the Workers")?;
    let path = Path::new(&root).join(name);
    if !path.join("index.js").exists() {
        bail!("there is no Worker in {path:?}: run `cargo xtask build --all`");
    }
    Ok(path)
}

fn binary() -> Result<PathBuf> {
    let path = std::env::var_os("PIERHEAD_WORKERD")
        .context("PIERHEAD_WORKERD is not set: run `cargo xtask test`, which installs workerd")?;
    let path = PathBuf::from(path);
    if !path.exists() {
        bail!("PIERHEAD_WORKERD names no file: run `cargo xtask test`, which installs workerd");
    }
    Ok(path)
}

fn spawn(
    binary: &Path,
    file: &Path,
    config: &WorkerdConfig,
    directory: &Path,
    log: &Log,
) -> Result<(Guarded, impl Read + Send + 'static)> {
    // The shell moves the control messages to a descriptor of their own: standard output also
    // carries what Workers log.
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "exec \"$@\" 3>&1 1>&2", "workerd"]).arg(binary).args(["serve"]);
    if config.with_control {
        command.arg("--experimental");
    }
    if config.with_inspector {
        command.arg("--inspector-addr=127.0.0.1:0");
    }
    command.arg("--control-fd=3").arg(file).current_dir(directory);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = Guarded::spawn(&mut command, Some(directory))?;
    let (reports, errors) = (process.child().stdout.take(), process.child().stderr.take());
    log.collect(errors.context("no standard error")?);
    Ok((process, reports.context("no standard output")?))
}

type Listening = (BTreeMap<String, u16>, Option<u16>);

/// Reads control messages until every socket is reported.
fn listen(
    reports: impl Read + Send + 'static,
    sockets: &[String],
    inspect: bool,
) -> Result<Listening> {
    let (sender, lines) = mpsc::channel();
    // Reads on for as long as workerd lives, so that it never finds the pipe closed.
    std::thread::spawn(move || {
        for line in BufReader::new(reports).lines().map_while(Result::ok) {
            drop(sender.send(line));
        }
    });
    let deadline = Instant::now() + START_TIME;
    let mut ports = BTreeMap::new();
    let mut inspector = None;
    while ports.len() < sockets.len() || (inspect && inspector.is_none()) {
        let line = match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => line,
            Err(mpsc::RecvTimeoutError::Timeout) => bail!("it was not ready in {START_TIME:?}"),
            Err(mpsc::RecvTimeoutError::Disconnected) => bail!("it ended"),
        };
        let message: serde_json::Value = serde_json::from_str(&line)?;
        let port = message["port"].as_u64().and_then(|port| u16::try_from(port).ok());
        match (message["event"].as_str(), message["socket"].as_str(), port) {
            (Some("listen"), Some(socket), Some(port)) => {
                ports.insert(socket.to_owned(), port);
            }
            (Some("listen-inspector"), _, Some(port)) => inspector = Some(port),
            _ => {}
        }
    }
    Ok((ports, inspector))
}
