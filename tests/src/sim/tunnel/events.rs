//! What can happen by itself.

use super::{Dials, World};

kinds! {
    "event: "
    /// Something that happens at a moment of its own.
    #[derive(Clone, Debug)]
    pub(super) enum Event {
        /// An agent's process starts.
        Start(usize),
        /// A dial arrives, or fails.
        Dialled(u64),
        /// The agent hears that its dial was accepted.
        LinkUp(u64),
        /// Messages of the agent reach the object.
        Up(u64),
        /// Messages of the object reach the agent.
        Down(u64),
        /// The object is told that a link is gone.
        ObjectClosed(u64),
        /// The agent is told that a link is gone.
        AgentClosed(u64),
        /// The network breaks a link.
        Cut(u64),
        /// The answer to a ping arrives.
        Pong(u64),
        /// A connection to the database stands, or could not be made.
        Connected(u64),
        /// A transport accepts bytes.
        Accept(u64),
        /// Bytes reach the server.
        Deliver(u64),
        /// A backend wanted to be woken.
        Wake(u64),
        /// Bytes of the server reach the near end.
        Arrive(u64),
        /// The near end looked whether anything waits.
        Peeked(u64),
        /// The near end's wish to close was done.
        Closed(u64),
        /// An object goes to sleep, if nothing happened since (its count of inputs).
        Doze(usize, u64),
        /// Storage has answered the life that asked it.
        Stored(usize, u64),
        /// The next client comes.
        Come,
        /// A client's owner wants its end.
        Abort(usize),
        /// A client dies.
        Die(usize),
        /// A reader takes bytes of its stream.
        Read(usize),
        /// A client answers a probe.
        Answer(usize),
        /// Something goes wrong.
        Fault,
        /// Whatever was blocked is free again.
        Repaired,
        /// Two copies become one again.
        Heal,
        /// Faults are over.
        Calm,
    }
}

impl World {
    pub(super) fn happen(&mut self, event: Event) {
        self.coverage.add(event.kind());
        match event {
            Event::Start(slot) => self.start(slot),
            Event::Dialled(link) => self.dialled(link),
            Event::LinkUp(link) => self.link_up(link),
            Event::Up(link) => self.arrive_up(link),
            Event::Down(link) => self.arrive_down(link),
            Event::ObjectClosed(link) => self.object_closed(link),
            Event::AgentClosed(link) => self.agent_closed(link),
            Event::Cut(link) => self.cut_link(link),
            Event::Pong(link) => self.pong(link),
            Event::Connected(conn) => self.connected(conn),
            Event::Accept(conn) => self.accept(conn),
            Event::Deliver(conn) => self.deliver(conn),
            Event::Wake(conn) => self.wake_backend(conn),
            Event::Arrive(conn) => self.arrive(conn),
            Event::Peeked(conn) => self.peeked(conn),
            Event::Closed(conn) => self.conn_closed(conn),
            Event::Doze(site, inputs) => self.doze(site, inputs),
            Event::Stored(site, life) => self.stored(site, life),
            Event::Come => self.come(),
            Event::Abort(client) => self.abort(client),
            Event::Die(client) => self.die(client),
            Event::Read(client) => self.read(client),
            Event::Answer(client) => self.answer_probe(client),
            Event::Fault => self.fault(),
            Event::Repaired => self.repair(),
            Event::Heal => self.heal(),
            Event::Calm => self.become_calm(),
        }
    }

    pub(super) fn repair(&mut self) {
        self.road = true;
        self.dials = Dials::Accepted;
        self.db.starting = false;
    }
}
