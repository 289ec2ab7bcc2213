//! Agents: one process at a time on each machine, killed, told to end, and started again.

use pierhead_agent::core::{Agent, Input, Instant, LinkNo, Output};

use super::World;
use super::conn::Owner;
use super::describe;
use super::events::Event;
use super::link::{End, Item};

/// Wakes in a row after which a deadline may still be due.
const FUTILE_MAX: u32 = 3;

/// One machine.
#[derive(Default)]
pub(super) struct Slot {
    running: Option<Process>,
    /// Numbers its processes.
    started: u64,
    /// An event will start one.
    starting: bool,
}

struct Process {
    number: u64,
    agent: Agent,
    /// When the shell will wake it.
    rings: Option<u64>,
    futile: u32,
    /// It was told to end.
    terminated: bool,
}

impl Slot {
    /// The process that runs.
    pub(super) fn process(&self) -> Option<u64> {
        self.running.as_ref().map(|process| process.number)
    }

    /// The agent that runs.
    pub(super) fn agent(&self) -> Option<&Agent> {
        self.running.as_ref().map(|process| &process.agent)
    }

    /// When the shell wakes it.
    pub(super) fn rings(&self) -> Option<u64> {
        self.running.as_ref()?.rings
    }
}

impl World {
    /// A machine starts its agent.
    pub(super) fn start(&mut self, slot: usize) {
        self.slots[slot].starting = false;
        if self.slots[slot].running.is_some() {
            return;
        }
        self.slots[slot].started += 1;
        let number = self.slots[slot].started;
        let settings = self.plan.agent(slot);
        let (life, seed) = (self.rng.bytes(), self.rng.bytes());
        let agent = Agent::new(Instant(self.now), settings, life, seed);
        let process = Process { number, agent, rings: None, futile: 0, terminated: false };
        self.slots[slot].running = Some(process);
        self.note(|_| format!("agent {slot} starts, process {number}"));
        self.drain_agent(slot);
    }

    /// Feeds an agent one input and does everything it says.
    pub(super) fn feed_agent(&mut self, slot: usize, input: Input) {
        if self.violation.is_some() {
            return;
        }
        let now = Instant(self.now);
        if self.trace.is_wanted() {
            let line = describe::agent_input(&input);
            self.note(|_| format!("agent {slot} > {line}"));
        }
        let Some(process) = self.slots[slot].running.as_mut() else { return };
        process.agent.handle(now, input);
        self.drain_agent(slot);
    }

    fn drain_agent(&mut self, slot: usize) {
        while let Some(process) = self.slots[slot].running.as_mut() {
            let Some(output) = process.agent.poll_output() else { break };
            if self.trace.is_wanted() {
                let line = describe::agent_output(&output);
                self.note(|_| format!("agent {slot} <   {line}"));
            }
            self.obey_agent(slot, output);
            if self.violation.is_some() {
                return;
            }
        }
        self.check_cap(slot);
        if let Some(process) = self.slots[slot].running.as_mut() {
            process.rings = process.agent.poll_timeout().map(|at| at.0.max(self.now));
        }
    }

    /// An agent's deadline is due.
    pub(super) fn ring_slot(&mut self, slot: usize) {
        self.feed_agent(slot, Input::TimePassed);
        let now = self.now;
        let Some(process) = self.slots[slot].running.as_mut() else { return };
        match process.agent.poll_timeout().filter(|at| at.0 <= now) {
            Some(at) if process.futile >= FUTILE_MAX => {
                let detail = format!("{at:?} of agent {slot} stays due after it was served");
                self.broken("livelock", detail);
            }
            Some(_) => process.futile += 1,
            None => process.futile = 0,
        }
    }

    fn link_of(&self, slot: usize, no: LinkNo) -> Option<u64> {
        let process = self.slots[slot].process();
        let mine = |l: &super::link::Link| l.slot == slot && Some(l.process) == process;
        self.links.iter().rev().find(|(_, l)| mine(l) && l.no == no).map(|(id, _)| *id)
    }

