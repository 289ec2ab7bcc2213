//! A client that speaks the database's own protocol on a byte stream.
//!
//! ```text
//! StartUp ──nobody asks who it is──▶ Greeting ──parameters are known──▶ Open ──Terminate, error──▶ (gone)
//!    │   └──a password is set──▶ Login ──proved──▶ Greeting
//!    └──CancelRequest──▶ Cancelling ──cancel is over──▶ (gone)
//! ```

use bytes::{Bytes, BytesMut};
use pierhead_wire::pg::scan::{Direction, Piece, Scanner};
use pierhead_wire::pg::tag::frontend as tag;

use crate::auth::guard::Login;
use crate::database::speaker::Speaker;
use crate::failure::Failure;
use crate::io::{Mode, Terms};
#[cfg(debug_assertions)]
use crate::limits::CLIENT_WINDOW;
use crate::parts::Parts;
use crate::pool::inbox::Inbox;
use crate::pool::pieces::Pieces;
use crate::pool::stages::{self, Said};
use crate::state::Followed;
use crate::time::Instant;

/// How far a socket has come.
#[derive(Debug)]
pub(crate) enum Stage {
    /// Its start-up packet is still to come, or to be completed.
    StartUp {
        buffer: BytesMut,
        /// Nothing was read of it yet.
        first: bool,
    },
    /// It proves who it is. Then it is greeted, or hears what is wrong with its start-up.
    Login(Box<Login>, Result<(), Failure>),
    /// It waits to hear what the database's parameters are.
    Greeting,
    /// It is served.
    Open,
    /// It asked for a cancel, and is closed when that is over.
    Cancelling,
}

/// What names a client to us when it wants something cancelled.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) pid: u32,
    pub(crate) secret: [u8; 4],
}

/// One socket.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) mode: Mode,
    /// The shell says whose it is.
    pub(crate) named: bool,
    /// Its client may not choose another mode.
    pub(crate) mode_is_fixed: bool,
    pub(crate) stage: Stage,
    scanner: Scanner,
    pub(crate) inbox: Inbox,
    /// What of them, and of its state, is counted in the coordinator's budgets.
    pub(crate) counted: (usize, usize),
    /// Bytes that the shell may still read.
    credit: usize,
    /// What it has prepared.
    pub(crate) speaker: Speaker,
    /// What it has set, and what it set at its start.
    pub(crate) settings: Followed,
    pub(crate) start_settings: Followed,
    /// Settings of its start-up that no session has taken yet: one may refuse them.
    pub(crate) untried: bool,
    /// Why it keeps its session beyond its transactions.
    pub(crate) pinned: Option<&'static str>,
    pub(crate) key: Option<Key>,
    out: Pieces,
    untaken: usize,
    /// It was given a part of a message.
    pub(crate) mid_message: bool,
    /// It knows that it is over.
    pub(crate) told: bool,
    /// An error was answered here: what follows is thrown away up to the next Sync.
    pub(crate) skips: bool,
    /// Ready points that its lease was given so far.
    pub(crate) turns: u32,
    /// When it did something last.
    pub(crate) active_at: Instant,
    /// When what it runs has run for long enough.
    pub(crate) query_until: Option<Instant>,
    /// That time was over, and a cancel was sent.
    pub(crate) cancelled_by_time: bool,
    /// When its transaction has lasted for long enough.
    pub(crate) transaction_until: Option<Instant>,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key(pid {})", self.pid)
    }
}

impl Socket {
    /// A socket without a mode of its own takes the `usual` one.
    pub(crate) fn new(terms: &Terms, usual: Mode, now: Instant) -> Self {
        Self {
            mode: terms.mode.unwrap_or(usual),
            named: !terms.class.is_empty(),
            mode_is_fixed: terms.mode.is_some(),
            stage: Stage::StartUp { buffer: BytesMut::new(), first: true },
            scanner: Scanner::new(Direction::Frontend),
            inbox: Inbox::default(),
            counted: (0, 0),
            credit: 0,
            speaker: Speaker::default(),
            settings: Followed::default(),
            start_settings: Followed::default(),
            untried: false,
            pinned: None,
            key: None,
            out: Pieces::default(),
            untaken: 0,
            mid_message: false,
            told: false,
            skips: false,
            turns: 0,
            active_at: now,
            query_until: None,
            cancelled_by_time: false,
            transaction_until: None,
        }
    }

