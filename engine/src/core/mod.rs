//! The engine: the pool's parts put together, one file for each thing that can happen.

mod cancel;
mod clients;
mod closing;
mod drain;
mod ending;
mod exchanges;
mod forward;
mod grant;
mod greet;
mod hear;
mod leases;
mod links;
mod login;
mod open;
mod park;
mod prepare;
mod ready;
mod reset;
mod sockets;
mod speak;
pub(crate) mod status;
mod streams;
mod time;
mod turns;
mod wish;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use self::cancel::Cancels;
use self::status::Counters;
use crate::accounts::Accounts;
use crate::auth::guard::Guard;
use crate::auth::scram::KeyCache;
use crate::database::outgoing::Outgoing;
use crate::database::talk::SpareTalks;
use crate::database::texts::Texts;
use crate::database::translate::Library;
use crate::ids::{ClientId, SessionId, StreamId};
use crate::io::{Event, Input, Level, Output};
use crate::link::{Fingerprint, Links};
use crate::parts::Parts;
use crate::pool::budget::{Budget, Seat};
use crate::pool::classes::Classes;
use crate::pool::client::Client;
use crate::pool::health::Health;
use crate::pool::queue::Queue;
use crate::pool::requests::Requests;
use crate::pool::session::{Session, State, Why};
use crate::pool::socket::Key;
use crate::pool::timers::Timers;
use crate::pool::transitions;
use crate::rng::Rng;
use crate::settings::{Settings, Way};
use crate::statements::{Interned, Sightings};
use crate::table::Table;
use crate::time::{Instant, Timeouts};

/// What a stream carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Carrier {
    Session(SessionId),
    Cancel,
}

/// One database's pool. See the crate's page for how to drive it.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    now: Instant,
    rng: Rng,
    keys: KeyCache,
    /// What sockets log in with.
    guard: Guard,
    outputs: VecDeque<Output>,
    timers: Timers,
    budget: Budget,
    health: Health,
    sessions: Table<SessionId, Session>,
    streams: Table<StreamId, Carrier>,
    clients: Table<ClientId, Client>,
    /// Running and waiting requests by the id their callers gave them.
    requests: Requests,
    /// At most `max_waiters` more than the cap has room for.
    waiters: Queue,
    classes: Classes,
    accounts: Accounts,
    /// Statements that clients have prepared.
    library: Library,
    /// What the database said of itself last; sockets are greeted with it.
    parameters: Option<Arc<BTreeMap<String, String>>>,
    /// Sockets that wait for it.
    greeters: Vec<ClientId>,
    /// Sockets by what cancels their requests.
    by_key: BTreeMap<Key, ClientId>,
    /// Sockets, leases, and sessions that sockets keep between transactions.
    sockets: usize,
    leases: usize,
    pinned: usize,
    /// Who began to wait and has no deadline for it yet.
    newly_queued: Vec<ClientId>,
    /// Leases whose sessions have enough to send.
    stalled: BTreeSet<SessionId>,
    /// Sockets that may not send more while requests use up their memory.
    starved: BTreeSet<ClientId>,
    spare_talks: SpareTalks,
    /// Room in which messages for a session are put together. Whoever uses it begins with nothing:
    /// what is forgotten in it is gone, and never another session's.
    outgoing: Outgoing,
    /// The session of which a chunk is being read: nothing is sent on it meanwhile.
    heard: Option<SessionId>,
    /// Something is to be said on it as soon as the chunk is read.
    speaks_next: bool,
    /// Sessions were wanted, and a deadline of the pool may be set to open them.
    opens_put_off: bool,
    /// What is counted in the isolate's allowance.
    counted: usize,
    /// Used from the end: the session used last is used next, so that the others grow idle.
    idle: Vec<SessionId>,
    cancels: Cancels,
    links: Links,
    /// Of this configuration: a session of another is not taken over.
    fingerprint: Fingerprint,
    /// Sessions whose link was lost; some of them may be back, or gone.
    away: Vec<SessionId>,
    /// Since when no agent has been there.
    alone_since: Instant,
    /// Bytes of what sockets have prepared and set.
    client_bytes: usize,
    /// Bytes of requests of all clients.
    request_bytes: usize,
    /// Bytes of answers held for all clients.
    answer_bytes: usize,
    counters: Counters,
    last_id: u64,
}

