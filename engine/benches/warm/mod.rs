//! An engine with a warm pool, and a shell, clients and a database for it that do as little as
//! possible.

pub(crate) mod script;

use std::collections::{BTreeMap, VecDeque};
use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use pierhead_engine::ids::{ClientId, LinkId, StreamId};
use pierhead_engine::limits::STREAM_TOOK_BYTES;
use pierhead_engine::time::{Instant, Millis};
use pierhead_engine::{Engine, Input, Output, Settings, Terms, Way};
use pierhead_wire::envelope::{Options, Request, RequestId};
use pierhead_wire::tunnel::{
    AgentLife, Amount, Credit, Data, Database, Frame, Frames, Hello, LinkCredit, List, Mode, Name,
    Opened, Options as LinkOptions, ParkedCount, Payload, StreamId as WireId,
};

/// What carries the sessions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tunnel {
    Direct,
    Agent,
}

/// Sessions in the pool, if nobody says otherwise: as many as a pool has by default.
pub(crate) const SESSIONS: usize = 10;
const LINK: LinkId = LinkId(1);
/// The agent's window for a stream, of which it gives back a half at a time.
const WINDOW: u32 = 65_536;

pub(crate) struct World {
    pub(crate) engine: Engine,
    now: u64,
    clients: u64,
    /// Rows that answer a query.
    pub(crate) rows: usize,
    /// What the engine said last.
    outputs: Vec<Output>,
    /// Streams that wait to be answered.
    opened: VecDeque<Carrier>,
    /// What was written to the database and is not answered.
    written: VecDeque<(Carrier, Vec<u8>)>,
    /// Bytes that sockets' clients were told, and have not taken.
    told: BTreeMap<ClientId, usize>,
    /// Bytes that transports took, and did not say so yet.
    taken: BTreeMap<StreamId, usize>,
    /// Bytes that came on the link and were not granted again.
    owed: u32,
}

/// Where bytes of the database are to come from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Carrier {
    Stream(StreamId),
    Wire(WireId),
}

/// What is counted: one input, and everything that the engine has to say to it.
#[inline(never)]
fn measured_turn(engine: &mut Engine, now: Instant, input: Input, outputs: &mut Vec<Output>) {
    engine.handle(now, input);
    while let Some(output) = engine.poll_output() {
        outputs.push(output);
    }
    black_box(engine.poll_timeout());
}

/// What is counted too: letting go of what the engine made.
#[inline(never)]
fn measured_drop(outputs: &mut Vec<Output>) {
    outputs.clear();
}

impl World {
    /// A world whose sessions are all there, and idle.
    pub(crate) fn warm(tunnel: Tunnel) -> Self {
        Self::with(tunnel, SESSIONS)
    }

    /// The same with more sessions, or fewer.
    pub(crate) fn with(tunnel: Tunnel, sessions: usize) -> Self {
        let way = match tunnel {
            Tunnel::Direct => Way::Direct,
            Tunnel::Agent => Way::Agent,
        };
        let settings = Settings {
            user: "app".into(),
            database: "app".into(),
            ways: vec![way],
            pool_size: sessions,
            // Nothing is to end by itself, however long it is played.
            idle_timeout: Millis::secs(1_000_000),
            max_lifetime: Millis::secs(1_000_000),
            client_idle_timeout: Millis::secs(1_000_000),
            ..Settings::default()
        };
        let mut world = Self {
            engine: Engine::new(Instant(0), settings, [7; 32]),
            now: 1,
            clients: 0,
            rows: 1,
            outputs: Vec::new(),
            opened: VecDeque::new(),
            written: VecDeque::new(),
            told: BTreeMap::new(),
            taken: BTreeMap::new(),
            owed: 0,
        };
        if tunnel == Tunnel::Agent {
            world.happens(Input::LinkOpened { link: LINK });
            world.agent_says(&[hello().into()]);
            world.happens(Input::EpochRaised { epoch: 1 });
        }
        world.fill(sessions);
        world
    }

    /// As many requests at once as there are to be sessions.
    fn fill(&mut self, sessions: usize) {
        let mut granted = VecDeque::new();
        for _ in 0..sessions {
            self.ask(&script::simple());
        }
        // All are opened before any is answered, or one would serve many.
        while let Some(carrier) = self.opened.pop_front() {
            match carrier {
                Carrier::Stream(stream) => self.happens(Input::StreamOpened { stream }),
                Carrier::Wire(stream) => self.agent_says(&[Opened { stream }.into()]),
            }
            self.written.clear();
            self.database_says(carrier, &script::login());
            // An agent is sent the log-in of the next with what opens it.
            granted.extend(self.written.drain(..).filter(|written| written.0 == carrier));
        }
        self.written = granted;
        self.settle();
        let status = self.engine.status();
        assert_eq!(status.idle, sessions, "{status:?}");
    }

    /// One exchange, from its request to its answer.
    pub(crate) fn exchange(&mut self, asked: &Bytes) {
        let client = self.ask(asked);
        self.settle();
        let answered =
            |output: &Output| matches!(output, Output::Answer { client: c, .. } if *c == client);
        assert!(self.outputs.iter().any(answered), "{:?}", self.outputs);
    }

    /// One exchange more, behind those that wait, and an answer to the one that was sent first.
    pub(crate) fn exchange_in_turn(&mut self, asked: &Bytes) {
        self.ask(asked);
        self.answer_first();
        let is_answer = |output: &Output| matches!(output, Output::Answer { .. });
        assert!(self.outputs.iter().any(is_answer), "{:?}", self.outputs);
    }

