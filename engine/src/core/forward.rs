//! What clients say on its way to their sessions.

use crate::core::Engine;
use crate::database::outgoing::Outgoing;
use crate::database::refused::{self, Refused};
use crate::database::replies::{Expect, Note};
use crate::database::speaker::Speaker;
use crate::database::talk::Talk;
use crate::database::transaction::Transaction;
use crate::database::translate::{Library, Malformed, Translator};
use crate::ids::{ClientId, SessionId};
use crate::io::Mode;
use crate::limits::{LEASE_TURNS, WRITE_WINDOW};
use crate::pool::client::{Exchange, Kind};
use crate::pool::inbox::{Lump, Part};
use crate::pool::session::{Fence, Session};
use crate::pool::socket::Socket;
use crate::settings::{ResetPolicy, Settings, StatePolicy, Way};
use crate::sql::{Facts, Sign};
use crate::state::Followed;
use crate::statements::OnSession;
use crate::time::Instant;

use pierhead_wire::pg::frontend::{self, Target};
use pierhead_wire::pg::scan::Piece;
use pierhead_wire::pg::tag::frontend as tag;

/// Why forwarding stopped.
enum Stop {
    /// Everything was sent.
    Empty,
    /// The transport has enough for now.
    Full,
    /// What is on its way must be answered first.
    Busy,
    /// The client asks for the end.
    Left,
    /// The client does not follow the protocol.
    Malformed(&'static str),
}

impl Engine {
    /// Sends the whole of an exchange, with the reset behind it if it is known to be needed.
    pub(super) fn write_exchange(&mut self, session_id: SessionId, id: ClientId) {
        let Some(session) = self.sessions.get_mut(&session_id) else { return };
        let Some(client) = self.clients.get_mut(&id) else { return };
        let Some(exchange) = client.exchange_mut() else { return };
        let Some(mut talk) = session.take_talk() else { return };
        let out = self.outgoing.begin();
        if talk.transaction == Transaction::None {
            make_ready(session, &Followed::default(), &mut talk, out);
        }
        let settings = &self.settings;
        let library = &mut self.library;
        let shown = write_plan(exchange, library, settings, session, &mut talk, out, self.now);
        // Inside a lease, what must be cleared is known at the transaction's end.
        talk.must_reset |=
            self.settings.reset == ResetPolicy::Always || exchange.reset || shown.state;
        talk.reset_sent = exchange.lease.is_none()
            && talk.must_reset
            && !shown.copy_in
            && !shown.indelible
            && !skip_reset();
        if talk.reset_sent {
            out.add(&super::reset::discard_all());
        }
        session.put_talk(talk);
        let bytes = out.take();
        self.write_session(session_id, bytes);
    }

