//! A coordinator that says anything at any time, and a database that does anything: the agent
//! keeps its promises to its shell, never panics, and can always be shut down.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Bytes, BytesMut};
use pierhead_agent::core::{
    Agent, ConnId, DatabaseSettings, Input, Instant, LinkNo, Millis, Output, Settings,
};
use pierhead_wire::tunnel::{
    Adopt, Advice, Amount, Blob, Cancel, Counters, Credit, Data, Describe, Drain, DrainReason,
    Finish, Frame, Frames, GoAway, GoAwayReason, LinkCredit, LinkState, ListParked, Name, Open,
    Options, Park, Payload, RefusedReason, Release, Reset, ResetReason, Sender, StreamId, Wake,
    Welcome,
};

const CAP: u16 = 4;

#[derive(Default)]
struct Conn {
    connected: bool,
    closing: bool,
    finished: bool,
    ended: bool,
    granted: usize,
    unwritten: usize,
    peeks: usize,
}

#[derive(Default, PartialEq, Eq, Clone, Copy)]
enum Link {
    #[default]
    Dialling,
    Open,
    Welcome,
    Closing,
}

struct Monkey {
    agent: Agent,
    now: u64,
    dice: u64,
    links: BTreeMap<LinkNo, Link>,
    conns: BTreeMap<ConnId, Conn>,
    streams: BTreeSet<StreamId>,
    index: BTreeMap<LinkNo, u32>,
    offered: BTreeMap<LinkNo, Vec<StreamId>>,
    exited: bool,
}

