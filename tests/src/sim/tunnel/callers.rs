//! What callers do: come, lose patience, die, read, answer probes.

use bytes::Bytes;
use pierhead_engine::ids::ClientId;
use pierhead_engine::io::Input;
use pierhead_wire::envelope::{Options, Request, RequestId};

use super::World;
use super::events::Event;
use super::plan::WAVE_MS;
use crate::sim::caller::Caller;
use crate::sim::expect::Expected;
use crate::sim::script::{self, Kind, Taste};

/// A caller, and the object it called.
pub(super) struct Guest {
    /// The caller.
    pub(super) caller: Caller,
    /// Where it came.
    pub(super) site: usize,
    /// The life it came to.
    pub(super) life: Option<u64>,
    /// The database of that life's configuration.
    pub(super) database: Option<String>,
    /// Its object vanished: nobody will answer it.
    pub(super) lost: bool,
    /// The connection to the database that took its request.
    pub(super) conn: Option<u64>,
}

impl Guest {
    fn new(caller: Caller) -> Self {
        Self { caller, site: 0, life: None, database: None, lost: false, conn: None }
    }

    /// Whether its call keeps the object awake.
    pub(super) fn holds_object(&self) -> bool {
        let reads = self.caller.streamed && self.caller.untaken > 0 && !self.caller.gone;
        self.caller.is_open() || reads
    }

    /// Its object vanished.
    pub(super) fn lose(&mut self) {
        if self.holds_object() {
            self.lost = self.caller.outcome.is_none();
            self.caller.gone = true;
        }
    }
}

impl World {
    /// Decides who comes, when, and with what.
    pub(super) fn invite(&mut self) {
        let mut moments: Vec<u64> =
            (0..self.plan.clients).map(|_| self.rng.within(0, self.plan.horizon)).collect();
        if self.plan.vast {
            let half = moments.len() / 2;
            moments.iter_mut().enumerate().for_each(|(index, at)| {
                *at = if index < half { 0 } else { self.plan.horizon };
            });
        } else if self.plan.waves {
            moments.iter_mut().for_each(|at| *at -= *at % WAVE_MS);
        } else if self.rng.chance(40) {
            // Everybody at once, in a few waves, with room for sleep between them.
            let wave = self.rng.pick(&[400, 4_000]);
            moments.iter_mut().for_each(|at| *at -= *at % wave);
        }
        moments.sort_unstable();
        for at in moments {
            self.add_client();
            self.after(at, Event::Come);
        }
    }

    /// A client that comes in `wait` milliseconds with one statement that must be answered.
    pub(super) fn invite_plain(&mut self, wait: u64) -> usize {
        let id = self.guests.len() as u64 + 1;
        let taste = Taste { large: 0, slow: 0, slow_ms: 0 };
        let script = loop {
            let script = script::write(&mut self.rng, id, taste);
            if script.kind == Kind::Single {
                break script;
            }
        };
        self.add(script, 0, false);
        self.after(wait, Event::Come);
        self.guests.len() - 1
    }

    /// A client that comes in `wait` milliseconds for a result of some mebibytes.
    pub(super) fn invite_large(&mut self, wait: u64) -> usize {
        let id = self.guests.len() as u64 + 1;
        let taste = Taste { large: 100, slow: 0, slow_ms: 0 };
        let script = script::write(&mut self.rng, id, taste);
        self.add(script, 0, false);
        self.after(wait, Event::Come);
        self.guests.len() - 1
    }

    fn add_client(&mut self) {
        let id = self.guests.len() as u64 + 1;
        let script = script::write(&mut self.rng, id, self.plan.taste);
        let impatient = self.rng.chance(self.plan.impatient);
        let remaining = if impatient { self.rng.pick(&[20, 300, 2_000, 60_000]) } else { 0 };
        let reset = self.rng.chance(10);
        self.add(script, remaining, reset);
        let slow_reader = self.rng.chance(self.plan.slow_readers);
        if let Some(guest) = self.guests.last_mut() {
            guest.caller.slow_reader = slow_reader;
        }
    }

    fn add(&mut self, script: script::Script, remaining: u64, reset: bool) {
        let id: [u8; 16] = self.rng.bytes();
        let expected = Expected::of(&script);
        let request = Request {
            remaining_ms: u32::try_from(remaining).unwrap_or(0),
            id: RequestId(id),
            options: Options { reset, ..Options::default() },
            protocol: Bytes::from(script.protocol.clone()),
        };
        let mut caller = Caller::new(script, expected, request.encode().freeze());
        if caller.expected.is_none() {
            caller.script.inserts.clear();
        }
        caller.request_id = id;
        caller.remaining = remaining;
        self.guests.push(Guest::new(caller));
    }