    /// Sends what a socket's client has said, as far as may be.
    pub(super) fn forward_socket(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let Some(session_id) = client.session() else { return };
        let Kind::Socket(socket) = &mut client.kind else { return };
        let Some(session) = self.sessions.get_mut(&session_id) else { return };
        let Some(mut talk) = session.take_talk() else { return };
        talk.begin_turn(session.written);
        let backlog = match session.way {
            Way::Agent => self.links.queued(session.stream) as u64,
            Way::Direct => session.written.saturating_sub(session.taken),
            // Nothing tells.
            Way::Cloudflared => 0,
        };
        let pinned = socket.pinned.is_some();
        let rules = Rules {
            now: self.now,
            settings: &self.settings,
            pins_left: self.settings.pinned_max.saturating_sub(self.pinned),
            mode: socket.mode,
            pinned,
            had_its_turn: !pinned && socket.turns >= LEASE_TURNS && !self.waiters.is_empty(),
            fence: session.fence,
            room: WRITE_WINDOW.saturating_sub(backlog),
        };
        let out = self.outgoing.begin();
        talk.make_again(out);
        let library = &mut self.library;
        let stop = rules.write_socket(socket, library, &mut session.statements, &mut talk, out);
        while let Some(made) = talk.replies.take_made(true) {
            socket.say(super::turns::made_reply(made));
        }
        // What is sent of our own accord is no part of the client's time.
        let began = !talk.replies.are_ours();
        session.put_talk(talk);
        if began
            && socket.query_until.is_none()
            && self.settings.query_timeout.0 > 0
            && socket.mode == Mode::Transaction
        {
            socket.query_until = Some(self.now + self.settings.query_timeout);
        }
        if !out.is_empty() {
            let bytes = out.take();
            self.counters.sent += 1;
            self.write_session(session_id, bytes);
        }
        self.flush_socket(id);
        self.count_client(id);
        match stop {
            Stop::Empty | Stop::Busy => {}
            Stop::Full => {
                self.stalled.insert(session_id);
            }
            Stop::Left => self.socket_left(id),
            Stop::Malformed(what) => self.break_socket(id, what),
        }
        self.arm_socket(id);
    }
}

/// Brings a session to where a client expects it, ahead of the client's own messages. True if
/// settings had to be made, which the database may refuse.
pub(super) fn make_ready(
    session: &mut Session,
    wanted: &Followed,
    talk: &mut Talk,
    out: &mut Outgoing,
) -> bool {
    if std::mem::take(&mut session.purge) && !skip_purge() {
        out.add(&super::reset::discard_all());
        talk.replies.sent(Expect::Query, Note::Ours);
        session.statements.clear();
    }
    if wanted.is_empty() && planted!(StateLeftBehind) {
        return false;
    }
    if !session.applied.is_empty() && planted!(ReplayToWrongClient) {
        return false;
    }
    if std::mem::take(&mut session.unnamed) {
        // Whatever becomes of the client's own, it must not meet another's.
        out.write(|out| frontend::write_close_statement(b"", out));
        talk.replies.sent(Expect::Close, Note::Ours);
    }
    let Some(sql) = session.applied.to(wanted) else { return false };
    out.write(|out| refused::write_query(sql.as_bytes(), out));
    talk.replies.sent(Expect::Query, Note::Ours);
    session.applied = wanted.clone();
    true
}

/// What the texts of an exchange show.
#[derive(Clone, Copy, Default)]
struct Shown {
    state: bool,
    copy_in: bool,
    indelible: bool,
}

fn write_plan(
    exchange: &mut Exchange,
    library: &mut Library,
    settings: &Settings,
    session: &mut Session,
    talk: &mut Talk,
    out: &mut Outgoing,
    now: Instant,
) -> Shown {
    let shown = std::cell::Cell::new(Shown::default());
    let refuse = |facts: &Facts| {
        let before = shown.get();
        shown.set(Shown {
            state: before.state | facts.signs.state.is_some() | !facts.changes.is_empty(),
            copy_in: before.copy_in | facts.signs.copy_in,
            indelible: before.indelible | facts.signs.indelible,
        });
        rejected(settings, facts)
    };
    let plan_cache = exchange.plan_cache;
    let none = Followed::default();
    if talk.begins_turn() {
        session.statements.mark();
        talk.kept.begin_with(&exchange.plan.bytes);
    }
    let mut translator = Translator {
        library,
        speaker: &mut exchange.speaker,
        on_session: &mut session.statements,
        talk,
        out: out.with(&exchange.plan.bytes),
        refuse: &refuse,
        plan_cache,
        now,
        start: &none,
    };
    for piece in exchange.plan.pieces() {
        // The plan was checked when it came.
        let _: Result<(), Malformed> = translator.send(&piece);
    }
    let bytes = &exchange.plan.bytes;
    if out.is_whole(bytes) {
        out.push_whole(bytes.clone())
    } else {
        out.settle(bytes)
    }
    shown.get()
}

/// Why a statement is refused by the database's policy.
fn rejected(settings: &Settings, facts: &Facts) -> Option<Refused> {
    if settings.state != StatePolicy::Reject || planted!(StateNotRejected) {
        return None;
    }
    let what = match facts.signs.state {
        Some(sign) => sign.name(),
        None if !facts.changes.is_empty() => "SET",
        None => return None,
    };
    Some(Refused::new(
        b"0A000",
        format!("statements that change the session are refused here: {what}"),
        "use SET LOCAL inside a transaction, or state=follow in PIERHEAD_DB_<NAME>",
    ))
}

/// True if what the message is to do depends on what names mean.
fn goes_by_name(next: &Piece<&[u8]>, speaker: &Speaker, library: &mut Library) -> bool {
    let Piece::Message(message) = next else { return false };
    match message.tag {
        tag::PARSE => {
            frontend::parse(message).is_some_and(|parse| speaker.names.get(parse.name).is_some())
        }
        tag::QUERY => frontend::query(message).is_some_and(|sql| library.read(sql).facts.forgets()),
        tag::BIND => frontend::bind(message).is_some_and(|bind| bind.statement.is_empty()),
        tag::DESCRIBE => matches!(frontend::target(message), Some(Target::Statement(b""))),
        _ => false,
    }
}

/// What a socket's messages are held against.
struct Rules<'a> {
    now: Instant,
    settings: &'a Settings,
    pins_left: usize,
    mode: Mode,
    pinned: bool,
    /// Others wait, and it has had its share of the session.
    had_its_turn: bool,
    fence: Fence,
    /// Bytes that the transport takes now.
    room: u64,
}

