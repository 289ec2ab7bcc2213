//! One client that plays what the engine's benchmark plays, against a real server.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail};
use bytes::{Buf as _, BytesMut};
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A connection without a password.
pub(super) struct Client {
    stream: TcpStream,
    unread: BytesMut,
}

impl Client {
    /// Connects as a user who is trusted.
    pub(super) async fn connect(addr: SocketAddr, user: &str, database: &str) -> Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        let mut client = Self { stream, unread: BytesMut::new() };
        let mut out = BytesMut::new();
        frontend::startup_message([("user", user), ("database", database)], &mut out)?;
        client.ask(&out).await?;
        Ok(client)
    }

    /// Sends messages in one piece and reads until everything in them is answered. How many rows
    /// came.
    pub(super) async fn ask(&mut self, messages: &[u8]) -> Result<usize> {
        self.stream.write_all(messages).await?;
        let (mut ready, mut rows) = (0, 0);
        while ready < ready_points(messages) {
            match self.message().await? {
                b'Z' => ready += 1,
                b'D' => rows += 1,
                _ => {}
            }
        }
        Ok(rows)
    }

    /// The type of the next message, an error as one.
    async fn message(&mut self) -> Result<u8> {
        loop {
            if let [tag, a, b, c, d, ..] = *self.unread {
                let length = 1 + u32::from_be_bytes([a, b, c, d]) as usize;
                if let Some(message) = self.unread.get(..length) {
                    if tag == b'E' {
                        bail!("the server says {:?}", String::from_utf8_lossy(message));
                    }
                    self.unread.advance(length);
                    return Ok(tag);
                }
            }
            let read = self.stream.read_buf(&mut self.unread).await?;
            (read > 0).then_some(()).context("the server closed the connection")?;
        }
    }
}

/// How many ready points answer these messages: one for each `Sync` and simple query, and for the
/// start-up message, which has no type.
fn ready_points(mut messages: &[u8]) -> usize {
    let mut points = 0;
    while let [tag, a, b, c, d, ..] = *messages {
        if tag == 0 {
            return 1;
        }
        points += usize::from(matches!(tag, b'S' | b'Q'));
        let length = 1 + u32::from_be_bytes([a, b, c, d]) as usize;
        messages = messages.get(length..).unwrap_or_default();
    }
    points
}
