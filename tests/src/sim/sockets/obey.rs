//! Does what the engine says, and checks that it may say it.

use std::collections::BTreeSet;

use pierhead_engine::ids::{ClientId, StreamId};
use pierhead_engine::io::Output;

use super::driver::Life as DriverLife;
use super::events::{Event, describe_output};
use super::stream::{Life, Purpose, Stream};
use super::{Who, World};
use crate::sim::server::{Backend, CANCEL_CODE, STARTUP_CODE};

const TERMINATE: &[u8] = b"X\0\0\0\x04";

/// Who was written to in one drain.
#[derive(Default)]
struct Drained {
    streams: BTreeSet<u64>,
    sockets: BTreeSet<u64>,
}

/// The client whose mark, or else whose value, is the first in `text`.
pub(super) fn marked_client(text: &str) -> Option<u64> {
    marks(text.as_bytes()).next().or_else(|| {
        let values = text.split_whitespace().filter_map(|word| word.strip_prefix('c'));
        values.filter_map(|word| word.split_once('v')?.0.parse().ok()).next()
    })
}

/// Every client's whole mark in `bytes`.
fn marks(bytes: &[u8]) -> impl Iterator<Item = u64> {
    let starts = bytes.windows(3).enumerate().filter(|(_, w)| *w == b"/*c");
    starts.filter_map(|(at, _)| {
        let rest = &bytes[at + 3..];
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let whole = rest[digits..].starts_with(b"*/");
        let number = rest[..digits].iter().fold(0, |n, digit| n * 10 + u64::from(digit - b'0'));
        whole.then_some(number)
    })
}

impl World {
    /// Takes every output there is.
    pub(super) fn drain(&mut self) {
        let mut drained = Drained::default();
        while let Some(output) = self.engine.poll_output() {
            self.note(|_| format!("    < {}", describe_output(&output)));
            self.obey(output, &mut drained);
            if self.violation.is_some() {
                return;
            }
        }
        for name in self.engine.seen() {
            self.coverage.add(name);
        }
        for stream in self.engine.peeks() {
            self.after(0, Event::Peeked(stream.0));
        }
        self.check_caps();
        self.check_memory();
        self.check_status();
    }

    fn obey(&mut self, output: Output, drained: &mut Drained) {
        match output {
            Output::OpenStream { stream, .. } => self.obey_open(stream.0),
            Output::Write { stream, bytes } => {
                if !drained.streams.insert(stream.0) {
                    self.broken("boundary", format!("two writes to {stream} in one drain"));
                }
                self.obey_write(stream.0, &bytes.concat());
            }
            Output::StartTls { stream } => {
                if self.live_stream(stream, "StartTls").is_some() {
                    self.after(0, Event::Secured(stream.0));
                }
            }
            Output::Grant { stream, bytes } => {
                if let Some(stream) = self.live_stream(stream, "Grant") {
                    stream.granted += bytes as u64;
                }
                self.pump(stream.0);
            }
            Output::CloseStream { stream } => self.obey_close(stream),
            Output::Answer { client, bytes } => self.answered(client, &bytes, false, true),
            Output::BeginAnswer { client, bytes } => self.answered(client, &bytes, true, false),
            Output::WriteAnswer { client, bytes, end } => {
                self.answered(client, &bytes, true, end);
            }
            Output::Probe { client } => {
                self.coverage.add("probe");
                if let Some(number) = self.number_of(client) {
                    self.count_granted(number, None);
                }
                self.after(1, Event::Alive(client.0));
            }
            Output::Log(event) => {
                self.coverage.note_log(&event.text);
                if event.text.contains("geheim") || event.text.contains("/*c") {
                    self.broken("secrets", format!("the log says {:?}", event.text));
                }
            }
            Output::WriteSocket { client, bytes } => {
                if !drained.sockets.insert(client.0) {
                    self.broken("boundary", format!("two writes to {client} in one drain"));
                }
                match self.live_socket(client, "WriteSocket") {
                    Some(Who::Driver(index)) => self.written_to(index, &bytes),
                    // Its packet was under way for longer than a start-up may take.
                    Some(Who::Errand(_)) if self.leapt > 0 => {}
                    Some(Who::Errand(_)) => self.broken("boundary", "an answer to a cancel"),
                    Some(Who::Exchange(_) | Who::Lease(_) | Who::Request(_)) | None => {}
                }
            }
            Output::GrantSocket { client, bytes } => self.obey_grant(client, bytes as u64),
            Output::CloseSocket { client } => match self.live_socket(client, "CloseSocket") {
                Some(Who::Driver(index)) => {
                    self.drivers[index].life = DriverLife::Closed;
                    self.pump_reader(index);
                }
                Some(Who::Errand(index)) => {
                    self.errands[index].open = false;
                    if let Some(driver) = self.errands[index].aims_at {
                        self.drivers[driver].aimed_at -= 1;
                    }
                }
                Some(Who::Exchange(_) | Who::Lease(_) | Who::Request(_)) | None => {}
            },
            Output::SendLink { .. }
            | Output::CloseLink { .. }
            | Output::Attach { .. }
            | Output::RaiseEpoch => self.broken("boundary", "a link without an agent"),
        }
    }

