//! A small WebSocket client: for the tests of the emulated tunnel and for workerd's inspector.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail};
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::frame::{PONG, put_frame};
use super::reader::{Message, MessageReader};

/// Larger than any message a test wants whole.
const KEEP: usize = 256 << 20;

/// A WebSocket connection, the client's side.
#[derive(Debug)]
pub struct Client {
    reader: MessageReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

/// The server answered the handshake with something else than 101.
#[derive(Debug)]
pub struct Refused {
    /// HTTP status.
    pub status: u16,
    /// `Location` header, if there was one.
    pub location: Option<String>,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WebSocket handshake answered with HTTP status {}", self.status)
    }
}
impl std::error::Error for Refused {}

impl Client {
    /// Connects and upgrades, with extra request headers. Any other answer than 101 is a
    /// [`Refused`] inside the error.
    pub async fn connect(addr: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Result<Self> {
        let mut socket = TcpStream::connect(addr).await?;
        socket.set_nodelay(true)?;
        let key = "dGhlIHNhbXBsZSBub25jZQ==";
        let mut request = format!(
            "GET {path} HTTP/1.1\r\nHost: {addr}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
        );
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        socket.write_all(request.as_bytes()).await?;
        let rest = read_answer(&mut socket, key).await?;
        let (read, writer) = socket.into_split();
        Ok(Self { reader: MessageReader::new(read, rest, KEEP, false), writer })
    }

    /// Sends one frame with this opcode (of `websocket`'s constants).
    pub async fn send(&mut self, opcode: u8, payload: &[u8]) -> Result<()> {
        let mut out = BytesMut::new();
        put_frame(&mut out, opcode, payload, Some([0x5a, 0x17, 0xc3, 0x08]));
        Ok(self.writer.write_all(&out).await?)
    }

    /// The next message, pings answered and skipped; `None` when the connection has ended.
    pub async fn receive(&mut self) -> Result<Option<Message>> {
        loop {
            match self.reader.next().await? {
                Some(Message::Ping(payload)) => self.send(PONG, &payload).await?,
                other => return Ok(other),
            }
        }
    }

    /// Reads binary messages until `count` bytes have come.
    pub async fn receive_bytes(&mut self, count: usize) -> Result<Bytes> {
        let mut all = BytesMut::new();
        while all.len() < count {
            match self.receive().await? {
                Some(Message::Binary { payload, .. }) => all.extend_from_slice(&payload),
                Some(Message::Pong) => {}
                other => bail!("wanted {count} bytes, got {} and then {other:?}", all.len()),
            }
        }
        Ok(all.freeze())
    }
}

async fn read_answer(socket: &mut TcpStream, key: &str) -> Result<BytesMut> {
    let mut buffer = BytesMut::new();
    loop {
        if socket.read_buf(&mut buffer).await? == 0 {
            bail!("the server ended the connection during the WebSocket handshake");
        }
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut answer = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(size) = answer.parse(&buffer)? else { continue };
        let header = |name: &str| {
            let found = answer.headers.iter().find(|h| h.name.eq_ignore_ascii_case(name))?;
            std::str::from_utf8(found.value).ok().map(str::to_owned)
        };
        let status = answer.code.context("an answer without a status")?;
        if status != 101 {
            return Err(Refused { status, location: header("location") }.into());
        }
        if header("sec-websocket-accept") != Some(super::accept_key(key)) {
            bail!("the server's Sec-WebSocket-Accept does not match");
        }
        return Ok(buffer.split_off(size));
    }
}
