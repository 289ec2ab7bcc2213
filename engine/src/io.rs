//! Everything that crosses the engine's boundary.
//!
//! Inputs say what happened; outputs say what the shell must do now, in order. A shell translates
//! them one to one and decides nothing.

use bytes::Bytes;
pub use pierhead_wire::pg::startup::Mode;

use crate::ids::{ClientId, LinkId, SessionId, StreamId};
use crate::settings::Way;

/// Something that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// A caller sent an exchange: the request envelope of `docs/protocol.md`, section 1.1.
    ClientOpened {
        /// Given by the shell, from 1 upwards, never twice.
        client: ClientId,
        /// The whole envelope.
        request: Bytes,
        /// The lease whose transaction it belongs to, from an earlier [`Input::LeaseOpened`]; `None`
        /// for a request of its own.
        lease: Option<ClientId>,
    },
    /// A caller wants a transaction that it holds over several requests. It takes its number from
    /// the same sequence as requests do, gets a session with its first request, and ends with
    /// `ClientGone` or with the end of its transaction.
    LeaseOpened {
        /// Given by the shell.
        lease: ClientId,
        /// Who it is.
        terms: Terms,
    },
    /// A client opened a byte stream on which it speaks the database's own protocol, from the
    /// start-up message on.
    SocketOpened {
        /// Given by the shell, from the same sequence.
        client: ClientId,
        /// Who it is and what it may do.
        terms: Terms,
    },
    /// Bytes of a socket's client, in order; no more than [`Output::GrantSocket`] allowed.
    SocketData {
        /// Whose.
        client: ClientId,
        /// The bytes.
        bytes: Bytes,
    },
    /// The reader of a streamed answer, or of a socket, took this many bytes of what it was
    /// written.
    ClientTook {
        /// Whose.
        client: ClientId,
        /// How many more bytes it took.
        bytes: usize,
    },
    /// The caller is gone: its answer stream was cancelled, a probe of it threw, its lease was
    /// disposed of, or its socket ended.
    ClientGone {
        /// Who.
        client: ClientId,
    },
    /// The caller answered a probe: it lives.
    ClientAlive {
        /// Who.
        client: ClientId,
    },
    /// A second call wants the request with this id (of its envelope) ended.
    AbortRequest {
        /// The 16 bytes of the request id.
        id: [u8; 16],
    },
    /// A stream asked for by [`Output::OpenStream`] carries bytes now.
    StreamOpened {
        /// Which.
        stream: StreamId,
    },
    /// A stream asked for by [`Output::OpenStream`] could not be opened; its id is finished.
    StreamRefused {
        /// Which.
        stream: StreamId,
        /// Why.
        refusal: Refusal,
    },
    /// TLS asked for by [`Output::StartTls`] is up; what follows is encrypted.
    StreamSecured {
        /// Which.
        stream: StreamId,
    },
    /// Bytes from the database, in order.
    StreamData {
        /// Which.
        stream: StreamId,
        /// The bytes.
        bytes: Bytes,
    },
    /// The transport of a stream of [`Way::Direct`] took this many more bytes of what was written to
    /// it. Told in lumps: when at least [`crate::limits::STREAM_TOOK_BYTES`] were taken since it was
    /// last told, and never of less, so that a small request costs no event. What is not told of by
    /// then may long have been taken; whoever waits for it waits in vain. Of a stream of
    /// [`Way::Cloudflared`] nothing is told: whatever is written counts as taken.
    StreamTook {
        /// Which.
        stream: StreamId,
        /// How many more.
        bytes: usize,
    },
    /// The stream has ended, in both directions, by whomever. Its id is finished.
    StreamClosed {
        /// Which.
        stream: StreamId,
        /// True only if the far end is known to have ended it in order, with everything that was
        /// written read (the end of file of a TCP connection): what proves that a cancel is over. A
        /// transport that cannot tell says false.
        orderly: bool,
        /// How many bytes of all [`Output::Write`]s to this stream the transport accepted. A byte
        /// that was not accepted cannot have reached the database.
        accepted: u64,
        /// The platform's words, for logs.
        detail: String,
    },
    /// An agent whose token was checked dialled in, and its WebSocket was accepted.
    LinkOpened {
        /// Given by the shell, never twice, not even after hibernation.
        link: LinkId,
    },
    /// The object woke without its memory and found this WebSocket, accepted by an earlier life.
    /// Comes before every other input of this life.
    LinkRestored {
        /// The number it had.
        link: LinkId,
        /// What [`Output::Attach`] gave last; empty if nothing did.
        attachment: Bytes,
    },
    /// A message of the agent, in order.
    LinkMessage {
        /// Which link.
        link: LinkId,
        /// The whole binary message; `None` for one that no agent sends: text, or too long.
        message: Option<Bytes>,
    },
    /// The WebSocket is gone, whoever ended it. Its id is finished.
    LinkClosed {
        /// Which link.
        link: LinkId,
        /// The platform's words, for logs.
        detail: String,
    },
    /// The answer to [`Output::RaiseEpoch`]: the new epoch is stored, for certain.
    EpochRaised {
        /// The new epoch.
        epoch: u64,
    },
    /// A deadline of `poll_timeout` may be due, or an alarm fired.
    TimePassed,
}