impl Monkey {
    fn new(seed: u64) -> Self {
        let databases = vec![DatabaseSettings { name: "main".into(), cap: CAP, links: 2 }];
        let settings = Settings {
            stream_window: 40_000,
            link_window: 100_000,
            park_ttl: Millis::secs(20),
            ..Settings::new("monkey", "agent test", databases)
        };
        let agent = Agent::new(Instant(0), settings, [1; 16], [2; 32]);
        let mut monkey = Self {
            agent,
            now: 0,
            dice: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            links: BTreeMap::new(),
            conns: BTreeMap::new(),
            streams: BTreeSet::new(),
            index: BTreeMap::new(),
            offered: BTreeMap::new(),
            exited: false,
        };
        monkey.drain();
        monkey
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice >> 11) % sides
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        let at = self.roll(from.len().max(1) as u64) as usize;
        from.get(at).copied()
    }

    fn give(&mut self, input: Input) {
        self.agent.handle(Instant(self.now), input);
        self.drain();
        let status = self.agent.status();
        assert!(status.databases[0].counted <= usize::from(CAP), "above the cap");
    }

    /// Holds the agent to the contract of its outputs.
    fn drain(&mut self) {
        while let Some(output) = self.agent.poll_output() {
            assert!(!self.exited, "{output:?} after exit");
            match output {
                Output::Dial { link, .. } => {
                    assert!(self.links.insert(link, Link::Dialling).is_none(), "numbers rise");
                }
                Output::Send { link, message } => {
                    assert!(matches!(self.links[&link], Link::Open | Link::Welcome));
                    self.read(link, message.concat().into());
                }
                Output::Ping { link } => assert!(self.links[&link] == Link::Welcome),
                Output::CloseLink { link } => {
                    let before = self.links.insert(link, Link::Closing);
                    assert!(before.is_some_and(|before| before != Link::Closing));
                }
                Output::Connect { conn, .. } => {
                    assert!(self.conns.insert(conn, Conn::default()).is_none());
                }
                Output::Write { conn, bytes } => {
                    let conn = self.conn(conn);
                    assert!(conn.connected && !conn.finished && !conn.closing);
                    conn.unwritten += bytes.iter().map(Bytes::len).sum::<usize>();
                    assert!(conn.unwritten <= 40_000, "bounded by the window");
                }
                Output::Read { conn, bytes } => {
                    let conn = self.conn(conn);
                    assert!(conn.connected && !conn.closing && bytes > 0);
                    conn.granted += bytes;
                    assert!(conn.granted <= 64 * 1024);
                }
                Output::Peek { conn } => self.conn(conn).peeks += 1,
                Output::Finish { conn } => {
                    let conn = self.conn(conn);
                    assert!(conn.connected && !conn.finished && !conn.closing);
                    conn.finished = true;
                }
                Output::Close { conn } => {
                    assert!(!std::mem::replace(&mut self.conn(conn).closing, true));
                }
                Output::Exit => self.exited = true,
                Output::Log(_) => {}
            }
        }
    }

    fn conn(&mut self, conn: ConnId) -> &mut Conn {
        self.conns.get_mut(&conn).expect("only of connections that stand")
    }

    /// What the agent says is well-formed and in place.
    fn read(&mut self, link: LinkNo, message: Bytes) {
        let state = if self.links[&link] == Link::Open {
            [LinkState::New, LinkState::Greeted]
        } else {
            [LinkState::Up, LinkState::Draining]
        };
        for frame in Frames::new(message).unwrap() {
            let frame = frame.unwrap();
            let allowed = |state: &LinkState| frame.kind().allowed(Sender::Agent, *state);
            assert!(state.iter().any(allowed), "{frame:?}");
            if let Frame::Offer(page) = frame {
                let offers = self.offered.entry(link).or_default();
                offers.extend(page.streams.iter().map(|item| item.stream));
            }
        }
    }

    fn step(&mut self) {
        let most = [0, 0, 0, 2, 2, 20, 20, 300, 9_000][self.roll(9) as usize];
        self.now += self.roll(most + 1);
        match self.roll(12) {
            0 => self.give(Input::TimePassed),
            1..=3 => self.network(),
            4..=7 => self.database(),
            _ => self.coordinator(),
        }
        if self.agent.poll_timeout().is_some_and(|at| at.0 <= self.now) {
            self.give(Input::TimePassed);
            assert!(self.agent.poll_timeout().is_none_or(|at| at.0 > self.now));
        }
    }

    fn network(&mut self) {
        let links: Vec<LinkNo> = self.links.keys().copied().collect();
        let Some(link) = self.pick(&links) else { return };
        let (state, roll) = (self.links[&link], self.roll(12));
        let detail = String::new();
        match (state, roll) {
            (Link::Dialling, 0) => {
                self.links.remove(&link);
                self.give(Input::LinkRefused { link, denied: false, detail });
            }
            (Link::Dialling, _) => {
                self.links.insert(link, Link::Open);
                self.give(Input::LinkOpened { link });
            }
            (Link::Open, 1..) => self.welcome(link),
            (Link::Welcome, 1..) => self.give(Input::LinkAlive { link }),
            (Link::Closing, _) | (_, 0) => {
                self.links.remove(&link);
                self.give(Input::LinkClosed { link, detail });
            }
        }
    }

    fn welcome(&mut self, link: LinkNo) {
        self.links.insert(link, Link::Welcome);
        let welcome = Welcome {
            version: 1,
            epoch: 1 + u64::from(link.0.is_multiple_of(7)),
            object_life: 1 + self.roll(20) / 19,
            stream_credit: Amount(30_000),
            link_credit: Amount(50_000),
            options: Options::named("monkey"),
        };
        self.say(link, vec![welcome.into()]);
    }

    fn database(&mut self) {
        let conns: Vec<ConnId> = self.conns.keys().copied().collect();
        let Some(conn) = self.pick(&conns) else { return };
        let roll = self.roll(16);
        let it = self.conn(conn);
        let detail = String::new();
        if it.closing || (it.connected && roll == 0) {
            self.conns.remove(&conn);
            return self.give(Input::Closed { conn, detail });
        }
        if !it.connected {
            if roll == 1 {
                self.conns.remove(&conn);
                let reason = RefusedReason::Connect;
                return self.give(Input::ConnectFailed { conn, reason, detail });
            }
            it.connected = true;
            return self.give(Input::Connected { conn });
        }
        if it.peeks > 0 {
            it.peeks -= 1;
            return self.give(Input::Quiet { conn });
        }
        if it.unwritten > 0 && roll < 10 {
            let bytes = it.unwritten.div_ceil(1 + roll as usize % 3);
            it.unwritten -= bytes;
            return self.give(Input::Wrote { conn, bytes });
        }
        if it.ended || it.granted == 0 {
            return;
        }
        if roll == 2 || it.finished {
            it.ended = true;
            return self.give(Input::Ended { conn });
        }
        if roll > 10 {
            let length = it.granted.div_ceil(1 + roll as usize % 4);
            it.granted -= length;
            self.give(Input::Received { conn, bytes: vec![0; length].into() });
        }
    }

    fn say(&mut self, link: LinkNo, frames: Vec<Frame>) {
        let mut message = BytesMut::new();
        for frame in frames {
            frame.encode(&mut message).unwrap();
        }
        self.give(Input::LinkMessage { link, message: Some(message.freeze()) });
    }

    fn coordinator(&mut self) {
        let up = |(link, state): (&LinkNo, &Link)| (*state == Link::Welcome).then_some(*link);
        let links: Vec<LinkNo> = self.links.iter().filter_map(up).collect();
        let Some(link) = self.pick(&links) else { return };
        let count = 1 + self.roll(3);
        let frames = (0..count).map(|_| self.frame(link)).collect();
        self.say(link, frames);
    }

    /// Mostly what makes sense, of streams that may exist.
    fn frame(&mut self, link: LinkNo) -> Frame {
        if let Some(stream) = self.offered.get_mut(&link).and_then(Vec::pop) {
            return self.settle(stream);
        }
        let last: Vec<StreamId> = self.streams.iter().rev().take(8).copied().collect();
        let stream = self.pick(&last).unwrap_or(StreamId { link: 1, index: 1 });
        let bytes = |length: u64| Bytes::from(vec![1; length as usize]);
        match self.roll(400) {
            0 => {
                let (reason, advice) = (GoAwayReason::Shutdown, Advice::cut("gone"));
                GoAway { reason, retry_after_ms: 10, advice }.into()
            }
            1 if self.roll(5) == 0 => Drain { reason: DrainReason::Paused, deadline_ms: 10 }.into(),
            2 => Frame::from(Release { stream }),
            3..=12 => Wake { number: 1, epoch: 1, object_life: 1 }.into(),
            13..=30 => LinkCredit { bytes: Amount(5_000) }.into(),
            31..=110 => {
                let index = self.index.entry(link).or_default();
                *index += 1;
                let stream = StreamId { link: link.0, index: *index };
                self.streams.insert(stream);
                Open { stream, database: Name::cut("main") }.into()
            }
            111..=170 => {
                let length = 1 + self.roll(300);
                Data { stream, bytes: Payload(bytes(length)) }.into()
            }
            171..=200 => Credit { stream, bytes: Amount(3_000) }.into(),
            201..=205 => Finish { stream }.into(),
            206..=215 => {
                let (reason, advice) = (ResetReason::Abandoned, Advice::cut(""));
                Reset { stream, reason, advice }.into()
            }
            216..=250 => Describe { stream, cancel: Blob(bytes(16)), blob: Blob(bytes(40)) }.into(),
            251..=310 => {
                let (counters, max_idle_ms) = (self.counters(stream), 5_000);
                Park { stream, counters, max_idle_ms, expires_in_ms: 60_000 }.into()
            }
            311..=360 => self.adopt(stream),
            361..=365 => ListParked { number: 1 }.into(),
            _ => Cancel { stream, request: 1 }.into(),
        }
    }

    fn settle(&mut self, stream: StreamId) -> Frame {
        if self.roll(5) == 0 {
            return Release { stream }.into();
        }
        self.streams.insert(stream);
        self.adopt(stream)
    }

    fn adopt(&mut self, stream: StreamId) -> Frame {
        let bytes = Payload(vec![1; self.roll(2) as usize * 50].into());
        let describe = self.roll(2) == 0;
        Adopt { stream, counters: self.counters(stream), describe, bytes }.into()
    }

    /// The agent's own counters, so that parking and adoption often succeed.
    fn counters(&self, stream: StreamId) -> Counters {
        self.agent.counters(stream).unwrap_or(Counters { sent: 0, received: 0 })
    }
}

#[test]
fn whatever_it_is_told_it_keeps_its_promises_and_can_be_shut_down() {
    let mut parked = 0;
    let mut adopted = 0;
    for seed in 1..=300 {
        let mut monkey = Monkey::new(seed);
        for _ in 0..2_000 {
            monkey.step();
        }
        let totals = monkey.agent.status().databases[0].totals;
        parked += totals.parked;
        adopted += totals.adopted;
        monkey.give(Input::Shutdown);
        for _ in 0..100_000 {
            if monkey.exited {
                break;
            }
            monkey.step();
        }
        assert!(monkey.exited, "seed {seed} does not exit: {:#?}", monkey.agent.status());
    }
    assert!(parked > 100 && adopted > 100, "{parked} parked, {adopted} adopted");
}
