//! The engine, and whoever acts for it: one input, full drain, then sleep.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Instant as Clock;

use bytes::Bytes;
use pierhead_engine::ids::{ClientId, StreamId};
use pierhead_engine::time::Instant;
use pierhead_engine::{Engine, Event, Input, Level, Output, Parts, Settings, Status};

use super::answers::Answers;
use super::dial::{self, Stream};
use super::pipe::Pipe;
use super::timer::Timer;
use super::watch::Watch;

/// Bytes read at once.
const READ: usize = 64 << 10;

/// Everything of the shell's thread.
pub(super) struct Shell {
    inner: RefCell<Inner>,
    /// Read into by every connection in turn, so that an idle one has no buffer.
    pub(super) scratch: RefCell<Box<[u8]>>,
    pub(super) database: String,
    pub(super) watch: Watch,
    timer: Timer,
    born: Clock,
    clients: Cell<u64>,
}

struct Inner {
    engine: Engine,
    inputs: VecDeque<Input>,
    streams: HashMap<StreamId, Stream>,
    sockets: HashMap<ClientId, Rc<Pipe>>,
    answers: Answers,
    /// Who was written to in this drain.
    written: Vec<(bool, u64)>,
}

impl Shell {
    pub(super) fn new(settings: Settings, database: String, watch: Watch) -> Rc<Self> {
        let inner = Inner {
            engine: Engine::new(Instant(0), settings, seed()),
            inputs: VecDeque::new(),
            streams: HashMap::new(),
            sockets: HashMap::new(),
            answers: Answers::default(),
            written: Vec::new(),
        };
        Rc::new(Self {
            inner: RefCell::new(inner),
            scratch: RefCell::new(vec![0; READ].into()),
            database,
            watch,
            timer: Timer::default(),
            born: Clock::now(),
            clients: Cell::new(0),
        })
    }

    /// The moment that is 0 on the shell's clock.
    pub(super) fn born(&self) -> Clock {
        self.born
    }

    pub(super) fn timer(&self) -> &Timer {
        &self.timer
    }

    pub(super) fn next_client(&self) -> ClientId {
        self.clients.set(self.clients.get() + 1);
        ClientId(self.clients.get())
    }

    pub(super) fn status(&self) -> Status {
        self.inner.borrow().engine.status()
    }

    /// Tells the engine what happened and does what it says.
    pub(super) fn feed(self: &Rc<Self>, input: Input) {
        let _noted = self.watch.note_panics();
        let mut inner = self.inner.borrow_mut();
        inner.inputs.push_back(input);
        while let Some(input) = inner.inputs.pop_front() {
            if !inner.admit(&input) {
                continue;
            }
            inner.engine.handle(self.now(), input);
            inner.written.clear();
            while let Some(output) = inner.engine.poll_output() {
                self.perform(&mut inner, output);
            }
        }
        self.arm(&inner);
    }

    /// A deadline may be due.
    pub(super) fn time_passed(self: &Rc<Self>) {
        self.feed(Input::TimePassed);
    }

    /// A client's connection, before the engine hears of it.
    pub(super) fn add_socket(&self, client: ClientId, pipe: Rc<Pipe>) {
        self.inner.borrow_mut().sockets.insert(client, pipe);
    }

    /// True while the engine has not closed the client's connection.
    pub(super) fn has_socket(&self, client: ClientId) -> bool {
        self.inner.borrow().sockets.contains_key(&client)
    }

    /// A stream's connection, before the engine hears of it.
    pub(super) fn stream_connected(&self, stream: StreamId, pipe: Rc<Pipe>) {
        self.inner.borrow_mut().streams.insert(stream, Stream::Open(pipe));
    }

    /// Somebody waits for an answer.
    pub(super) fn expect_answer(&self, client: ClientId, reply: super::answers::Reply) {
        self.inner.borrow_mut().answers.expect(client, reply);
    }

    pub(super) fn cut_streams(&self) {
        for stream in self.inner.borrow().streams.values() {
            stream.close();
        }
    }

