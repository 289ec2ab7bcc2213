//! What the agent counts, for whoever looks inside.

use pierhead_wire::tunnel::{Counters, StreamId};

use super::Agent;
use super::dial::Database;
use super::io::{DatabaseNo, LinkNo};
use super::link::Link;
use super::settings::DatabaseSettings;
use super::shutdown::Phase;
use super::stream::{self, Stream};

/// A picture of the agent at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Status {
    /// One for each of [`super::Settings::databases`], in that order.
    pub databases: Vec<DatabaseStatus>,
    /// The links that stand, in the order of their numbers.
    pub links: Vec<LinkStatus>,
    /// Whether the agent drains.
    pub draining: bool,
}

/// A link at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkStatus {
    /// Which.
    pub link: LinkNo,
    /// Whose.
    pub database: DatabaseNo,
    /// True from `welcome` on.
    pub welcome: bool,
    /// Offered streams that the coordinator has not settled.
    pub unsettled: usize,
    /// Bytes the agent may still send.
    pub send_credit: u32,
    /// Bytes the coordinator may still send.
    pub receive_credit: u32,
    /// Bytes to be granted again, not said yet.
    pub grant_due: u32,
    /// Ends of idle streams, held back until something else is said.
    pub held: usize,
}

/// A database at one moment. Counts begin with the process.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DatabaseStatus {
    /// Its name.
    pub name: String,
    /// Connections that count towards the cap.
    pub counted: usize,
    /// Of these, being made.
    pub connecting: usize,
    /// Streams in use by a coordinator.
    pub open: usize,
    /// Parked streams.
    pub parked: usize,
    /// Of these, without a link.
    pub ownerless: usize,
    /// Streams whose end the database has not confirmed.
    pub ending: usize,
    /// Links that are welcome.
    pub links_up: usize,
    /// Cancels being dialled or waiting for a place.
    pub cancels_open: usize,
    /// What was counted since the process began.
    pub totals: Totals,
}

/// What only grows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// Bytes towards the database.
    pub bytes_sent: u64,
    /// Bytes from the database.
    pub bytes_received: u64,
    /// Messages received from coordinators.
    pub messages_in: u64,
    /// Messages sent to coordinators.
    pub messages_out: u64,
    /// Connections made for streams.
    pub opened: u64,
    /// Streams refused.
    pub refused: u64,
    /// Times a stream was parked.
    pub parked: u64,
    /// Streams offered, after a `hello` or a `list`.
    pub offered: u64,
    /// Streams adopted.
    pub adopted: u64,
    /// Cancels begun.
    pub cancels: u64,
    /// Of these, proved.
    pub cancels_proved: u64,
    /// Connections that the database did not end in time.
    pub orphans: u64,
    /// Links that were welcome.
    pub links: u64,
}

impl Agent {
    /// A picture of the agent.
    #[must_use]
    pub fn status(&self) -> Status {
        let mut databases: Vec<DatabaseStatus> =
            self.databases.iter().zip(&self.settings.databases).map(database_status).collect();
        for stream in self.streams.values() {
            if let Some(database) = databases.get_mut(stream.database.0) {
                add_stream(database, stream);
            }
        }
        for link in self.links.values().filter(|link| link.copy().is_some()) {
            if let Some(database) = databases.get_mut(link.database.0) {
                database.links_up = database.links_up.saturating_add(1);
            }
        }
        let links = self.links.values().map(link_status).collect();
        Status { databases, links, draining: self.phase != Phase::Running }
    }

    /// A stream's counters, if it exists.
    #[must_use]
    pub fn counters(&self, stream: StreamId) -> Option<Counters> {
        self.streams.get(&stream).map(|stream| stream.counters)
    }
}

fn database_status((database, settings): (&Database, &DatabaseSettings)) -> DatabaseStatus {
    DatabaseStatus {
        name: settings.name.clone(),
        counted: database.counted,
        cancels_open: database.cancels_queued.len().saturating_add(database.cancels_flying),
        totals: database.totals,
        ..DatabaseStatus::default()
    }
}

fn add_stream(database: &mut DatabaseStatus, stream: &Stream) {
    let count = match stream.phase {
        stream::Phase::Connecting => &mut database.connecting,
        stream::Phase::Open => &mut database.open,
        stream::Phase::Parked(_) => {
            let lost = usize::from(stream.owner.is_none());
            database.ownerless = database.ownerless.saturating_add(lost);
            &mut database.parked
        }
        stream::Phase::Ending(_) => &mut database.ending,
    };
    *count = count.saturating_add(1);
}

fn link_status(link: &Link) -> LinkStatus {
    LinkStatus {
        link: link.no,
        database: link.database,
        welcome: link.copy().is_some(),
        unsettled: link.unsettled.len(),
        send_credit: link.allowance.left(),
        receive_credit: link.window.left(),
        grant_due: link.window.due(),
        held: link.held.len(),
    }
}
