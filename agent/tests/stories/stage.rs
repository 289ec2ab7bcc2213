//! The stage: one agent, its clock, what it said on each link, what it did at the database.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use pierhead_agent::core::{
    Agent, ConnId, DatabaseSettings, Input, Instant, LinkNo, Millis, Output, Settings,
};
use pierhead_wire::limits::TUNNEL_MESSAGE_BYTES_MAX;
use pierhead_wire::tunnel::{
    Adopt, Amount, Blob, Counters, Data, Describe, Frame, Frames, GoneReason, Hello, Name, Offered,
    Open, Options, Park, Payload, StreamId, Wake, Welcome,
};

pub(crate) const CANCEL: &[u8] = b"cancel it";
pub(crate) const BLOB: &[u8] = b"who it is";

pub(crate) struct Stage {
    pub(crate) agent: Agent,
    pub(crate) now: u64,
    pub(crate) log: Vec<String>,
    pub(crate) messages: usize,
    heard: BTreeMap<LinkNo, Vec<Frame>>,
    did: Vec<Output>,
    answer_peeks: bool,
}

pub(crate) fn settings(cap: u16) -> Settings {
    let main = DatabaseSettings { name: "main".into(), cap, links: 1 };
    Settings { verbose: true, ..Settings::new("test", "agent test", vec![main]) }
}

impl Stage {
    /// An agent of one database that has just started: it has dialled link 1.
    pub(crate) fn new(cap: u16) -> Self {
        Self::with(settings(cap))
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let agent = Agent::new(Instant(1_000), settings, [7; 16], [9; 32]);
        let mut stage = Self {
            agent,
            now: 1_000,
            log: Vec::new(),
            messages: 0,
            heard: BTreeMap::new(),
            did: Vec::new(),
            answer_peeks: true,
        };
        stage.drain();
        stage
    }

    /// An agent whose link 1 is up, in epoch 1.
    pub(crate) fn up(cap: u16) -> Self {
        let mut stage = Self::new(cap);
        stage.bring_up(1, 1, 11);
        stage.did();
        stage
    }

    fn drain(&mut self) {
        while let Some(output) = self.agent.poll_output() {
            match output {
                Output::Send { link, message } => {
                    self.messages += 1;
                    let message: Vec<u8> = message.concat();
                    assert!(message.len() <= TUNNEL_MESSAGE_BYTES_MAX);
                    let frames = Frames::new(message.into()).unwrap().map(Result::unwrap);
                    self.heard.entry(link).or_default().extend(frames);
                }
                Output::Log(event) => self.log.push(event.text),
                other => self.did.push(other),
            }
        }
    }

    pub(crate) fn give(&mut self, input: Input) {
        self.agent.handle(Instant(self.now), input);
        self.drain();
        let peeked = self.did.iter().position(|did| matches!(did, Output::Peek { .. }));
        if self.answer_peeks
            && let Some(at) = peeked
            && let Output::Peek { conn } = self.did.remove(at)
        {
            self.give(Input::Quiet { conn });
        }
    }

    /// From here on the test answers `Peek` itself.
    pub(crate) fn answer_no_peeks(&mut self) {
        self.answer_peeks = false;
    }

    /// Lets time pass, deadline by deadline.
    pub(crate) fn wait(&mut self, span: Millis) {
        let until = self.now + span.0;
        while let Some(Instant(at)) = self.agent.poll_timeout().filter(|at| at.0 <= until) {
            self.now = self.now.max(at);
            self.give(Input::TimePassed);
        }
        self.now = until;
    }

    /// The coordinator says these frames in one message.
    pub(crate) fn say<const N: usize>(&mut self, link: u32, frames: [Frame; N]) {
        let mut message = BytesMut::new();
        for frame in frames {
            frame.encode(&mut message).unwrap();
        }
        self.give(Input::LinkMessage { link: LinkNo(link), message: Some(message.freeze()) });
    }

    /// What the agent has said on the link since the last look.
    pub(crate) fn heard(&mut self, link: u32) -> Vec<Frame> {
        self.heard.remove(&LinkNo(link)).unwrap_or_default()
    }

