//! The half of a stream that the tunnel and the plain proxy have in common.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::AsyncReadExt as _;
use tokio::net::tcp::OwnedReadHalf;
use tokio::time::timeout;

use super::{Counters, Cut, Knobs, Line, sleep_until};

/// How long a client whose stream has ended may take to end its connection. Dropping the socket
/// at once would reset it and could destroy bytes that it has not read yet.
const LINGER: Duration = Duration::from_secs(2);

/// Swallows what the client of an ended stream still sends, for a while.
pub(crate) async fn linger(client: &mut OwnedReadHalf) {
    let mut waste = [0; 4096];
    drop(timeout(LINGER, async { while let Ok(1..) = client.read(&mut waste).await {} }).await);
}

/// Reads the database, at most `chunk` bytes at once, into the line towards the client, until its
/// end or a cut. Never returns: the end travels through the line, behind the bytes.
pub(crate) async fn from_database(
    database: &mut OwnedReadHalf,
    down: &Line,
    chunk: usize,
    knobs: &Knobs,
    counters: &Counters,
) {
    let mut passed = 0;
    let mut free = Instant::now();
    loop {
        sleep_until(free).await;
        let mut buffer = BytesMut::with_capacity(chunk);
        let Ok(count @ 1..) = database.read_buf(&mut buffer).await else { break };
        free = free.max(Instant::now()) + knobs.pace(count);
        match knobs.allow(passed, count) {
            Cut::No => down.send(buffer.freeze(), knobs.one_way()).await,
            Cut::After(left) => {
                counters.update(|stats| stats.cuts += 1);
                buffer.truncate(left);
                down.send(buffer.freeze(), knobs.one_way()).await;
                break;
            }
        }
        passed += count as u64;
    }
    down.end(knobs.one_way());
    std::future::pending().await
}
