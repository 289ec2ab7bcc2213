//! The agent without I/O: links, streams, parking, the cap. A shell (tokio in the program, the
//! simulation in tests) calls [`Agent::handle`] with the time and one [`Input`], drains
//! [`Agent::poll_output`], and wakes it at [`Agent::poll_timeout`].
//!
//! Sessions live here, leases at the coordinator. What holds whatever the network does:
//! - a stream belongs to at most one link; one that is parked may change links, once per offer;
//! - connections that the database has not ended count towards the cap, over all links and copies
//!   of the coordinator (a connection given up as an orphan is reported and no longer counted);
//! - every buffer is bounded by credit, every list by [`limits`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use pierhead_wire::tunnel::{AgentLife, Frame, StreamId};

mod adopt;
mod cancel;
mod conn;
mod copies;
mod dial;
mod ending;
mod frames;
mod greet;
pub mod io;
pub mod limits;
mod link;
mod links;
mod parking;
mod pump;
mod rng;
#[cfg(sabotage)]
pub mod sabotage;
mod settings;
mod settle;
mod shutdown;
mod status;
mod stream;
mod streams;

mod timers;
mod window;

pub use io::{ConnId, DatabaseNo, Event, Input, Level, LinkNo, Output};
pub use pierhead_wire::time::{Instant, Millis};
pub use settings::{DatabaseSettings, Settings};
pub use status::{DatabaseStatus, LinkStatus, Status, Totals};

use cancel::{CancelNo, Job};
use conn::Conn;
use dial::Database;
use link::Link;
use rng::Rng;
use shutdown::Phase;
use stream::Stream;
use timers::{Timer, Timers};

/// One agent process.
pub struct Agent {
    now: Instant,
    settings: Settings,
    life: AgentLife,
    rng: Rng,
    phase: Phase,
    databases: Vec<Database>,
    links: BTreeMap<LinkNo, Link>,
    /// Links that were told to close and have not said that they did.
    closing: BTreeSet<LinkNo>,
    streams: BTreeMap<StreamId, Stream>,
    conns: BTreeMap<ConnId, Conn>,
    cancels: BTreeMap<CancelNo, Job>,
    timers: Timers,
    last_link: u32,
    last_conn: u64,
    last_cancel: u64,
    hellos: u64,
    changed: settle::Changed,
    outputs: VecDeque<Output>,
}

impl Agent {
    /// An agent that dials at once; drain its outputs. `life` names the process and must be
    /// random, as must `seed`, which spreads its reconnects.
    #[must_use]
    pub fn new(now: Instant, settings: Settings, life: [u8; 16], seed: [u8; 32]) -> Self {
        let databases = settings.databases.iter().map(Database::new).collect();
        let mut agent = Self {
            now,
            settings,
            life: AgentLife(life),
            rng: Rng::new(seed),
            phase: Phase::Running,
            databases,
            links: BTreeMap::new(),
            closing: BTreeSet::new(),
            streams: BTreeMap::new(),
            conns: BTreeMap::new(),
            cancels: BTreeMap::new(),
            timers: Timers::default(),
            last_link: 0,
            last_conn: 0,
            last_cancel: 0,
            hellos: 0,
            changed: settle::Changed::default(),
            outputs: VecDeque::new(),
        };
        agent.dial_all();
        agent
    }

    /// Takes in one thing that happened. Drain [`Agent::poll_output`] before the next.
    pub fn handle(&mut self, now: Instant, input: Input) {
        self.now = self.now.max(now);
        if self.phase == Phase::Exited {
            return;
        }
        match input {
            Input::LinkOpened { link } => self.link_opened(link),
            Input::LinkRefused { link, denied, detail } => self.link_refused(link, denied, &detail),
            Input::LinkMessage { link, message } => self.link_message(link, message),
            Input::LinkAlive { link } => self.link_alive(link),
            Input::LinkClosed { link, detail } => self.link_closed(link, &detail),
            Input::Connected { conn } => self.connected(conn),
            Input::ConnectFailed { conn, reason, detail } => {
                self.connect_failed(conn, reason, &detail);
            }
            Input::Received { conn, bytes } => self.received(conn, bytes),
            Input::Quiet { conn } => self.quiet(conn),
            Input::Wrote { conn, bytes } => self.wrote(conn, bytes),
            Input::Ended { conn } => self.ended(conn),
            Input::Closed { conn, detail } => self.closed(conn, &detail),
            Input::Shutdown => self.shutdown(),
            Input::TimePassed => self.time_passed(),
        }
        self.settle();
    }

    /// What to do now, in order.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::TimePassed`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    fn time_passed(&mut self) {
        while let Some(timer) = self.timers.pop_due(self.now) {
            match timer {
                Timer::Drain => self.drain_timer(),
                Timer::Dial(database, slot) => self.dial(database, slot),
                Timer::Link(link) => self.link_timer(link),
                Timer::Stream(stream) => self.stream_timer(stream),
                Timer::Cancel(cancel) => self.cancel_timer(cancel),
            }
        }
    }

    fn emit(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    /// Adds a frame to the next message of a link, if it stands.
    fn put(&mut self, link: LinkNo, frame: impl Into<Frame>) {
        if let Some(link) = self.links.get_mut(&link) {
            link.put(frame);
            self.changed.link(link.no);
        }
    }

    fn database_mut(&mut self, database: DatabaseNo) -> Option<&mut Database> {
        self.databases.get_mut(database.0)
    }

    /// Counts something.
    fn count(&mut self, database: DatabaseNo, add: impl FnOnce(&mut Totals)) {
        if let Some(database) = self.databases.get_mut(database.0) {
            add(&mut database.totals);
        }
    }

    fn name(&self, database: DatabaseNo) -> &str {
        self.settings.databases.get(database.0).map_or("?", |database| database.name.as_str())
    }

    fn log(
        &mut self,
        level: Level,
        link: Option<LinkNo>,
        database: Option<DatabaseNo>,
        text: impl Into<String>,
    ) {
        self.emit(Output::Log(Event { level, link, database, text: text.into() }));
    }

    /// A line about one stream, if those are wanted.
    fn log_stream(&mut self, id: StreamId, text: impl FnOnce() -> String) {
        if !self.settings.verbose {
            return;
        }
        let Some(stream) = self.streams.get(&id) else { return };
        let (link, database) = (stream.owner, stream.database);
        let text = format!("stream {}.{}: {}", id.link, id.index, text());
        self.log(Level::Debug, link, Some(database), text);
    }
}

/// Without what it carries, which is other people's.
impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Agent").field(&self.status()).finish()
    }
}
