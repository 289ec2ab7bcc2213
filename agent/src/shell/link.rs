//! One link: a task that opens the WebSocket, carries whole messages both ways, and says what
//! became of it.
//!
//! ```text
//!   dialling ──▶ open ──▶ closing ──▶ lingering ──▶ (gone)
//!      │          │  (ours, ≤ 1 s)      (≤ 1 s)
//!      └──────────┴──▶ (gone: refused, or the peer's end)
//! ```
//! The core hears `LinkClosed` at the end of *closing*.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use pierhead_agent::core::{Input, LinkNo};
use pierhead_wire::limits::TUNNEL_MESSAGE_BYTES_MAX;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::dial::{Dial, Refused, Transport};
use super::foreign;
use crate::limits::{CLOSE_TIMEOUT, DIAL_TIMEOUT, LINGER_TIMEOUT, LINK_QUEUE_BYTES_MAX};

type Socket = WebSocketStream<Transport>;

/// The core's side of a link. Dropping it closes the link, after what was sent.
#[derive(Debug)]
pub(super) struct Handle {
    letters: mpsc::UnboundedSender<Letter>,
    /// Bytes that wait in `letters`.
    queued: Arc<AtomicUsize>,
    /// Dropped with the handle, which the task notices even while it writes.
    _alive: oneshot::Sender<()>,
}

/// What waits to be written.
#[derive(Debug)]
enum Letter {
    Message(Vec<Bytes>),
    Ping,
}

impl Handle {
    /// Queues a message.
    ///
    /// # Errors
    /// When too much waits already: the link is stuck. The caller drops the handle.
    pub(super) fn send(&self, message: Vec<Bytes>) -> Result<(), ()> {
        let length = length(&message);
        let waiting = self.queued.fetch_add(length, Ordering::Relaxed);
        if waiting.saturating_add(length) > LINK_QUEUE_BYTES_MAX {
            return Err(());
        }
        // Fails when the link is gone, which the task reports.
        let _ = self.letters.send(Letter::Message(message));
        Ok(())
    }

    /// Queues a ping.
    pub(super) fn ping(&self) {
        let _ = self.letters.send(Letter::Ping);
    }
}

/// A handle, and the task that does its work.
pub(super) fn open(
    no: LinkNo,
    dial: Dial,
    inputs: mpsc::Sender<Input>,
) -> (Handle, impl Future<Output = ()> + Send) {
    let (handle, task, dropped) = link(no, inputs);
    (handle, task.run(dial, dropped))
}

fn link(link: LinkNo, inputs: mpsc::Sender<Input>) -> (Handle, Task, oneshot::Receiver<()>) {
    let (letters, queue) = mpsc::unbounded_channel();
    let (alive, dropped) = oneshot::channel();
    let queued = Arc::new(AtomicUsize::new(0));
    let handle = Handle { letters, queued: Arc::clone(&queued), _alive: alive };
    (handle, Task { link, inputs, queue: Some(Queue { letters: queue, queued }) }, dropped)
}

struct Task {
    link: LinkNo,
    inputs: mpsc::Sender<Input>,
    /// Until the link is open.
    queue: Option<Queue>,
}

struct Queue {
    letters: mpsc::UnboundedReceiver<Letter>,
    queued: Arc<AtomicUsize>,
}

impl Task {
    async fn run(self, dial: Dial, mut dropped: oneshot::Receiver<()>) {
        let link = self.link;
        let opened = tokio::select! {
            _ = &mut dropped => return self.closed("given up").await,
            opened = timeout(DIAL_TIMEOUT, dial.open()) => opened,
        };
        let refused = match opened {
            Ok(Ok(socket)) => {
                self.say(Input::LinkOpened { link }).await;
                return self.carry(socket, dropped).await;
            }
            Ok(Err(refused)) => refused,
            Err(_) => Refused::retry(format!("no answer within {} s", DIAL_TIMEOUT.as_secs())),
        };
        let Refused { denied, detail } = refused;
        self.say(Input::LinkRefused { link, denied, detail }).await;
    }

    async fn carry(mut self, socket: Socket, dropped: oneshot::Receiver<()>) {
        let (sink, mut stream) = socket.split();
        let Some(queue) = self.queue.take() else { return };
        let mut writing = Box::pin(write(sink, queue));
        let ended = tokio::select! {
            detail = self.read(&mut stream) => Some(detail),
            result = &mut writing => Some(result.map_or_else(describe, |()| "closed".to_owned())),
            _ = dropped => None,
        };
        let detail = match ended {
            Some(detail) => detail,
            // Ours to close. Reading goes on, or a peer that only writes would block us for good.
            None => tokio::select! {
                _ = &mut writing => "closed".to_owned(),
                () = discard(&mut stream) => "closed".to_owned(),
                () = sleep(CLOSE_TIMEOUT) => "closed, though not all was sent".to_owned(),
            },
        };
        self.closed(&detail).await;
        let _ = timeout(LINGER_TIMEOUT, discard(&mut stream)).await;
    }

