//! Every bound of the core: its unit, default and reason, in one place. What an operator may
//! change is in [`super::Settings`]; these are fixed.

use pierhead_wire::limits::{TUNNEL_CREDIT_MAX, TUNNEL_DATA_BYTES_MAX, TUNNEL_PARKED_MAX};
use pierhead_wire::time::Millis;

pierhead_wire::limits! {
    "Connections":

    /// Connections to one database, whatever cap is configured: as many parked streams as one
    /// `hello` may offer. So no parked stream is ever left out.
    #[unit = "connections"]
    #[hit = "`08001`"]
    pub const CONNECTIONS_MAX: u16 = TUNNEL_PARKED_MAX;

    /// Streams of one link, connections that the database has ended and the coordinator has not yet
    /// let go of included: twice what can be connected.
    #[unit = "streams"]
    pub const STREAMS_PER_LINK_MAX: usize = 2 * CONNECTIONS_MAX as usize;

    /// Bytes of one stream that may be read from the database and not be sent yet: four frames, so
    /// that the database is never waited for, and a cap of a hundred costs 6 MiB at the very most.
    #[unit = "bytes"]
    pub const READ_AHEAD: usize = 4 * TUNNEL_DATA_BYTES_MAX;

    "Cancels":

    /// Bytes read from the connection of a cancel, which says nothing but its end.
    #[unit = "bytes"]
    pub const CANCEL_READ: usize = 4 * 1024;

    /// Cancels of one database that are dialled at a time: they are no part of the cap, and a
    /// server whose connections are used up needs them to be few.
    #[unit = "cancels"]
    pub const CANCELS_IN_FLIGHT_MAX: usize = 8;

    /// Cancels of one database that wait to be dialled: one for each connection.
    #[unit = "cancels"]
    pub const CANCELS_QUEUED_MAX: usize = CONNECTIONS_MAX as usize;

    "Links":

    /// Links of one database: more than a coordinator can use, since it is one thread.
    #[unit = "links"]
    pub const LINKS_MAX: u16 = 16;

    /// Milliseconds for a `welcome` after the `hello` (`docs/protocol.md`, 2.11).
    pub const WELCOME_TIMEOUT: Millis = Millis::secs(10);

    /// Milliseconds for which a link must have been welcome before its loss counts as the first
    /// one: else a coordinator that ends each link at once would be dialled without a pause.
    /// Little, because callers wait for the agent for five seconds, also while a coordinator
    /// crashes again and again.
    pub const LINK_STEADY: Millis = Millis::secs(1);

    /// Milliseconds before a coordinator that turned the agent away is asked again. Only a change
    /// of configuration helps, so this is for whoever watches the log while making it.
    pub const DENIED_RETRY: Millis = Millis::secs(30);

    /// The longest advice on when to come back, in milliseconds, that is followed: an hour.
    pub const RETRY_AFTER_MAX: Millis = Millis::secs(3_600);

    /// Milliseconds for the last `go-away` of each link to leave, at exit.
    pub const EXIT_TIMEOUT: Millis = Millis::secs(2);

    /// Streams of other links that a link remembers having said `gone` for, so that it says so
    /// once. Older ones are forgotten; the second `gone` is harmless.
    #[unit = "streams"]
    pub const SAID_MAX: usize = 1_024;
}

const _: () = assert!(READ_AHEAD <= TUNNEL_CREDIT_MAX as usize);

#[cfg(test)]
mod tests {
    #[test]
    fn every_limit_is_listed_with_its_unit_and_its_reason() {
        assert_eq!(pierhead_wire::limit::faults(include_str!("limits.rs"), super::ALL), [""; 0]);
    }
}
