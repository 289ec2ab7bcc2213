//! Whatever happens to an engine, in whatever order: callers, sockets and leases that come, speak,
//! stop reading and leave; streams that open, answer, lie and break; time. It names only what is
//! there, holds no more than its budgets, and nothing at all when everybody has left.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Bytes, BytesMut};
use pierhead_engine::ids::{ClientId, StreamId};
use pierhead_engine::time::Instant;
use pierhead_engine::{
    Engine, Input, Mode, Output, Refusal, RefusalKind, ResetPolicy, Settings, StatePolicy, Terms,
    Way,
};
use pierhead_wire::envelope::{Options, Request, RequestId};
use pierhead_wire::time::Millis;

use super::database::Backend;
use super::script::Script;

#[derive(Default)]
struct Stream {
    backend: Backend,
    open: bool,
    closing: bool,
    /// Bytes written, and those of them that the transport took.
    written: u64,
    taken: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Exchange { begun: bool },
    Socket,
    Lease,
}

struct Client {
    kind: Kind,
    /// Bytes that the shell may read of a socket.
    granted: usize,
    started: bool,
    untaken: usize,
}

struct World {
    engine: Engine,
    pool: usize,
    now: u64,
    clients: BTreeMap<ClientId, Client>,
    streams: BTreeMap<StreamId, Stream>,
    last_client: u64,
    last_stream: u64,
}

fn settings(script: &mut Script<'_>) -> Settings {
    let ways = [&[Way::Direct][..], &[Way::Cloudflared], &[Way::Agent, Way::Direct]];
    Settings {
        user: "u".into(),
        database: "d".into(),
        pool_size: 1 + usize::from(script.below(3)),
        max_waiters: usize::from(script.below(6)),
        reset: if script.flag() { ResetPolicy::Always } else { ResetPolicy::Detected },
        state: if script.below(4) == 0 { StatePolicy::Reject } else { StatePolicy::Follow },
        pinned_max: usize::from(script.below(3)),
        class_size: usize::from(script.below(3)),
        transaction_timeout: Millis(if script.flag() { 5_000 } else { 0 }),
        plan_cache: script.below(4) != 0,
        start_tls: script.below(4) == 0,
        ways: ways[usize::from(script.below(3))].to_vec(),
        ..Settings::default()
    }
}

pub fn run(data: &[u8]) {
    let mut script = Script::new(data);
    let settings = settings(&mut script);
    let mut world = World {
        pool: settings.pool_size,
        engine: Engine::new(Instant(0), settings, [7; 32]),
        now: 0,
        clients: BTreeMap::new(),
        streams: BTreeMap::new(),
        last_client: 0,
        last_stream: 0,
    };
    for _ in 0..600 {
        if script.is_over() {
            break;
        }
        world.something(&mut script);
    }
    world.everybody_leaves();
}

impl World {
    fn something(&mut self, script: &mut Script<'_>) {
        match script.below(16) {
            0 => self.asks(script, None),
            1 => {
                let mode = if script.below(8) == 0 { Mode::Session } else { Mode::Transaction };
                let class = ["a", "b"][usize::from(script.below(2))].into();
                let terms = Terms { class, mode: Some(mode) };
                let client = self.comes(Kind::Socket);
                self.feed(Input::SocketOpened { client, terms });
            }
            2 if script.below(4) == 0 => {
                let lease = self.comes(Kind::Lease);
                self.feed(Input::LeaseOpened { lease, terms: Terms::default() });
            }
            2 => {
                let lease = ClientId(u64::from(script.below(16)));
                self.asks(script, Some(lease));
            }
            3..=6 => self.speaks(script),
            7 => self.client_does(script),
            8 => {
                self.now += u64::from(script.number() % 40_000);
                self.feed(Input::TimePassed);
            }
            _ => self.stream_does(script),
        }
    }

    fn comes(&mut self, kind: Kind) -> ClientId {
        self.last_client += 1;
        let client = ClientId(self.last_client);
        self.clients.insert(client, Client { kind, granted: 0, started: false, untaken: 0 });
        client
    }