    fn now(&self) -> Instant {
        Instant(u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn arm(&self, inner: &Inner) {
        let timeouts = inner.engine.poll_timeout();
        let deadlines = timeouts.active.into_iter().chain(timeouts.housekeeping);
        if let Some(at) = deadlines.map(|deadline| deadline.at.0).min() {
            self.timer.arm(at);
        }
    }

    fn perform(self: &Rc<Self>, inner: &mut Inner, output: Output) {
        match output {
            Output::OpenStream { stream, .. } => {
                self.watch.stream_opened();
                inner.streams.insert(stream, dial::open(self, stream));
            }
            Output::Write { stream, bytes } => self.write_stream(inner, stream, bytes),
            Output::Grant { stream, bytes } => match inner.streams.get(&stream) {
                Some(Stream::Open(pipe)) => pipe.grant(bytes),
                Some(Stream::Opening { .. }) | None => self.wrong("Grant", &stream),
            },
            Output::CloseStream { stream } => match inner.streams.get(&stream) {
                Some(known) => known.close(),
                None => self.wrong("CloseStream", &stream),
            },
            Output::StartTls { stream } => self.wrong("StartTls", &stream),
            Output::WriteSocket { client, bytes } => self.write_socket(inner, client, bytes),
            Output::GrantSocket { client, bytes } => match inner.sockets.get(&client) {
                Some(pipe) => pipe.grant(bytes),
                None => self.wrong("GrantSocket", &client),
            },
            Output::CloseSocket { client } => match inner.sockets.remove(&client) {
                Some(pipe) => pipe.close_after_writes(),
                None => self.wrong("CloseSocket", &client),
            },
            Output::Answer { client, bytes } => {
                if !inner.answers.whole(client, &bytes) {
                    self.wrong("Answer", &client);
                }
            }
            Output::BeginAnswer { client, bytes } => {
                self.write_answer(inner, client, &bytes, false)
            }
            Output::WriteAnswer { client, bytes, end } => {
                self.write_answer(inner, client, &bytes, end);
            }
            Output::Probe { client } => {
                let alive = inner.answers.alive(client);
                inner.inputs.push_back(match alive {
                    true => Input::ClientAlive { client },
                    false => Input::ClientGone { client },
                });
            }
            Output::SendLink { link, .. }
            | Output::CloseLink { link, .. }
            | Output::Attach { link, .. } => self.wrong("a link's output", &link),
            Output::RaiseEpoch => self.wrong("RaiseEpoch", &"no link"),
            Output::Log(event) => self.log(&event),
        }
    }

    fn write_stream(&self, inner: &mut Inner, stream: StreamId, bytes: Parts) {
        self.note_write(inner, (false, stream.0));
        match inner.streams.get(&stream) {
            Some(Stream::Open(pipe)) => {
                let taken = pipe.send(bytes);
                if taken > 0 {
                    inner.inputs.push_back(Input::StreamTook { stream, bytes: taken });
                }
            }
            Some(Stream::Opening { .. }) | None => self.wrong("Write", &stream),
        }
    }

    fn write_socket(&self, inner: &mut Inner, client: ClientId, bytes: Parts) {
        self.note_write(inner, (true, client.0));
        match inner.sockets.get(&client) {
            Some(pipe) => {
                let taken = pipe.send(bytes);
                if taken > 0 {
                    inner.inputs.push_back(Input::ClientTook { client, bytes: taken });
                }
            }
            None => self.wrong("WriteSocket", &client),
        }
    }

    fn write_answer(&self, inner: &mut Inner, client: ClientId, bytes: &[Bytes], end: bool) {
        match inner.answers.part(client, bytes, end) {
            Some(bytes) if !end => inner.inputs.push_back(Input::ClientTook { client, bytes }),
            Some(_) => {}
            None => self.wrong("WriteAnswer", &client),
        }
    }

    fn note_write(&self, inner: &mut Inner, target: (bool, u64)) {
        if inner.written.contains(&target) {
            self.wrong("a second write in one drain", &target.1);
        }
        inner.written.push(target);
    }

    fn wrong(&self, what: &str, whom: &dyn std::fmt::Debug) {
        self.watch.violation(format!("{what} for {whom:?}"));
    }

    fn log(&self, event: &Event) {
        let Event { level, session, client, text } = event;
        let session = session.map_or(String::new(), |session| format!("{session}: "));
        let client = client.map_or(String::new(), |client| format!("{client}: "));
        let mark = if *level == Level::Warn { "! " } else { "" };
        self.watch.note(format!("{:>6} {mark}{session}{client}{text}", self.now().0));
    }
}

impl Inner {
    /// Keeps the tables in step with what the engine is about to hear. False for what it shall not
    /// hear: something of a client that it has closed in the meantime.
    fn admit(&mut self, input: &Input) -> bool {
        if let Input::StreamRefused { stream, .. } | Input::StreamClosed { stream, .. } = input {
            self.streams.remove(stream);
        } else if let Input::ClientGone { client } = input {
            self.sockets.remove(client);
            self.answers.forget(*client);
        } else if let Input::ClientTook { client, .. } = input {
            return self.sockets.contains_key(client) || self.answers.expects(*client);
        }
        true
    }
}

fn seed() -> [u8; 32] {
    use std::io::Read as _;
    let mut seed = [0; 32];
    let mut source = std::fs::File::open("/dev/urandom").expect("a source of randomness");
    source.read_exact(&mut seed).expect("a seed");
    seed
}
