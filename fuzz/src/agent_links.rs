//! Whatever coordinators and databases say, in whatever order: the agent keeps its cap, says whole
//! frames on links that are there, names connections that are there, reads no more than it asked
//! for, and ends the links of those who break the rules.

use std::collections::BTreeMap;

use bytes::Bytes;
use pierhead_agent::core::{
    Agent, ConnId, DatabaseSettings, Input, Instant, LinkNo, Output, Settings,
};
use pierhead_wire::tunnel::{Frame, Frames, RefusedReason};

use super::script::Script;

const CAP: u16 = 3;

#[derive(Default)]
struct Conn {
    stands: bool,
    granted: usize,
    written: usize,
    peeked: bool,
    ended: bool,
}

struct World {
    agent: Agent,
    now: u64,
    /// True once they are open.
    links: BTreeMap<LinkNo, bool>,
    conns: BTreeMap<ConnId, Conn>,
    exited: bool,
}

impl World {
    fn feed(&mut self, input: Input) {
        if std::env::var_os("FUZZ_TRACE").is_some() {
            eprintln!("> {input:?}");
        }
        self.agent.handle(Instant(self.now), input);
        let mut refused = Vec::new();
        while let Some(output) = self.agent.poll_output() {
            if std::env::var_os("FUZZ_TRACE").is_some() {
                eprintln!("< {output:?}");
            }
            match output {
                Output::Dial { link, .. } => assert!(self.links.insert(link, false).is_none()),
                Output::Send { link, message } => self.sent(link, &message),
                Output::Ping { link } => assert_eq!(self.links.get(&link), Some(&true)),
                Output::CloseLink { link } => refused.push(link),
                Output::Connect { conn, .. } => {
                    assert!(self.conns.insert(conn, Conn::default()).is_none());
                }
                Output::Write { conn, bytes } => {
                    let bytes: usize = bytes.iter().map(Bytes::len).sum();
                    let conn = self.conns.get_mut(&conn).expect("a connection");
                    conn.written += bytes;
                }
                Output::Read { conn, bytes } => {
                    self.conns.get_mut(&conn).expect("a connection").granted += bytes;
                }
                Output::Peek { conn } => {
                    self.conns.get_mut(&conn).expect("a connection").peeked = true;
                }
                Output::Finish { conn } => assert!(self.conns.contains_key(&conn)),
                Output::Close { conn } => assert!(self.conns.contains_key(&conn)),
                Output::Exit => self.exited = true,
                Output::Log(event) => assert!(!event.text.is_empty()),
            }
        }
        for link in refused {
            assert!(self.links.remove(&link).is_some());
            self.feed(Input::LinkClosed { link, detail: String::new() });
        }
        let status = self.agent.status();
        assert!(status.databases.iter().all(|d| d.counted <= usize::from(CAP)), "{status:?}");
    }

    fn sent(&self, link: LinkNo, message: &[Bytes]) {
        assert_eq!(self.links.get(&link), Some(&true), "{link:?} is open");
        let mut last = None;
        for frame in Frames::new(message.concat().into()).expect("a message") {
            assert!(!matches!(last, Some(Frame::GoAway(_))), "nothing follows go-away: {frame:?}");
            last = Some(frame.expect("a frame"));
        }
    }

    /// Something happens on a connection.
    fn connection(&mut self, script: &mut Script<'_>) {
        let nth = usize::from(script.byte()) % self.conns.len().max(1);
        let Some((&conn, state)) = self.conns.iter_mut().nth(nth) else { return };
        if !state.stands {
            if script.below(4) == 0 {
                self.conns.remove(&conn);
                let reason = RefusedReason::from_code(script.byte());
                return self.feed(Input::ConnectFailed { conn, reason, detail: "no".into() });
            }
            state.stands = true;
            return self.feed(Input::Connected { conn });
        }
        match script.below(6) {
            0 => {
                self.conns.remove(&conn);
                self.feed(Input::Closed { conn, detail: String::new() });
            }
            1 if !state.ended => {
                state.ended = true;
                self.feed(Input::Ended { conn });
            }
            2 if state.written > 0 => {
                let bytes = state.written.min(1 + usize::from(script.byte()) * 64);
                state.written -= bytes;
                self.feed(Input::Wrote { conn, bytes });
            }
            3 if state.peeked => {
                state.peeked = false;
                self.feed(Input::Quiet { conn });
            }
            _ if state.granted > 0 && !state.ended => {
                let bytes =
                    Bytes::from(vec![
                        b'x';
                        state.granted.min(1 + usize::from(script.byte()) * 256)
                    ]);
                state.granted -= bytes.len();
                state.peeked = false;
                self.feed(Input::Received { conn, bytes });
            }
            _ => {}
        }
    }
}

pub fn run(data: &[u8]) {
    let mut script = Script::new(data);
    let database = DatabaseSettings { name: "main".into(), cap: CAP, links: 2 };
    let settings = Settings::new("host", "agent fuzz", vec![database]);
    let mut world = World {
        agent: Agent::new(Instant(0), settings, [1; 16], [2; 32]),
        now: 0,
        links: BTreeMap::new(),
        conns: BTreeMap::new(),
        exited: false,
    };
    world.feed(Input::TimePassed);
    for _ in 0..400 {
        if script.is_over() || world.exited {
            break;
        }
        let nth = usize::from(script.byte());
        let link = world.links.iter().nth(nth % world.links.len().max(1)).map(|(&l, &o)| (l, o));
        match (script.below(16), link) {
            (0, _) => {
                world.now += u64::from(script.number() % 20_000);
                world.feed(Input::TimePassed);
            }
            (1, Some((link, true))) => {
                world.links.remove(&link);
                world.feed(Input::LinkClosed { link, detail: String::new() });
            }
            (1, Some((link, false))) => {
                world.links.remove(&link);
                let denied = script.flag();
                world.feed(Input::LinkRefused { link, denied, detail: String::new() });
            }
            (2..=6, _) => world.connection(&mut script),
            (7, _) if script.below(64) == 0 => world.feed(Input::Shutdown),
            (8, Some((link, true))) => world.feed(Input::LinkAlive { link }),
            (_, Some((link, false))) => {
                world.links.insert(link, true);
                world.feed(Input::LinkOpened { link });
            }
            (_, Some((link, true))) => {
                let message = Some(script.message(&Bytes::new(), &[]));
                world.feed(Input::LinkMessage { link, message });
            }
            (_, None) => {}
        }
    }
}
