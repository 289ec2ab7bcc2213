//! A client that shows every message, and reads as a line of text: `T D(1) C(SELECT 1) Z(I)`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use pierhead_tests::postgres::DATABASE;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::say::Say;
use crate::world::PATIENCE;

/// A connection whose start-up is over.
pub(crate) struct Raw {
    pub(crate) socket: TcpStream,
    received: BytesMut,
    /// What the server reported, at start-up and since.
    pub(crate) parameters: BTreeMap<String, String>,
    /// The key to cancel with, as it came.
    pub(crate) key: Bytes,
    address: SocketAddr,
}

impl Raw {
    /// Connects as a user that is asked for no password.
    pub(crate) async fn connect(address: SocketAddr, user: &str) -> Self {
        Self::connect_with(address, &[("user", user)]).await.unwrap()
    }

    /// Connects with these start-up parameters; `Err` is the error that it was answered.
    pub(crate) async fn connect_with(
        address: SocketAddr,
        parameters: &[(&str, &str)],
    ) -> Result<Self, String> {
        let mut start = BytesMut::new();
        let named = parameters.iter().any(|(name, _)| *name == "database");
        let usual = [("database", DATABASE)].into_iter().filter(|_| !named);
        let parameters = usual.chain(parameters.iter().copied());
        postgres_protocol::message::frontend::startup_message(parameters, &mut start).unwrap();
        let mut raw = Self {
            socket: TcpStream::connect(address).await.unwrap(),
            received: BytesMut::new(),
            parameters: BTreeMap::new(),
            key: Bytes::new(),
            address,
        };
        raw.socket.set_nodelay(true).unwrap();
        raw.socket.write_all(&start).await.unwrap();
        let greeting = raw.replies().await;
        if greeting.last().is_some_and(|last| last == "Z(I)") {
            Ok(raw)
        } else {
            Err(greeting.join(" "))
        }
    }

    pub(crate) async fn send(&mut self, say: &Say) {
        self.send_bytes(say.bytes()).await;
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.unwrap();
    }

    /// Sends and shows the replies up to the next ready point.
    pub(crate) async fn ask(&mut self, say: &Say) -> String {
        self.send(say).await;
        self.until_ready().await
    }

    /// A simple query and its replies.
    pub(crate) async fn query(&mut self, sql: &str) -> String {
        self.ask(&Say::new().query(sql)).await
    }

    /// The only value of a simple query.
    pub(crate) async fn value(&mut self, sql: &str) -> String {
        let replies = self.query(sql).await;
        let value = replies.split_once(" D(").and_then(|(_, rest)| rest.split_once(") C("));
        value.unwrap_or_else(|| panic!("{sql}: {replies}")).0.to_owned()
    }

    /// The replies up to the next ready point, or to the end of the connection.
    pub(crate) async fn until_ready(&mut self) -> String {
        self.replies().await.join(" ")
    }

    async fn replies(&mut self) -> Vec<String> {
        let mut replies = Vec::new();
        loop {
            let Some((tag, body)) = self.message().await else {
                replies.push("end".to_owned());
                return replies;
            };
            replies.extend(self.show(tag, body));
            if tag == b'Z' {
                return replies;
            }
        }
    }

    /// The next `count` replies, those of notices and parameters included.
    pub(crate) async fn next(&mut self, count: usize) -> String {
        let mut replies = Vec::new();
        while replies.len() < count {
            let Some((tag, body)) = self.message().await else {
                replies.push("end".to_owned());
                break;
            };
            replies.extend(self.show(tag, body));
        }
        replies.join(" ")
    }

    /// True if nothing comes for this long.
    pub(crate) async fn is_silent_for(&mut self, time: Duration) -> bool {
        if self.received.has_remaining() {
            return false;
        }
        tokio::time::timeout(time, self.socket.read_buf(&mut self.received)).await.is_err()
    }

    /// The next message; `None` at the end of the connection.
    pub(crate) async fn message(&mut self) -> Option<(u8, Bytes)> {
        let message = tokio::time::timeout(PATIENCE, self.wait_for_message()).await;
        message.unwrap_or_else(|_| panic!("no message within {PATIENCE:?}"))
    }

    async fn wait_for_message(&mut self) -> Option<(u8, Bytes)> {
        loop {
            if self.received.len() >= 5 {
                let length = u32::from_be_bytes(self.received[1..5].try_into().unwrap()) as usize;
                if self.received.len() > length {
                    let mut message = self.received.split_to(length + 1).freeze();
                    return Some((message.get_u8(), message.slice(4..)));
                }
                self.received.reserve(length + 1 - self.received.len());
            }
            match self.socket.read_buf(&mut self.received).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return None,
            }
        }
    }

    /// What a message looks like in a story; nothing for what is only kept.
    fn show(&mut self, tag: u8, mut body: Bytes) -> Option<String> {
        Some(match tag {
            b'R' => return None,
            b'K' => {
                self.key = body;
                return None;
            }
            b'S' => {
                let (name, value) = (text(&mut body), text(&mut body));
                self.parameters.insert(name, value);
                return None;
            }
            b'D' => format!("D({})", row(body).join(",")),
            b'C' => format!("C({})", text(&mut body)),
            b'E' => format!("E({})", field(&body, b'C')),
            b'N' => format!("N({})", field(&body, b'C')),
            b'Z' => format!("Z({})", body[0] as char),
            b'A' => {
                body.advance(4);
                format!("A({},{})", text(&mut body), text(&mut body))
            }
            tag => (tag as char).to_string(),
        })
    }

    /// The message of the next error, with its code.
    pub(crate) async fn error(&mut self) -> String {
        loop {
            let (tag, body) = self.message().await.expect("an error");
            if tag == b'E' {
                return format!(
                    "{} {} {}: {} {}",
                    field(&body, b'S'),
                    field(&body, b'C'),
                    field(&body, b'M'),
                    field(&body, b'D'),
                    field(&body, b'H')
                );
            }
        }
    }

    /// Asks for this client's query to be cancelled; returns when that connection has ended.
    pub(crate) async fn cancel(&self) {
        cancel(self.address, &self.key).await;
    }

    /// Leaves by a reset, without a word.
    pub(crate) fn die(self) {
        self.socket.set_zero_linger().unwrap();
    }
}

/// Sends a CancelRequest with this key.
pub(crate) async fn cancel(address: SocketAddr, key: &[u8]) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let mut request = BytesMut::new();
    request.put_u32(u32::try_from(key.len()).unwrap() + 8);
    request.put_u32(80_877_102);
    request.put_slice(key);
    socket.write_all(&request).await.unwrap();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "a cancel's connection stays open");
    assert!(rest.is_empty(), "a cancel is answered: {rest:?}");
}

fn text(body: &mut Bytes) -> String {
    let end = body.iter().position(|byte| *byte == 0).unwrap();
    let text = String::from_utf8_lossy(&body.split_to(end)).into_owned();
    body.advance(1);
    text
}

fn row(mut body: Bytes) -> Vec<String> {
    let columns = body.get_u16();
    let mut value = || match body.get_i32() {
        -1 => "null".to_owned(),
        length => String::from_utf8_lossy(&body.split_to(usize::try_from(length).unwrap())).into(),
    };
    (0..columns).map(|_| value()).collect()
}

fn field(body: &[u8], wanted: u8) -> String {
    let mut fields = body.split(|byte| *byte == 0);
    let found = fields.find(|field| field.first() == Some(&wanted));
    found.map_or(String::new(), |field| String::from_utf8_lossy(&field[1..]).into_owned())
}