impl Engine {
    /// A pool without sessions. `seed` must come from a cryptographic source: login nonces are
    /// made of it.
    #[must_use]
    pub fn new(now: Instant, settings: Settings, seed: [u8; 32]) -> Self {
        let mut rng = Rng::new(seed);
        let object_life = rng.below(u64::MAX);
        let library = Library {
            interned: Interned::new(object_life, rng.below(u64::MAX)),
            sightings: Sightings::default(),
            plan_cache: settings.plan_cache,
            texts: Texts::default(),
        };
        Self {
            library,
            waiters: Queue::new(settings.class_size),
            classes: Classes::default(),
            accounts: Accounts::default(),
            parameters: None,
            greeters: Vec::new(),
            by_key: BTreeMap::new(),
            sockets: 0,
            leases: 0,
            pinned: 0,
            newly_queued: Vec::new(),
            stalled: BTreeSet::new(),
            starved: BTreeSet::new(),
            spare_talks: SpareTalks::default(),
            outgoing: Outgoing::default(),
            heard: None,
            speaks_next: false,
            opens_put_off: false,
            counted: 0,
            budget: Budget::new(settings.pool_size),
            links: Links::new(&settings, object_life),
            fingerprint: Fingerprint::of(&settings),
            away: Vec::new(),
            alone_since: now,
            settings,
            now,
            rng,
            keys: KeyCache::default(),
            guard: Guard::default(),
            outputs: VecDeque::new(),
            timers: Timers::default(),
            health: Health::default(),
            sessions: Table::default(),
            streams: Table::default(),
            clients: Table::default(),
            requests: Requests::default(),
            idle: Vec::new(),
            cancels: Cancels::default(),
            client_bytes: 0,
            request_bytes: 0,
            answer_bytes: 0,
            counters: Counters::default(),
            last_id: 0,
        }
    }

    /// Something happened. Drain [`Engine::poll_output`] afterwards, before the next input.
    pub fn handle(&mut self, now: Instant, input: Input) {
        self.now = self.now.max(now);
        match input {
            Input::ClientOpened { client, request, lease } => {
                self.client_opened(client, request, lease);
            }
            Input::LeaseOpened { lease, terms } => self.lease_opened(lease, &terms),
            Input::SocketOpened { client, terms } => self.socket_opened(client, &terms),
            Input::SocketData { client, bytes } => self.socket_data(client, bytes),
            Input::StreamTook { stream, bytes } => self.stream_took(stream, bytes),
            Input::ClientTook { client, bytes } => self.client_took(client, bytes),
            Input::ClientGone { client } => self.client_gone(client),
            Input::ClientAlive { client } => self.client_alive(client),
            Input::AbortRequest { id } => self.abort_request(id),
            Input::StreamOpened { stream } => self.stream_opened(stream),
            Input::StreamRefused { stream, refusal } => self.stream_refused(stream, &refusal),
            Input::StreamSecured { stream } => self.stream_secured(stream),
            Input::StreamData { stream, bytes } => self.stream_data(stream, bytes),
            Input::StreamClosed { stream, orderly, accepted, detail } => {
                self.stream_closed(stream, orderly, accepted, &detail);
            }
            Input::LinkOpened { link } => self.links.opened(link),
            Input::LinkRestored { link, attachment } => {
                self.links.restored(link, attachment, self.fingerprint);
            }
            Input::LinkMessage { link, message } => self.links.message(link, message),
            Input::LinkClosed { link, detail } => self.links.closed(link, &detail),
            Input::EpochRaised { epoch } => self.links.epoch_raised(epoch),
            Input::TimePassed => {}
        }
        self.link_events();
        self.unstall_links();
        self.expire();
        self.serve();
        self.pump_cancels();
        self.feed_starved();
        self.note_rest();
        self.count_bytes();
        self.links.flush(&mut self.outputs);
        self.check_books();
    }