    fn obey_agent(&mut self, slot: usize, output: Output) {
        let Some(process) = self.slots[slot].process() else { return };
        match output {
            Output::Dial { link, .. } => {
                if self.link_of(slot, link).is_some() {
                    let detail = format!("agent {slot} dials {link:?} a second time");
                    return self.broken("2 one life", detail);
                }
                self.dial(slot, link);
            }
            Output::Send { link, message } => {
                let Some(id) = self.link_of(slot, link) else {
                    return self.broken("2 one life", format!("{link:?} was never dialled"));
                };
                let message = message.concat().into();
                self.agent_says(id, &message);
                let Some(link) = self.links.get_mut(&id) else { return };
                if link.agent != End::Open {
                    let detail = format!("agent {slot} sends on link {id}, which is over");
                    return self.broken("2 one life", detail);
                }
                link.up.push(Item::Message(message));
                self.pump_link(id);
            }
            Output::Ping { link } => {
                if let Some(id) = self.link_of(slot, link) {
                    self.ping(id);
                }
            }
            Output::CloseLink { link } => {
                if let Some(id) = self.link_of(slot, link) {
                    self.close_by_agent(id);
                }
            }
            Output::Connect { conn, .. } => self.connect(Owner::Agent { slot, process, conn }),
            Output::Write { conn, bytes } => {
                let owner = Owner::Agent { slot, process, conn };
                self.obey_write(owner, &bytes.concat());
            }
            Output::Read { conn, bytes } => {
                self.grant(Owner::Agent { slot, process, conn }, bytes);
            }
            Output::Peek { conn } => self.peek(Owner::Agent { slot, process, conn }),
            Output::Finish { conn } => self.finish(Owner::Agent { slot, process, conn }),
            Output::Close { conn } => self.close(Owner::Agent { slot, process, conn }),
            Output::Exit => self.exit(slot),
            Output::Log(event) => {
                if event.text.contains("geheim") || event.text.contains("/*c") {
                    self.broken("secrets", format!("an agent's log says {:?}", event.text));
                }
            }
        }
    }

    /// The process is gone: killed, or at its end.
    fn vanish(&mut self, slot: usize) {
        let Some(process) = self.slots[slot].running.take() else { return };
        let number = process.number;
        let links = self.links.iter().filter(|(_, l)| l.slot == slot && l.process == number);
        let links: Vec<u64> =
            links.filter(|(_, l)| l.agent != End::Closed).map(|(id, _)| *id).collect();
        for id in links {
            // A dial under way arrives nowhere.
            if self.links.get(&id).is_some_and(|l| l.object != End::Absent) {
                self.agent_died(id);
            }
        }
        self.orphan_conns(|owner| {
            matches!(owner, Owner::Agent { slot: s, process: p, .. } if s == slot && p == number)
        });
    }

    /// SIGKILL, or the machine is gone; a new process follows.
    pub(super) fn kill_agent(&mut self, slot: usize) {
        if self.slots[slot].running.is_none() {
            return;
        }
        self.coverage.add("agent: killed");
        self.note(|_| format!("  agent {slot} is killed"));
        self.vanish(slot);
        self.restart_agent(slot);
    }

    /// SIGTERM.
    pub(super) fn terminate_agent(&mut self, slot: usize) {
        let Some(process) = self.slots[slot].running.as_mut() else { return };
        process.terminated = true;
        self.coverage.add("agent: SIGTERM");
        self.feed_agent(slot, Input::Shutdown);
    }

    fn exit(&mut self, slot: usize) {
        let Some(process) = self.slots[slot].running.as_ref() else { return };
        if !process.terminated {
            return self.broken("boundary", format!("agent {slot} exits without a reason"));
        }
        let number = process.number;
        let left = self.conns.values().filter(|c| {
            matches!(c.owner, Owner::Agent { slot: s, process: p, .. } if s == slot && p == number)
                && c.is_counted(self.now, &self.plan)
        });
        if left.count() > 0 {
            self.coverage.add("agent: exit with open connections");
        }
        self.coverage.add("agent: exit");
        self.vanish(slot);
        self.restart_agent(slot);
    }

    fn restart_agent(&mut self, slot: usize) {
        if !self.slots[slot].starting {
            self.slots[slot].starting = true;
            let wait = self.rng.pick(&[0, 50, 1_000, 5_000]);
            self.after(wait, Event::Start(slot));
        }
    }
}
