//! Every limit of the program around the core.

use std::ops::RangeInclusive;
use std::time::Duration;

pierhead_wire::limits! {
    "Connections":

    /// Connecting to one host, over all its addresses. Below the core's own limit of 10 s, so that
    /// the log and the coordinator hear what it was that did not answer.
    #[hit = "`08001`"]
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);

    /// Bytes read from a database at once: four full frames.
    #[unit = "bytes"]
    pub const READ_BYTES_MAX: usize = 64 * 1024;

    /// Pieces handed to the operating system in one write: header and data of thirty-two frames.
    #[unit = "pieces"]
    pub const WRITE_PIECES_MAX: usize = 64;

    /// TCP keep-alive: first probe after this idle time; below the 350 s after which common network
    /// address translators forget a connection.
    pub const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);

    /// TCP keep-alive: time between probes.
    pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

    /// TCP keep-alive: probes without an answer before the connection is dead.
    #[unit = "probes"]
    pub const KEEPALIVE_PROBES: u32 = 3;

    "Links":

    /// Links to one coordinator (`PIERHEAD_AGENT_LINKS`). A second saves the reconnect when one
    /// breaks; a coordinator is one thread, so more only share its time.
    #[unit = "links"]
    pub const LINKS: RangeInclusive<u16> = 1..=8;

    /// Links, unless set: one carries all.
    #[unit = "links"]
    pub const LINKS_DEFAULT: u16 = 1;

    /// Opening one link: name, TCP, TLS and upgrade together. A cold Worker and a cold coordinator
    /// answer within a few seconds.
    pub const DIAL_TIMEOUT: Duration = Duration::from_secs(15);

    /// After `CloseLink`: how long what is queued may take to leave before the link is cut.
    pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

    /// After the last byte of a link: how long its peer may take to close. Closing at once with
    /// bytes unread would reset the connection, and the peer would lose our last words.
    pub const LINGER_TIMEOUT: Duration = Duration::from_secs(1);

    /// Bytes queued for one link before it is given up as stuck: twice what its peer's credit
    /// allows; frames without data make up the rest.
    #[unit = "bytes"]
    pub const LINK_QUEUE_BYTES_MAX: usize = 32 * 1024 * 1024;

    /// Slack above the protocol's limit for a message: within it the core finds the fault and can
    /// say so; beyond it the link is cut.
    #[unit = "bytes"]
    pub const MESSAGE_SLACK_BYTES: usize = 4 * 1024;

    /// Inputs that wait for the core; then links and connections wait. With what is granted to
    /// connections they hold at most this many reads.
    #[unit = "inputs"]
    pub const INPUTS_MAX: usize = 256;

    "The program":

    /// How long parked sessions outlive their links (`PIERHEAD_PARK_TTL`): an hour bounds what
    /// nobody may ever come back for.
    pub const PARK_TTL: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(3_600);

    /// How long, unless set: a deploy or a lost link is over by then.
    pub const PARK_TTL_DEFAULT: Duration = Duration::from_secs(60);

    /// How long what runs may finish after SIGTERM (`PIERHEAD_DRAIN_TIMEOUT`): ten minutes are as
    /// long as any service manager is asked to wait.
    pub const DRAIN_TIMEOUT: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(600);

    /// How long, unless set: below the 30 s that service managers commonly give.
    pub const DRAIN_TIMEOUT_DEFAULT: Duration = Duration::from_secs(25);

    /// Bytes of a token's file, of which the token is one line.
    #[unit = "bytes"]
    pub const TOKEN_FILE_BYTES_MAX: u64 = 4_096;

    /// Characters of a foreign text (a close reason, an answer's body) in a log line.
    #[unit = "characters"]
    pub const FOREIGN_TEXT_MAX: usize = 200;
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_limit_is_listed_with_its_unit_and_its_reason() {
        assert_eq!(pierhead_wire::limit::faults(include_str!("limits.rs"), super::ALL), [""; 0]);
    }
}
