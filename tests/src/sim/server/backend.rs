//! One connection's backend: start-up, then the protocol, then its end.

use std::collections::VecDeque;

use super::auth::Dialogue;
use super::database::Database;
use super::session::{How, Session};
use crate::sim::message::{put, put_cstr, put_report};

/// Request code of a start-up packet, protocol 3.0.
pub const STARTUP_CODE: u32 = 196_608;
/// Request code of a cancel request.
pub const CANCEL_CODE: u32 = 80_877_102;
pub(super) const TLS_CODE: u32 = 80_877_103;

/// One backend.
#[derive(Debug)]
pub struct Backend {
    /// The process id of its cancel key.
    pub process: i32,
    /// The secret of its cancel key.
    pub secret: i32,
    /// The database it was asked for.
    pub database: String,
    pub(super) phase: Phase,
    pub(super) input: Vec<u8>,
    pub(super) output: Vec<u8>,
    pub(super) session: Session,
    /// Statements of the simple query that runs.
    pub(super) simple: VecDeque<String>,
    pub(super) in_simple: bool,
    pub(super) alone: bool,
    /// An error was sent; everything up to `Sync` is skipped.
    pub(super) skipping: bool,
    pub(super) copying: Option<Copying>,
    pub(super) slow: Option<Slow>,
    /// A `CancelRequest` this connection consisted of.
    pub cancel: Option<(i32, i32)>,
    pub(super) counted: bool,
    pub(super) salt: [u8; 16],
    peer_gone: bool,
}

#[derive(Debug)]
pub(super) enum Phase {
    Start,
    Auth(Dialogue),
    Ready,
    Ended,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Copying {
    pub(super) simple: bool,
    pub(super) lines: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Slow {
    pub(super) text: String,
    pub(super) how: How,
    pub(super) until: u64,
}

/// Ways of a server to go wrong, each of which costs it its connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mischief {
    /// A `ReadyForQuery` nobody asked for.
    ExtraReady,
    /// A `CommandComplete` nobody asked for.
    ExtraComplete,
    /// A row nobody asked for.
    ExtraRow,
    /// An error nobody asked for.
    ExtraError,
    /// A message of a type that does not exist.
    UnknownType,
    /// A message of a type that answers nothing any client may ask.
    WrongType,
    /// A length that cannot be.
    BadLength,
    /// Half of a message, then the end.
    HalfMessage,
}

impl Mischief {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::ExtraReady,
        Self::ExtraComplete,
        Self::ExtraRow,
        Self::ExtraError,
        Self::UnknownType,
        Self::WrongType,
        Self::BadLength,
        Self::HalfMessage,
    ];
}

impl Backend {
    /// A backend that waits for its start-up packet. `salt` must differ between backends.
    #[must_use]
    pub fn new(process: i32, salt: [u8; 16]) -> Self {
        Self {
            process,
            secret: i32::from_be_bytes([salt[0], salt[1], salt[2], salt[3]]),
            database: String::new(),
            phase: Phase::Start,
            input: Vec::new(),
            output: Vec::new(),
            session: Session::default(),
            simple: VecDeque::new(),
            in_simple: false,
            alone: true,
            skipping: false,
            copying: None,
            slow: None,
            cancel: None,
            counted: false,
            salt,
            peer_gone: false,
        }
    }

    /// A backend past its start-up, for the model that predicts answers.
    #[must_use]
    pub fn ready() -> Self {
        Self { phase: Phase::Ready, ..Self::new(0, [0; 16]) }
    }

    /// Bytes arrived.
    pub fn receive(&mut self, db: &mut Database, now: u64, bytes: &[u8]) {
        if self.ended() {
            return;
        }
        self.input.extend(bytes);
        self.advance(db, now);
    }

    /// Time passed: a slow statement may be done.
    pub fn wake(&mut self, db: &mut Database, now: u64) {
        if self.slow.as_ref().is_some_and(|slow| slow.until <= now)
            && let Some(slow) = self.slow.take()
        {
            self.session.finish_slow(&slow.text, slow.how, &mut self.output);
            self.advance(db, now);
        }
    }

    /// When it wants to be woken.
    #[must_use]
    pub fn busy_until(&self) -> Option<u64> {
        self.slow.as_ref().map(|slow| slow.until)
    }

    /// The statement that takes its time.
    #[must_use]
    pub fn busy_with(&self) -> Option<&str> {
        self.slow.as_ref().map(|slow| slow.text.as_str())
    }

