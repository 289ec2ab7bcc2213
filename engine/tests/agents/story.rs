//! An engine, and an agent played by hand.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use pierhead_engine::ids::{ClientId, LinkId, StreamId};
use pierhead_engine::time::Instant;
use pierhead_engine::{Engine, Input, Output, Settings, Status, Terms, Way};
use pierhead_wire::envelope::{AnswerReader, Options, Outcome, Record, Request, RequestId};
use pierhead_wire::tunnel::{
    AgentLife, Amount, Blob, Counters, Data, Database, Frame, Frames, Hello, List, Mode, Name,
    Offer, Offered, Options as LinkOptions, ParkedCount, Payload, StreamId as WireId,
};
use postgres_protocol::message::frontend;

pub(crate) const GREETING: &[u8] = b"R\0\0\0\x08\0\0\0\0S\0\0\0\x18server_version\x0015.1\0K\0\0\0\x0c\0\0\0\x07\0\0\0\x09Z\0\0\0\x05I";
pub(crate) const ROW: &[u8] =
    b"T\0\0\0\x06\0\0D\0\0\0\x0b\0\x01\0\0\0\x01xC\0\0\0\x0dSELECT 1\0Z\0\0\0\x05I";
pub(crate) const RESET: &[u8] = b"C\0\0\0\x10DISCARD ALL\0Z\0\0\0\x05I";
pub(crate) const PURGED: &[u8] = b"C\0\0\0\x10DISCARD ALL\0Z\0\0\0\x05I";

/// The agent's windows.
pub(crate) const STREAM_CREDIT: u32 = 65_536;
pub(crate) const LINK_CREDIT: u32 = 262_144;

pub(crate) struct Story {
    pub(crate) engine: Engine,
    pub(crate) now: u64,
    /// What was said on each link, in order.
    pub(crate) said: BTreeMap<LinkId, Vec<Frame>>,
    /// Messages sent, over all links.
    pub(crate) messages: usize,
    pub(crate) attached: BTreeMap<LinkId, Bytes>,
    pub(crate) ended: Vec<LinkId>,
    pub(crate) raises: u64,
    pub(crate) opened: Vec<(StreamId, Way)>,
    answers: Vec<(ClientId, Vec<u8>)>,
    clients: u64,
}

