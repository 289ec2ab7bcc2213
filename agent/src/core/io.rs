//! Everything that crosses the core's boundary. Inputs say what happened; outputs say what the
//! shell must do now, in order.

use bytes::Bytes;
use pierhead_wire::tunnel::RefusedReason;

/// A link: one WebSocket to a coordinator. Numbered by the core, rising through the whole life of
/// the process over all databases; it is the number in `hello`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LinkNo(pub u32);

/// A connection to a database server, a session's or a cancel's. Numbered by the core, never twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnId(pub u64);

/// A database, by its place in [`crate::core::Settings::databases`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DatabaseNo(pub usize);

/// Something that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// The WebSocket asked for by [`Output::Dial`] is open.
    LinkOpened {
        /// Which.
        link: LinkNo,
    },
    /// It could not be opened; its number is finished.
    LinkRefused {
        /// Which.
        link: LinkNo,
        /// True if the coordinator's Worker turned us away (401, 403, 404): only a change of
        /// configuration helps.
        denied: bool,
        /// For the log; never a secret.
        detail: String,
    },
    /// A message of the coordinator.
    LinkMessage {
        /// Which link.
        link: LinkNo,
        /// The whole binary message; `None` for a text message, which no coordinator sends.
        message: Option<Bytes>,
    },
    /// Something was heard on the link: a message or the answer to a ping.
    LinkAlive {
        /// Which.
        link: LinkNo,
    },
    /// The WebSocket is gone, whoever ended it. Its number is finished.
    LinkClosed {
        /// Which.
        link: LinkNo,
        /// For the log.
        detail: String,
    },
    /// The connection asked for by [`Output::Connect`] stands.
    Connected {
        /// Which.
        conn: ConnId,
    },
    /// It could not be made; its number is finished.
    ConnectFailed {
        /// Which.
        conn: ConnId,
        /// Why: `Connect`, `Timeout` or `Tls`.
        reason: RefusedReason,
        /// For the log and for the coordinator's advice.
        detail: String,
    },
    /// Bytes of the database; never more than [`Output::Read`] granted.
    Received {
        /// Which.
        conn: ConnId,
        /// The bytes.
        bytes: Bytes,
    },
    /// The answer to [`Output::Peek`]: nothing waits to be read. (Otherwise `Received` or `Ended`
    /// is the answer.)
    Quiet {
        /// Which.
        conn: ConnId,
    },
    /// So many bytes of [`Output::Write`] have been taken by the operating system.
    Wrote {
        /// Which.
        conn: ConnId,
        /// How many more.
        bytes: usize,
    },
    /// The database has closed its direction: everything it sent was received.
    Ended {
        /// Which.
        conn: ConnId,
    },
    /// The connection is gone, in both directions. Its number is finished. Always the last input
    /// about a connection that stood; the answer to [`Output::Close`], or by itself on an error.
    Closed {
        /// Which.
        conn: ConnId,
        /// For the log.
        detail: String,
    },
    /// SIGTERM: drain, then exit.
    Shutdown,
    /// The deadline of `poll_timeout` may be due.
    TimePassed,
}

/// Something the shell must do now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Open a WebSocket to the coordinator of this database.
    Dial {
        /// The new link.
        link: LinkNo,
        /// Whose coordinator.
        database: DatabaseNo,
    },
    /// Send one binary message.
    Send {
        /// Which link.
        link: LinkNo,
        /// The message, in pieces.
        message: Vec<Bytes>,
    },
    /// Send a WebSocket ping.
    Ping {
        /// Which link.
        link: LinkNo,
    },
    /// Close the WebSocket after what was sent, at once and without waiting for its peer.
    /// Answered by `LinkClosed`, unless that came first.
    CloseLink {
        /// Which link.
        link: LinkNo,
    },
    /// Connect to a database server. Answered by `Connected` or `ConnectFailed`.
    Connect {
        /// The new connection.
        conn: ConnId,
        /// To which.
        database: DatabaseNo,
    },
    /// Write to the database, in order.
    Write {
        /// Which.
        conn: ConnId,
        /// The bytes.
        bytes: Vec<Bytes>,
    },
    /// So many more bytes may be read. Nothing is read before the first.
    Read {
        /// Which.
        conn: ConnId,
        /// How many more.
        bytes: usize,
    },
    /// Look whether anything waits to be read, without waiting for it.
    Peek {
        /// Which.
        conn: ConnId,
    },
    /// Close our direction, after what was written.
    Finish {
        /// Which.
        conn: ConnId,
    },
    /// Close the connection in both directions; what was written and not taken may be lost.
    Close {
        /// Which.
        conn: ConnId,
    },
    /// Everything has ended after `Shutdown`: the process may exit.
    Exit,
    /// Something a person may want to read.
    Log(Event),
}

/// How loud an event is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// For following one stream's life.
    Debug,
    /// The state of links and databases changed.
    Info,
    /// Somebody should look when it repeats.
    Warn,
}

/// One line of the log: never bytes of a stream, never a secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// How loud.
    pub level: Level,
    /// The link it is about, if any.
    pub link: Option<LinkNo>,
    /// The database it is about, if any.
    pub database: Option<DatabaseNo>,
    /// What happened.
    pub text: String,
}
