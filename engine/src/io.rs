//! Everything that crosses the engine's boundary.
//!
//! Inputs say what happened; outputs say what the shell must do now, in order. A shell translates
//! them one to one and decides nothing.

use bytes::Bytes;

use crate::ids::{ClientId, SessionId, StreamId};

/// Something that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// A caller sent an exchange: the request envelope of `docs/protocol.md`, section 1.1.
    ClientOpened {
        /// Given by the shell, from 1 upwards, never twice.
        client: ClientId,
        /// The whole envelope.
        request: Bytes,
    },
    /// The reader of a streamed answer took this many bytes of what it was written.
    ClientTook {
        /// Whose answer.
        client: ClientId,
        /// How many more bytes it took.
        bytes: usize,
    },
    /// The caller is gone: its answer stream was cancelled, or a probe of it threw.
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
    /// The stream has ended, in both directions, by whomever. Its id is finished.
    StreamClosed {
        /// Which.
        stream: StreamId,
        /// How many bytes of all [`Output::Write`]s to this stream the transport accepted. A byte
        /// that was not accepted cannot have reached the database.
        accepted: u64,
        /// The platform's words, for logs.
        detail: String,
    },
    /// A deadline of `poll_timeout` may be due, or an alarm fired.
    TimePassed,
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
    /// Anything else: name, network, TLS.
    Failed,
}

/// Something the shell must do now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Open a stream to the database, by the configured tunnel. Answered by `StreamOpened` or
    /// `StreamRefused`.
    OpenStream {
        /// Given by the engine, never twice.
        stream: StreamId,
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
    /// Ask the caller whether it still lives. Answered by `ClientAlive` or `ClientGone`.
    Probe {
        /// Whom.
        client: ClientId,
    },
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
