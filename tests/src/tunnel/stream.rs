//! One open stream: two delay lines between a WebSocket and a TCP connection.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval_at};

use super::{MAX_FRAME, Shared};
use crate::net::{
    Generation, Line, LineEnd, LineItem, OpenStream, Settings, from_database, line, linger,
    sleep_until,
};
use crate::websocket::{BINARY, Message, MessageReader, PING, PONG, put_frame};

/// Carries bytes until either side ends or a knob cuts, then ends both.
pub(super) async fn run(
    client: TcpStream,
    database: TcpStream,
    early: BytesMut,
    mut cuts: watch::Receiver<Generation>,
    open: OpenStream,
    shared: &Shared,
) {
    let (client_read, mut client_write) = client.into_split();
    let (mut database_read, mut database_write) = database.into_split();
    let (up, mut up_end) = line();
    let (down, mut down_end) = line();
    let (pongs, mut pings) = mpsc::unbounded_channel();
    let mut reader = MessageReader::new(client_read, early, MAX_FRAME, true);
    tokio::select! {
        _ = from_client(&mut reader, &up, &pongs, shared) => {}
        _ = to_database(&mut up_end, &mut database_write) => {}
        () = from_database(&mut database_read, &down, MAX_FRAME, &shared.knobs, &shared.counters) => {}
        _ = to_client(&mut down_end, &mut client_write, &mut pings, shared) => {}
        Ok(()) = cuts.changed() => shared.counters.update(|stats| stats.cuts += 1),
    }
    // The database's end first, and the count before the client can know: a client that opens
    // another stream on seeing the end is within its cap.
    drop((database_read, database_write));
    drop(open);
    client_write.shutdown().await.ok();
    linger(reader.get_mut()).await;
}

/// Never returns before the stream is over: the end travels through the line behind the bytes.
async fn from_client(
    reader: &mut MessageReader<OwnedReadHalf>,
    up: &Line,
    pongs: &mpsc::UnboundedSender<Bytes>,
    shared: &Shared,
) -> io::Result<()> {
    loop {
        match reader.next().await {
            Ok(Some(Message::Binary { payload, lost })) => {
                shared.counters.update(|stats| {
                    stats.frames_from_client += 1;
                    stats.bytes_from_client += payload.len() as u64;
                    stats.truncated_frames += u64::from(lost > 0);
                });
                up.send(payload, shared.knobs.one_way()).await;
            }
            Ok(Some(Message::Text(_))) => shared.counters.update(|stats| stats.text_frames += 1),
            Ok(Some(Message::Ping(payload))) => drop(pongs.send(payload)),
            Ok(Some(Message::Pong)) => shared.counters.update(|stats| stats.pongs += 1),
            Ok(Some(Message::Close(_)) | None) => break,
            Err(error) => {
                if error.kind() == io::ErrorKind::Other {
                    shared.counters.violation(error.to_string());
                }
                break;
            }
        }
    }
    up.end(shared.knobs.one_way());
    std::future::pending().await
}

async fn to_database(up: &mut LineEnd, database: &mut OwnedWriteHalf) -> io::Result<()> {
    while let Some(bytes) = up.next_due().await {
        database.write_all(&bytes).await?;
    }
    Ok(())
}

async fn to_client(
    down: &mut LineEnd,
    client: &mut OwnedWriteHalf,
    pings: &mut mpsc::UnboundedReceiver<Bytes>,
    shared: &Shared,
) -> io::Result<()> {
    let mut settings = shared.knobs.watch_settings();
    let period = shared.config.ping;
    let mut ticks = interval_at(tokio::time::Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut next: Option<LineItem> = None;
    let mut out = BytesMut::new();
    loop {
        tokio::select! {
            // Bytes of the database first only when they are due.
            item = due(&mut next, down, &mut settings) => match item.bytes {
                Some(bytes) if bytes.is_empty() => {}
                Some(bytes) => {
                    shared.counters.update(|stats| {
                        stats.frames_to_client += 1;
                        stats.bytes_to_client += bytes.len() as u64;
                    });
                    put_frame(&mut out, BINARY, &bytes, None);
                }
                None => return Ok(()),
            },
            _ = ticks.tick() => {
                shared.counters.update(|stats| stats.pings += 1);
                put_frame(&mut out, PING, &[], None);
            }
            Some(payload) = pings.recv() => put_frame(&mut out, PONG, &payload, None),
        }
        client.write_all(&out.split()).await?;
    }
}

/// The next item once it is due and the path is not paused. Safe to cancel: an item not yet due
/// stays in `next`.
async fn due(
    next: &mut Option<LineItem>,
    down: &mut LineEnd,
    settings: &mut watch::Receiver<Settings>,
) -> LineItem {
    if next.is_none() {
        *next = down.next().await;
    }
    match next {
        Some(item) => sleep_until(item.due).await,
        // The reading half lives as long as this one, so the line cannot be closed yet.
        None => std::future::pending().await,
    }
    drop(settings.wait_for(|settings| !settings.paused).await);
    match next.take() {
        Some(item) => item,
        None => std::future::pending().await,
    }
}
