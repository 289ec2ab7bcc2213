//! The agent: the program `pierhead agent` as a child process.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;

use crate::process::{Guarded, Log, PrintedLog, resident_bytes};

/// How to start an agent.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// Its instance: the same after a restart, another for each agent that runs at the same time.
    pub name: String,
    /// Where the coordinator's Worker is, or a proxy in front of it.
    pub coordinator: SocketAddr,
    /// Name, URL and token of each database.
    pub databases: Vec<(String, String, String)>,
    /// Further environment variables.
    pub variables: Vec<(String, String)>,
}

/// A running agent; killed when dropped, its newest log lines printed if that is in a panic.
#[derive(Debug)]
pub struct Agent {
    process: Guarded,
    log: PrintedLog,
    config: AgentConfig,
}

impl Agent {
    /// Starts the program (`PIERHEAD_AGENT_BIN`). Returns at once: it dials by itself.
    pub fn start(config: AgentConfig) -> Result<Self> {
        let log = PrintedLog { of: format!("agent {}", config.name), log: Log::default() };
        let process = spawn(&config, &log.log)?;
        Ok(Self { process, log, config })
    }

    /// Kills it, if it still runs, and starts it again. The log goes on.
    pub fn restart(&mut self) -> Result<()> {
        self.kill()?;
        self.process = spawn(&self.config, &self.log.log)?;
        Ok(())
    }

    /// Ends it without a word (SIGKILL).
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Asks it to end (SIGTERM); it drains first.
    pub fn terminate(&mut self) -> Result<()> {
        self.process.signal(Signal::TERM)
    }

    /// How it ended, once it has.
    pub async fn wait(&mut self, patience: Duration) -> Result<ExitStatus> {
        self.process.wait(patience).await
    }

    /// What it has logged.
    pub fn log(&self) -> &Log {
        &self.log.log
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Its memory, resident, in bytes (Linux only).
    pub fn resident_bytes(&self) -> Result<u64> {
        resident_bytes(self.process.id())
    }
}

fn spawn(config: &AgentConfig, log: &Log) -> Result<Guarded> {
    let mut command = Command::new(binary()?);
    // What the developer's shell has exported for an agent of their own must not reach this one.
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.arg("agent").env("PIERHEAD_URL", format!("ws://{}", config.coordinator));
    command.env("PIERHEAD_AGENT_NAME", &config.name);
    for (name, url, token) in &config.databases {
        let variable = format!("PIERHEAD_DB_{}", name.to_uppercase());
        command.env(format!("{variable}_AGENT_TOKEN"), token).env(variable, url);
    }
    command.envs(config.variables.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = Guarded::spawn(&mut command, None)?;
    let child = process.child();
    log.collect(child.stdout.take().context("no standard output")?);
    log.collect(child.stderr.take().context("no standard error")?);
    Ok(process)
}

fn binary() -> Result<PathBuf> {
    let advice = "run `cargo xtask test`, which builds the agent";
    let path = std::env::var_os("PIERHEAD_AGENT_BIN")
        .with_context(|| format!("PIERHEAD_AGENT_BIN is not set: {advice}"))?;
    let path = PathBuf::from(path);
    if !path.exists() {
        bail!("PIERHEAD_AGENT_BIN names no file: {advice}");
    }
    Ok(path)
}