/// What the shell knows of a client that stays: a socket or a lease.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Terms {
    /// The authenticated identity that shares of the pool are counted by: a user, or the name that
    /// the binding gives its callers. At most [`crate::limits::CLASS_BYTES_MAX`] bytes; longer ones
    /// are cut. Where it is empty, a socket's terms packet says.
    pub class: String,
    /// How long a socket holds a session, where its client may not choose; otherwise its terms
    /// packet says, or the client, or the configuration.
    pub mode: Option<Mode>,
}

/// Why a stream could not be opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// What kind of obstacle it was.
    pub kind: RefusalKind,
    /// The platform's words (never a secret), for the error a person reads.
    pub detail: String,
}

/// The kinds of obstacle between the coordinator and the database.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum RefusalKind {
    /// The tunnel's access check turned us away (a redirect to a login, 401, 403): credentials.
    Denied,
    /// The tunnel is up and says that the database cannot be reached (502, 530, …).
    Unreachable,
    /// The far end is there and has no room yet: another try soon may find some.
    Full,
    /// Anything else: name, network, TLS.
    Failed,
}

/// Something the shell must do now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Open a stream to the database. Answered by `StreamOpened` or `StreamRefused`.
    OpenStream {
        /// Given by the engine, never twice.
        stream: StreamId,
        /// By which tunnel; never [`Way::Agent`], whose streams are frames on a link.
        way: Way,
    },
    /// Send these bytes, in order. The shell joins them into as few messages as the transport's
    /// greatest message allows.
    Write {
        /// Which.
        stream: StreamId,
        /// The bytes; at most one `Write` per stream and drain.
        bytes: Vec<Bytes>,
    },
    /// Begin TLS on the stream. Answered by `StreamSecured` or `StreamClosed`.
    StartTls {
        /// Which.
        stream: StreamId,
    },
    /// The shell may read this many more bytes from the stream. A transport that cannot hold
    /// back (a WebSocket) ignores it.
    Grant {
        /// Which.
        stream: StreamId,
        /// How many more.
        bytes: usize,
    },
    /// Close the stream in both directions. Answered by `StreamClosed`, unless that came first.
    CloseStream {
        /// Which.
        stream: StreamId,
    },
    /// The whole answer of a client that was never given [`Output::BeginAnswer`]. Last output for
    /// this client.
    Answer {
        /// Whose.
        client: ClientId,
        /// The answer, `docs/protocol.md` section 1.3, from its version byte to its outcome.
        bytes: Vec<Bytes>,
    },
    /// The client's answer is large: answer its call with a stream now and write these first
    /// bytes of the answer to it.
    BeginAnswer {
        /// Whose.
        client: ClientId,
        /// The first bytes of the answer.
        bytes: Vec<Bytes>,
    },
    /// More bytes of a begun answer. The shell reports what the reader took by `ClientTook`.
    WriteAnswer {
        /// Whose.
        client: ClientId,
        /// The next bytes.
        bytes: Vec<Bytes>,
        /// True for the last write; nothing follows for this client.
        end: bool,
    },
    /// Send these bytes to a socket's client, in order. The shell reports what was taken by
    /// `ClientTook`.
    WriteSocket {
        /// Whose.
        client: ClientId,
        /// The bytes; at most one `WriteSocket` per client and drain.
        bytes: Vec<Bytes>,
    },
    /// The shell may read this many more bytes from a socket's client. It starts with none.
    GrantSocket {
        /// Whose.
        client: ClientId,
        /// How many more.
        bytes: usize,
    },
    /// Close a socket after what was written to it. Last output for this client; what it still
    /// sends is thrown away.
    CloseSocket {
        /// Whose.
        client: ClientId,
    },
    /// Ask the caller whether it still lives. Answered by `ClientAlive` or `ClientGone`.
    Probe {
        /// Whom.
        client: ClientId,
    },
    /// Send one binary message on a link.
    SendLink {
        /// Which.
        link: LinkId,
        /// The message, in pieces; at most 262,144 bytes.
        message: Vec<Bytes>,
    },
    /// Close a link's WebSocket after what was sent. Answered by `LinkClosed`, unless that came
    /// first.
    CloseLink {
        /// Which.
        link: LinkId,
        /// For the close frame; never a secret.
        reason: &'static str,
    },
    /// Keep these bytes with the link's WebSocket, in place of earlier ones, for
    /// [`Input::LinkRestored`]. The object may hibernate as soon as no active deadline is left.
    Attach {
        /// Which.
        link: LinkId,
        /// At most 16,000 bytes.
        attachment: Bytes,
    },
    /// Add one to the number in the object's storage that counts epochs (absent is 0), make sure
    /// that it is stored, and answer with `EpochRaised`. If storing fails this copy of the object
    /// is stale: it ends itself, with all links.
    RaiseEpoch,
    /// Something a person may want to read.
    Log(Event),
}

/// How loud an event is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// For following one session's life.
    Debug,
    /// The pool changed.
    Info,
    /// Somebody should look when it repeats.
    Warn,
}

/// One line of the engine's log: never SQL, parameters or secrets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// How loud.
    pub level: Level,
    /// The session it is about, if any.
    pub session: Option<SessionId>,
    /// The client it is about, if any.
    pub client: Option<ClientId>,
    /// What happened.
    pub text: String,
}