    /// Every session that is held is booked, and counted with its class. No client is left unheard.
    fn check_books(&self) {
        #[cfg(debug_assertions)]
        {
            let booked: Vec<_> = self.sessions.values().filter_map(|s| s.booked).collect();
            let leased = self.sessions.values().filter(|s| s.client().is_some()).count();
            debug_assert_eq!(leased, booked.len(), "a lease that nobody is charged for");
            for &(class, _) in &booked {
                let of_class = booked.iter().filter(|(other, _)| *other == class).count();
                debug_assert_eq!(self.waiters.held_by(class), of_class, "{class:?}");
            }
            for (id, client) in self.clients.iter() {
                let mute = client.socket().is_some_and(|socket| socket.is_mute());
                debug_assert!(!mute || self.starved.contains(id), "{id:?} may say nothing more");
            }
        }
    }

    /// What the shell must do next; `None` when it has everything.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to wake at the latest. Call it when the outputs are drained.
    #[must_use]
    pub fn poll_timeout(&self) -> Timeouts {
        self.timers.next()
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// The session that a stream carries.
    fn session_of(&self, stream: StreamId) -> Option<SessionId> {
        match self.streams.get(&stream) {
            Some(&Carrier::Session(id)) => Some(id),
            Some(Carrier::Cancel) | None => None,
        }
    }

    /// The only way for a session from one state to another.
    fn enter(&mut self, id: SessionId, why: Why, make: impl FnOnce(Seat) -> State) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let from = session.state().name();
        session.enter(&mut self.budget, make);
        let to = session.state().name();
        transitions::check(from, why, to);
        if !matches!(session.state(), State::Leased { .. }) {
            self.book_lease(id);
        }
        if self.settings.verbose {
            let text = format!("{from} -> {to}: {why:?}");
            self.log(Level::Debug, Some(id), None, text);
        }
    }

    /// The session is gone, and its place is free.
    fn forget_session(&mut self, id: SessionId) {
        self.book_lease(id);
        self.let_talk_go(id);
        let Some(session) = self.sessions.remove(&id) else { return };
        self.streams.remove(&session.stream);
        self.links.forget(session.stream);
        self.idle.retain(|&other| other != id);
        self.cancels.forget(id);
        self.timers.clear_all(crate::pool::timers::Target::Session(id));
        if let Some(seat) = session.into_seat(&mut self.budget) {
            self.budget.free(seat);
        }
    }

    /// Queues bytes for a stream, joined with what is queued for it already.
    fn write(&mut self, stream: StreamId, bytes: Parts) {
        for output in self.outputs.iter_mut().rev() {
            if let Output::Write { stream: other, bytes: queued } = output {
                if *other == stream {
                    queued.extend(bytes);
                    return;
                }
            } else if let Output::StartTls { stream: other } | Output::CloseStream { stream: other } =
                output
                && *other == stream
            {
                break;
            }
        }
        self.outputs.push_back(Output::Write { stream, bytes });
    }

    /// Queues bytes for a session and counts them.
    fn write_session(&mut self, id: SessionId, bytes: Parts) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.written += bytes.bytes() as u64;
        let stream = session.stream;
        match session.way {
            Way::Agent => self.links.write(stream, bytes),
            Way::Direct | Way::Cloudflared => self.write(stream, bytes),
        }
    }

    /// Lets more bytes of a session's stream come.
    fn grant_session(&mut self, id: SessionId, bytes: usize) {
        let Some(session) = self.sessions.get(&id) else { return };
        let stream = session.stream;
        match session.way {
            Way::Agent => self.links.grant(stream, bytes),
            Way::Direct => self.outputs.push_back(Output::Grant { stream, bytes }),
            Way::Cloudflared => {}
        }
    }

    /// Closes a session's stream, whatever it carries.
    fn close_session(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        let stream = session.stream;
        match session.way {
            Way::Agent => self.links.reset(stream),
            Way::Direct | Way::Cloudflared => {
                self.outputs.push_back(Output::CloseStream { stream })
            }
        }
    }

    fn log(
        &mut self,
        level: Level,
        session: Option<SessionId>,
        client: Option<ClientId>,
        text: String,
    ) {
        self.outputs.push_back(Output::Log(Event { level, session, client, text }));
    }
}
