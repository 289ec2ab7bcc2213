//! One connection to a database: a task that reads what was granted, writes what it is given, and
//! says what became of it.
//!
//! One task per connection, so that its inputs are in the order in which they happened.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::{Buf as _, Bytes};
use pierhead_agent::core::{ConnId, Input};
use pierhead_config::Address;
use pierhead_wire::tunnel::RefusedReason;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use super::socket::{Read, Socket};
use super::tcp;
use crate::limits::{CONNECT_TIMEOUT, WRITE_PIECES_MAX};

/// What a connection is told to do. Giving up the sender closes it.
#[derive(Debug)]
pub(super) enum Order {
    Write(Vec<Bytes>),
    Read(usize),
    Peek,
    Finish,
}

/// Orders wait here while the task works: no more than the core's windows let through.
pub(super) type Orders = mpsc::UnboundedReceiver<Order>;

/// Connects, then carries bytes until the end. The last input is `ConnectFailed` or `Closed`.
pub(super) async fn run(
    conn: ConnId,
    address: Address,
    mut orders: Orders,
    inputs: mpsc::Sender<Input>,
) {
    let mut early = VecDeque::new();
    let last = match connect(&address, &mut orders, &mut early).await {
        Ok(socket) => {
            if inputs.send(Input::Connected { conn }).await.is_err() {
                return;
            }
            let mut carrier = Carrier::new(conn, socket, inputs.clone());
            Input::Closed { conn, detail: carrier.carry(early, &mut orders).await }
        }
        Err((reason, detail)) => Input::ConnectFailed { conn, reason, detail },
    };
    // Fails only if the program is ending.
    let _ = inputs.send(last).await;
}

/// Connects. Orders that arrive meanwhile are kept for later.
async fn connect(
    address: &Address,
    orders: &mut Orders,
    early: &mut VecDeque<Order>,
) -> Result<Socket, (RefusedReason, String)> {
    let attempt = async {
        io::Result::Ok(match (address, address.socket_path()) {
            (_, Some(path)) => Socket::Unix(UnixStream::connect(path).await?),
            (Address::Tcp { host, port } | Address::Unix { directory: host, port }, None) => {
                Socket::Tcp(tcp::connect(host, *port).await?)
            }
        })
    };
    let failed = |reason, what: &dyn std::fmt::Display| {
        Err((reason, format!("connect to {address}: {what}")))
    };
    let collect = async {
        while let Some(order) = orders.recv().await {
            early.push_back(order);
        }
    };
    tokio::select! {
        result = tokio::time::timeout(CONNECT_TIMEOUT, attempt) => match result {
            Ok(Ok(socket)) => Ok(socket),
            Ok(Err(error)) if error.kind() == io::ErrorKind::TimedOut => {
                failed(RefusedReason::Timeout, &error)
            }
            Ok(Err(error)) => failed(RefusedReason::Connect, &error),
            Err(_) => failed(
                RefusedReason::Timeout,
                &format_args!("no answer within {} s", CONNECT_TIMEOUT.as_secs()),
            ),
        },
        () = collect => failed(RefusedReason::Connect, &"given up"),
    }
}

/// A connection that stands.
struct Carrier {
    conn: ConnId,
    socket: Socket,
    inputs: mpsc::Sender<Input>,
    /// What the operating system has not taken yet.
    unwritten: VecDeque<Bytes>,
    /// Bytes that may still be read.
    granted: usize,
    /// The database has closed its direction.
    ended: bool,
    finish: Finish,
    /// A write failed: nothing more is written, but the database's last words are still read.
    broken: Option<io::Error>,
}

/// How far our direction is closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Finish {
    Open,
    /// After what is unwritten.
    Asked,
    Done,
}

impl Carrier {
    fn new(conn: ConnId, socket: Socket, inputs: mpsc::Sender<Input>) -> Self {
        Self {
            conn,
            socket,
            inputs,
            unwritten: VecDeque::new(),
            granted: 0,
            ended: false,
            finish: Finish::Open,
            broken: None,
        }
    }

