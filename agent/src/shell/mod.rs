//! The loop around the core: one task owns it; each link and each connection is a task that feeds
//! it inputs and carries out its outputs.
//!
//! Inputs travel through one bounded channel, so that what reads from the outside waits when the
//! core is behind. Outputs travel through unbounded ones, because the core must never wait for a
//! socket; they are bounded by what the core lets through: windows for connections, credit for
//! links, and `LINK_QUEUE_BYTES_MAX` should a link be stuck.

mod conn;
mod dial;
mod link;
mod socket;
mod tasks;
mod tcp;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use pierhead_agent::core::{Agent, DatabaseSettings, Input, Instant, Level, Millis, Settings};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::sleep_until;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use self::dial::Dial;
use self::tasks::{Target, Tasks};
use crate::config::Config;
use crate::limits::{FOREIGN_TEXT_MAX, INPUTS_MAX};
use crate::log;

/// Everything the loop needs, checked.
pub(crate) struct Shell {
    settings: Settings,
    /// By database.
    targets: Vec<Target>,
    /// Said at the start.
    summary: String,
    warning: Option<String>,
}

impl Shell {
    /// Prepares the agent of `config`.
    ///
    /// # Errors
    /// Names what to fix.
    pub(crate) fn new(config: Config) -> Result<Self, String> {
        let summary = summary(&config);
        let exposed = !config.base.secure && !config.base.is_loopback();
        let warning = exposed.then(|| {
            format!("{} is not encrypted: everybody on the way sees the token", config.base)
        });
        let settings = settings(&config);
        let tls = match config.base.secure {
            true => Some(tls::client(config.ca.as_deref())?),
            false => None,
        };
        let (base, headers) = (Arc::new(config.base), Arc::from(config.headers));
        let target = |database: pierhead_config::AgentDatabase| {
            let mut authorization =
                HeaderValue::try_from(format!("Bearer {}", database.token.expose()))
                    .map_err(|_| format!("the token of {} fits no header", database.name))?;
            authorization.set_sensitive(true);
            let (base, headers, tls) = (Arc::clone(&base), Arc::clone(&headers), tls.clone());
            let dial = Dial { base, database: database.name, authorization, headers, tls };
            Ok(Target { dial, address: database.address })
        };
        let targets = config.databases.into_iter().map(target).collect::<Result<_, String>>()?;
        Ok(Self { settings, targets, summary, warning })
    }

    /// Whether each stream's life is logged.
    pub(crate) const fn verbose(mut self, verbose: bool) -> Self {
        self.settings.verbose = verbose;
        self
    }

    /// Runs until the core exits after a signal.
    ///
    /// # Errors
    /// On a fault of the program or the operating system.
    pub(crate) async fn run(self) -> Result<(), String> {
        let failed = |error: &dyn std::fmt::Display| format!("the program cannot start: {error}");
        let mut signals = Signals::new().map_err(|error| failed(&error))?;
        let (mut life, mut seed) = ([0; 16], [0; 32]);
        getrandom::fill(&mut life).map_err(|error| failed(&error))?;
        getrandom::fill(&mut seed).map_err(|error| failed(&error))?;
        log::event(Level::Info, None, None, &self.summary);
        if let Some(warning) = &self.warning {
            log::event(Level::Warn, None, None, warning);
        }
        let (sender, mut inputs) = mpsc::channel(INPUTS_MAX);
        let origin = tokio::time::Instant::now();
        let mut agent = Agent::new(Instant(0), self.settings, life, seed);
        let mut tasks = Tasks::new(self.targets, sender);
        loop {
            while let Some(output) = agent.poll_output() {
                if tasks.carry_out(output) {
                    drop(inputs);
                    return tasks.end().await;
                }
            }
            let input = tokio::select! {
                input = inputs.recv() => input,
                () = sleep_until(due(origin, agent.poll_timeout())) => Some(Input::TimePassed),
                () = signals.terminated() => Some(Input::Shutdown),
                fault = tasks.reap() => return Err(fault),
            };
            let Some(input) = input else { return Err("all tasks have ended".to_owned()) };
            tasks.forget(&input);
            let now = u64::try_from(origin.elapsed().as_millis()).unwrap_or(u64::MAX);
            agent.handle(Instant(now), input);
        }
    }
}

/// When the core is to be woken: if it does not mind, in an hour.
fn due(origin: tokio::time::Instant, deadline: Option<Instant>) -> tokio::time::Instant {
    const LONG: Duration = Duration::from_secs(3_600);
    let at = deadline.and_then(|Instant(ms)| origin.checked_add(Duration::from_millis(ms)));
    at.unwrap_or_else(|| tokio::time::Instant::now() + LONG)
}

/// The signals that mean something.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// Ignored; it will reload the configuration.
    _hangup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            _hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn terminated(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn settings(config: &Config) -> Settings {
    let database = |database: &pierhead_config::AgentDatabase| DatabaseSettings {
        name: database.name.clone(),
        cap: u16::try_from(database.cap).unwrap_or(u16::MAX),
        links: config.links,
    };
    let millis = |time: Duration| Millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    Settings {
        park_ttl: millis(config.park_ttl),
        drain_timeout: millis(config.drain_timeout),
        ..Settings::new(
            &config.name,
            concat!("pierhead-agent ", env!("CARGO_PKG_VERSION")),
            config.databases.iter().map(database).collect(),
        )
    }
}

fn summary(config: &Config) -> String {
    let databases: Vec<_> = config
        .databases
        .iter()
        .map(|database| {
            let (name, address, cap) = (&database.name, &database.address, database.cap);
            format!("{name} (postgres at {address}, at most {cap} connections)")
        })
        .collect();
    format!(
        "pierhead agent {}: serves {} for {} as {}; dialling",
        env!("CARGO_PKG_VERSION"),
        databases.join(", "),
        config.base,
        config.name
    )
}

/// Somebody else's text, fit for a line of the log.
fn foreign(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(FOREIGN_TEXT_MAX).collect()
}
