//! One TCP connection, of a client or of the database: reads no more than was granted, writes at
//! once what fits, keeps the rest.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// Pieces that one write joins.
const PIECES: usize = 64;

/// What a pipe reports to the task that drives it.
#[derive(Debug)]
pub(super) enum Happened {
    /// Bytes came.
    Data(Bytes),
    /// This many more bytes of what was sent were accepted.
    Took(usize),
    /// The far end ended the connection in order.
    Ended,
    /// It broke.
    Broke(String),
    /// The pipe was closed from this side, and what was to go out has gone.
    Closed,
}

/// How a pipe is closed from this side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Closing {
    No,
    /// When everything was written.
    AfterWrites,
    Now,
}

/// A connection. One task drives it by [`next`](Pipe::next); everything else may be called at any
/// time from the same thread.
#[derive(Debug)]
pub(super) struct Pipe {
    read: RefCell<OwnedReadHalf>,
    write: RefCell<OwnedWriteHalf>,
    queue: RefCell<VecDeque<Bytes>>,
    /// A write failed; the driving task reports it.
    broken: RefCell<Option<String>>,
    granted: Cell<usize>,
    accepted: Cell<u64>,
    closing: Cell<Closing>,
    driver: RefCell<Option<Waker>>,
}

impl Pipe {
    pub(super) fn new(socket: TcpStream) -> Rc<Self> {
        socket.set_nodelay(true).ok();
        let (read, write) = socket.into_split();
        Rc::new(Self {
            read: RefCell::new(read),
            write: RefCell::new(write),
            queue: RefCell::default(),
            broken: RefCell::default(),
            granted: Cell::new(0),
            accepted: Cell::new(0),
            closing: Cell::new(Closing::No),
            driver: RefCell::default(),
        })
    }

    /// Lets more bytes be read.
    pub(super) fn grant(&self, bytes: usize) {
        if self.granted.replace(self.granted.get() + bytes) == 0 {
            self.wake();
        }
    }

    /// Bytes of all that was sent that the connection accepted.
    pub(super) fn accepted(&self) -> u64 {
        self.accepted.get()
    }

    /// True if nothing that was sent waits to go out.
    pub(super) fn is_drained(&self) -> bool {
        self.queue.borrow().is_empty()
    }

    /// Sends bytes; returns how many were accepted at once. The rest follows when it can.
    pub(super) fn send(&self, bytes: impl IntoIterator<Item = Bytes>) -> usize {
        let first = {
            let mut queue = self.queue.borrow_mut();
            let first = queue.is_empty();
            queue.extend(bytes.into_iter().filter(|bytes| !bytes.is_empty()));
            first
        };
        let taken = if first { self.write_some() } else { 0 };
        if !self.queue.borrow().is_empty() || self.broken.borrow().is_some() {
            self.wake();
        }
        taken
    }

    /// Closes the pipe when everything was written.
    pub(super) fn close_after_writes(&self) {
        self.closing.set(Closing::AfterWrites);
        self.wake();
    }

    /// Closes the pipe now.
    pub(super) fn close_now(&self) {
        self.closing.set(Closing::Now);
        self.wake();
    }

    /// What happens next. `scratch` is what is read into.
    pub(super) async fn next(&self, scratch: &RefCell<Box<[u8]>>) -> Happened {
        std::future::poll_fn(|context| self.poll(context, &mut scratch.borrow_mut())).await
    }

    /// Ends the writing direction, and throws away what still comes until the far end has ended too.
    pub(super) async fn linger(&self) {
        let shut = |cx: &mut Context<'_>| {
            Pin::new(&mut *self.write.borrow_mut()).poll_shutdown(cx).map(drop)
        };
        std::future::poll_fn(shut).await;
        let mut waste = [0; 4096];
        let read = |cx: &mut Context<'_>| {
            let mut buffer = ReadBuf::new(&mut waste);
            let read = Pin::new(&mut *self.read.borrow_mut()).poll_read(cx, &mut buffer);
            read.map(|result| result.is_ok() && !buffer.filled().is_empty())
        };
        let mut read = read;
        while std::future::poll_fn(&mut read).await {}
    }

    fn poll(&self, context: &mut Context<'_>, scratch: &mut [u8]) -> Poll<Happened> {
        if self.closing.get() == Closing::Now {
            return Poll::Ready(Happened::Closed);
        }
        if let Some(detail) = self.broken.borrow_mut().take() {
            return Poll::Ready(Happened::Broke(detail));
        }
        if let Poll::Ready(happened) = self.poll_write(context) {
            return Poll::Ready(happened);
        }
        if self.closing.get() == Closing::AfterWrites && self.queue.borrow().is_empty() {
            return Poll::Ready(Happened::Closed);
        }
        if self.granted.get() > 0
            && self.closing.get() == Closing::No
            && let Poll::Ready(happened) = self.poll_read(context, scratch)
        {
            return Poll::Ready(happened);
        }
        let mut driver = self.driver.borrow_mut();
        if !driver.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            *driver = Some(context.waker().clone());
        }
        Poll::Pending
    }

    fn poll_write(&self, context: &mut Context<'_>) -> Poll<Happened> {
        while !self.queue.borrow().is_empty() {
            if let Err(error) = ready!(self.write.borrow().as_ref().poll_write_ready(context)) {
                return Poll::Ready(Happened::Broke(error.to_string()));
            }
            let taken = self.write_some();
            if let Some(detail) = self.broken.borrow_mut().take() {
                return Poll::Ready(Happened::Broke(detail));
            }
            if taken > 0 {
                return Poll::Ready(Happened::Took(taken));
            }
        }
        Poll::Pending
    }

    fn poll_read(&self, context: &mut Context<'_>, scratch: &mut [u8]) -> Poll<Happened> {
        let most = scratch.len().min(self.granted.get());
        let mut buffer = ReadBuf::new(&mut scratch[..most]);
        let read = ready!(Pin::new(&mut *self.read.borrow_mut()).poll_read(context, &mut buffer));
        Poll::Ready(match (read, buffer.filled()) {
            (Err(error), _) => Happened::Broke(error.to_string()),
            (Ok(()), []) => Happened::Ended,
            (Ok(()), bytes) => {
                self.granted.set(self.granted.get() - bytes.len());
                Happened::Data(Bytes::copy_from_slice(bytes))
            }
        })
    }

    /// Writes what the connection accepts now.
    fn write_some(&self) -> usize {
        let mut queue = self.queue.borrow_mut();
        let mut total = 0;
        while !queue.is_empty() {
            let pieces: [IoSlice<'_>; PIECES] =
                std::array::from_fn(|at| IoSlice::new(queue.get(at).map_or(&[], |b| b)));
            let used = queue.len().min(PIECES);
            match self.write.borrow().try_write_vectored(&pieces[..used]) {
                Ok(count) => {
                    total += count;
                    self.accepted.set(self.accepted.get() + count as u64);
                    advance(&mut queue, count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    *self.broken.borrow_mut() = Some(error.to_string());
                    break;
                }
            }
        }
        total
    }

    fn wake(&self) {
        if let Some(waker) = &*self.driver.borrow() {
            waker.wake_by_ref();
        }
    }
}

/// Drops the first `count` bytes.
fn advance(queue: &mut VecDeque<Bytes>, mut count: usize) {
    while let Some(first) = queue.front_mut() {
        if count < first.len() {
            first.advance(count);
            return;
        }
        count -= first.len();
        queue.pop_front();
    }
}
