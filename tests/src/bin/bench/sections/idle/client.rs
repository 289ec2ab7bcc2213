//! Clients that have asked once and say nothing more.

use std::net::SocketAddr;

use anyhow::{Result, bail};
use bytes::BytesMut;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use pierhead_tests::websocket::{self, BINARY, Message};
use pierhead_tests::workerd::Workerd;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::scene::USER;

/// How many come at once.
const AT_ONCE: usize = 20;
/// The last message of every answer here.
const READY: &[u8] = b"Z\0\0\0\x05I";

/// Where a client comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// The gateway's TCP port.
    GatewayTcp,
    /// The gateway's WebSocket.
    GatewayWebSocket,
    /// The object itself, as whoever is bound to the namespace reaches it.
    ObjectTcp,
    ObjectWebSocket,
}

impl Door {
    pub(super) const ALL: [Self; 4] =
        [Self::GatewayTcp, Self::GatewayWebSocket, Self::ObjectTcp, Self::ObjectWebSocket];

    /// The name in figures.
    pub(super) const fn id(self) -> &'static str {
        match self {
            Self::GatewayTcp => "socket-connect",
            Self::GatewayWebSocket => "socket-websocket",
            Self::ObjectTcp => "object-connect",
            Self::ObjectWebSocket => "object-websocket",
        }
    }
}

#[derive(Debug)]
pub(super) enum Client {
    Tcp(TcpStream),
    WebSocket(websocket::Client),
}

/// So many new clients, each of which has had an answer.
pub(super) async fn come(workerd: &Workerd, door: Door, count: usize) -> Result<Vec<Client>> {
    let clients = stream::iter(0..count).map(|_| Client::open(workerd, door));
    clients.buffer_unordered(AT_ONCE).try_collect().await
}

impl Client {
    async fn open(workerd: &Workerd, door: Door) -> Result<Self> {
        let wire = workerd.addr("wire");
        let mut client = match door {
            Door::GatewayTcp => Self::tcp(workerd.gateway_ports()?.transaction).await?,
            Door::ObjectTcp => Self::tcp(workerd.tcp_addr("wire")?).await?,
            Door::GatewayWebSocket => Self::web_socket(wire?, "/gateway").await?,
            Door::ObjectWebSocket => Self::web_socket(wire?, "/socket").await?,
        };
        let mut message = BytesMut::new();
        frontend::startup_message([("user", USER), ("database", "main")], &mut message)?;
        client.ask(&message).await?;
        message.clear();
        frontend::query("select 1", &mut message)?;
        client.ask(&message).await?;
        Ok(client)
    }

    async fn tcp(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self::Tcp(stream))
    }

    async fn web_socket(address: SocketAddr, path: &str) -> Result<Self> {
        Ok(Self::WebSocket(websocket::Client::connect(address, path, &[]).await?))
    }

    /// Sends and reads up to the next ready point.
    async fn ask(&mut self, message: &[u8]) -> Result<()> {
        let mut answer = BytesMut::new();
        match self {
            Self::Tcp(stream) => stream.write_all(message).await?,
            Self::WebSocket(client) => client.send(BINARY, message).await?,
        }
        while !answer.ends_with(READY) {
            match self {
                Self::Tcp(stream) => {
                    if stream.read_buf(&mut answer).await? == 0 {
                        bail!("the connection ended after {:?}", String::from_utf8_lossy(&answer));
                    }
                }
                Self::WebSocket(client) => match client.receive().await? {
                    Some(Message::Binary { payload, .. }) => answer.extend_from_slice(&payload),
                    other => bail!("a WebSocket's client was told {other:?}"),
                },
            }
        }
        Ok(())
    }
}