    /// Carries bytes until the connection is given up or breaks; says why, for the log.
    async fn carry(&mut self, early: VecDeque<Order>, orders: &mut Orders) -> String {
        match self.run(early, orders).await {
            Ok(()) => "closed".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    async fn run(&mut self, early: VecDeque<Order>, orders: &mut Orders) -> io::Result<()> {
        for order in early {
            self.obey(order).await?;
        }
        loop {
            if self.ended
                && let Some(error) = self.broken.take()
            {
                return Err(error);
            }
            let interest = self.interest();
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.obey(order).await?,
                    None => {
                        // What is left is tried once: a goodbye usually fits.
                        self.try_write();
                        return Ok(());
                    }
                },
                ready = self.socket.ready(interest.unwrap_or(Interest::READABLE)),
                    if interest.is_some() =>
                {
                    let ready = ready?;
                    if ready.is_writable() || ready.is_error() {
                        self.write().await?;
                    }
                    if ready.is_readable() || ready.is_error() {
                        self.read().await?;
                    }
                }
            }
        }
    }

    fn interest(&self) -> Option<Interest> {
        let read = self.granted > 0 && !self.ended;
        match (read, !self.unwritten.is_empty()) {
            (true, true) => Some(Interest::READABLE | Interest::WRITABLE),
            (true, false) => Some(Interest::READABLE),
            (false, true) => Some(Interest::WRITABLE),
            (false, false) => None,
        }
    }

    async fn obey(&mut self, order: Order) -> io::Result<()> {
        match order {
            Order::Write(bytes) => {
                if self.broken.is_none() {
                    self.unwritten.extend(bytes.into_iter().filter(|piece| !piece.is_empty()));
                }
            }
            Order::Read(bytes) => self.granted = self.granted.saturating_add(bytes),
            Order::Peek => self.peek().await?,
            Order::Finish => {
                self.finish = Finish::Asked;
                self.finish_if_written();
            }
        }
        Ok(())
    }

    /// Looks whether anything has arrived. Without a grant it may only look: what waits is read,
    /// and so answers the question, as soon as it is granted.
    async fn peek(&mut self) -> io::Result<()> {
        if self.ended || self.broken.is_some() {
            return Ok(());
        }
        let found = if self.granted > 0 {
            self.socket.read_now(self.granted)?
        } else if self.socket.is_quiet()? {
            Read::Nothing
        } else {
            return Ok(());
        };
        if matches!(found, Read::Nothing) {
            return self.say(Input::Quiet { conn: self.conn }).await;
        }
        self.report(found).await
    }

    async fn read(&mut self) -> io::Result<()> {
        if self.granted == 0 || self.ended {
            return Ok(());
        }
        let found = self.socket.try_read(self.granted)?;
        self.report(found).await
    }

    async fn report(&mut self, found: Read) -> io::Result<()> {
        let conn = self.conn;
        match found {
            Read::Nothing => Ok(()),
            Read::Bytes(bytes) => {
                self.granted = self.granted.saturating_sub(bytes.len());
                self.say(Input::Received { conn, bytes }).await
            }
            Read::End => {
                self.ended = true;
                self.say(Input::Ended { conn }).await
            }
        }
    }

    async fn write(&mut self) -> io::Result<()> {
        let bytes = self.try_write();
        if bytes > 0 {
            self.say(Input::Wrote { conn: self.conn, bytes }).await?;
        }
        self.finish_if_written();
        Ok(())
    }

    /// Bytes that the operating system took. An error is kept until the database's last words
    /// were read: they say why.
    fn try_write(&mut self) -> usize {
        let mut slices = [IoSlice::new(&[]); WRITE_PIECES_MAX];
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(&self.unwritten) {
            *slice = IoSlice::new(piece);
            count += 1;
        }
        let result = match slices.get(..count) {
            None | Some([]) => return 0,
            Some(slices) => self.socket.try_write(slices),
        };
        match result {
            Ok(bytes) => {
                self.advance(bytes);
                bytes
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => {
                self.unwritten.clear();
                self.broken = Some(error);
                0
            }
        }
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(piece) = self.unwritten.front_mut() {
            if piece.len() > written {
                piece.advance(written);
                return;
            }
            written -= piece.len();
            self.unwritten.pop_front();
        }
    }

    fn finish_if_written(&mut self) {
        if self.finish == Finish::Asked && self.unwritten.is_empty() {
            self.finish = Finish::Done;
            // An error here is the connection's end, which reading reports.
            let _ = self.socket.shutdown_write();
        }
    }

    async fn say(&self, input: Input) -> io::Result<()> {
        self.inputs.send(input).await.map_err(|_| io::Error::other("the program is ending"))
    }
}
