//! What can happen by itself, and how a trace tells it.
#![allow(clippy::wildcard_enum_match_arm, reason = "a trace shows what is new as it is")]

use pierhead_engine::io::{Input, Output};

use super::{Road, World};

kinds! {
    "event: "
    /// Something that happens at a moment of its own.
    #[derive(Clone, Debug)]
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
        /// The way to the database is free again, its password right, its start-up over.
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
            Event::Closed(stream) => self.closed(stream),
            Event::Come => self.come(),
            Event::Abort(client) => self.abort(client),
            Event::Die(client) => self.die(client),
            Event::Read(client) => self.read(client),
            Event::Answer(client) => self.answer_probe(client),
            Event::Fault => self.fault(),
            Event::Repaired => self.repair(),
            Event::Calm => self.become_calm(),
        }
    }

    pub(super) fn repair(&mut self) {
        self.road = Road::Open;
        self.db.starting = false;
        self.db.tls = true;
        "sim".clone_into(&mut self.db.user);
        "geheim".clone_into(&mut self.db.password);
    }
}

fn short(bytes: &[u8]) -> String {
    const SHOWN: usize = 90;
    let shown = bytes.get(..SHOWN).unwrap_or(bytes).escape_ascii();
    format!("{} bytes \"{shown}\"", bytes.len())
}

/// One line of the trace.
pub(super) fn describe_input(input: &Input) -> String {
    match input {
        Input::ClientOpened { client, request, .. } => {
            let protocol = request.get(23..).unwrap_or_default();
            format!("{client} opened, {}", short(protocol))
        }
        Input::StreamData { stream, bytes } => format!("{stream:?} data, {}", short(bytes)),
        other => format!("{other:?}"),
    }
}

/// One line of the trace.
pub(super) fn describe_output(output: &Output) -> String {
    match output {
        Output::Write { stream, bytes } => {
            format!("{stream:?} write {}", short(&bytes.concat()))
        }
        Output::Answer { client, bytes } => format!("{client} answer {}", short(&bytes.concat())),
        Output::BeginAnswer { client, bytes } => {
            format!("{client} begin answer {}", short(&bytes.concat()))
        }
        Output::WriteAnswer { client, bytes, end } => {
            format!("{client} write answer (end {end}) {}", short(&bytes.concat()))
        }
        Output::Log(event) => {
            format!("log {:?} {:?} {}", event.session, event.client, event.text)
        }
        other => format!("{other:?}"),
    }
}
