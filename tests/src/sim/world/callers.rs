//! What callers do: come, lose patience, die, read, answer probes.

use bytes::{BufMut, Bytes};
use pierhead_engine::ids::ClientId;
use pierhead_engine::io::Input;
use pierhead_engine::limits::{ANSWER_UNTAKEN_MAX, ANSWER_WHOLE_MAX, READ_WINDOW};
use pierhead_wire::envelope::{Options, Request, RequestId};

use super::World;
use super::events::Event;
use super::net::PIECE_MAX;
use crate::sim::caller::Caller;
use crate::sim::expect::Expected;
use crate::sim::script::{self, Kind, Script, Taste};

/// Bytes of a whole answer that are not data: headers, and an outcome with its two texts.
const ENVELOPE_MAX: usize = 4 * 1024;

impl World {
    /// Decides who comes, when, and with what.
    pub(super) fn invite(&mut self) {
        let mut moments: Vec<u64> =
            (0..self.plan.clients).map(|_| self.rng.within(0, self.plan.horizon)).collect();
        if self.rng.chance(40) {
            // Everybody at once, in a few waves.
            moments.iter_mut().for_each(|at| *at -= *at % 400);
        }
        moments.sort_unstable();
        for at in moments {
            let id = self.clients.len() as u64 + 1;
            let script = script::write(&mut self.rng, id, self.plan.taste);
            self.add_client(script);
            self.after(at, Event::Come);
        }
    }

    /// A client that comes in `wait` milliseconds with one statement that must be answered.
    pub(super) fn invite_plain(&mut self, wait: u64) -> usize {
        let id = self.clients.len() as u64 + 1;
        let taste = Taste { large: 0, slow: 0, slow_ms: 0 };
        let script = loop {
            let script = script::write(&mut self.rng, id, taste);
            if script.kind == Kind::Single {
                break script;
            }
        };
        let expected = Expected::of(&script);
        let request = Request {
            remaining_ms: 0,
            id: RequestId(self.rng.bytes()),
            options: Options::default(),
            protocol: Bytes::from(script.protocol.clone()),
        };
        let request = request.encode().freeze();
        self.clients.push(Caller::new(script, expected, request));
        self.after(wait, Event::Come);
        self.clients.len() - 1
    }

    fn add_client(&mut self, script: Script) {
        let impatient = self.rng.chance(self.plan.impatient);
        let remaining = if impatient { self.rng.pick(&[20, 300, 2_000, 60_000]) } else { 0 };
        let mut id: [u8; 16] = self.rng.bytes();
        if self.rng.chance(2)
            && let Some(last) = self.clients.last()
        {
            // Ids must be random; one that is in use is refused.
            id = last.request_id;
        }
        let named = self.rng.chance(30);
        let request = Request {
            remaining_ms: u32::try_from(remaining).unwrap_or(0),
            id: RequestId(id),
            options: Options {
                caller: named.then(|| "sim".to_owned()),
                reset: self.rng.chance(10),
                ..Options::default()
            },
            protocol: Bytes::from(script.protocol.clone()),
        };
        let mut request = request.encode();
        let mut expected = Expected::of(&script);
        if self.rng.chance(2) {
            expected = None;
            match self.rng.below(3) {
                0 => request[0] = 9,
                1 => request.truncate(self.rng.size(0, 22)),
                _ => {
                    request.clear();
                    request.put_slice(&[1, 0, 0, 0, 0]);
                    request.put_slice(&id);
                    request.put_slice(&[0, 3, 200, 0, 0]);
                    request.put_slice(&script.protocol);
                }
            }
        }
        let mut client = Caller::new(script, expected, request.freeze());
        if client.expected.is_none() {
            client.script.inserts.clear();
        }
        client.named = named;
        client.request_id = id;
        client.remaining = remaining;
        client.slow_reader = self.rng.chance(self.plan.slow_readers);
        self.clients.push(client);
    }

