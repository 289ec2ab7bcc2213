//! Does what the engine says, and checks that it may say it.

use std::collections::BTreeSet;

use bytes::Bytes;
use pierhead_engine::ids::{ClientId, StreamId};
use pierhead_engine::io::{Event as LogEvent, Output};
use pierhead_engine::limits::{CANCELS_IN_FLIGHT_MAX, OPENS_IN_FLIGHT_MAX};

use super::World;
use super::events::{Event, describe_output};
use super::stream::{Life, Stream};
use crate::sim::caller::Caller;
use crate::sim::ground::{Purpose, marks};
use crate::sim::server::Backend;

/// Milliseconds between a grant and the request's being sent: the probe, a late timer, the clock.
const GRANT_TO_SEND_MAX: u64 = 600;

const TERMINATE: &[u8] = b"X\0\0\0\x04";

/// What one drain has done so far.
#[derive(Default)]
struct Drained {
    written: BTreeSet<u64>,
    granted: Vec<u64>,
}

impl World {
    /// Takes every output there is.
    pub(super) fn drain(&mut self) {
        let mut drained = Drained::default();
        while let Some(output) = self.engine.poll_output() {
            self.note(|_| format!("  < {}", describe_output(&output)));
            self.obey(output, &mut drained);
            if self.violation.is_some() {
                return;
            }
        }
        self.check_order(&drained.granted);
        self.check_caps();
        self.check_status();
    }