    /// Whose socket it is, if the engine may still name it.
    fn live_socket(&mut self, id: ClientId, what: &str) -> Option<Who> {
        let who = self.whose(id);
        let live = match who {
            Some(Who::Driver(index)) => self.drivers[index].life == DriverLife::Open,
            Some(Who::Errand(index)) => self.errands[index].open,
            Some(Who::Exchange(_) | Who::Lease(_) | Who::Request(_)) | None => false,
        };
        if !live {
            self.broken("2 one life", format!("{what} names {id}, which is finished"));
        }
        who.filter(|_| live)
    }

    fn obey_grant(&mut self, id: ClientId, bytes: u64) {
        match self.live_socket(id, "GrantSocket") {
            Some(Who::Driver(index)) => {
                self.drivers[index].granted += bytes;
                self.pump_driver(index);
            }
            Some(Who::Errand(index)) => {
                self.errands[index].granted += bytes;
                self.pump_errand(index);
            }
            Some(Who::Exchange(_) | Who::Lease(_) | Who::Request(_)) | None => {}
        }
    }

    fn live_stream(&mut self, id: StreamId, what: &str) -> Option<&mut Stream> {
        if !self.streams.get(&id.0).is_some_and(Stream::is_live) {
            let life = self.streams.get(&id.0).map(|stream| stream.life);
            self.broken("2 one life", format!("{what} names {id}, which is {life:?}"));
            return None;
        }
        self.streams.get_mut(&id.0)
    }

    fn obey_open(&mut self, id: u64) {
        let process = self.db.next_process();
        let mut noise = self.rng_of(2, id);
        let backend = Backend::new(process, noise.bytes());
        if self.streams.insert(id, Stream::new(backend, noise)).is_some() {
            return self.broken("2 one life", format!("stream {id} is opened a second time"));
        }
        self.open(id);
    }

    fn obey_write(&mut self, id: u64, bytes: &[u8]) {
        let now = self.now;
        let Some(stream) = self.live_stream(StreamId(id), "Write") else { return };
        if stream.life != Life::Open || bytes.is_empty() {
            return self.broken("boundary", format!("an empty or early write to stream {id}"));
        }
        if stream.told_to_end.is_some() {
            return self.broken("2 one life", format!("a write to stream {id}, told to end"));
        }
        if stream.poisoned && stream.purpose == Purpose::Session && bytes != TERMINATE {
            let detail = format!("stream {id} is used on after a reply nobody asked for");
            return self.broken("1 own bytes", detail);
        }
        stream.written += bytes.len() as u64;
        stream.purpose = purpose(stream.purpose, bytes);
        stream.unaccepted.extend_from_slice(bytes);
        if bytes.ends_with(TERMINATE) {
            stream.told_to_end = Some(now);
        }
        let found: BTreeSet<u64> = marks(bytes).collect();
        if found.len() > 1 {
            return self.broken("1 own bytes", format!("one write carries {found:?}"));
        }
        if let Some(number) = found.first() {
            self.count_granted(*number, Some(id));
        }
        self.take_in(id);
    }

    /// The number in the plan of whoever asks by this client's name.
    fn number_of(&self, client: ClientId) -> Option<u64> {
        match self.whose(client)? {
            Who::Driver(index) => Some(self.drivers[index].number),
            Who::Exchange(index) => Some(self.exchanges[index].number),
            Who::Lease(index) | Who::Request(index) => Some(self.leases[index].number),
            Who::Errand(_) => None,
        }
    }

    fn obey_close(&mut self, id: StreamId) {
        let (delay, calm, now) = (self.plan.net.delay, self.calm, self.now);
        // An overdue stream is cut, also when its close was asked for before.
        let closing = self.streams.get(&id.0).filter(|s| s.life == Life::Closing);
        if closing.is_some_and(|s| s.is_overdue(now)) {
            return;
        }
        let Some(stream) = self.live_stream(id, "CloseStream") else { return };
        let was_opening = stream.life == Life::Opening;
        let late = stream.noise.chance(2) && !calm;
        let lag = if late { 15_000 } else { stream.noise.within(0, delay) };
        let refused = was_opening && stream.noise.chance(30);
        stream.life = Life::Closing;
        stream.told_to_end.get_or_insert(now);
        if stream.noise.chance(50) && !was_opening {
            stream.accept(usize::MAX);
        }
        if stream.noise.chance(70) {
            stream.to_engine.clear();
        }
        self.pump(id.0);
        self.after(lag, if refused { Event::Refused(id.0) } else { Event::Closed(id.0) });
    }

    pub(super) fn answer_probe(&mut self, client: u64) {
        let open = match self.whose(ClientId(client)) {
            Some(Who::Driver(index)) => self.drivers[index].life == DriverLife::Open,
            Some(Who::Exchange(index)) => self.exchanges[index].caller.is_open(),
            Some(Who::Request(index)) => self.leases[index].waits(),
            Some(Who::Errand(_) | Who::Lease(_)) | None => false,
        };
        if open {
            self.feed(pierhead_engine::io::Input::ClientAlive { client: ClientId(client) });
        }
    }
}

fn purpose(known: Purpose, bytes: &[u8]) -> Purpose {
    if known != Purpose::Unknown {
        return known;
    }
    match bytes.get(4..8).map(|code| u32::from_be_bytes([code[0], code[1], code[2], code[3]])) {
        Some(CANCEL_CODE) => Purpose::Cancel,
        Some(STARTUP_CODE) => Purpose::Session,
        _ => Purpose::Unknown,
    }
}
