//! Every limit of the program around the core.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Opening one link: name, TCP, TLS and upgrade together. A cold Worker and a cold coordinator
/// answer within a few seconds.
pub(crate) const DIAL_TIMEOUT: Duration = Duration::from_secs(15);

/// Connecting to one host, over all its addresses. Below the core's own limit of 10 s, so that the
/// log and the coordinator hear what it was that did not answer.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);

/// After `CloseLink`: how long what is queued may take to leave before the link is cut.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// After the last byte of a link: how long its peer may take to close. Closing at once with bytes
/// unread would reset the connection, and the peer would lose our last words.
pub(crate) const LINGER_TIMEOUT: Duration = Duration::from_secs(1);

/// Bytes queued for one link before it is given up as stuck: twice what its peer's credit allows;
/// frames without data make up the rest.
pub(crate) const LINK_QUEUE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Slack above the protocol's limit for a message: within it the core finds the fault and can say
/// so; beyond it the link is cut.
pub(crate) const MESSAGE_SLACK_BYTES: usize = 4 * 1024;

/// Bytes read from a database at once: four full frames.
pub(crate) const READ_BYTES_MAX: usize = 64 * 1024;

/// Pieces handed to the operating system in one write.
pub(crate) const WRITE_PIECES_MAX: usize = 64;

/// Inputs that wait for the core; then links and connections wait. With what is granted to
/// connections they hold at most this many reads.
pub(crate) const INPUTS_MAX: usize = 256;

/// TCP keep-alive: first probe after this idle time; below the 350 s after which common network
/// address translators forget a connection.
pub(crate) const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
/// TCP keep-alive: time between probes.
pub(crate) const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// TCP keep-alive: probes without an answer before the connection is dead.
pub(crate) const KEEPALIVE_PROBES: u32 = 3;

/// Links to one coordinator. One carries all; a second saves the reconnect when one breaks.
pub(crate) const LINKS: RangeInclusive<u16> = 1..=8;
pub(crate) const LINKS_DEFAULT: u16 = 1;

/// How long parked sessions outlive their links.
pub(crate) const PARK_TTL: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(3_600);
pub(crate) const PARK_TTL_DEFAULT: Duration = Duration::from_secs(60);

/// How long what runs may finish after SIGTERM. The default is below the 30 s that service
/// managers commonly give.
pub(crate) const DRAIN_TIMEOUT: RangeInclusive<Duration> =
    Duration::ZERO..=Duration::from_secs(600);
pub(crate) const DRAIN_TIMEOUT_DEFAULT: Duration = Duration::from_secs(25);

/// Bytes of a token's file, of which the token is one line.
pub(crate) const TOKEN_FILE_BYTES_MAX: u64 = 4_096;

/// Characters of a foreign text (a close reason, an answer's body) in a log line.
pub(crate) const FOREIGN_TEXT_MAX: usize = 200;
