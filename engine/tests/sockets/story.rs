//! The stage: one engine, a database that says what the story wants, and sockets.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use pierhead_engine::ids::{ClientId, StreamId};
use pierhead_engine::time::Instant;
use pierhead_engine::{Engine, Input, Mode, Output, Settings, Status, Terms, Way};
use pierhead_wire::envelope::{AnswerReader, Options, Record, Request, RequestId};
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend;

/// What the database says of itself after a login.
pub(crate) const GREETING: &[u8] = b"R\0\0\0\x08\0\0\0\0S\0\0\0\x16server_version\x0015\0\
    S\0\0\0\x11TimeZone\0UTC\0K\0\0\0\x0c\0\0\0\x07\0\0\0\x09Z\0\0\0\x05I";

pub(crate) struct Story {
    pub(crate) engine: Engine,
    pub(crate) now: u64,
    clients: u64,
    pub(crate) opened: Vec<StreamId>,
    pub(crate) closed_streams: Vec<StreamId>,
    written: Vec<(StreamId, Vec<u8>)>,
    lengths: BTreeMap<StreamId, u64>,
    said: Vec<(ClientId, Vec<u8>)>,
    pub(crate) closed: Vec<ClientId>,
    granted: Vec<(ClientId, usize)>,
    told: Vec<(ClientId, usize)>,
    answers: Vec<(ClientId, Vec<u8>)>,
}