    fn asks(&mut self, script: &mut Script<'_>, lease: Option<ClientId>) {
        let client = self.comes(Kind::Exchange { begun: false });
        let request = Request {
            remaining_ms: u32::from(script.byte()) * 100,
            id: RequestId(u128::from(script.below(200)).to_be_bytes()),
            options: Options { reset: script.below(8) == 0, ..Options::default() },
            protocol: messages(script),
        };
        let request = request.encode().freeze();
        self.feed(Input::ClientOpened { client, request, lease });
    }

    /// A socket's client says something.
    fn speaks(&mut self, script: &mut Script<'_>) {
        let sockets: Vec<_> = self
            .clients
            .iter()
            .filter(|(_, c)| c.kind == Kind::Socket)
            .map(|(&id, _)| id)
            .collect();
        let Some(&client) = sockets.get(usize::from(script.byte()) % sockets.len().max(1)) else {
            return;
        };
        let Client { granted, started, .. } = self.clients.get_mut(&client).expect("a client");
        let mut bytes = match script.below(32) {
            0 => script.bytes(),
            1 => start_up(script),
            _ if !*started => start_up(script),
            _ => messages(script),
        };
        *started = true;
        if script.below(64) != 0 {
            bytes.truncate(*granted);
        }
        *granted = granted.saturating_sub(bytes.len());
        if !bytes.is_empty() {
            self.feed(Input::SocketData { client, bytes });
        }
    }

    fn client_does(&mut self, script: &mut Script<'_>) {
        let nth = usize::from(script.byte()) % self.clients.len().max(1);
        let Some((&client, state)) = self.clients.iter_mut().nth(nth) else { return };
        match script.below(6) {
            0 => {
                self.clients.remove(&client);
                self.feed(Input::ClientGone { client });
            }
            1 => self.feed(Input::ClientAlive { client }),
            2 => {
                let id = u128::from(script.below(200)).to_be_bytes();
                self.feed(Input::AbortRequest { id });
            }
            _ => {
                let bytes = state.untaken.min(1 + usize::from(script.byte()) * 64);
                state.untaken -= bytes;
                self.feed(Input::ClientTook { client, bytes });
            }
        }
    }

    fn stream_does(&mut self, script: &mut Script<'_>) {
        let nth = usize::from(script.byte()) % self.streams.len().max(1);
        let Some((&stream, state)) = self.streams.iter_mut().nth(nth) else { return };
        if !state.open {
            if script.below(8) == 0 {
                self.streams.remove(&stream);
                let kinds = [
                    RefusalKind::Denied,
                    RefusalKind::Unreachable,
                    RefusalKind::Failed,
                    RefusalKind::Full,
                ];
                let kind = kinds[usize::from(script.below(4))];
                let refusal = Refusal { kind, detail: "no".into() };
                return self.feed(Input::StreamRefused { stream, refusal });
            }
            state.open = true;
            return self.feed(Input::StreamOpened { stream });
        }
        match script.below(12) {
            0 => {
                let accepted = state.written.min(u64::from(script.number()));
                let orderly = script.flag();
                self.close(stream, orderly, accepted);
            }
            1 => {
                let bytes = script.bytes();
                self.feed(Input::StreamData { stream, bytes });
            }
            2 => {
                let replies: [&[u8]; 5] = [
                    b"Z\0\0\0\x05I",
                    b"N\0\0\0\x05\0",
                    b"S\0\0\0\x08a\0b\0",
                    b"A\0\0\0\x0a\0\0\0\x01c\0",
                    b"E\0\0\0\x14SFATAL\0C57P01\0\0",
                ];
                let bytes = Bytes::from_static(replies[usize::from(script.below(5))]);
                self.feed(Input::StreamData { stream, bytes });
            }
            3 => self.feed(Input::StreamSecured { stream }),
            4 | 5 => {
                let bytes = (state.written - state.taken) as usize;
                state.taken = state.written;
                self.feed(Input::StreamTook { stream, bytes });
            }
            _ => self.answers(stream, script),
        }
    }

    /// The database answers what it was sent, in two pieces.
    fn answers(&mut self, stream: StreamId, script: &mut Script<'_>) {
        let state = self.streams.get_mut(&stream).expect("a stream");
        let answer = Bytes::from(state.backend.answer());
        let cut = usize::from(script.byte()).min(answer.len());
        let (leaves, written) = (state.backend.leaves, state.written);
        for bytes in [answer.slice(..cut), answer.slice(cut..)] {
            if !bytes.is_empty() {
                self.feed(Input::StreamData { stream, bytes });
            }
        }
        if leaves {
            self.close(stream, true, written);
        }
    }

