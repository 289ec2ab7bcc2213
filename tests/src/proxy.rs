//! A plain TCP proxy with the knobs of the emulated tunnel, for direct connections.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Deref;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::net::{
    Answer, Controls, Counters, Knobs, Limits, Line, LineEnd, Server, Settings, from_database,
    line, linger, sleep_until,
};

/// Bytes read at once; larger than a tunnel's frame, as TCP's segments coalesce.
const READ: usize = 64 << 10;

/// A running proxy on a free loopback port; ends with its value, and every stream with it.
#[derive(Debug)]
pub struct TcpProxy {
    controls: Controls,
    shared: Arc<Shared>,
}

impl TcpProxy {
    /// Starts a proxy in front of `target`, on a thread of its own.
    pub fn start(target: SocketAddr, limits: Limits) -> io::Result<Self> {
        Self::start_on((Ipv4Addr::LOCALHOST, 0).into(), target, limits)
    }

    /// Starts a proxy that listens on `listen`.
    pub fn start_on(listen: SocketAddr, target: SocketAddr, limits: Limits) -> io::Result<Self> {
        let knobs = Knobs::new(1);
        let counters = Counters::new(limits);
        let targets = Mutex::new(VecDeque::from([target]));
        let shared = Arc::new(Shared { targets, knobs: knobs.clone(), counters: counters.clone() });
        let serving = shared.clone();
        let server = Server::start("proxy", listen, move |client| serve(client, serving.clone()))?;
        Ok(Self { controls: Controls::new(server, knobs, counters), shared })
    }

    /// Dials these from now on, for one connection after the other in turn.
    pub fn set_targets(&self, targets: impl IntoIterator<Item = SocketAddr>) {
        *self.shared.targets.lock().unwrap() = targets.into_iter().collect();
    }
}

impl Deref for TcpProxy {
    type Target = Controls;
    fn deref(&self) -> &Controls {
        &self.controls
    }
}

#[derive(Debug)]
struct Shared {
    targets: Mutex<VecDeque<SocketAddr>>,
    knobs: Knobs,
    counters: Counters,
}

impl Shared {
    fn next_target(&self) -> Option<SocketAddr> {
        let mut targets = self.targets.lock().unwrap();
        let turn = usize::from(!targets.is_empty());
        targets.rotate_left(turn);
        targets.back().copied()
    }
}

async fn serve(client: TcpStream, shared: Arc<Shared>) {
    let mut cuts = shared.knobs.watch_cuts();
    let Some(database) = connect(&shared).await else { return };
    let open = shared.counters.stream();
    let (mut client_read, mut client_write) = client.into_split();
    let (mut database_read, mut database_write) = database.into_split();
    let (up, mut up_end) = line();
    let (down, mut down_end) = line();
    tokio::select! {
        // A cut comes before whatever else has become possible by then.
        biased;
        Ok(()) = cuts.changed() => shared.counters.update(|stats| stats.cuts += 1),
        () = from_client(&mut client_read, &up, &shared) => {}
        _ = deliver(&mut up_end, &mut database_write, &shared, false) => {}
        () = from_database(&mut database_read, &down, READ, &shared.knobs, &shared.counters) => {}
        _ = deliver(&mut down_end, &mut client_write, &shared, true) => {}
    }
    if cuts.borrow().reset {
        // Closed at once, unread and without an end of the direction: both ends get a reset.
        for write in [client_write, database_write] {
            write.as_ref().set_zero_linger().ok();
            write.forget();
        }
        return;
    }
    drop((database_read, database_write));
    drop(open);
    client_write.shutdown().await.ok();
    linger(&mut client_read).await;
}

/// Dials the database. The kernel has accepted the client already, so the trips that its
/// connection would have cost are made up for by the time before which nothing passes.
async fn connect(shared: &Shared) -> Option<TcpStream> {
    let _handshake = shared.counters.handshake();
    let settings = shared.knobs.settings();
    let trips = settings.round_trip * settings.handshake_trips + settings.handshake_delay;
    let ready = Instant::now() + trips;
    if settings.answer != Answer::Accept {
        shared.counters.update(|stats| stats.refused += 1);
        sleep_until(ready).await;
        return None;
    }
    let target = shared.next_target().ok_or(io::ErrorKind::NotFound.into());
    let database = match target {
        Ok(target) => TcpStream::connect(target).await,
        Err(error) => Err(error),
    };
    match database {
        Ok(database) => {
            database.set_nodelay(true).ok();
            sleep_until(ready).await;
            Some(database)
        }
        Err(_) => {
            shared.counters.update(|stats| {
                stats.refused += 1;
                stats.dial_failures += 1;
            });
            sleep_until(ready).await;
            None
        }
    }
}

async fn from_client(client: &mut OwnedReadHalf, up: &Line, shared: &Shared) {
    loop {
        let mut buffer = BytesMut::with_capacity(READ);
        let Ok(count @ 1..) = client.read_buf(&mut buffer).await else { break };
        shared.counters.update(|stats| {
            stats.frames_from_client += 1;
            stats.bytes_from_client += count as u64;
        });
        up.send(buffer.freeze(), shared.knobs.one_way()).await;
    }
    up.end(shared.knobs.one_way());
    std::future::pending().await
}

/// Writes what comes out of a line until its end, obeying the knobs; towards the client it counts.
async fn deliver(
    end: &mut LineEnd,
    to: &mut OwnedWriteHalf,
    shared: &Shared,
    to_client: bool,
) -> io::Result<()> {
    let mut settings = shared.knobs.watch_settings();
    loop {
        let next = end.next_due().await;
        let passes = |settings: &Settings| !(settings.silent || settings.paused && to_client);
        drop(settings.wait_for(passes).await);
        let Some(bytes) = next else { return Ok(()) };
        if to_client {
            shared.counters.update(|stats| {
                stats.frames_to_client += 1;
                stats.bytes_to_client += bytes.len() as u64;
            });
        }
        to.write_all(&bytes).await?;
    }
}