    /// What it wants to send.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Whether it closes its connection once its output is sent.
    #[must_use]
    pub fn ended(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }

    /// Whether it is past its start-up.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(self.phase, Phase::Ready)
    }

    /// Whether it has one of the database's places.
    #[must_use]
    pub fn has_place(&self) -> bool {
        self.counted
    }

    /// Whether it waits for a request with nothing begun.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.is_ready()
            && self.input.is_empty()
            && self.slow.is_none()
            && self.copying.is_none()
            && !self.skipping
            && self.session.status() == b'I'
    }

    /// Prepares a statement that nobody asked for, as an earlier release of its client may have.
    pub fn leave_statement(&mut self, name: &str, text: &str) {
        self.session.statements.insert(name.to_owned(), text.to_owned());
    }

    /// Whether COPY waits for data, and if so, whether a simple query began it.
    #[must_use]
    pub fn copying_simply(&self) -> Option<bool> {
        self.copying.map(|copying| copying.simple)
    }

    /// The other end is gone; a slow statement is finished first.
    pub fn peer_closed(&mut self, db: &mut Database) {
        self.peer_gone = true;
        if self.slow.is_none() {
            self.end(db);
        }
    }

    /// A cancel request with the right key reached the server. True if it met a statement.
    pub fn cancelled(&mut self, db: &mut Database, now: u64) -> bool {
        if self.slow.take().is_none() {
            db.seen.cancelled_nothing += 1;
            return false;
        }
        db.seen.cancelled += 1;
        let simple = self.in_simple;
        self.session.fail("57014", "canceling statement due to user request", &mut self.output);
        self.after_error(simple);
        self.advance(db, now);
        true
    }

    /// An administrator's order: the last message is 57P01, and everything uncommitted is lost.
    pub fn kill(&mut self, db: &mut Database) {
        if !self.ended() {
            put_report(&mut self.output, b'E', "FATAL", "57P01", "terminating connection");
            self.end(db);
        }
    }

    /// The process is gone, without a word.
    pub fn crash(&mut self, db: &mut Database) {
        self.end(db);
    }

    /// Sends something of its own accord that every client must bear.
    pub fn chatter(&mut self, which: u64) {
        match which % 3 {
            0 => put_report(&mut self.output, b'N', "NOTICE", "00000", "async"),
            1 => put(&mut self.output, b'S', |out| {
                put_cstr(out, "search_path");
                put_cstr(out, "elsewhere");
            }),
            _ => put(&mut self.output, b'A', |out| {
                out.extend(7u32.to_be_bytes());
                put_cstr(out, "channel");
                put_cstr(out, "payload");
            }),
        }
    }

    /// Does something no server may do.
    pub fn misbehave(&mut self, db: &mut Database, mischief: Mischief) {
        let out = &mut self.output;
        match mischief {
            Mischief::ExtraReady => put(out, b'Z', |out| out.push(b'I')),
            Mischief::ExtraComplete => put(out, b'C', |out| put_cstr(out, "SELECT 1")),
            Mischief::ExtraRow => put(out, b'D', |out| out.extend([0, 0])),
            Mischief::ExtraError => put_report(out, b'E', "ERROR", "XX000", "out of nowhere"),
            Mischief::UnknownType => put(out, 0xf7, |out| out.extend([1, 2, 3])),
            Mischief::WrongType => put(out, b'V', |out| out.extend(u32::MAX.to_be_bytes())),
            Mischief::BadLength => out.extend([b'C', 0, 0, 0, 2, 0]),
            Mischief::HalfMessage => {
                out.extend([b'C', 0, 0, 0, 40, b'S', b'E']);
                self.end(db);
            }
        }
    }

    pub(super) fn end(&mut self, db: &mut Database) {
        if self.counted {
            db.connections -= 1;
            self.counted = false;
        }
        self.session.roll_back();
        self.slow = None;
        self.phase = Phase::Ended;
    }

    fn advance(&mut self, db: &mut Database, now: u64) {
        loop {
            match self.phase {
                Phase::Start => {
                    if !self.start_up(db) {
                        return;
                    }
                }
                Phase::Auth(_) => {
                    if !self.authenticate(db) {
                        return;
                    }
                }
                Phase::Ready => {
                    if self.slow.is_some() || !self.step(db, now) {
                        break;
                    }
                }
                Phase::Ended => return,
            }
        }
        if self.peer_gone && self.slow.is_none() {
            self.end(db);
        }
    }
}