    fn close(&mut self, stream: StreamId, orderly: bool, accepted: u64) {
        self.streams.remove(&stream);
        let detail = "closed".into();
        self.feed(Input::StreamClosed { stream, orderly, accepted, detail });
    }

    fn feed(&mut self, input: Input) {
        if std::env::var_os("FUZZ_TRACE").is_some() {
            eprintln!("{} > {input:?}", self.now);
        }
        self.engine.handle(Instant(self.now), input);
        let mut written = BTreeSet::new();
        let mut told = BTreeSet::new();
        while let Some(output) = self.engine.poll_output() {
            if std::env::var_os("FUZZ_TRACE").is_some() {
                eprintln!("{} < {output:?}", self.now);
            }
            if let Output::Write { stream, .. } = &output {
                assert!(written.insert(*stream), "one write a stream and drain");
            }
            if let Output::WriteSocket { client, .. } = &output {
                assert!(told.insert(*client), "one write a socket and drain");
            }
            self.obey(output);
        }
        self.check();
    }

    fn obey(&mut self, output: Output) {
        match output {
            Output::OpenStream { stream, way } => {
                assert!(stream.0 > self.last_stream && way != Way::Agent);
                self.last_stream = stream.0;
                self.streams.insert(stream, Stream::default());
            }
            Output::Write { stream, bytes } => {
                let state = self.stream(stream);
                for bytes in bytes {
                    state.written += bytes.len() as u64;
                    state.backend.receive(&bytes);
                }
            }
            Output::StartTls { stream } | Output::Grant { stream, .. } => {
                self.stream(stream);
            }
            Output::CloseStream { stream } => {
                // Once more where the first did not help.
                self.streams.get_mut(&stream).expect("a stream").closing = true;
            }
            Output::Answer { client, .. } => {
                let gone = self.clients.remove(&client).expect("a client").kind;
                assert_eq!(gone, Kind::Exchange { begun: false });
            }
            Output::BeginAnswer { client, bytes } => {
                let state = self.client(client, Kind::Exchange { begun: false });
                state.kind = Kind::Exchange { begun: true };
                state.untaken += bytes.iter().map(Bytes::len).sum::<usize>();
            }
            Output::WriteAnswer { client, bytes, end } => {
                let state = self.client(client, Kind::Exchange { begun: true });
                state.untaken += bytes.iter().map(Bytes::len).sum::<usize>();
                if end {
                    let bytes = state.untaken;
                    self.clients.remove(&client);
                    self.feed_later(client, bytes);
                }
            }
            Output::WriteSocket { client, bytes } => {
                let state = self.client(client, Kind::Socket);
                state.untaken += bytes.iter().map(Bytes::len).sum::<usize>();
            }
            Output::GrantSocket { client, bytes } => {
                self.client(client, Kind::Socket).granted += bytes;
            }
            Output::CloseSocket { client } => {
                self.client(client, Kind::Socket);
                self.clients.remove(&client);
            }
            Output::Probe { client } => {
                assert!(self.clients.contains_key(&client), "{client} is gone");
            }
            Output::Log(event) => assert!(!event.text.is_empty()),
            Output::SendLink { .. }
            | Output::CloseLink { .. }
            | Output::Attach { .. }
            | Output::RaiseEpoch => panic!("there is no agent"),
        }
    }

    /// The reader of a stream of an answer takes the rest, once the drain is over.
    fn feed_later(&mut self, client: ClientId, bytes: usize) {
        // An id above all others of its kind cannot come again, so the input may come any time.
        self.clients.insert(
            client,
            Client {
                kind: Kind::Exchange { begun: true },
                granted: 0,
                started: true,
                untaken: bytes,
            },
        );
    }

    fn stream(&mut self, stream: StreamId) -> &mut Stream {
        let state = self.streams.get_mut(&stream).unwrap_or_else(|| panic!("{stream} is gone"));
        assert!(!state.closing, "nothing follows the close of {stream}");
        state
    }

    fn client(&mut self, client: ClientId, kind: Kind) -> &mut Client {
        let state = self.clients.get_mut(&client).unwrap_or_else(|| panic!("{client} is gone"));
        assert_eq!(state.kind, kind, "{client}");
        state
    }

