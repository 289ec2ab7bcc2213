//! What can happen by itself, and how a story tells it.
#![allow(clippy::wildcard_enum_match_arm, reason = "a story shows what is new as it is")]

use pierhead_engine::io::{Input, Output};

use super::World;

kinds! {
    "event: "
    /// Something that happens at a moment of its own.
    #[derive(Clone, Copy, Debug)]
    pub(super) enum Event {
        /// A stream is open.
        Opened(u64),
        /// A stream could not be opened.
        Refused(u64),
        /// A transport accepts bytes.
        Accept(u64),
        /// Bytes reach the server.
        Deliver(u64),
        /// A backend wanted to be woken.
        Wake(u64),
        /// Bytes reach the engine.
        Arrive(u64),
        /// TLS is up.
        Secured(u64),
        /// The engine is told of a stream's end.
        Closed(u64),
        /// A client comes, by its place in the plan.
        Come(usize),
        /// A socket's client does its next step.
        Act(usize),
        /// What a socket's client said reaches the engine.
        Hand(usize),
        /// A socket's client takes what it is told.
        Read(usize),
        /// A cancel request reaches the engine.
        HandErrand(usize),
        /// Whoever sent a cancel request is gone.
        ErrandGone(usize),
        /// The reader of a streamed answer takes it.
        Take(usize),
        /// A lease client sends its next request, or ends.
        LeaseActs(usize),
        /// A lease client lets go.
        Dispose(usize),
        /// The reader of a lease's streamed answer took so many bytes.
        LeaseTook(u64, usize),
        /// A client answers a probe.
        Alive(u64),
        /// Something goes wrong, by its place in the plan.
        Fault(usize),
        /// Somebody looks whether anything waits on a stream.
        Peeked(u64),
        /// What went wrong for a while is repaired.
        Repaired,
        /// Faults are over.
        Calm,
    }
}

impl World {
    pub(super) fn happen(&mut self, event: Event) {
        self.coverage.add(event.kind());
        match event {
            Event::Opened(stream) => self.opened(stream),
            Event::Refused(stream) => self.refused(stream),
            Event::Accept(stream) => self.accept(stream),
            Event::Deliver(stream) => self.deliver(stream),
            Event::Wake(stream) => self.wake_backend(stream),
            Event::Arrive(stream) => self.arrive(stream),
            Event::Secured(stream) => self.secured(stream),
            Event::Closed(stream) => self.closed(stream, false),
            Event::Come(client) => self.come(client),
            Event::Act(client) => self.act(client),
            Event::Hand(client) => self.hand(client),
            Event::Read(client) => self.read(client),
            Event::HandErrand(errand) => self.hand_errand(errand),
            Event::ErrandGone(errand) => self.errand_gone(errand),
            Event::Take(exchange) => self.take_answer(exchange),
            Event::LeaseActs(lease) => self.lease_acts(lease),
            Event::Dispose(lease) => self.dispose(lease),
            Event::LeaseTook(client, bytes) => {
                let client = pierhead_engine::ids::ClientId(client);
                self.feed(Input::ClientTook { client, bytes });
            }
            Event::Alive(client) => self.answer_probe(client),
            Event::Fault(index) => self.fault(index),
            Event::Peeked(stream) => self.peeked(stream),
            Event::Repaired => self.repair(),
            Event::Calm => self.become_calm(),
        }
    }
}

fn short(bytes: &[u8]) -> String {
    const SHOWN: usize = 100;
    let shown = bytes.get(..SHOWN).unwrap_or(bytes).escape_ascii();
    format!("{} bytes \"{shown}\"", bytes.len())
}

/// One line of a story.
pub(super) fn describe_input(input: &Input) -> String {
    match input {
        Input::ClientOpened { client, request, .. } => {
            format!("{client} opened, {}", short(request.get(23..).unwrap_or_default()))
        }
        Input::StreamData { stream, bytes } => format!("{stream:?} data, {}", short(bytes)),
        Input::SocketData { client, bytes } => format!("{client:?} data, {}", short(bytes)),
        other => format!("{other:?}"),
    }
}

/// One line of a story.
pub(super) fn describe_output(output: &Output) -> String {
    match output {
        Output::Write { stream, bytes } => {
            format!("{stream:?} write {}", short(&bytes.concat()))
        }
        Output::WriteSocket { client, bytes } => {
            format!("{client:?} write {}", short(&bytes.concat()))
        }
        Output::Answer { client, bytes } => format!("{client} answer {}", short(&bytes.concat())),
        Output::Log(event) => {
            format!("log {:?} {:?} {}", event.session, event.client, event.text)
        }
        other => format!("{other:?}"),
    }
}
