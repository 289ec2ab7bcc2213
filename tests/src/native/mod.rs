//! A native shell over the engine: two listeners on loopback, plain TCP to the database, one thread.
//!
//! It stands where the Durable Object stands, for whatever needs real PostgreSQL without workerd:
//! live tests of sockets, `pgbench`, drivers' own test suites, profilers. It decides nothing: what
//! happens becomes one [`Input`](pierhead_engine::Input), what the engine says is done, in order.
//! A network between it and the database is a [`TcpProxy`](crate::proxy::TcpProxy) in front of the
//! database, with delays and faults.
//!
//! It also watches the engine: an output that names a stream or a client that is gone, or a second
//! write to one target in one drain, is a violation, and a dropped [`Native`] that has seen one
//! panics.

mod answers;
mod commands;
mod dial;
mod listen;
mod pipe;
mod shell;
mod timer;
mod watch;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread::JoinHandle;

use bytes::Bytes;
use pierhead_engine::{Mode, Settings, Status, Terms, Way};
use tokio::sync::{mpsc, oneshot};

use commands::Command;
use watch::Watch;

/// The class of clients of the two listeners that every shell has.
pub const CLASS: &str = "native";

/// How to start a shell.
#[derive(Clone, Debug)]
pub struct NativeConfig {
    /// The pool; its ways are replaced by plain TCP.
    pub settings: Settings,
    /// `host:port` of the database.
    pub database: String,
    /// Where clients get a session for a transaction at a time.
    pub transaction: SocketAddr,
    /// Where clients get a session for as long as they stay.
    pub session: SocketAddr,
}

impl NativeConfig {
    /// Free loopback ports.
    pub fn new(settings: Settings, database: impl ToString) -> Self {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self { settings, database: database.to_string(), transaction: free, session: free }
    }
}

/// A running shell; ends with its value, and every connection with it.
#[derive(Debug)]
pub struct Native {
    /// Sockets in transaction mode are served here.
    pub transaction: SocketAddr,
    /// Sockets in session mode are served here.
    pub session: SocketAddr,
    commands: Option<mpsc::UnboundedSender<Command>>,
    watch: Watch,
    thread: Option<JoinHandle<()>>,
}

impl Native {
    /// Starts a shell on free ports.
    pub fn start(settings: Settings, database: impl ToString) -> io::Result<Self> {
        Self::start_with(NativeConfig::new(settings, database))
    }

    /// Starts a shell on a thread of its own; returns when it listens.
    pub fn start_with(config: NativeConfig) -> io::Result<Self> {
        let listeners = [
            (bind(config.transaction)?, terms(CLASS, Mode::Transaction)),
            (bind(config.session)?, terms(CLASS, Mode::Session)),
        ];
        let [transaction, session] = [listeners[0].0.local_addr()?, listeners[1].0.local_addr()?];
        let settings = Settings { ways: vec![Way::Direct], start_tls: false, ..config.settings };
        let watch = Watch::default();
        let (commands, inbox) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let watching = watch.clone();
        let thread = std::thread::Builder::new().name("native".into()).spawn(move || {
            let shell = shell::Shell::new(settings, config.database, watching);
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime, commands::run(shell, inbox, listeners.into()));
        })?;
        let commands = Some(commands);
        Ok(Self { transaction, session, commands, watch, thread: Some(thread) })
    }

    /// One more listener on a free port, for clients of another class.
    pub fn listen(&self, class: &str, mode: Mode) -> io::Result<SocketAddr> {
        let listener = bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let address = listener.local_addr()?;
        self.tell(Command::Listen { listener, terms: terms(class, mode) });
        Ok(address)
    }

    /// One exchange: the request's envelope in, the whole answer out.
    pub async fn exchange(&self, request: impl Into<Bytes>) -> Vec<u8> {
        let request = request.into();
        self.ask(|reply| Command::Exchange { request, lease: None, reply }).await
    }

    /// A transaction that is held over several exchanges; ends with its value.
    pub async fn lease(&self, class: &str) -> Lease<'_> {
        let terms = terms(class, Mode::Transaction);
        let id = self.ask(|reply| Command::Lease { terms, reply }).await;
        Lease { native: self, id }
    }

    /// The pool at this moment.
    pub async fn status(&self) -> Status {
        self.ask(|reply| Command::Status { reply }).await
    }

    /// Ends every stream to the database that is open now, without an orderly end.
    pub fn cut_streams(&self) {
        self.tell(Command::CutStreams);
    }

    /// Streams that were opened to the database, those of cancels included.
    pub fn streams_opened(&self) -> u64 {
        self.watch.streams_opened()
    }

    /// The newest lines of the engine's log.
    pub fn log(&self) -> Vec<String> {
        self.watch.log()
    }

    fn tell(&self, command: Command) {
        let told = self.commands.as_ref().is_some_and(|commands| commands.send(command).is_ok());
        assert!(told, "the shell has ended:\n{}", self.log().join("\n"));
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> T {
        let (reply, answer) = oneshot::channel();
        self.tell(command(reply));
        answer.await.expect("the shell answers every question")
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        drop(self.commands.take());
        let ended = self.thread.take().is_none_or(|thread| thread.join().is_ok());
        if std::thread::panicking() {
            eprintln!("--- the native shell's log, newest lines\n{}", self.log().join("\n"));
            return;
        }
        assert!(ended, "the shell's thread panicked");
        let violations = self.watch.violations();
        assert!(violations.is_empty(), "the engine broke its contract: {violations:#?}");
    }
}

/// A transaction that a caller holds over several exchanges.
#[derive(Debug)]
pub struct Lease<'a> {
    native: &'a Native,
    id: u64,
}

impl Lease<'_> {
    /// One exchange inside the transaction.
    pub async fn exchange(&self, request: impl Into<Bytes>) -> Vec<u8> {
        let (request, lease) = (request.into(), Some(self.id));
        self.native.ask(|reply| Command::Exchange { request, lease, reply }).await
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if let Some(commands) = &self.native.commands {
            drop(commands.send(Command::LeaseGone { lease: self.id }));
        }
    }
}

fn terms(class: &str, mode: Mode) -> Terms {
    Terms { class: class.into(), mode: Some(mode) }
}

fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