    fn obey(&mut self, output: Output, drained: &mut Drained) {
        match output {
            Output::OpenStream { stream, .. } => self.obey_open(stream.0),
            Output::Write { stream, bytes } => {
                if !drained.written.insert(stream.0) {
                    self.broken("boundary", format!("two writes to {stream} in one drain"));
                }
                self.obey_write(stream.0, &bytes.concat(), drained);
            }
            Output::StartTls { stream } => {
                let lag = self.rng.within(0, self.plan.delay);
                if self.live_stream(stream, "StartTls").is_some() {
                    self.after(lag, Event::Secured(stream.0));
                }
            }
            Output::Grant { stream, bytes } => {
                if let Some(stream) = self.live_stream(stream, "Grant") {
                    stream.granted += bytes as u64;
                }
                self.pump(stream.0);
            }
            Output::CloseStream { stream } => self.obey_close(stream),
            Output::Answer { client, bytes } => self.obey_answer(client, &bytes, false, true),
            Output::BeginAnswer { client, bytes } => {
                self.obey_answer(client, &bytes, true, false);
            }
            Output::WriteAnswer { client, bytes, end } => {
                self.obey_answer(client, &bytes, true, end);
            }
            Output::Probe { client } => self.obey_probe(client, drained),
            Output::Log(event) => self.check_log(&event),
            Output::SendLink { .. }
            | Output::CloseLink { .. }
            | Output::Attach { .. }
            | Output::RaiseEpoch => {
                self.broken("boundary", "a link without an agent".to_owned());
            }
            Output::WriteSocket { .. }
            | Output::GrantSocket { .. }
            | Output::CloseSocket { .. } => {
                self.broken("boundary", "a socket that nobody opened".to_owned());
            }
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
        let backend = Backend::new(process, self.rng.bytes());
        if self.streams.insert(id, Stream::new(backend, self.now)).is_some() {
            return self.broken("2 one life", format!("stream {id} is opened a second time"));
        }
        self.open(id);
    }

    fn obey_write(&mut self, id: u64, bytes: &[u8], drained: &mut Drained) {
        let start = {
            let Some(stream) = self.live_stream(StreamId(id), "Write") else { return };
            if stream.life != Life::Open || bytes.is_empty() {
                return self.broken("boundary", format!("an empty or early write to stream {id}"));
            }
            if stream.told_to_end.is_some() {
                return self.broken("2 one life", format!("a write to stream {id}, told to end"));
            }
            let start = stream.written;
            stream.written += bytes.len() as u64;
            stream.purpose = stream.purpose.after(bytes);
            stream.unaccepted.extend(bytes);
            start
        };
        self.check_requests(id, start, bytes, drained);
        let late = self.rng.chance(self.plan.late_accepts);
        let (now, lag) = (self.now, self.rng.within(0, self.plan.delay.max(5) * 2));
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if bytes.ends_with(TERMINATE) {
            stream.told_to_end = Some(now);
        }
        if stream.hung || stream.scheduled.accept {
            return;
        }
        if late {
            stream.scheduled.accept = true;
            self.after(lag, Event::Accept(id));
        } else {
            stream.accept(usize::MAX);
            self.pump(id);
        }
    }

    /// A request is written to a session: may it be?
    fn check_requests(&mut self, id: u64, start: u64, bytes: &[u8], drained: &mut Drained) {
        let found: BTreeSet<u64> = marks(bytes).map(|mark| mark.client).collect();
        let Some(client_id) = found.first().copied() else { return };
        if found.len() > 1 {
            return self.broken("1 own bytes", format!("one write carries {found:?}"));
        }
        let Some(client) = self.clients.get(client_id as usize - 1) else { return };
        if !client.is_open() {
            let detail = format!("the request of client {client_id} is sent after its end");
            return self.broken("3 at most once", detail);
        }
        let head = client.script.protocol.get(..20).unwrap_or(&client.script.protocol);
        let at = bytes.windows(head.len()).position(|w| w == head).unwrap_or(0) as u64;
        if let Some((before, position)) = client.written {
            let sent = self.streams.get(&before).is_some_and(|s| s.accepted > position);
            if sent {
                let detail = format!(
                    "client {client_id} is tried again, but stream {before} took bytes of it"
                );
                return self.broken("3 at most once", detail);
            }
            self.coverage.add("grant: after the first");
        }
        let oldest = self.plan.settings.max_lifetime.0 + GRANT_TO_SEND_MAX;
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if self.now > stream.asked_for + oldest {
            let detail = format!("stream {id} is used at {} ms", self.now - stream.asked_for);
            return self.broken("lifetime", detail);
        }
        let (holder, poisoned) = (stream.holder.replace(client_id), stream.poisoned);
        let other = holder.filter(|h| *h != client_id);
        let served = |c: &Caller| c.outcome.is_none() && !c.gone;
        if other.is_some_and(|h| served(&self.clients[h as usize - 1])) {
            let detail = format!("stream {id} serves clients {holder:?} and {client_id} at once");
            return self.broken("2 one place", detail);
        }
        if poisoned {
            let detail = format!("stream {id} is used on after a reply nobody asked for");
            return self.broken("1 own bytes", detail);
        }
        let client = &mut self.clients[client_id as usize - 1];
        let granted_before = std::mem::take(&mut client.verified);
        client.written = Some((id, start + at));
        client.grants += 1;
        if !granted_before {
            drained.granted.push(client_id);
        }
    }

    fn obey_close(&mut self, id: StreamId) {
        let rare = self.rng.chance(2) && !self.calm;
        let lag = if rare { 15_000 } else { self.rng.within(0, self.plan.delay) };
        let (flushed, silent) = (self.rng.chance(50), self.rng.chance(70));
        let was_opening = self.streams.get(&id.0).is_some_and(|s| s.life == Life::Opening);
        let refused = was_opening && self.rng.chance(30);
        let now = self.now;
        // An overdue stream is cut, also when its close was asked for before.
        let overdue = self.streams.get(&id.0).is_some_and(|s| s.is_overdue(now));
        if overdue && self.streams[&id.0].life == Life::Closing {
            return;
        }
        let Some(stream) = self.live_stream(id, "CloseStream") else { return };
        stream.life = Life::Closing;
        stream.told_to_end.get_or_insert(now);
        if flushed && !was_opening {
            stream.accept(usize::MAX);
        }
        if silent {
            stream.to_engine.clear();
        }
        self.pump(id.0);
        self.after(lag, if refused { Event::Refused(id.0) } else { Event::Closed(id.0) });
    }

    fn obey_answer(&mut self, id: ClientId, bytes: &[Bytes], streamed: bool, end: bool) {
        let index = id.0 as usize - 1;
        let Some(client) = self.clients.get_mut(index).filter(|client| client.is_open()) else {
            return self.broken("2 one life", format!("an answer for {id}, which is finished"));
        };
        let (size, begins) = match client.take(bytes, streamed, end) {
            Ok(taken) => taken,
            Err((rule, how)) => return self.broken(rule, format!("{id}: {how}")),
        };
        if begins {
            self.coverage.add("answer: streamed");
        }
        self.check_answer_size(index, size);
        if streamed {
            self.schedule_read(index);
        }
        if end {
            self.judge(index);
        }
    }

    fn obey_probe(&mut self, id: ClientId, drained: &mut Drained) {
        let index = id.0 as usize - 1;
        if !self.clients.get(index).is_some_and(Caller::is_open) {
            return self.broken("2 one life", format!("a probe of {id}, which is finished"));
        }
        let client = &mut self.clients[index];
        let (streams, id) = (&self.streams, client.written.map(|(id, _)| id));
        let holds = id.is_some_and(|id| streams.get(&id).is_some_and(|s| s.life != Life::Finished));
        if !holds {
            client.verified = true;
            drained.granted.push(index as u64 + 1);
        }
        if self.rng.chance(10) && !self.clients[index].dead {
            self.coverage.add("probe: silence");
        } else {
            let lag = self.rng.pick(&[0, 10, 200, 700]);
            self.after(lag, Event::Answer(index));
        }
    }

    /// Waiters of a class are served in the order in which they came. (Between classes, the world of
    /// the crowd counts.)
    fn check_order(&mut self, granted: &[u64]) {
        for named in [false, true] {
            self.check_class(named, granted);
        }
    }

    fn check_class(&mut self, named: bool, granted: &[u64]) {
        let of_class = |client: &Caller| client.named == named;
        let granted =
            granted.iter().filter(|&&number| of_class(&self.clients[number as usize - 1]));
        let Some(last) = granted.max().copied() else { return };
        let passed = self.clients[..last as usize].iter().position(|client| {
            let lost = client.written.is_some_and(|(id, _)| {
                self.streams.get(&id).is_none_or(|s| s.life == Life::Finished)
            });
            let waits = client.is_waiting() || (client.is_open() && lost);
            of_class(client) && waits && !client.verified
        });
        if let Some(index) = passed {
            let detail = format!("client {last} is served before client {}", index + 1);
            self.broken("fair", detail);
        }
    }

    /// The cap, and the opens in flight.
    fn check_caps(&mut self) {
        let counts = |s: &&Stream| s.life != Life::Finished && !s.is_overdue(self.now);
        let cap = self.plan.settings.pool_size;
        let live = self.streams.values().filter(|s| s.is_live());
        let all = live.clone().filter(|s| counts(s)).count();
        let opening = live.clone().filter(|s| s.life == Life::Opening).count();
        let cancels = live.filter(|s| s.purpose == Purpose::Cancel).count();
        let sessions = self.streams.values().filter(counts);
        let sessions = sessions.filter(|s| s.purpose == Purpose::Session).count();
        if all > cap + CANCELS_IN_FLIGHT_MAX || sessions > cap || cancels > CANCELS_IN_FLIGHT_MAX {
            let detail =
                format!("{sessions} sessions, {cancels} cancels, {all} in all; the cap is {cap}");
            self.broken("5 cap", detail);
        } else if opening > OPENS_IN_FLIGHT_MAX + CANCELS_IN_FLIGHT_MAX {
            self.broken("5 cap", format!("{opening} opens in flight"));
        }
    }

    fn check_log(&mut self, event: &LogEvent) {
        self.coverage.note_log(&event.text);
        if event.text.contains("geheim") || event.text.contains("/*c") {
            self.broken("secrets", format!("the log says {:?}", event.text));
        }
    }
}
