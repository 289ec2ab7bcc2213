//! The world of agents: the sockets' own schedules, with an agent between the engine and the database,
//! links between these two that break, and an object that sleeps and dies.
//!
//! To the rest of the world an agent's connections are streams; what lies between them and the engine
//! is in here. Links as such, several copies and several agents are the tunnel's world.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use pierhead_agent::core::{self as agent, Agent, ConnId, LinkNo};
use pierhead_engine::ids::{LinkId, StreamId};
use pierhead_engine::io::{Event as LogEvent, Input, Level, Output};
use pierhead_engine::limits::END_TIMEOUT;
use pierhead_engine::settings::{Settings, Way};
use pierhead_engine::time::{Instant, Millis, Timeouts};
use pierhead_engine::{Engine, Status};
use pierhead_wire::tunnel::RefusedReason;

use super::machine::{Disturbance, Machine};
use super::plan::Plan;
use crate::sim::kinds::input_kind;
use crate::sim::rng::Rng;

/// The name under which the agent knows the database.
const NAME: &str = "main";

const TERMINATE: &[u8] = b"X\0\0\0\x04";

/// What one object and one agent are like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Between {
    /// Greatest delay of a message on a link.
    delay: u64,
    links: u16,
    window: u32,
    /// How soon an idle object sleeps.
    doze: u64,
}

impl Plan {
    /// The schedule of a seed with an agent in between.
    #[must_use]
    pub fn agents(seed: u64) -> Self {
        let mut plan = Self { world: "agents", ..Self::draw(seed, false) };
        let mut rng = Rng::new(seed ^ 0x0061_6765_6e74_7300);
        plan.settings.ways = vec![Way::Agent];
        plan.settings.name = NAME.into();
        plan.settings.tunnel_wait = Millis(if plan.quiet { 60_000 } else { 5_000 });
        plan.between = Some(Between {
            delay: rng.pick(&[0, 0, 5, 40]),
            links: rng.pick(&[1, 1, 2]),
            window: rng.pick(&[256 * 1024, 64 * 1024, 4_000]),
            doze: rng.pick(&[10, 300, 2_000]),
        });
        if !plan.quiet {
            plan.draw_disturbances(&mut rng);
        }
        plan
    }
}

/// An engine, an agent, and what is under way between them.
#[derive(Debug)]
pub(super) struct Agency {
    now: u64,
    noise: Rng,
    between: Between,
    settings: Settings,
    engine: Engine,
    /// The object's memory is gone; its WebSockets are not.
    asleep: bool,
    epoch: u64,
    agent: Held,
    links: BTreeMap<u64, Cable>,
    conns: BTreeMap<ConnId, Conn>,
    under_way: BTreeMap<(u64, u64), Thing>,
    made: u64,
    out: VecDeque<Output>,
    peeks: Vec<StreamId>,
    /// Inputs of the engine.
    inputs: u64,
    seen: Vec<&'static str>,
}

/// An agent, which does not tell what it is like.
struct Held(Agent);

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Agent")
    }
}

/// One WebSocket.
#[derive(Debug)]
struct Cable {
    no: LinkNo,
    attachment: Bytes,
    /// Whether the agent, and the object, take it for open.
    agent_open: bool,
    object_open: bool,
    /// It carries nothing more, though an end may not know yet.
    cut: bool,
    /// When the last message of each direction arrives.
    last: [u64; 2],
}

/// One connection of the agent's.
#[derive(Debug, Default)]
struct Conn {
    /// The world was told to close it.
    closing: bool,
    /// What was written ends a session.
    terminated: bool,
}

/// Something that happens between the two at a moment of its own.
#[derive(Debug)]
enum Thing {
    Dialled(LinkNo),
    Up(u64, Bytes),
    Down(u64, Bytes),
    /// The agent, or the object, learns of a link's end.
    AgentLoses(u64),
    ObjectLoses(u64),
    Pong(u64),
    Stored,
    Doze(u64),
}

fn stream_of(conn: ConnId) -> StreamId {
    StreamId(conn.0)
}

impl Agency {
    pub(super) fn new(plan: &Plan, between: Between) -> Self {
        let mut noise = Rng::new(plan.noise ^ 7);
        let settings = plan.settings.clone();
        let cap = u16::try_from(settings.pool_size).unwrap_or(1);
        let database = agent::DatabaseSettings { name: NAME.into(), cap, links: between.links };
        let of_agent = agent::Settings {
            end_timeout: END_TIMEOUT,
            stream_window: between.window,
            link_window: between.window * 4,
            verbose: true,
            ..agent::Settings::new("machine", "sim", vec![database])
        };
        let agent = Agent::new(Instant(0), of_agent, noise.bytes(), noise.bytes());
        let engine = Engine::new(Instant(0), settings.clone(), noise.bytes());
        let mut agency = Self {
            now: 0,
            noise,
            between,
            settings,
            engine,
            asleep: false,
            epoch: 0,
            agent: Held(agent),
            links: BTreeMap::new(),
            conns: BTreeMap::new(),
            under_way: BTreeMap::new(),
            made: 0,
            out: VecDeque::new(),
            peeks: Vec::new(),
            inputs: 0,
            seen: Vec::new(),
        };
        agency.drain_agent();
        agency
    }

