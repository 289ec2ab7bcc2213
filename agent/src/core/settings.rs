//! What an operator may change.

use pierhead_wire::time::Millis;

/// Everything the core is told about its surroundings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// What names this agent across restarts; two agents that run at once have different ones. At
    /// most 64 bytes, the rest is cut.
    pub instance: String,
    /// Name and release of the program, for the coordinator's log. At most 64 bytes.
    pub release: String,
    /// The databases served, each by its own coordinator.
    pub databases: Vec<DatabaseSettings>,
    /// For how long a parked stream is held without a link. Longer than a deploy or a move of the
    /// coordinator takes.
    pub park_ttl: Millis,
    /// How long a connection to the database may take to be made.
    pub connect_timeout: Millis,
    /// How long a database may take to end a connection before it is counted as an orphan.
    pub end_timeout: Millis,
    /// How long a cancel may take, its wait for a place included.
    pub cancel_timeout: Millis,
    /// How long running leases may go on after [`super::Input::Shutdown`].
    pub drain_timeout: Millis,
    /// After how long a silence a link is pinged.
    pub ping_every: Millis,
    /// How long the answer to a ping may take before the link counts as dead.
    pub pong_timeout: Millis,
    /// Bytes that a coordinator may send ahead on one stream, 1 to 16,777,216.
    pub stream_window: u32,
    /// Bytes that a coordinator may send ahead on one link, 1 to 16,777,216.
    pub link_window: u32,
    /// The back-off between attempts to dial: the first bound, and the greatest. Each attempt
    /// waits for a random part of its bound, and bounds double.
    pub reconnect: (Millis, Millis),
    /// Whether to log each stream's life.
    pub verbose: bool,
}

/// One database.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DatabaseSettings {
    /// Its configured name, at most 64 bytes.
    pub name: String,
    /// Connections allowed at a time, over all links and all copies of the coordinator.
    pub cap: u16,
    /// Links to keep.
    pub links: u16,
}

impl Settings {
    /// The defaults.
    #[must_use]
    pub fn new(instance: &str, release: &str, databases: Vec<DatabaseSettings>) -> Self {
        Self {
            instance: instance.to_owned(),
            release: release.to_owned(),
            databases,
            park_ttl: Millis::secs(60),
            connect_timeout: Millis::secs(10),
            end_timeout: Millis::secs(10),
            cancel_timeout: Millis::secs(10),
            drain_timeout: Millis::secs(25),
            ping_every: Millis::secs(15),
            pong_timeout: Millis::secs(10),
            stream_window: 256 * 1024,
            link_window: 4 * 1024 * 1024,
            reconnect: (Millis(500), Millis::secs(15)),
            verbose: false,
        }
    }
}