    pub(super) fn come(&mut self) {
        let index = self.came;
        self.came += 1;
        let site = self.pick_site();
        self.wake_site(site);
        let (life, database) = (self.sites[site].life(), self.sites[site].database());
        let Some(guest) = self.guests.get_mut(index) else { return };
        guest.caller.came = Some(self.now);
        guest.site = site;
        guest.life = life;
        guest.database = database.map(str::to_owned);
        let request = guest.caller.request.clone();
        let kind = guest.caller.script.kind;
        if !self.calm {
            for make in [Event::Abort, Event::Die] {
                if self.rng.chance(self.plan.impatient / 3) {
                    let wait = if self.plan.hasty {
                        self.rng.within(0, 600)
                    } else {
                        self.rng.pick(&[0, 5, 50, 500, 4_000])
                    };
                    self.after(wait, make(index));
                }
            }
        }
        self.note(|_| format!("  client {} comes to object {site} with {kind:?}", index + 1));
        self.feed(
            site,
            Input::ClientOpened { client: ClientId(index as u64 + 1), request, lease: None },
        );
    }

    /// Where the object that knows this client is, while it lives.
    fn host(&self, index: usize) -> Option<usize> {
        let guest = self.guests.get(index)?;
        let alive = guest.life.is_some() && self.sites.get(guest.site)?.life() == guest.life;
        (alive && !guest.caller.gone).then_some(guest.site)
    }

    pub(super) fn abort(&mut self, index: usize) {
        self.guests[index].caller.aborted = true;
        let id = self.guests[index].caller.request_id;
        if let Some(site) = self.host(index) {
            self.feed(site, Input::AbortRequest { id });
        }
    }

    pub(super) fn die(&mut self, index: usize) {
        self.guests[index].caller.dead = true;
        // A reader's end is noticed at once; a plain call's is not.
        if self.guests[index].caller.streamed || self.rng.chance(30) {
            self.leave(index);
        }
    }

    /// The object is told that a client is gone.
    fn leave(&mut self, index: usize) {
        let Some(site) = self.host(index) else { return };
        let caller = &mut self.guests[index].caller;
        if caller.outcome.is_some() && !caller.streamed {
            return;
        }
        if caller.is_open() {
            self.coverage.add(if caller.grants == 0 {
                "client: gone while waiting"
            } else {
                "client: gone while running"
            });
        }
        self.guests[index].caller.gone = true;
        self.feed(site, Input::ClientGone { client: ClientId(index as u64 + 1) });
    }

    pub(super) fn answer_probe(&mut self, index: usize) {
        let Some(site) = self.host(index) else { return };
        if self.guests[index].caller.dead {
            self.leave(index);
        } else {
            self.feed(site, Input::ClientAlive { client: ClientId(index as u64 + 1) });
        }
    }

    pub(super) fn schedule_read(&mut self, index: usize) {
        let caller = &mut self.guests[index].caller;
        if caller.reading || caller.untaken == 0 || caller.gone {
            return;
        }
        caller.reading = true;
        let slow = caller.slow_reader && !self.calm;
        let wait = if slow {
            self.coverage.add("client: slow reader");
            self.rng.pick(&[5, 100, 3_000])
        } else {
            self.rng.within(0, 5)
        };
        self.after(wait, Event::Read(index));
    }

    pub(super) fn read(&mut self, index: usize) {
        let calm = self.calm;
        let slow = self.guests[index].caller.slow_reader && !calm;
        self.guests[index].caller.reading = false;
        let Some(site) = self.host(index) else { return };
        let untaken = self.guests[index].caller.untaken;
        if untaken == 0 {
            return;
        }
        let bytes = if slow {
            self.rng.size(untaken / 20 + 1, untaken / 4 + 1)
        } else if self.rng.chance(50) {
            untaken
        } else {
            self.rng.size(untaken / 2 + 1, untaken)
        };
        let bytes = bytes.min(untaken);
        self.guests[index].caller.untaken -= bytes;
        self.feed(site, Input::ClientTook { client: ClientId(index as u64 + 1), bytes });
        self.schedule_read(index);
    }
}