    /// So many exchanges that nobody answers: all that there are sessions for run, the others wait.
    pub(crate) fn crowd(&mut self, exchanges: usize, asked: &Bytes) {
        for _ in 0..exchanges {
            self.ask(asked);
        }
    }

    /// A socket whose client has started.
    pub(crate) fn connect(&mut self) -> ClientId {
        self.clients += 1;
        let client = ClientId(self.clients);
        self.happens(Input::SocketOpened { client, terms: Terms::default() });
        self.talk(client, &script::start_up());
        client
    }

    /// A socket's client says something, and is answered.
    pub(crate) fn talk(&mut self, client: ClientId, asked: &Bytes) {
        self.say(client, asked);
        self.settle();
        let bytes = self.told.remove(&client).unwrap_or_else(|| panic!("{:?}", self.outputs));
        self.happens(Input::ClientTook { client, bytes });
    }

    /// Sockets' clients say something at the same time, and are answered.
    pub(crate) fn talk_at_once(&mut self, clients: &[ClientId], asked: &Bytes) {
        for &client in clients {
            self.say(client, asked);
        }
        self.settle();
        assert_eq!(self.told.len(), clients.len());
        while let Some((client, bytes)) = self.told.pop_first() {
            self.happens(Input::ClientTook { client, bytes });
        }
    }

    fn say(&mut self, client: ClientId, asked: &Bytes) {
        let bytes = Bytes::copy_from_slice(asked);
        self.happens(Input::SocketData { client, bytes });
    }

    fn ask(&mut self, protocol: &Bytes) -> ClientId {
        self.clients += 1;
        let client = ClientId(self.clients);
        // As random as a real one to whatever sorts them.
        let id = u128::from(self.clients).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let request = Request {
            remaining_ms: 30_000,
            id: RequestId(id.to_be_bytes()),
            options: Options::default(),
            protocol: protocol.clone(),
        };
        let request = request.encode().freeze();
        self.happens(Input::ClientOpened { client, request, lease: None });
        client
    }

    /// The database answers whatever it was sent.
    pub(crate) fn settle(&mut self) {
        while self.answer_first() {}
    }

    /// The database answers what it was sent first. False if that was nothing.
    fn answer_first(&mut self) -> bool {
        let Some((carrier, messages)) = self.written.pop_front() else { return false };
        if let Carrier::Stream(stream) = carrier {
            self.transport_takes(stream, messages.len());
        }
        let answer = script::answer(&messages, self.rows);
        self.database_says(carrier, &answer);
        true
    }

    /// A transport says what it took in lumps, as it must.
    fn transport_takes(&mut self, stream: StreamId, bytes: usize) {
        let taken = self.taken.entry(stream).or_default();
        *taken += bytes;
        if *taken >= STREAM_TOOK_BYTES {
            let bytes = std::mem::take(taken);
            self.happens(Input::StreamTook { stream, bytes });
        }
    }

    fn database_says(&mut self, carrier: Carrier, bytes: &Bytes) {
        match carrier {
            Carrier::Stream(stream) => {
                // A chunk of its own, as from a socket.
                let bytes = Bytes::copy_from_slice(bytes);
                self.happens(Input::StreamData { stream, bytes });
            }
            Carrier::Wire(stream) => {
                let data = Data { stream, bytes: Payload(bytes.clone()) };
                if self.owed < WINDOW / 2 {
                    return self.agent_says(&[data.into()]);
                }
                let bytes = Amount(std::mem::take(&mut self.owed));
                let credit = Credit { stream, bytes };
                self.agent_says(&[LinkCredit { bytes }.into(), credit.into(), data.into()]);
            }
        }
    }

    fn agent_says(&mut self, frames: &[Frame]) {
        let mut message = BytesMut::new();
        for frame in frames {
            frame.encode(&mut message).unwrap();
        }
        self.happens(Input::LinkMessage { link: LINK, message: Some(message.freeze()) });
    }

    fn happens(&mut self, input: Input) {
        self.now += 1;
        measured_drop(&mut self.outputs);
        measured_turn(&mut self.engine, Instant(self.now), input, &mut self.outputs);
        self.listen();
    }

    /// Notes what is opened, written and told.
    fn listen(&mut self) {
        for output in &self.outputs {
            match output {
                Output::OpenStream { stream, .. } => {
                    self.opened.push_back(Carrier::Stream(*stream));
                }
                Output::Write { stream, bytes } => {
                    self.written.push_back((Carrier::Stream(*stream), bytes.concat()));
                }
                Output::WriteSocket { client, bytes } => {
                    let told = self.told.entry(*client).or_default();
                    *told += bytes.iter().map(Bytes::len).sum::<usize>();
                }
                Output::SendLink { message, .. } => {
                    for frame in Frames::new(message.concat().into()).unwrap() {
                        match frame.unwrap() {
                            Frame::Open(open) => self.opened.push_back(Carrier::Wire(open.stream)),
                            Frame::Data(data) => {
                                self.owed += u32::try_from(data.bytes.0.len()).unwrap();
                                let wire = Carrier::Wire(data.stream);
                                self.written.push_back((wire, data.bytes.0.to_vec()));
                            }
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

fn hello() -> Hello {
    let database = Database { name: Name::cut("main"), mode: Mode::Pipe, cap: 200 };
    Hello {
        newest: 1,
        oldest: 1,
        life: AgentLife([1; 16]),
        link: 1,
        stream_credit: Amount(WINDOW),
        link_credit: Amount(4 * WINDOW),
        replaces: List::new(&[]).unwrap(),
        databases: List::new(&[database]).unwrap(),
        parked: ParkedCount(0),
        options: LinkOptions::agent("bench", "host", 60_000),
    }
}