impl Story {
    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings {
            user: "app".into(),
            database: "shop".into(),
            ways: vec![Way::Direct],
            pool_size: 1,
            ..Settings::default()
        };
        change(&mut settings);
        Self {
            engine: Engine::new(Instant(0), settings, [7; 32]),
            now: 0,
            clients: 0,
            opened: Vec::new(),
            closed_streams: Vec::new(),
            written: Vec::new(),
            lengths: BTreeMap::new(),
            said: Vec::new(),
            closed: Vec::new(),
            granted: Vec::new(),
            told: Vec::new(),
            answers: Vec::new(),
        }
    }

    pub(crate) fn happens(&mut self, input: Input) {
        self.engine.handle(Instant(self.now), input);
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::OpenStream { stream, .. } => self.opened.push(stream),
                Output::CloseStream { stream } => self.closed_streams.push(stream),
                Output::Write { stream, bytes } => {
                    let bytes = bytes.concat();
                    *self.lengths.entry(stream).or_default() += bytes.len() as u64;
                    self.written.push((stream, bytes));
                }
                Output::WriteSocket { client, bytes } => self.said.push((client, bytes.concat())),
                Output::GrantSocket { client, bytes } => self.granted.push((client, bytes)),
                Output::CloseSocket { client } => self.closed.push(client),
                Output::Answer { client, bytes }
                | Output::BeginAnswer { client, bytes }
                | Output::WriteAnswer { client, bytes, .. } => {
                    self.answers.push((client, bytes.concat()));
                }
                Output::StartTls { .. }
                | Output::Grant { .. }
                | Output::Probe { .. }
                | Output::SendLink { .. }
                | Output::CloseLink { .. }
                | Output::Attach { .. }
                | Output::RaiseEpoch
                | Output::Log(_) => {}
            }
        }
    }

    pub(crate) fn later(&mut self, ms: u64) {
        self.now += ms;
        self.happens(Input::TimePassed);
    }

    pub(crate) fn status(&self) -> Status {
        self.engine.status()
    }

    pub(crate) fn next_client(&mut self) -> ClientId {
        self.clients += 1;
        ClientId(self.clients)
    }

    /// A socket that says nothing yet.
    pub(crate) fn opens(&mut self, mode: impl Into<Option<Mode>>) -> ClientId {
        let client = self.next_client();
        let terms = Terms { class: String::new(), mode: mode.into() };
        self.happens(Input::SocketOpened { client, terms });
        client
    }

    /// A socket that starts with these parameters.
    pub(crate) fn starts_with(
        &mut self,
        mode: impl Into<Option<Mode>>,
        parameters: &[(&str, &str)],
    ) -> ClientId {
        let client = self.opens(mode);
        self.starts_as(client, parameters);
        client
    }

    /// A socket's start-up message; what it does not name is as usual.
    pub(crate) fn starts_as(&mut self, client: ClientId, parameters: &[(&str, &str)]) {
        let mut out = BytesMut::new();
        let given = |name: &str| parameters.iter().any(|(given, _)| *given == name);
        let usual = [("user", "app"), ("database", "shop")].into_iter().filter(|(n, _)| !given(n));
        frontend::startup_message(usual.chain(parameters.iter().copied()), &mut out).unwrap();
        self.tells(client, &out);
    }

    pub(crate) fn starts(&mut self) -> ClientId {
        self.starts_with(Mode::Transaction, &[])
    }

    /// A socket that is served, with a database that has logged one session in.
    pub(crate) fn begins(&mut self) -> (ClientId, StreamId) {
        let client = self.starts();
        let stream = self.logs_in();
        assert_eq!(kinds(&self.hears(client)), "RSSKZ");
        (client, stream)
    }

    /// Answers the last open.
    pub(crate) fn logs_in(&mut self) -> StreamId {
        let stream = *self.opened.last().unwrap();
        self.happens(Input::StreamOpened { stream });
        self.says(stream, GREETING);
        self.sent(stream);
        stream
    }

    /// Bytes that a socket's client may still say.
    pub(crate) fn allowed(&self, client: ClientId) -> usize {
        let sum = |all: &[(ClientId, usize)]| -> usize {
            all.iter().filter(|(of, _)| *of == client).map(|(_, bytes)| bytes).sum()
        };
        sum(&self.granted) - sum(&self.told)
    }

    pub(crate) fn tells(&mut self, client: ClientId, bytes: &[u8]) {
        self.told.push((client, bytes.len()));
        self.happens(Input::SocketData { client, bytes: Bytes::copy_from_slice(bytes) });
    }

    /// A simple query of a socket's client.
    pub(crate) fn queries(&mut self, client: ClientId, sql: &str) {
        let mut out = BytesMut::new();
        frontend::query(sql, &mut out).unwrap();
        self.tells(client, &out);
    }

    pub(crate) fn says(&mut self, stream: StreamId, bytes: &[u8]) {
        let bytes = Bytes::copy_from_slice(bytes);
        self.happens(Input::StreamData { stream, bytes });
    }

    /// The database completes a statement with this tag and is ready with this status.
    pub(crate) fn completes(&mut self, stream: StreamId, tag: &str, status: char) {
        let mut out = complete(tag);
        out.extend(ready(status));
        self.says(stream, &out);
    }

    pub(crate) fn loses(&mut self, stream: StreamId, accepted: u64) {
        let detail = "gone".into();
        self.happens(Input::StreamClosed { stream, orderly: true, accepted, detail });
    }

    /// What was sent to the database since this was asked last.
    pub(crate) fn sent(&mut self, stream: StreamId) -> Vec<u8> {
        take(&mut self.written, stream)
    }

    /// Bytes written to the database, in all.
    pub(crate) fn written_to(&self, stream: StreamId) -> u64 {
        self.lengths.get(&stream).copied().unwrap_or(0)
    }

    /// What a socket's client was told since this was asked last.
    pub(crate) fn hears(&mut self, client: ClientId) -> Vec<u8> {
        take(&mut self.said, client)
    }

    /// A request of an exchange, in a lease or not.
    pub(crate) fn asks(&mut self, sql: &str, lease: Option<ClientId>) -> ClientId {
        let mut protocol = BytesMut::new();
        frontend::query(sql, &mut protocol).unwrap();
        self.requests(protocol.freeze(), lease)
    }

    pub(crate) fn requests(&mut self, protocol: Bytes, lease: Option<ClientId>) -> ClientId {
        self.requests_with(Options::default(), protocol, lease)
    }

    pub(crate) fn requests_with(
        &mut self,
        options: Options,
        protocol: Bytes,
        lease: Option<ClientId>,
    ) -> ClientId {
        let client = self.next_client();
        let request = Request {
            remaining_ms: 0,
            id: RequestId(u128::from(client.0).to_be_bytes()),
            options,
            protocol,
        };
        let request = request.encode().freeze();
        self.happens(Input::ClientOpened { client, request, lease });
        client
    }

    /// The data of an exchange's answer, and its outcome; none while it is not answered.
    pub(crate) fn answer(&mut self, client: ClientId) -> Option<(Vec<u8>, String)> {
        let bytes = take(&mut self.answers, client);
        let mut reader = AnswerReader::default();
        reader.push(bytes.into());
        let mut data = Vec::new();
        while let Some(record) = reader.next().unwrap() {
            match record {
                Record::Data(bytes) => data.extend_from_slice(&bytes),
                Record::Outcome(outcome) => {
                    return Some((
                        data,
                        format!("{:?} {}", outcome.status, outcome.sqlstate.as_str()),
                    ));
                }
            }
        }
        None
    }
}

