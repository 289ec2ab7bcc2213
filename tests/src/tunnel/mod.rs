//! The emulated tunnel: edge and origin of cloudflared's TCP over WebSocket in one small server.
//!
//! What it reproduces: the database is dialled before the upgrade is answered (down: 502); Access
//! service tokens are checked (wrong: 302 to a login host); only binary messages count; of a
//! client's message above 16,384 bytes the rest is silently lost; frames to the client are at most
//! 16,384 bytes; an empty ping now and then; no close frame, ever; both directions end as soon as
//! either does; no half-close.

mod handshake;
mod stream;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;

use crate::net::{Controls, Counters, Knobs, Limits, Server};

/// The largest frame in either direction, in bytes: cloudflared's copy buffer.
pub const MAX_FRAME: usize = 16_384;

/// An Access service token.
#[derive(Clone, Debug)]
pub struct Access {
    /// `Cf-Access-Client-Id`.
    pub client_id: String,
    /// `Cf-Access-Client-Secret`.
    pub client_secret: String,
}

/// How to start a tunnel.
#[derive(Clone, Debug)]
pub struct TunnelConfig {
    /// The database.
    pub target: SocketAddr,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The token that clients must present; `None` lets everybody in.
    pub access: Option<Access>,
    /// Limits whose breach is a violation.
    pub limits: Limits,
    /// Time between pings; cloudflared's is 54 s.
    pub ping: Duration,
    /// Round trips that a handshake takes: TCP, TLS and the upgrade make 3.
    pub handshake_trips: u32,
}

impl TunnelConfig {
    /// The defaults of the real thing, in front of `target`, on a free loopback port.
    pub fn new(target: SocketAddr) -> Self {
        Self {
            target,
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            access: None,
            limits: Limits::default(),
            ping: Duration::from_secs(54),
            handshake_trips: 3,
        }
    }
}

/// A running tunnel; ends with its value, and every stream with it.
#[derive(Debug)]
pub struct Tunnel(Controls);

impl Tunnel {
    /// Starts to listen, on a thread of its own.
    pub fn start(config: TunnelConfig) -> io::Result<Self> {
        let knobs = Knobs::new(config.handshake_trips);
        let counters = Counters::new(config.limits.clone());
        let listen = config.listen;
        let shared = Arc::new(Shared { config, knobs: knobs.clone(), counters: counters.clone() });
        let server = Server::start("tunnel", listen, move |socket| serve(socket, shared.clone()))?;
        Ok(Self(Controls::new(server, knobs, counters)))
    }

    /// The URL that a database's configuration names: `http://127.0.0.1:port/`.
    pub fn url(&self) -> String {
        format!("http://{}/", self.addr())
    }
}

impl Deref for Tunnel {
    type Target = Controls;
    fn deref(&self) -> &Controls {
        &self.0
    }
}

#[derive(Debug)]
struct Shared {
    config: TunnelConfig,
    knobs: Knobs,
    counters: Counters,
}

async fn serve(mut client: TcpStream, shared: Arc<Shared>) {
    let cuts = shared.knobs.watch_cuts();
    let handshake = shared.counters.handshake();
    // A handshake stops to count before its client can see the answer: one that begins another
    // on the answer is within the limit.
    match handshake::negotiate(&mut client, &shared).await {
        Ok((database, upgrade)) => {
            let open = shared.counters.stream();
            drop(handshake);
            if handshake::accept(&mut client, &upgrade).await.is_ok() {
                stream::run(client, database, upgrade.after, cuts, open, &shared).await;
            }
        }
        Err(status) => {
            drop(handshake);
            if let Some(status) = status {
                handshake::refuse(&mut client, status).await.ok();
            }
        }
    }
}