    pub(super) fn come(&mut self) {
        let index = self.came;
        self.came += 1;
        let Some(client) = self.clients.get_mut(index) else { return };
        client.came = Some(self.now);
        let request = client.request.clone();
        if !self.calm {
            if self.rng.chance(self.plan.impatient / 3) {
                let wait = self.rng.pick(&[0, 50, 500, 4_000]);
                self.after(wait, Event::Abort(index));
            }
            if self.rng.chance(self.plan.impatient / 3) {
                let wait = self.rng.pick(&[0, 50, 500, 4_000]);
                self.after(wait, Event::Die(index));
            }
        }
        let kind = self.clients[index].script.kind;
        self.note(|_| format!("  client {} comes with {kind:?}", index + 1));
        self.feed(Input::ClientOpened { client: ClientId(index as u64 + 1), request, lease: None });
    }

    pub(super) fn abort(&mut self, index: usize) {
        let client = &mut self.clients[index];
        let open = client.is_open();
        client.aborted = true;
        let id = client.request_id;
        self.coverage.add(if open { "abort: open" } else { "abort: nobody" });
        self.feed(Input::AbortRequest { id });
    }

    pub(super) fn die(&mut self, index: usize) {
        let client = &mut self.clients[index];
        client.dead = true;
        // A reader's end is noticed at once; a plain call's is not.
        let noticed = client.streamed || self.rng.chance(30);
        if noticed {
            self.leave(index);
        }
    }

    /// The engine is told that a client is gone.
    fn leave(&mut self, index: usize) {
        let client = &mut self.clients[index];
        if client.came.is_none() || client.gone || (client.outcome.is_some() && !client.streamed) {
            return;
        }
        if client.is_open() {
            let waiting = client.is_waiting();
            self.coverage.add(if waiting {
                "client: gone while waiting"
            } else {
                "client: gone while running"
            });
        }
        self.clients[index].gone = true;
        self.feed(Input::ClientGone { client: ClientId(index as u64 + 1) });
    }

    pub(super) fn answer_probe(&mut self, index: usize) {
        if self.clients[index].gone {
            return;
        }
        if self.clients[index].dead {
            self.coverage.add("probe: dead");
            self.leave(index);
        } else {
            self.coverage.add("probe: alive");
            self.feed(Input::ClientAlive { client: ClientId(index as u64 + 1) });
        }
    }

    pub(super) fn schedule_read(&mut self, index: usize) {
        let client = &mut self.clients[index];
        if client.reading || client.untaken == 0 || client.gone {
            return;
        }
        client.reading = true;
        let slow = client.slow_reader && !self.calm;
        let wait = if slow {
            self.coverage.add("client: slow reader");
            self.rng.pick(&[5, 100, 3_000])
        } else {
            self.rng.within(0, 5)
        };
        self.after(wait, Event::Read(index));
    }

    pub(super) fn read(&mut self, index: usize) {
        let quick = self.rng.chance(50);
        let client = &mut self.clients[index];
        client.reading = false;
        if client.gone || client.untaken == 0 {
            return;
        }
        let bytes = if client.slow_reader && !self.calm {
            self.rng.size(client.untaken / 20 + 1, client.untaken / 4 + 1)
        } else if quick {
            client.untaken
        } else {
            self.rng.size(client.untaken / 2 + 1, client.untaken)
        };
        let bytes = bytes.min(client.untaken);
        client.untaken -= bytes;
        self.feed(Input::ClientTook { client: ClientId(index as u64 + 1), bytes });
        self.schedule_read(index);
    }

    /// An answer stays within its budget (6, in part).
    pub(super) fn check_answer_size(&mut self, index: usize, size: usize) {
        let client = &self.clients[index];
        let (untaken, streamed) = (client.untaken, client.streamed);
        if !streamed && size > ANSWER_WHOLE_MAX + ENVELOPE_MAX {
            self.broken("6 memory", format!("a whole answer of {size} bytes"));
        }
        let most = if self.plan.holds_back() {
            ANSWER_WHOLE_MAX + 2 * READ_WINDOW
        } else {
            ANSWER_UNTAKEN_MAX + 2 * PIECE_MAX
        };
        if untaken > most {
            self.broken("6 memory", format!("client {} is owed {untaken} bytes", index + 1));
        }
    }
}