fn take<K: PartialEq + Copy>(all: &mut Vec<(K, Vec<u8>)>, key: K) -> Vec<u8> {
    let (mine, others): (Vec<_>, Vec<_>) = all.drain(..).partition(|(k, _)| *k == key);
    *all = others;
    mine.into_iter().flat_map(|(_, bytes)| bytes).collect()
}

/// The type bytes of a run of messages.
pub(crate) fn kinds(mut bytes: &[u8]) -> String {
    let mut kinds = String::new();
    while let [tag, a, b, c, d, ..] = *bytes {
        kinds.push(char::from(tag));
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        bytes = &bytes[1 + length..];
    }
    kinds
}

/// True if the bytes contain this text.
pub(crate) fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|w| w == text.as_bytes())
}

/// A backend message.
pub(crate) fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    out.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    out.extend_from_slice(body);
    out
}

pub(crate) fn complete(tag: &str) -> Vec<u8> {
    message(b'C', format!("{tag}\0").as_bytes())
}

pub(crate) fn ready(status: char) -> Vec<u8> {
    message(b'Z', &[u8::try_from(status).unwrap()])
}

pub(crate) fn error(code: &str, routine: &str) -> Vec<u8> {
    message(b'E', format!("SERROR\0VERROR\0C{code}\0Mno\0R{routine}\0\0").as_bytes())
}

/// Extended-protocol messages of a client.
#[derive(Default)]
pub(crate) struct Say(BytesMut);

impl Say {
    pub(crate) fn parse(mut self, name: &str, sql: &str) -> Self {
        frontend::parse(name, sql, [], &mut self.0).unwrap();
        self
    }

    pub(crate) fn bind(mut self, name: &str) -> Self {
        let none = std::iter::empty::<i16>;
        let values = std::iter::empty::<i32>();
        let bound =
            frontend::bind("", name, none(), values, |_, _| Ok(IsNull::Yes), none(), &mut self.0);
        assert!(bound.is_ok());
        self
    }

    pub(crate) fn describe(mut self) -> Self {
        frontend::describe(b'P', "", &mut self.0).unwrap();
        self
    }

    pub(crate) fn describe_statement(mut self, name: &str) -> Self {
        frontend::describe(b'S', name, &mut self.0).unwrap();
        self
    }

    pub(crate) fn execute(self) -> Self {
        self.execute_for(0)
    }

    /// Takes so many rows at most; 0 for all.
    pub(crate) fn execute_for(mut self, rows: i32) -> Self {
        frontend::execute("", rows, &mut self.0).unwrap();
        self
    }

    pub(crate) fn close(mut self, name: &str) -> Self {
        frontend::close(b'S', name, &mut self.0).unwrap();
        self
    }

    pub(crate) fn flush(mut self) -> Self {
        frontend::flush(&mut self.0);
        self
    }

    pub(crate) fn sync(mut self) -> Bytes {
        frontend::sync(&mut self.0);
        self.0.freeze()
    }

    pub(crate) fn done(self) -> Bytes {
        self.0.freeze()
    }
}
