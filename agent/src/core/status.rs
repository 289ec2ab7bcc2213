//! What the agent counts, for whoever looks inside.

use super::io::{DatabaseNo, LinkNo};

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
