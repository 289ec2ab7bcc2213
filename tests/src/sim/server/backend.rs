//! One connection's backend: start-up, then the protocol, then its end.

use std::collections::VecDeque;
use std::rc::Rc;

use super::auth::Dialogue;
use super::command::Command;
use super::database::Database;
use super::reply::Failure;
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
    pub(super) simple: VecDeque<Piece>,
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
    /// Settings that the start-up packet chose.
    pub(super) chosen: Vec<(String, String)>,
    pub(super) trip: Option<Trip>,
    /// Whether output waits until it is asked for.
    holds: bool,
    /// So much of the output waits no longer.
    released: usize,
    peer_gone: bool,
}

/// A statement of a simple query.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) command: Command,
}

/// A message that will fail, whatever it asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trip {
    /// So many more are done as usual.
    pub messages: u32,
    /// Whether the session ends with it.
    pub fatal: bool,
}

#[derive(Debug)]
pub(super) enum Phase {
    Start,
    Auth(Dialogue),
    Ready,
    Ended,
}

#[derive(Clone, Debug)]
pub(super) struct Copying {
    pub(super) simple: bool,
    /// Every line must be a number.
    pub(super) numbers: bool,
    pub(super) lines: usize,
    /// How the line begins that has not ended yet.
    pub(super) line: Vec<u8>,
    pub(super) open: bool,
    /// A cancel is noticed with the next line.
    pub(super) cancelled: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Slow {
    pub(super) text: String,
    pub(super) value: String,
    pub(super) how: How,
    pub(super) until: u64,
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
            session: Session { process, ..Session::default() },
            simple: VecDeque::new(),
            in_simple: false,
            alone: true,
            skipping: false,
            copying: None,
            slow: None,
            cancel: None,
            counted: false,
            salt,
            chosen: Vec::new(),
            trip: None,
            holds: false,
            released: 0,
            peer_gone: false,
        }
    }

    /// A backend past its start-up, for the model that predicts answers.
    #[must_use]
    pub fn ready() -> Self {
        let mut backend = Self { phase: Phase::Ready, ..Self::new(0, [0; 16]) };
        backend.session.settings.greet(false, &mut Vec::new());
        backend
    }

    /// Bytes arrived.
    pub fn receive(&mut self, db: &mut Database, now: u64, bytes: &[u8]) {
        if self.ended() {
            return;
        }
        self.holds = db.holds_replies;
        self.input.extend(bytes);
        self.advance(db, now);
    }

    /// Time passed: a slow statement may be done.
    pub fn wake(&mut self, db: &mut Database, now: u64) {
        if self.slow.as_ref().is_some_and(|slow| slow.until <= now)
            && let Some(slow) = self.slow.take()
        {
            self.finish_slow(db, &slow);
            self.advance(db, now);
        }
    }

    /// Tells an idle client what others notified to it. Nothing happens while it is busy: it is
    /// told when it is done.
    pub fn deliver(&mut self, db: &mut Database) {
        if self.is_idle() {
            self.session.put_notifications(db, &mut self.output);
            self.release();
        }
    }

    /// Whether it listens to anything.
    #[must_use]
    pub fn listens(&self) -> bool {
        !self.session.listening.is_empty()
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
        if !self.holds {
            self.released = 0;
            return std::mem::take(&mut self.output);
        }
        let rest = self.output.split_off(self.released);
        self.released = 0;
        std::mem::replace(&mut self.output, rest)
    }

    /// What was written so far waits no longer if it is urgent, or more than the buffer holds.
    pub(super) fn release(&mut self) {
        /// The real server's buffer.
        const BUFFER: usize = 8192;
        let urgent = std::mem::take(&mut self.session.urgent);
        self.released = if self.ended() { self.output.len() } else { self.released.max(urgent) };
        self.released += (self.output.len() - self.released) / BUFFER * BUFFER;
    }

    /// The output, for something that does not wait for the end of a request.
    pub(super) fn urgent_output(&mut self) -> &mut Vec<u8> {
        self.holds = false;
        &mut self.output
    }

    /// Chooses a message that will fail.
    pub fn trip(&mut self, trip: Trip) {
        self.trip = Some(trip);
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
    pub fn leave_statement(&mut self, db: &Database, name: &str, text: &str) {
        let statement = self.session.statement(db, Command::parse(text), text, Vec::new());
        self.session.statements.insert(name.to_owned(), Rc::new(statement));
    }

    /// Whether COPY waits for data, and if so, whether a simple query began it.
    #[must_use]
    pub fn copying_simply(&self) -> Option<bool> {
        self.copying.as_ref().map(|copying| copying.simple)
    }

    /// The other end is gone; a slow statement is finished first.
    pub fn peer_closed(&mut self, db: &mut Database) {
        self.peer_gone = true;
        if self.slow.is_none() {
            self.end(db);
        }
    }

    /// A cancel request with the right key reached the server. True if it met a statement; COPY
    /// that waits for data meets it when data comes.
    pub fn cancelled(&mut self, db: &mut Database, now: u64) -> bool {
        if let Some(copying) = &mut self.copying {
            copying.cancelled = true;
            return false;
        }
        if self.slow.take().is_none() {
            db.seen.cancelled_nothing += 1;
            return false;
        }
        db.seen.cancelled += 1;
        let simple = self.in_simple;
        let failure = Failure::new("57014", "canceling statement due to user request");
        self.session.fail(&failure, &mut self.output);
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
        let out = self.urgent_output();
        match which % 3 {
            0 => put_report(out, b'N', "NOTICE", "00000", "async"),
            1 => put(out, b'S', |out| {
                put_cstr(out, "search_path");
                put_cstr(out, "elsewhere");
            }),
            _ => put(out, b'A', |out| {
                out.extend(7u32.to_be_bytes());
                put_cstr(out, "channel");
                put_cstr(out, "payload");
            }),
        }
    }

    pub(super) fn end(&mut self, db: &mut Database) {
        if self.counted {
            db.connections -= 1;
            self.counted = false;
        }
        self.session.end(db);
        self.session.urgent = self.output.len();
        self.slow = None;
        self.copying = None;
        self.phase = Phase::Ended;
        self.release();
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
                    self.run_input(db, now);
                    break;
                }
                Phase::Ended => return,
            }
        }
        self.release();
        if self.peer_gone && self.slow.is_none() {
            self.end(db);
        }
    }
}