    /// Reports what arrives, until the end; says why it ended.
    async fn read(&self, stream: &mut SplitStream<Socket>) -> String {
        let link = self.link;
        loop {
            let message = match stream.next().await {
                None => return "the connection ended".to_owned(),
                Some(Err(error)) => return describe(error),
                Some(Ok(message)) => message,
            };
            match message {
                Message::Binary(message) => {
                    self.say(Input::LinkMessage { link, message: Some(message) }).await;
                }
                Message::Text(_) => self.say(Input::LinkMessage { link, message: None }).await,
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {
                    self.say(Input::LinkAlive { link }).await;
                }
                Message::Close(None) => return "closed by the other side".to_owned(),
                Message::Close(Some(close)) => {
                    let (code, reason) = (u16::from(close.code), foreign(&close.reason));
                    return format!("closed by the other side: {code} {reason}");
                }
            }
        }
    }

    async fn closed(&self, detail: &str) {
        self.say(Input::LinkClosed { link: self.link, detail: detail.to_owned() }).await;
    }

    async fn say(&self, input: Input) {
        // Fails only if the program is ending.
        let _ = self.inputs.send(input).await;
    }
}

/// Writes what is queued; after its end, the close frame.
async fn write(mut sink: SplitSink<Socket, Message>, mut queue: Queue) -> Result<(), Error> {
    let mut next = queue.letters.recv().await;
    while let Some(letter) = next {
        let (message, following) = queue.join(letter);
        let written = message.len();
        sink.feed(message).await?;
        queue.queued.fetch_sub(written, Ordering::Relaxed);
        next = match following {
            Some(letter) => Some(letter),
            None => {
                sink.flush().await?;
                queue.letters.recv().await
            }
        };
    }
    match sink.close().await {
        Ok(()) | Err(Error::ConnectionClosed) => Ok(()),
        Err(error) => Err(error),
    }
}

impl Queue {
    /// One WebSocket message, and what follows it if that is already there. Messages that wait
    /// together leave as one, since messages are what is billed: each is whole frames, so that
    /// together they are, too.
    fn join(&mut self, letter: Letter) -> (Message, Option<Letter>) {
        let Letter::Message(mut pieces) = letter else {
            return (Message::Ping(Bytes::new()), self.letters.try_recv().ok());
        };
        let mut total = length(&pieces);
        let following = loop {
            match self.letters.try_recv() {
                Ok(Letter::Message(more)) if total + length(&more) <= TUNNEL_MESSAGE_BYTES_MAX => {
                    total += length(&more);
                    pieces.extend(more);
                }
                other => break other.ok(),
            }
        };
        if let [piece] = &*pieces {
            return (Message::Binary(piece.clone()), following);
        }
        let mut message = BytesMut::with_capacity(total);
        for piece in &pieces {
            message.extend_from_slice(piece);
        }
        (Message::Binary(message.freeze()), following)
    }
}

fn length(message: &[Bytes]) -> usize {
    message.iter().map(Bytes::len).sum()
}

async fn discard(stream: &mut SplitStream<Socket>) {
    while let Some(Ok(_)) = stream.next().await {}
}

fn describe(error: Error) -> String {
    if let Error::Io(error) = error { error.to_string() } else { error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_tungstenite::tungstenite::protocol::Role;

    /// An open link whose peer never reads, and what it says to the core.
    async fn stuck() -> (Handle, mpsc::Receiver<Input>, tokio::io::DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(1_024);
        let transport: Transport = Box::new(ours);
        let socket = WebSocketStream::from_raw_socket(transport, Role::Client, None).await;
        let (sender, inputs) = mpsc::channel(4);
        let (handle, task, dropped) = link(LinkNo(1), sender);
        tokio::spawn(task.carry(socket, dropped));
        (handle, inputs, theirs)
    }

    #[tokio::test]
    async fn a_link_that_takes_nothing_is_closed_all_the_same() {
        let (handle, mut inputs, _peer) = stuck().await;
        handle.send(vec![Bytes::from(vec![0; 100_000])]).unwrap();
        tokio::task::yield_now().await;
        drop(handle);
        let closed = timeout(CLOSE_TIMEOUT * 10, inputs.recv()).await.unwrap().unwrap();
        assert!(matches!(closed, Input::LinkClosed { link: LinkNo(1), .. }), "{closed:?}");
    }

    #[tokio::test]
    async fn what_waits_for_a_link_is_bounded() {
        let (handle, _inputs, _peer) = stuck().await;
        let message = Bytes::from(vec![0; 1024 * 1024]);
        let taken = (0..64).take_while(|_| handle.send(vec![message.clone()]).is_ok()).count();
        assert_eq!(taken, LINK_QUEUE_BYTES_MAX / message.len());
    }

    #[test]
    fn messages_that_wait_together_leave_as_one() {
        let (handle, mut task, _dropped) = link(LinkNo(1), mpsc::channel(1).0);
        let message = |text: &'static str| vec![Bytes::from_static(text.as_bytes())];
        for text in ["a", "b"] {
            handle.send(message(text)).unwrap();
        }
        handle.ping();
        handle.send(message("c")).unwrap();
        let queue = task.queue.as_mut().unwrap();
        let first = queue.letters.try_recv().unwrap();
        let (joined, following) = queue.join(first);
        assert_eq!(joined, Message::Binary(Bytes::from_static(b"ab")));
        let (ping, following) = queue.join(following.unwrap());
        assert_eq!(ping, Message::Ping(Bytes::new()));
        let (last, following) = queue.join(following.unwrap());
        assert_eq!(last, Message::Binary(Bytes::from_static(b"c")));
        assert!(following.is_none());
    }
}