    fn after(&mut self, ms: u64, thing: Thing) {
        self.made += 1;
        self.under_way.insert((self.now + ms, self.made), thing);
    }

    fn lag(&mut self) -> u64 {
        self.noise.within(0, self.between.delay)
    }

    /// Puts a message on its way, behind those before it.
    fn send(&mut self, id: u64, direction: usize, thing: Thing) {
        let lag = self.lag();
        let now = self.now;
        let Some(cable) = self.links.get_mut(&id).filter(|cable| !cable.cut) else { return };
        let at = (now + lag).max(cable.last[direction]);
        cable.last[direction] = at;
        self.after(at - now, thing);
    }

    fn happen(&mut self, thing: Thing) {
        match thing {
            Thing::Dialled(no) => self.dialled(no),
            Thing::Up(id, message) => {
                if self.links.get(&id).is_some_and(|cable| cable.object_open) {
                    let message = Some(message);
                    self.feed_engine(Input::LinkMessage { link: LinkId(id), message });
                }
            }
            Thing::Down(id, message) => {
                let Some(no) = self.agent_end(id) else { return };
                self.feed_agent(agent::Input::LinkAlive { link: no });
                let message = Some(message);
                self.feed_agent(agent::Input::LinkMessage { link: no, message });
            }
            Thing::AgentLoses(id) => {
                let Some(no) = self.agent_end(id) else { return };
                if let Some(cable) = self.links.get_mut(&id) {
                    cable.agent_open = false;
                }
                let detail = "as simulated".into();
                self.feed_agent(agent::Input::LinkClosed { link: no, detail });
            }
            Thing::ObjectLoses(id) => {
                let Some(cable) = self.links.get_mut(&id).filter(|c| c.object_open) else { return };
                cable.object_open = false;
                let detail = "as simulated".into();
                self.feed_engine(Input::LinkClosed { link: LinkId(id), detail });
            }
            Thing::Pong(id) => {
                let whole = self.links.get(&id).is_some_and(|c| c.object_open && !c.cut);
                if let Some(no) = self.agent_end(id).filter(|_| whole) {
                    self.feed_agent(agent::Input::LinkAlive { link: no });
                }
            }
            Thing::Stored => {
                self.epoch += 1;
                let epoch = self.epoch;
                self.feed_engine(Input::EpochRaised { epoch });
            }
            Thing::Doze(inputs) => {
                if inputs == self.inputs && self.is_idle() {
                    self.seen.push("object: slept");
                    self.asleep = true;
                }
            }
        }
    }

    fn agent_end(&self, id: u64) -> Option<LinkNo> {
        self.links.get(&id).filter(|cable| cable.agent_open).map(|cable| cable.no)
    }

    fn dialled(&mut self, no: LinkNo) {
        self.made += 1;
        let id = self.made;
        let cable = Cable {
            no,
            attachment: Bytes::new(),
            agent_open: true,
            object_open: true,
            cut: false,
            last: [self.now; 2],
        };
        self.wake();
        self.links.insert(id, cable);
        self.feed_engine(Input::LinkOpened { link: LinkId(id) });
        self.feed_agent(agent::Input::LinkOpened { link: no });
    }

    /// A new life of the object finds the WebSockets of the one before.
    fn wake(&mut self) {
        if !std::mem::take(&mut self.asleep) {
            return;
        }
        self.begin_life();
        let open = self.links.iter().filter(|(_, cable)| cable.object_open);
        let open: Vec<(u64, Bytes)> = open.map(|(id, c)| (*id, c.attachment.clone())).collect();
        for (id, attachment) in open {
            self.seen.push("object: woke with a link");
            self.feed_engine(Input::LinkRestored { link: LinkId(id), attachment });
        }
    }

    fn begin_life(&mut self) {
        let seed = self.noise.bytes();
        self.engine = Engine::new(Instant(self.now), self.settings.clone(), seed);
        self.inputs += 1;
    }

    fn is_idle(&self) -> bool {
        !self.asleep
            && self.engine.poll_timeout().active.is_none()
            && self.engine.status().clients == 0
    }

