//! A running agent, and a coordinator and a database that do what a test says.

#![allow(dead_code, reason = "each test file uses its part")]

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt as _, StreamExt as _};
use pierhead_wire::tunnel::{Amount, Frame, Frames, Hello, Options, StreamId, Welcome};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderMap;

/// Generous: the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const TOKEN: &str = "a-token-that-nobody-may-see";

/// The program with an environment of its own.
pub(crate) fn program(variables: &[(&str, &str)], args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pierhead"));
    command.env_clear().args(args).envs(variables.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A running agent; killed when dropped.
pub(crate) struct Agent {
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Agent {
    /// Starts one for the database `main` at `database`, with the coordinator at `url`.
    pub(crate) fn start(url: &str, database: &str, more: &[(&str, &str)], args: &[&str]) -> Self {
        let mut variables = vec![
            ("PIERHEAD_URL", url),
            ("PIERHEAD_DB_MAIN", database),
            ("PIERHEAD_DB_MAIN_AGENT_TOKEN", TOKEN),
            ("PIERHEAD_AGENT_NAME", "tester"),
            ("PIERHEAD_LOG", "debug"),
        ];
        variables.extend(more);
        let args: Vec<_> = ["agent"].iter().chain(args).copied().collect();
        let mut child = program(&variables, &args).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (lines, into) = (BufReader::new(child.stderr.take().unwrap()), Arc::clone(&log));
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                *into.lock().unwrap() += &(line + "\n");
            }
        });
        Self { child, log }
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until the log says so.
    pub(crate) async fn says(&self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.log().contains(text) {
            assert!(Instant::now() < deadline, "never said {text:?}:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    pub(crate) async fn exit(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "does not exit:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the agent's log:\n{}", self.log());
        }
    }
}

/// A listener on a free port of this machine.
pub(crate) async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Accepts a connection, in time.
pub(crate) async fn accept(listener: &TcpListener) -> TcpStream {
    tokio::time::timeout(PATIENCE, listener.accept()).await.unwrap().unwrap().0
}

/// The coordinator's end of a link.
pub(crate) struct Link<S> {
    socket: WebSocketStream<S>,
    /// Frames of the last message that were not looked at yet.
    frames: Option<Frames>,
    /// The path of the upgrade request.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Link<S> {
    /// Upgrades a connection.
    pub(crate) async fn accept(stream: S) -> Self {
        let (mut path, mut headers) = (String::new(), HeaderMap::new());
        #[allow(clippy::result_large_err, reason = "the library's signature")]
        let note = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
            request.uri().path().clone_into(&mut path);
            headers = request.headers().clone();
            Ok(response)
        };
        let socket = tokio_tungstenite::accept_hdr_async(stream, note).await.unwrap();
        Self { socket, frames: None, path, headers }
    }

    /// Reads the hello and welcomes the agent, with this much credit per stream.
    pub(crate) async fn welcome(&mut self, stream_credit: u32) -> Hello {
        let Frame::Hello(hello) = self.next().await.unwrap() else { panic!("no hello") };
        let welcome = Welcome {
            version: 1,
            epoch: 5,
            object_life: 9,
            stream_credit: Amount(stream_credit),
            link_credit: Amount(16 * 1024 * 1024),
            options: Options::named("test"),
        };
        self.send(&[welcome.into()]).await;
        hello
    }

    /// Sends frames as one message.
    pub(crate) async fn send(&mut self, frames: &[Frame]) {
        let mut message = BytesMut::new();
        for frame in frames {
            frame.encode(&mut message).unwrap();
        }
        self.socket.send(Message::Binary(message.freeze())).await.unwrap();
    }

    /// Sends what no coordinator sends.
    pub(crate) async fn send_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// The next frame; nothing at the link's end.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.frames.as_mut().and_then(Iterator::next) {
                return Some(frame.unwrap());
            }
            match tokio::time::timeout(PATIENCE, self.socket.next()).await.unwrap()?.ok()? {
                Message::Binary(message) => self.frames = Some(Frames::new(message).unwrap()),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    /// The next frame that is not a grant of credit.
    pub(crate) async fn reply(&mut self) -> Frame {
        loop {
            let frame = self.next().await.expect("the link has ended");
            if !matches!(frame, Frame::Credit(_) | Frame::LinkCredit(_)) {
                return frame;
            }
        }
    }

    /// Reads data of a stream until there are so many bytes.
    pub(crate) async fn data(&mut self, stream: StreamId, length: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < length {
            match self.reply().await {
                Frame::Data(data) if data.stream == stream => {
                    bytes.extend_from_slice(&data.bytes.0)
                }
                other => panic!("expected data, got {other:?}"),
            }
        }
        bytes
    }
}

pub(crate) fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}