impl Rules<'_> {
    fn write_socket(
        &self,
        socket: &mut Socket,
        library: &mut Library,
        on_session: &mut OnSession,
        talk: &mut Talk,
        out: &mut Outgoing,
    ) -> Stop {
        let refuse = |facts: &Facts| rejected(self.settings, facts).or_else(|| self.pin(facts));
        loop {
            let Some(lump) = socket.inbox.next() else { return Stop::Empty };
            let mut translator = Translator {
                library,
                speaker: &mut socket.speaker,
                on_session,
                talk,
                out: out.with(lump.bytes()),
                refuse: &refuse,
                plan_cache: true,
                now: self.now,
                start: &socket.start_settings,
            };
            let (done, stop) = self.write_lump(lump, &mut translator);
            if out.is_whole(lump.bytes()) {
                out.push_whole(socket.inbox.take_lump(done));
            } else {
                out.settle(lump.bytes());
                socket.inbox.skip_part(done);
            }
            match stop {
                Some(stop) => return stop,
                None if done.is_empty() => return Stop::Empty,
                None => {}
            }
        }
    }

    /// Sends messages that lie in one chunk. Tells which, and why not the rest.
    fn write_lump(&self, lump: &Lump, translator: &mut Translator<'_>) -> (Part, Option<Stop>) {
        let mut done = Part::default();
        for next in lump.pieces() {
            if let Some(stop) = self.stop_before(&next, translator) {
                return (done, Some(stop));
            }
            if translator.out.len() as u64 >= self.room {
                return (done, Some(Stop::Full));
            }
            let plain = self.mode == Mode::Session;
            let sent = if plain { translator.plain(&next) } else { translator.piece(&next) };
            done.add(&next);
            if let Err(Malformed(what)) = sent {
                return (done, Some(Stop::Malformed(what)));
            }
        }
        (done, None)
    }

    /// Why a client's next message may not be sent now, if it may not.
    fn stop_before(&self, next: &Piece<&[u8]>, translator: &mut Translator<'_>) -> Option<Stop> {
        let talk = &mut *translator.talk;
        let between = !talk.unsynced && !talk.mid_message;
        if talk.must_wait() {
            return Some(Stop::Busy);
        }
        if matches!(next, Piece::Message(m) if m.tag == tag::TERMINATE) {
            let may_leave = talk.is_quiet() || !between;
            return Some(if may_leave { Stop::Left } else { Stop::Busy });
        }
        if talk.fatal.is_some() {
            // The session is over, and its client was told.
            return Some(Stop::Busy);
        }
        if !between {
            return None;
        }
        if talk.is_quiet() {
            talk.forgets = false;
            // What comes next could be hit in place of what was meant.
            return self.fence.may_hit().then_some(Stop::Busy);
        }
        let uncertain = talk.restore.is_some()
            || talk.forgets
            || (self.mode == Mode::Transaction
                && talk.replies.may_undo_names()
                && goes_by_name(next, translator.speaker, translator.library));
        (uncertain || self.had_its_turn).then_some(Stop::Busy)
    }

    /// Why a statement that would pin the session may not.
    fn pin(&self, facts: &Facts) -> Option<Refused> {
        let sign: Sign = facts.signs.state?;
        if self.pinned || self.pins_left > 0 {
            return None;
        }
        Some(Refused::new(
            b"53000",
            format!(
                "{}: as many clients keep a session of their own as may ({})",
                sign.name(),
                self.settings.pinned_max
            ),
            "raise pinned= or pool_size= in PIERHEAD_DB_<NAME>, or do without what outlives a \
             transaction",
        ))
    }
}

#[cfg(sabotage)]
fn skip_reset() -> bool {
    crate::sabotage::active(crate::sabotage::Bug::SkipReset)
}

#[cfg(not(sabotage))]
const fn skip_reset() -> bool {
    false
}

#[cfg(sabotage)]
fn skip_purge() -> bool {
    crate::sabotage::active(crate::sabotage::Bug::StaleStatement)
}

#[cfg(not(sabotage))]
const fn skip_purge() -> bool {
    false
}
