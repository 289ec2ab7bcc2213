//! Delay without a limit on throughput: a queue whose items may leave only at their time.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::{Arc, OnceLock, mpsc as std_mpsc};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// Bytes that may be under way in one direction of one stream. Above bandwidth times delay of any
/// path a test emulates (400 MB/s at 20 ms one way), and small enough for hundreds of streams.
const LINE_BYTES: usize = 8 << 20;

/// The sending end of a delay line.
#[derive(Debug)]
pub(crate) struct Line {
    queue: mpsc::UnboundedSender<LineItem>,
    room: Arc<Semaphore>,
}

/// The receiving end of a delay line.
#[derive(Debug)]
pub(crate) struct LineEnd(mpsc::UnboundedReceiver<LineItem>);

/// Something under way: bytes, or the end of the direction.
#[derive(Debug)]
pub(crate) struct LineItem {
    /// Not to be delivered before.
    pub(crate) due: Instant,
    /// `None`: the direction has ended.
    pub(crate) bytes: Option<Bytes>,
    _room: Option<OwnedSemaphorePermit>,
}

/// A new delay line.
pub(crate) fn line() -> (Line, LineEnd) {
    let (queue, end) = mpsc::unbounded_channel();
    (Line { queue, room: Arc::new(Semaphore::new(LINE_BYTES)) }, LineEnd(end))
}

impl Line {
    /// Sends bytes to arrive `delay` from now; waits while the line is full.
    pub(crate) async fn send(&self, bytes: Bytes, delay: Duration) {
        let arrived = Instant::now();
        let size = bytes.len().min(LINE_BYTES) as u32;
        let room = self.room.clone().acquire_many_owned(size).await.ok();
        // A receiver that is gone has ended the stream; nobody misses the bytes.
        drop(self.queue.send(LineItem { due: arrived + delay, bytes: Some(bytes), _room: room }));
    }

    /// Sends the end of the direction, behind everything sent before.
    pub(crate) fn end(&self, delay: Duration) {
        let due = Instant::now() + delay;
        drop(self.queue.send(LineItem { due, bytes: None, _room: None }));
    }
}

impl LineEnd {
    /// The next item, not yet due. Safe to cancel.
    pub(crate) async fn next(&mut self) -> Option<LineItem> {
        self.0.recv().await
    }

    /// Waits for the next bytes and until they are due; `None` when the end is due.
    /// Not safe to cancel.
    pub(crate) async fn next_due(&mut self) -> Option<Bytes> {
        let item = self.next().await?;
        sleep_until(item.due).await;
        item.bytes
    }
}

/// Sleeps until `due`, to about 0.1 ms. The runtime's own timer rounds up to whole milliseconds,
/// which would add one to each direction and spoil measurements of round trips.
pub(crate) async fn sleep_until(due: Instant) {
    if due <= Instant::now() {
        return;
    }
    let (wake, woken) = oneshot::channel();
    if timer().send(Alarm { due, wake }).is_ok() {
        drop(woken.await);
    }
}

struct Alarm {
    due: Instant,
    wake: oneshot::Sender<()>,
}

impl PartialEq for Alarm {
    fn eq(&self, other: &Self) -> bool {
        self.due == other.due
    }
}
impl Eq for Alarm {}
impl PartialOrd for Alarm {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Alarm {
    fn cmp(&self, other: &Self) -> Ordering {
        self.due.cmp(&other.due)
    }
}

fn timer() -> &'static std_mpsc::Sender<Alarm> {
    static TIMER: OnceLock<std_mpsc::Sender<Alarm>> = OnceLock::new();
    TIMER.get_or_init(|| {
        let (sender, alarms) = std_mpsc::channel();
        std::thread::Builder::new()
            .name("delay".into())
            .spawn(move || run_timer(&alarms))
            .expect("a thread for the delay timer");
        sender
    })
}

fn run_timer(alarms: &std_mpsc::Receiver<Alarm>) {
    let mut heap: BinaryHeap<Reverse<Alarm>> = BinaryHeap::new();
    loop {
        let now = Instant::now();
        while heap.peek().is_some_and(|next| next.0.due <= now) {
            if let Some(Reverse(alarm)) = heap.pop() {
                let _ = alarm.wake.send(());
            }
        }
        let received = match heap.peek() {
            Some(next) => alarms.recv_timeout(next.0.due.saturating_duration_since(now)),
            None => alarms.recv().map_err(|_| std_mpsc::RecvTimeoutError::Disconnected),
        };
        match received {
            Ok(alarm) => heap.push(Reverse(alarm)),
            Err(std_mpsc::RecvTimeoutError::Timeout) => {}
            Err(std_mpsc::RecvTimeoutError::Disconnected) => return,
        }
    }
}
