//! Streams to the database: plain TCP.

use std::rc::Rc;

use pierhead_engine::Input;
use pierhead_engine::ids::StreamId;
use pierhead_engine::io::{Refusal, RefusalKind};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::pipe::{Happened, Pipe};
use super::shell::Shell;

/// A stream that the engine asked for.
pub(super) enum Stream {
    /// It is being connected.
    Opening {
        /// Ends the attempt.
        close: Rc<Notify>,
    },
    /// It carries bytes.
    Open(Rc<Pipe>),
}

impl Stream {
    pub(super) fn close(&self) {
        match self {
            Self::Opening { close } => close.notify_one(),
            Self::Open(pipe) => pipe.close_now(),
        }
    }
}

/// Begins to open a stream. Nothing is reported before the next turn of the runtime.
pub(super) fn open(shell: &Rc<Shell>, stream: StreamId) -> Stream {
    let close = Rc::new(Notify::new());
    tokio::task::spawn_local(run(shell.clone(), stream, close.clone()));
    Stream::Opening { close }
}

async fn run(shell: Rc<Shell>, stream: StreamId, close: Rc<Notify>) {
    let connected = tokio::select! {
        connected = TcpStream::connect(&shell.database) => connected,
        () = close.notified() => {
            let detail = "closed while it was opened".to_owned();
            shell.feed(Input::StreamClosed { stream, orderly: false, accepted: 0, detail });
            return;
        }
    };
    match connected {
        Ok(socket) => carry(&shell, stream, Pipe::new(socket)).await,
        Err(error) => {
            let refusal = Refusal { kind: RefusalKind::Failed, detail: error.to_string() };
            shell.feed(Input::StreamRefused { stream, refusal });
        }
    }
}

async fn carry(shell: &Rc<Shell>, stream: StreamId, pipe: Rc<Pipe>) {
    shell.stream_connected(stream, pipe.clone());
    shell.feed(Input::StreamOpened { stream });
    let (orderly, detail) = loop {
        match pipe.next(&shell.scratch).await {
            Happened::Data(bytes) => shell.feed(Input::StreamData { stream, bytes }),
            Happened::Took(bytes) => shell.feed(Input::StreamTook { stream, bytes }),
            Happened::Ended => break (true, "the database closed the connection".to_owned()),
            Happened::Broke(detail) => break (false, detail),
            Happened::Closed => break (false, "closed".to_owned()),
        }
    };
    let accepted = pipe.accepted();
    // Everything that was written was read only if it also went out.
    let orderly = orderly && pipe.is_drained();
    drop(pipe);
    shell.feed(Input::StreamClosed { stream, orderly, accepted, detail });
}