    fn feed_engine(&mut self, input: Input) {
        self.wake();
        self.inputs += 1;
        self.seen.push(input_kind(&input));
        self.engine.handle(Instant(self.now), input);
        while let Some(output) = self.engine.poll_output() {
            self.obey(output);
        }
        if self.is_idle() {
            let inputs = self.inputs;
            self.after(self.between.doze, Thing::Doze(inputs));
        }
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "the rest is the world's")]
    fn obey(&mut self, output: Output) {
        match output {
            Output::SendLink { link, message } => {
                self.send(link.0, 0, Thing::Down(link.0, message.concat().into()));
            }
            Output::CloseLink { link, .. } => {
                self.send(link.0, 0, Thing::AgentLoses(link.0));
                self.after(0, Thing::ObjectLoses(link.0));
            }
            Output::Attach { link, attachment } => {
                if let Some(cable) = self.links.get_mut(&link.0) {
                    cable.attachment = attachment;
                }
            }
            Output::RaiseEpoch => self.after(1, Thing::Stored),
            other => self.out.push_back(other),
        }
    }

    fn feed_agent(&mut self, input: agent::Input) {
        self.agent.0.handle(Instant(self.now), input);
        self.drain_agent();
    }

    fn drain_agent(&mut self) {
        while let Some(output) = self.agent.0.poll_output() {
            self.obey_agent(output);
        }
    }

    fn link_of(&self, no: LinkNo) -> Option<u64> {
        self.links.iter().find(|(_, cable)| cable.no == no).map(|(id, _)| *id)
    }

    fn obey_agent(&mut self, output: agent::Output) {
        match output {
            agent::Output::Dial { link, .. } => {
                let lag = self.lag();
                self.after(lag, Thing::Dialled(link));
            }
            agent::Output::Send { link, message } => {
                if let Some(id) = self.link_of(link) {
                    self.send(id, 1, Thing::Up(id, message.concat().into()));
                }
            }
            agent::Output::Ping { link } => {
                if let Some(id) = self.link_of(link) {
                    let lag = self.lag();
                    self.after(lag, Thing::Pong(id));
                }
            }
            agent::Output::CloseLink { link } => {
                if let Some(id) = self.link_of(link) {
                    self.send(id, 1, Thing::ObjectLoses(id));
                    self.after(0, Thing::AgentLoses(id));
                }
            }
            agent::Output::Connect { conn, .. } => {
                self.conns.insert(conn, Conn::default());
                self.out
                    .push_back(Output::OpenStream { stream: stream_of(conn), way: Way::Direct });
            }
            agent::Output::Write { conn, bytes } => self.write(conn, bytes),
            agent::Output::Read { conn, bytes } => {
                if self.conns.get(&conn).is_some_and(|c| !c.closing) {
                    self.out.push_back(Output::Grant { stream: stream_of(conn), bytes });
                }
            }
            agent::Output::Peek { conn } => self.peeks.push(stream_of(conn)),
            // After its last word a session ends by itself.
            agent::Output::Finish { conn } => {
                if self.conns.get(&conn).is_some_and(|c| !c.terminated) {
                    self.close(conn);
                }
            }
            agent::Output::Close { conn } => self.close(conn),
            agent::Output::Exit => {}
            agent::Output::Log(event) => {
                let (level, text) = (Level::Debug, event.text);
                let event = LogEvent { level, session: None, client: None, text };
                self.out.push_back(Output::Log(event));
            }
        }
    }

    /// At most one write for each stream and drain.
    fn write(&mut self, conn: ConnId, bytes: Vec<Bytes>) {
        let Some(known) = self.conns.get_mut(&conn).filter(|c| !c.closing) else { return };
        known.terminated |= bytes.concat().ends_with(TERMINATE);
        let stream = stream_of(conn);
        for queued in &mut self.out {
            if let Output::Write { stream: other, bytes: queued } = queued
                && *other == stream
            {
                return queued.extend(bytes);
            }
        }
        self.out.push_back(Output::Write { stream, bytes });
    }

    fn close(&mut self, conn: ConnId) {
        let Some(known) = self.conns.get_mut(&conn).filter(|c| !c.closing) else { return };
        known.closing = true;
        self.out.push_back(Output::CloseStream { stream: stream_of(conn) });
    }

    /// What the world says of a stream, the agent hears of its connection.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others are about no stream")]
    fn conn_input(&mut self, input: Input) -> Option<Input> {
        let detail = "as simulated".to_owned();
        let told = match input {
            Input::StreamOpened { stream } => agent::Input::Connected { conn: ConnId(stream.0) },
            Input::StreamRefused { stream, .. } => {
                let conn = ConnId(stream.0);
                self.conns.remove(&conn);
                agent::Input::ConnectFailed { conn, reason: RefusedReason::Connect, detail }
            }
            Input::StreamData { stream, bytes } => {
                agent::Input::Received { conn: ConnId(stream.0), bytes }
            }
            Input::StreamTook { stream, bytes } => {
                agent::Input::Wrote { conn: ConnId(stream.0), bytes }
            }
            Input::StreamClosed { stream, orderly, .. } => {
                let conn = ConnId(stream.0);
                if let Some(known) = self.conns.get_mut(&conn) {
                    let asked = std::mem::replace(&mut known.closing, true);
                    if orderly && !asked {
                        self.feed_agent(agent::Input::Ended { conn });
                    }
                }
                self.conns.remove(&conn);
                agent::Input::Closed { conn, detail }
            }
            other => return Some(other),
        };
        self.feed_agent(told);
        None
    }

    fn cut_link(&mut self, chance: u64) {
        let open: Vec<u64> = self
            .links
            .iter()
            .filter(|(_, c)| c.agent_open && c.object_open && !c.cut)
            .map(|(id, _)| *id)
            .collect();
        let Some(id) = open.get(chance as usize % open.len().max(1)).copied() else { return };
        self.seen.push("link: cut");
        if let Some(cable) = self.links.get_mut(&id) {
            cable.cut = true;
        }
        // What is under way is lost from some message on, in each direction, and all that follows.
        for up in [true, false] {
            let keys = self.under_way.iter().filter(|(_, thing)| {
                matches!(thing, Thing::Up(link, _) if up && *link == id)
                    || matches!(thing, Thing::Down(link, _) if !up && *link == id)
            });
            let keys: Vec<(u64, u64)> = keys.map(|(key, _)| *key).collect();
            let kept = self.noise.size(0, keys.len());
            for key in &keys[kept..] {
                self.under_way.remove(key);
            }
        }
        let late = self.noise.pick(&[0, 0, 50, 3_000]);
        self.after(late, Thing::ObjectLoses(id));
        let late = self.noise.pick(&[0, 0, 50, 3_000]);
        self.after(late, Thing::AgentLoses(id));
    }

    /// The object is gone, with its WebSockets; another life begins at the next event.
    fn crash(&mut self) {
        self.seen.push("object: aborted");
        for cable in self.links.values_mut() {
            cable.object_open = false;
        }
        let open = self.links.iter().filter(|(_, c)| c.agent_open).map(|(id, _)| *id);
        for id in open.collect::<Vec<_>>() {
            let late = self.noise.pick(&[0, 20]);
            self.after(late, Thing::AgentLoses(id));
        }
        self.under_way.retain(|_, thing| !matches!(thing, Thing::Stored));
        self.asleep = false;
        self.begin_life();
    }
}