    /// The only way from one stage to another.
    pub(crate) fn enter(&mut self, stage: Stage, why: Said) {
        stages::check(&self.stage, why, &stage);
        self.stage = stage;
    }

    /// Bytes of the client came. An error ends the client.
    pub(crate) fn receive(&mut self, bytes: Bytes) -> Result<(), String> {
        self.inbox.receive(&mut self.scanner, bytes).map_err(|e| e.to_string())
    }

    /// It keeps its session beyond its transactions. True if it did not yet.
    pub(crate) fn pin(&mut self, why: &'static str) -> bool {
        let fresh = self.pinned.is_none();
        self.pinned = self.pinned.or(Some(why));
        fresh
    }

    /// Nothing of the client's is left in its session. True if that is why it kept it.
    pub(crate) fn unpin(&mut self) -> bool {
        self.mode == Mode::Transaction && self.pinned.take().is_some()
    }

    /// True if what comes next asks for the end.
    pub(crate) fn is_leaving(&self) -> bool {
        matches!(self.inbox.peek(), Some(Piece::Message(m)) if m.tag == tag::TERMINATE)
    }

    /// Bytes that wait for a session, with those of a message that is not whole yet.
    pub(crate) fn inbox_bytes(&self) -> usize {
        self.inbox.len() + self.scanner.gathered()
    }

    /// Bytes of what it has prepared and set.
    pub(crate) fn state_bytes(&self) -> usize {
        self.speaker.bytes() + self.settings.bytes()
    }

    /// Bytes missing from a message that must be whole before it is sent.
    pub(crate) fn missing(&self) -> usize {
        self.scanner.missing()
    }

    /// Adds bytes of a chunk for the client.
    #[inline]
    pub(crate) fn answer(&mut self, chunk: &Bytes, bytes: &[u8]) {
        self.out.push(chunk, bytes);
    }

    /// Adds a chunk for the client, which nobody else needs.
    #[inline]
    pub(crate) fn answer_all(&mut self, chunk: Bytes) {
        self.out.push_all(chunk);
    }

    /// Adds bytes that are made here for the client.
    pub(crate) fn say(&mut self, bytes: Bytes) {
        self.out.add(bytes);
    }

    /// True if there is something for the client.
    pub(crate) fn has_out(&self) -> bool {
        self.out.len() > 0
    }

    /// Everything for the client, which now counts as not taken.
    pub(crate) fn take_out(&mut self) -> Parts {
        self.untaken += self.out.len();
        self.out.take()
    }

    /// Bytes for the client that it has not taken.
    pub(crate) fn untaken(&self) -> usize {
        self.untaken
    }

    /// Bytes held for the client, here or on their way.
    pub(crate) fn held(&self) -> usize {
        self.untaken + self.out.len()
    }

    /// The client took bytes.
    pub(crate) fn took(&mut self, bytes: usize) {
        self.untaken = self.untaken.saturating_sub(bytes);
    }

    /// The shell read bytes. False if it was not allowed to.
    pub(crate) fn used_credit(&mut self, bytes: usize) -> bool {
        let allowed = bytes <= self.credit;
        self.credit = self.credit.saturating_sub(bytes);
        allowed
    }

    /// How many bytes more the shell may read, so that no more than `window` are held or on their
    /// way, and the message that is being gathered can be completed.
    pub(crate) fn owed_credit(&self, window: usize) -> usize {
        let held = self.inbox_bytes().saturating_add(self.credit);
        let room = window.saturating_sub(held).max(self.missing().saturating_sub(self.credit));
        // Small grants cost a call each.
        if room >= window / 4 || self.credit == 0 { room } else { 0 }
    }

    /// True if it may say nothing although there is room.
    #[cfg(debug_assertions)]
    pub(crate) fn is_mute(&self) -> bool {
        self.credit == 0 && self.owed_credit(CLIENT_WINDOW) > 0
    }

    pub(crate) fn granted_credit(&mut self, bytes: usize) {
        self.credit += bytes;
    }
}