    /// What the agent has had the shell do since the last look.
    pub(crate) fn did(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.did)
    }

    /// The last connection asked for.
    pub(crate) fn connecting(&mut self) -> ConnId {
        self.find(|did| if let Output::Connect { conn, .. } = did { Some(*conn) } else { None })
    }

    /// The last link dialled.
    pub(crate) fn dialled(&mut self) -> Option<u32> {
        let dialled = |did: &Output| {
            if let Output::Dial { link, .. } = did { Some(link.0) } else { None }
        };
        let found = self.did.iter().rev().find_map(dialled);
        self.did.retain(|did| dialled(did).is_none());
        found
    }

    fn find<T>(&mut self, pick: impl Fn(&Output) -> Option<T>) -> T {
        let found = self.did.iter().rev().find_map(&pick).expect("it did so");
        self.did.retain(|did| pick(did).is_none());
        found
    }

    /// Opens a dialled link and returns its hello and what it offers.
    pub(crate) fn hello(&mut self, link: u32) -> (Hello, Vec<Offered>) {
        self.give(Input::LinkOpened { link: LinkNo(link) });
        let mut hello = None;
        let mut offered = Vec::new();
        for frame in self.heard(link) {
            match frame {
                Frame::Hello(frame) => hello = Some(frame),
                Frame::Offer(page) => offered.extend(page.streams.iter()),
                other => panic!("{other:?} before welcome"),
            }
        }
        (hello.expect("a hello"), offered)
    }

    /// Opens and welcomes a dialled link.
    pub(crate) fn bring_up(&mut self, link: u32, epoch: u64, object_life: u64) -> Vec<Offered> {
        let (_, offered) = self.hello(link);
        self.say(link, [welcome(epoch, object_life)]);
        offered
    }

    /// The link is lost, and link 2, 3, … is dialled when its time has come.
    pub(crate) fn cut(&mut self, link: u32) -> u32 {
        self.give(Input::LinkClosed { link: LinkNo(link), detail: "cut".into() });
        self.redialled()
    }

    pub(crate) fn redialled(&mut self) -> u32 {
        for _ in 0..100 {
            if let Some(link) = self.dialled() {
                return link;
            }
            self.wait(Millis(1_000));
        }
        panic!("never dialled again");
    }

    /// A stream whose session is open and described, with 5 bytes sent and 3 received.
    pub(crate) fn session(&mut self, link: u32, index: u32) -> ConnId {
        let id = stream(link, index);
        self.say(link, [open(id), data(id, b"hello")]);
        let conn = self.connecting();
        self.give(Input::Connected { conn });
        self.give(Input::Wrote { conn, bytes: 5 });
        self.give(Input::Received { conn, bytes: Bytes::from_static(b"hey") });
        self.say(link, [describe(id)]);
        self.heard(link);
        self.did();
        conn
    }

    /// The same, parked for 60 s of idleness and an hour in all.
    pub(crate) fn parked(&mut self, link: u32, index: u32) -> ConnId {
        let conn = self.session(link, index);
        self.say(link, [park(stream(link, index), 5, 3)]);
        self.did();
        conn
    }

    pub(crate) fn count(&self) -> usize {
        self.agent.status().databases[0].counted
    }
}

pub(crate) fn stream(link: u32, index: u32) -> StreamId {
    StreamId { link, index }
}

pub(crate) fn welcome(epoch: u64, object_life: u64) -> Frame {
    welcome_with(epoch, object_life, 1_000, 2_000)
}

pub(crate) fn welcome_with(epoch: u64, object_life: u64, stream: u32, link: u32) -> Frame {
    Frame::Welcome(Welcome {
        version: 1,
        epoch,
        object_life,
        stream_credit: Amount(stream),
        link_credit: Amount(link),
        options: Options::named("test"),
    })
}

pub(crate) fn open(stream: StreamId) -> Frame {
    Frame::Open(Open { stream, database: Name::cut("main") })
}

pub(crate) fn data(stream: StreamId, bytes: &[u8]) -> Frame {
    Frame::Data(Data { stream, bytes: Payload(Bytes::copy_from_slice(bytes)) })
}

pub(crate) fn describe(stream: StreamId) -> Frame {
    let (cancel, blob) = (Blob(Bytes::from_static(CANCEL)), Blob(Bytes::from_static(BLOB)));
    Frame::Describe(Describe { stream, cancel, blob })
}

pub(crate) fn park(stream: StreamId, sent: u64, received: u64) -> Frame {
    let counters = Counters { sent, received };
    Frame::Park(Park { stream, counters, max_idle_ms: 60_000, expires_in_ms: 3_600_000 })
}

pub(crate) fn adopt(stream: StreamId, sent: u64, received: u64, bytes: &[u8]) -> Frame {
    let counters = Counters { sent, received };
    let bytes = Payload(Bytes::copy_from_slice(bytes));
    Frame::Adopt(Adopt { stream, counters, describe: false, bytes })
}

pub(crate) fn wake(object_life: u64) -> Frame {
    Frame::Wake(Wake { number: 1, epoch: 1, object_life })
}

/// The bytes in all `Write`s to a connection.
pub(crate) fn written(did: &[Output], to: ConnId) -> Vec<u8> {
    let pieces = did.iter().filter_map(|did| match did {
        Output::Write { conn, bytes } if *conn == to => Some(bytes.concat()),
        _ => None,
    });
    pieces.collect::<Vec<_>>().concat()
}

pub(crate) fn finished(did: &[Output], conn: ConnId) -> bool {
    did.contains(&Output::Finish { conn })
}

/// The bytes of a stream among the frames.
pub(crate) fn bytes_of(frames: &[Frame], id: StreamId) -> Vec<u8> {
    let pieces = frames.iter().filter_map(|frame| match frame {
        Frame::Data(data) if data.stream == id => Some(data.bytes.0.to_vec()),
        _ => None,
    });
    pieces.collect::<Vec<_>>().concat()
}

/// The streams that are gone by these frames, why, and whether nothing was delivered.
pub(crate) fn gone(frames: &[Frame]) -> Vec<(StreamId, GoneReason, bool)> {
    let gone = frames.iter().filter_map(|frame| match frame {
        Frame::Gone(gone) => Some((gone.stream, gone.reason, gone.nothing_delivered)),
        _ => None,
    });
    gone.collect()
}