impl Story {
    pub(crate) fn begin() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings {
            user: "u".into(),
            database: "d".into(),
            ways: vec![Way::Agent],
            ..Settings::default()
        };
        change(&mut settings);
        Self::of(Engine::new(Instant(0), settings, [1; 32]))
    }

    pub(crate) fn of(engine: Engine) -> Self {
        Self {
            engine,
            now: 0,
            said: BTreeMap::new(),
            messages: 0,
            attached: BTreeMap::new(),
            ended: vec![],
            raises: 0,
            opened: vec![],
            answers: vec![],
            clients: 0,
        }
    }

    /// The object hibernates: its memory is lost, links and attachments are not.
    pub(crate) fn sleeps_and_wakes(self, change: impl FnOnce(&mut Settings)) -> Self {
        assert_eq!(self.engine.poll_timeout().active, None, "nothing keeps it awake");
        let mut next = Self::with(change);
        next.engine.handle(Instant(self.now), Input::TimePassed);
        next.now = self.now;
        for (link, attachment) in self.attached {
            next.happens(Input::LinkRestored { link, attachment });
        }
        next
    }

    pub(crate) fn happens(&mut self, input: Input) {
        self.engine.handle(Instant(self.now), input);
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::SendLink { link, message } => {
                    self.messages += 1;
                    let frames = Frames::new(message.concat().into()).unwrap();
                    let said = self.said.entry(link).or_default();
                    said.extend(frames.map(|frame| frame.unwrap()));
                }
                Output::CloseLink { link, .. } => self.ended.push(link),
                Output::Attach { link, attachment } => {
                    self.attached.insert(link, attachment);
                }
                Output::RaiseEpoch => self.raises += 1,
                Output::OpenStream { stream, way } => self.opened.push((stream, way)),
                Output::Answer { client, bytes }
                | Output::BeginAnswer { client, bytes }
                | Output::WriteAnswer { client, bytes, .. }
                | Output::WriteSocket { client, bytes } => {
                    self.answers.push((client, bytes.concat()));
                }
                Output::Write { .. }
                | Output::StartTls { .. }
                | Output::Grant { .. }
                | Output::CloseStream { .. }
                | Output::Probe { .. }
                | Output::GrantSocket { .. }
                | Output::CloseSocket { .. }
                | Output::Log(_) => {}
            }
        }
    }

    pub(crate) fn later(&mut self, ms: u64) {
        self.now += ms;
        self.happens(Input::TimePassed);
    }

    pub(crate) fn asks(&mut self, sql: &str) -> ClientId {
        self.clients += 1;
        let client = ClientId(self.clients);
        let mut protocol = BytesMut::new();
        frontend::query(sql, &mut protocol).unwrap();
        let request = Request {
            remaining_ms: 0,
            id: RequestId(u128::from(self.clients).to_be_bytes()),
            options: Options::default(),
            protocol: protocol.freeze(),
        };
        self.happens(Input::ClientOpened {
            client,
            request: request.encode().freeze(),
            lease: None,
        });
        client
    }

    /// A socket opens and starts up.
    pub(crate) fn starts_up(&mut self) -> ClientId {
        self.clients += 1;
        let client = ClientId(self.clients);
        self.happens(Input::SocketOpened { client, terms: Terms::default() });
        let mut start = BytesMut::new();
        frontend::startup_message([("user", "u"), ("database", "d")], &mut start).unwrap();
        self.happens(Input::SocketData { client, bytes: start.freeze() });
        client
    }

    /// Everything that a socket was told.
    pub(crate) fn told(&self, client: ClientId) -> Vec<u8> {
        let told = self.answers.iter().filter(|(c, _)| *c == client);
        told.flat_map(|(_, bytes)| bytes.clone()).collect()
    }

    // ---- The agent -------------------------------------------------------------------------------

    /// One message of the agent.
    pub(crate) fn tells(&mut self, link: u64, frames: &[Frame]) {
        let mut message = BytesMut::new();
        for frame in frames {
            frame.encode(&mut message).unwrap();
        }
        let message = Some(message.freeze());
        self.happens(Input::LinkMessage { link: LinkId(link), message });
    }

    pub(crate) fn hello(number: u32, life: u8, parked: u16) -> Hello {
        let database = Database { name: Name::cut("main"), mode: Mode::Pipe, cap: 20 };
        Hello {
            newest: 1,
            oldest: 1,
            life: AgentLife([life; 16]),
            link: number,
            stream_credit: Amount(STREAM_CREDIT),
            link_credit: Amount(LINK_CREDIT),
            replaces: List::new(&[]).unwrap(),
            databases: List::new(&[database]).unwrap(),
            parked: ParkedCount(parked),
            options: LinkOptions::agent("agent 1", "host-a", 60_000),
        }
    }

    /// Link `link` of agent `life` opens, with what is parked, and its epoch is stored.
    pub(crate) fn dials(&mut self, link: u64, life: u8, parked: &[Offered]) {
        self.happens(Input::LinkOpened { link: LinkId(link) });
        let number = u32::try_from(link).unwrap();
        let hello = Self::hello(number, life, u16::try_from(parked.len()).unwrap());
        let asked = self.raises;
        self.tells(link, &[Frame::from(hello)]);
        self.offers(link, 0, parked);
        if self.raises > asked {
            self.happens(Input::EpochRaised { epoch: self.raises });
        }
    }

    /// Pages of parked streams.
    pub(crate) fn offers(&mut self, link: u64, number: u32, parked: &[Offered]) {
        let mut left = parked.len();
        for page in parked.chunks(64) {
            left -= page.len();
            let streams = List::new(page).unwrap();
            let left = u16::try_from(left).unwrap();
            self.tells(link, &[Offer { number, left, streams }.into()]);
        }
    }

    pub(crate) fn says(&mut self, link: u64, stream: WireId, bytes: &'static [u8]) {
        let bytes = Payload(Bytes::from_static(bytes));
        self.tells(link, &[Data { stream, bytes }.into()]);
    }

    pub(crate) fn loses(&mut self, link: u64) {
        self.happens(Input::LinkClosed { link: LinkId(link), detail: "cut".into() });
    }

    // ---- Looking ---------------------------------------------------------------------------------

    /// What was said on a link since the last look.
    pub(crate) fn heard(&mut self, link: u64) -> Vec<Frame> {
        self.said.remove(&LinkId(link)).unwrap_or_default()
    }

    /// The only stream opened on the link, logged in.
    pub(crate) fn logs_in(&mut self, link: u64, index: u32) -> WireId {
        let stream = wire(link, index);
        self.says(link, stream, GREETING);
        stream
    }

    /// What a stream would be offered as, as the coordinator parked it last.
    pub(crate) fn offered(&self, heard: &[Frame], blob: Bytes) -> Offered {
        let parked = heard.iter().rev().find_map(|frame| match frame {
            Frame::Park(park) => Some(park.clone()),
            _ => None,
        });
        let park = parked.expect("a park");
        Offered {
            stream: park.stream,
            counters: park.counters,
            idle_left_ms: park.max_idle_ms,
            expires_in_ms: park.expires_in_ms,
            blob: Blob(blob),
        }
    }

    pub(crate) fn answer(&self, client: ClientId) -> Option<(Vec<u8>, Outcome)> {
        let mut reader = AnswerReader::default();
        for (_, bytes) in self.answers.iter().filter(|(c, _)| *c == client) {
            reader.push(Bytes::copy_from_slice(bytes));
        }
        let mut data = Vec::new();
        loop {
            match reader.next().unwrap()? {
                Record::Data(bytes) => data.extend_from_slice(&bytes),
                Record::Outcome(outcome) => return Some((data, outcome)),
            }
        }
    }

    pub(crate) fn verdict(&self, client: ClientId) -> String {
        let (_, outcome) = self.answer(client).expect("an answer");
        format!("{:?} {}", outcome.status, outcome.sqlstate.as_str())
    }

    pub(crate) fn status(&self) -> Status {
        self.engine.status()
    }
}

pub(crate) fn wire(link: u64, index: u32) -> WireId {
    WireId { link: u32::try_from(link).unwrap(), index }
}

/// What stands in frames' names, for comparing.
pub(crate) fn kinds(frames: &[Frame]) -> Vec<&'static str> {
    frames.iter().map(|frame| frame.kind().name()).collect()
}

/// The session's description.
pub(crate) fn blob(frames: &[Frame]) -> Bytes {
    let described = frames.iter().find_map(|frame| match frame {
        Frame::Describe(describe) => Some(describe.blob.0.clone()),
        _ => None,
    });
    described.expect("a description")
}

/// All data sent to a stream, that of adoptions included.
pub(crate) fn data(frames: &[Frame], of: WireId) -> Vec<u8> {
    let mut all = Vec::new();
    for frame in frames {
        match frame {
            Frame::Data(data) if data.stream == of => all.extend_from_slice(&data.bytes.0),
            Frame::Adopt(adopt) if adopt.stream == of => all.extend_from_slice(&adopt.bytes.0),
            _ => {}
        }
    }
    all
}

/// Counters of a stream on which so much was said.
pub(crate) fn counters(sent: u64, received: u64) -> Counters {
    Counters { sent, received }
}
