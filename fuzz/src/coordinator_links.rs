//! Whatever agents say, in whatever order: the engine keeps its cap and its bounds, says whole
//! frames on links that are there, and ends the links of those who break the rules.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Bytes, BytesMut};
use pierhead_engine::ids::{ClientId, LinkId};
use pierhead_engine::time::Instant;
use pierhead_engine::{Engine, Input, Output, Settings, Way};
use pierhead_wire::envelope::{Options, Request, RequestId};
use pierhead_wire::tunnel::{Frame, Frames};

use super::script::Script;

const POOL: usize = 3;
const LOGIN: &[u8] = b"R\0\0\0\x08\0\0\0\0K\0\0\0\x0c\0\0\0\x07\0\0\0\x09Z\0\0\0\x05I";
const ROW: &[u8] = b"T\0\0\0\x06\0\0D\0\0\0\x0b\0\x01\0\0\0\x01xC\0\0\0\x0dSELECT 1\0Z\0\0\0\x05I";
const PURGED: &[u8] = b"C\0\0\0\x13DEALLOCATE ALL\0Z\0\0\0\x05I";

struct World {
    engine: Engine,
    now: u64,
    live: BTreeSet<LinkId>,
    attached: BTreeMap<LinkId, Bytes>,
    blob: Bytes,
    last_link: u64,
    last_client: u64,
    epoch: u64,
}

fn engine() -> Engine {
    let settings = Settings {
        user: "u".into(),
        database: "d".into(),
        pool_size: POOL,
        ways: vec![Way::Agent],
        ..Settings::default()
    };
    Engine::new(Instant(0), settings, [7; 32])
}

impl World {
    fn feed(&mut self, input: Input) {
        self.engine.handle(Instant(self.now), input);
        let mut raise = false;
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::SendLink { link, message } => self.sent(link, &message),
                Output::CloseLink { link, .. } => {
                    assert!(self.live.remove(&link), "a link is closed once");
                    self.attached.remove(&link);
                }
                Output::Attach { link, attachment } => {
                    assert!(self.live.contains(&link) && attachment.len() <= 16_000);
                    self.attached.insert(link, attachment);
                }
                Output::RaiseEpoch => raise = true,
                Output::OpenStream { .. } => panic!("there is no other tunnel"),
                _ => {}
            }
        }
        let status = self.engine.status();
        let all = status.opening
            + status.idle
            + status.leased
            + status.resetting
            + status.ending
            + status.parked
            + status.away;
        assert!(all <= POOL, "{status:?}");
        assert!(status.request_bytes < 1 << 20 && status.answer_bytes < 64 << 20);
        if raise {
            self.epoch += 1;
            self.feed(Input::EpochRaised { epoch: self.epoch });
        }
    }

    fn sent(&mut self, link: LinkId, message: &[Bytes]) {
        assert!(self.live.contains(&link), "{link} is gone");
        let mut last = None;
        for frame in Frames::new(message.concat().into()).expect("a message") {
            assert!(!matches!(last, Some(Frame::GoAway(_))), "nothing follows go-away: {frame:?}");
            let frame = frame.expect("a frame");
            if let Frame::Describe(describe) = &frame {
                self.blob = describe.blob.0.clone();
            }
            last = Some(frame);
        }
    }

    fn asks(&mut self, sql: &[u8]) {
        self.last_client += 1;
        let mut protocol = BytesMut::from(&b"Q"[..]);
        protocol.extend_from_slice(&(sql.len() as u32 + 5).to_be_bytes());
        protocol.extend_from_slice(sql);
        protocol.extend_from_slice(b"\0");
        let request = Request {
            remaining_ms: 0,
            id: RequestId(u128::from(self.last_client).to_be_bytes()),
            options: Options::default(),
            protocol: protocol.freeze(),
        };
        let client = ClientId(self.last_client);
        self.feed(Input::ClientOpened { client, request: request.encode().freeze(), lease: None });
    }

    fn sleep_and_wake(&mut self) {
        if self.engine.poll_timeout().active.is_some() {
            return;
        }
        self.engine = engine();
        for link in self.live.clone() {
            let attachment = self.attached.get(&link).cloned().unwrap_or_default();
            self.feed(Input::LinkRestored { link, attachment });
        }
    }
}

pub fn run(data: &[u8]) {
    let mut script = Script::new(data);
    let mut world = World {
        engine: engine(),
        now: 0,
        live: BTreeSet::new(),
        attached: BTreeMap::new(),
        blob: Bytes::new(),
        last_link: 0,
        last_client: 0,
        epoch: 0,
    };
    let replies = [LOGIN, ROW, PURGED].map(Bytes::from_static);
    for _ in 0..400 {
        if script.is_over() {
            break;
        }
        let nth = usize::from(script.byte());
        let link = world.live.iter().nth(nth % world.live.len().max(1)).copied();
        match (script.below(12), link) {
            (0, _) => {
                world.last_link += 1;
                let link = LinkId(world.last_link);
                world.live.insert(link);
                world.feed(Input::LinkOpened { link });
                let mut message = BytesMut::new();
                Frame::from(script.hello()).encode(&mut message).expect("within limits");
                let message = Some(message.freeze());
                world.feed(Input::LinkMessage { link, message });
            }
            (1, Some(link)) => {
                world.live.remove(&link);
                world.attached.remove(&link);
                world.feed(Input::LinkClosed { link, detail: String::new() });
            }
            (2, _) => {
                world.now += u64::from(script.number() % 20_000);
                world.feed(Input::TimePassed);
            }
            (3, _) => world.sleep_and_wake(),
            (4, _) => world.asks(b"select 1"),
            (5, _) => {
                let client = ClientId(u64::from(script.below(9)));
                world.feed(Input::ClientGone { client });
            }
            (_, Some(link)) => {
                let message = Some(script.message(&world.blob, &replies));
                world.feed(Input::LinkMessage { link, message });
            }
            (_, None) => {}
        }
    }
}