    fn check(&self) {
        let status = self.engine.status();
        let all = status.opening
            + status.idle
            + status.leased
            + status.resetting
            + status.draining
            + status.ending
            + status.parked
            + status.away;
        assert!(all <= self.pool, "{status:?}");
        assert!(status.request_bytes < 4 << 20 && status.answer_bytes < 16 << 20, "{status:?}");
        let active = self.engine.poll_timeout().active;
        assert!(active.is_none_or(|d| d.at > Instant(self.now)), "due and not done: {active:?}");
    }

    /// Nobody is left, and time passes: nothing may be held for anybody.
    fn everybody_leaves(&mut self) {
        while let Some((&client, _)) = self.clients.first_key_value() {
            self.clients.remove(&client);
            self.feed(Input::ClientGone { client });
        }
        for _ in 0..100 {
            while let Some((&stream, state)) = self.streams.first_key_value() {
                let written = state.written;
                self.close(stream, true, written);
            }
            let timeouts = self.engine.poll_timeout();
            let next = timeouts.active.into_iter().chain(timeouts.housekeeping);
            let Some(at) = next.map(|deadline| deadline.at).min() else { break };
            self.now = self.now.max(at.0);
            self.feed(Input::TimePassed);
        }
        let status = self.engine.status();
        let held = status.opening
            + status.idle
            + status.leased
            + status.resetting
            + status.draining
            + status.ending
            + status.waiting
            + status.clients
            + status.sockets
            + status.leases
            + status.pinned
            + status.request_bytes
            + status.answer_bytes;
        assert_eq!(held, 0, "{status:?}");
    }
}

fn start_up(script: &mut Script<'_>) -> Bytes {
    let mut body = match script.below(8) {
        0 => 80_877_103_u32.to_be_bytes().to_vec(),
        1 => [&80_877_102_u32.to_be_bytes()[..], &[0, 0, 0, script.below(16), 1, 2, 3, 4]].concat(),
        _ => {
            let options = if script.flag() { "-c a.b=c" } else { "" };
            let text = format!("user\0u\0database\0d\0options\0{options}\0\0");
            [&196_608_u32.to_be_bytes()[..], text.as_bytes()].concat()
        }
    };
    let mut whole = (body.len() as u32 + 4).to_be_bytes().to_vec();
    whole.append(&mut body);
    whole.into()
}

/// A few frontend messages.
fn messages(script: &mut Script<'_>) -> Bytes {
    const SQL: [&str; 16] = [
        "select 1",
        "select 2",
        "begin",
        "commit",
        "rollback",
        "error",
        "copy t from stdin",
        "set a.b = 'c'",
        "set local a.b = 'd'",
        "listen c",
        "create temp table t (a int)",
        "discard all",
        "deallocate all",
        "load 'x'",
        "begin; select 1; commit",
        "",
    ];
    const NAMES: [&str; 3] = ["", "a", "b"];
    let mut out = BytesMut::new();
    for _ in 0..=script.below(5) {
        let sql = SQL[usize::from(script.below(16))];
        let name = NAMES[usize::from(script.below(3))];
        let (tag, body) = match script.below(16) {
            0..=2 => (b'Q', format!("{sql}\0")),
            3 | 4 => (b'P', format!("{name}\0{sql}\0\0\0")),
            5 | 6 => (b'B', format!("\0{name}\0\0\0\0\0\0\0")),
            7 => (b'D', format!("S{name}\0")),
            8 => (b'D', "P\0".into()),
            9 | 10 => (b'E', "\0\0\0\0\0".into()),
            11 | 12 => (b'S', String::new()),
            13 => (b'C', format!("S{name}\0")),
            14 => match script.below(5) {
                0 => (b'd', "1\n".into()),
                1 => (b'c', String::new()),
                2 => (b'f', "no\0".into()),
                3 => (b'X', String::new()),
                _ => (b'F', "\0\0\0\x01\0\0\0\0\0\0".into()),
            },
            _ => (b'H', String::new()),
        };
        out.extend_from_slice(&[tag]);
        out.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
        out.extend_from_slice(body.as_bytes());
    }
    if script.flag() {
        out.extend_from_slice(b"S\0\0\0\x04");
    }
    if script.below(64) == 0 {
        out.truncate(usize::from(script.byte()));
    }
    out.freeze()
}