impl Machine for Agency {
    fn handle(&mut self, now: Instant, input: Input) {
        self.now = self.now.max(now.0);
        if let Some(input) = self.conn_input(input) {
            self.feed_engine(input);
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    fn poll_timeout(&self) -> Timeouts {
        if self.asleep {
            return Timeouts { active: None, housekeeping: None };
        }
        self.engine.poll_timeout()
    }

    fn status(&self) -> Status {
        self.engine.status()
    }

    fn surroundings(&self) -> Option<u64> {
        let next = self.under_way.first_key_value().map(|((at, _), _)| *at);
        next.into_iter().chain(self.agent.0.poll_timeout().map(|at| at.0)).min()
    }

    fn surround(&mut self, now: Instant) {
        self.now = self.now.max(now.0);
        let next = self.under_way.first_key_value().map(|((at, _), _)| *at);
        if next.is_some_and(|at| at <= self.now) {
            if let Some((_, thing)) = self.under_way.pop_first() {
                self.happen(thing);
            }
        } else {
            self.feed_agent(agent::Input::TimePassed);
        }
    }

    fn peeks(&mut self) -> Vec<StreamId> {
        std::mem::take(&mut self.peeks)
    }

    fn quiet(&mut self, stream: StreamId) {
        if self.conns.contains_key(&ConnId(stream.0)) {
            self.feed_agent(agent::Input::Quiet { conn: ConnId(stream.0) });
        }
    }

    fn disturb(&mut self, now: Instant, what: Disturbance, chance: u64) {
        self.now = self.now.max(now.0);
        match what {
            Disturbance::CutLink => self.cut_link(chance),
            Disturbance::Crash => self.crash(),
        }
    }

    fn seen(&mut self) -> Vec<&'static str> {
        std::mem::take(&mut self.seen)
    }
}
