//! One client that speaks the protocol: its end of the socket, and what it is told there.

use bytes::{Bytes, BytesMut};
use pierhead_engine::ids::ClientId;
use pierhead_engine::io::{Input, Terms};

use super::World;
use super::events::Event;
use super::model::{Model, Seen};
use super::net::piece;
use super::plan::Kind;
use super::steps::{Deed, Step};
use crate::sim::message::{self, put};
use crate::sim::rng::Rng;

/// Where a client is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Life {
    /// It has not come.
    Before,
    /// The engine serves it.
    Open,
    /// The engine has closed its socket; it reads what is left.
    Closed,
    /// It is gone.
    Gone,
}

/// One client.
#[derive(Debug)]
pub(super) struct Driver {
    /// Its place in the plan.
    pub(super) plan: usize,
    /// Its name in what it says.
    pub(super) number: u64,
    /// The shell's number for it.
    pub(super) id: ClientId,
    pub(super) life: Life,
    pub(super) model: Model,
    noise: Rng,
    next: usize,
    /// It waits for what is due before it goes on.
    pub(super) awaits: bool,
    /// Said, not handed to the engine.
    pub(super) outgoing: BytesMut,
    pub(super) granted: u64,
    handing: bool,
    /// Written by the engine, not taken.
    pub(super) untaken: BytesMut,
    reading: bool,
    /// Taken, the beginning of a message.
    read: BytesMut,
    /// It leaves when everything said is handed over.
    leaving: bool,
    /// It has ended its connection by itself.
    pub(super) said_goodbye: bool,
    /// Cancels with its key that may have been sent and have not met it yet.
    pub(super) cancels: u32,
    /// Cancels with its key that the engine has not said to be over.
    pub(super) aimed_at: u32,
    /// It has sent a cancel with its key, ever.
    pub(super) cancelled: bool,
    /// Since when something of it runs or waits, without a moment of rest.
    pub(super) busy: Option<u64>,
    /// Since when it has waited for its next ready point.
    pub(super) asked: Option<u64>,
    /// When its socket was opened.
    pub(super) opened: u64,
    /// When the engine last heard from it.
    pub(super) heard: u64,
    /// Pierhead has refused it something.
    pub(super) refused: bool,
    /// Its last segment was never executed: the connection ended before.
    pub(super) untouched: bool,
    /// How often it was notified.
    pub(super) notified: u64,
}

impl Driver {
    pub(super) fn new(plan: usize, number: u64, model: Model, noise: Rng) -> Self {
        Self {
            plan,
            number,
            id: ClientId(0),
            life: Life::Before,
            model,
            noise,
            next: 0,
            awaits: false,
            outgoing: BytesMut::new(),
            granted: 0,
            handing: false,
            untaken: BytesMut::new(),
            reading: false,
            read: BytesMut::new(),
            leaving: false,
            said_goodbye: false,
            cancels: 0,
            aimed_at: 0,
            cancelled: false,
            busy: None,
            asked: None,
            opened: 0,
            heard: 0,
            refused: false,
            untouched: false,
            notified: 0,
        }
    }
}

impl World {
    fn step_of(&self, index: usize) -> Option<&Step> {
        let driver = self.drivers.get(index)?;
        match &self.plan.clients[driver.plan].kind {
            Kind::Socket { steps, .. } => steps.get(driver.next),
            Kind::Exchange { .. } | Kind::Lease { .. } => None,
        }
    }

    /// A socket is opened.
    pub(super) fn driver_comes(&mut self, index: usize) {
        let id = self.next_client(super::Who::Driver(index));
        let driver = &mut self.drivers[index];
        driver.id = id;
        driver.life = Life::Open;
        driver.opened = self.now;
        driver.heard = self.now;
        let client = &self.plan.clients[driver.plan];
        let Kind::Socket { mode, .. } = client.kind else { return };
        let terms = Terms { class: client.class.to_owned(), mode: Some(mode) };
        self.feed(Input::SocketOpened { client: id, terms });
        self.go_on(index);
    }

    /// The next step will be done.
    fn go_on(&mut self, index: usize) {
        if let Some(pause) = self.step_of(index).map(|step| step.pause) {
            self.after(pause, Event::Act(index));
        }
    }

    pub(super) fn act(&mut self, index: usize) {
        if self.drivers[index].life != Life::Open || self.drivers[index].leaving {
            return;
        }
        let Some(deed) = self.step_of(index).map(|step| step.deed.clone()) else { return };
        self.note(|world| format!("  client {} {}", world.drivers[index].number, told(&deed)));
        let driver = &mut self.drivers[index];
        driver.next += 1;
        match deed {
            Deed::Say { bytes, awaits, .. } => {
                driver.outgoing.extend_from_slice(&bytes);
                driver.model.say(&bytes);
                driver.awaits = awaits;
                driver.busy.get_or_insert(self.now);
                driver.asked.get_or_insert(self.now);
                self.pump_driver(index);
                self.proceed(index);
                if awaits {
                    return;
                }
            }
            Deed::Cancel { right } => self.send_cancel(index, right),
            Deed::Terminate => {
                let mut bytes = Vec::new();
                put(&mut bytes, b'X', |_| {});
                driver.outgoing.extend_from_slice(&bytes);
                driver.leaving = true;
                driver.said_goodbye = true;
                self.pump_driver(index);
            }
            Deed::Cut { unsent } => return self.cut_driver(index, unsent),
        }
        self.go_on(index);
    }

    /// It is gone, with this share of what it said not handed over, in percent.
    fn cut_driver(&mut self, index: usize, unsent: u64) {
        let driver = &mut self.drivers[index];
        let count = driver.outgoing.len() * (100 - unsent as usize) / 100;
        let count = count.min(usize::try_from(driver.granted).unwrap_or(usize::MAX));
        self.hand_bytes(index, count);
        self.coverage.add("socket: cut");
        self.driver_leaves(index);
    }

    /// The engine is told that it is gone.
    pub(super) fn driver_leaves(&mut self, index: usize) {
        let driver = &mut self.drivers[index];
        driver.said_goodbye = true;
        if driver.life != Life::Open {
            return;
        }
        driver.life = Life::Gone;
        if driver.model.status != b'I' || driver.model.is_between() {
            self.coverage.add("socket: gone in the middle");
        }
        let client = self.drivers[index].id;
        self.feed(Input::ClientGone { client });
    }

    /// If it waited for an answer and has it, it goes on.
    fn proceed(&mut self, index: usize) {
        let driver = &mut self.drivers[index];
        let answered = driver.model.is_answered();
        if answered && !driver.model.is_between() {
            driver.busy = None;
            driver.asked = None;
        }
        if driver.awaits && !driver.model.malformed && (answered || driver.model.copies_in()) {
            driver.awaits = false;
            self.go_on(index);
        }
    }

    /// What was said travels to the engine.
    pub(super) fn pump_driver(&mut self, index: usize) {
        let near = self.plan.net.near;
        let driver = &mut self.drivers[index];
        let moves = !driver.outgoing.is_empty() && driver.granted > 0;
        let ends = driver.outgoing.is_empty() && driver.leaving;
        if driver.handing || driver.life != Life::Open || !(moves || ends) {
            return;
        }
        driver.handing = true;
        let lag = driver.noise.within(0, near);
        self.after(lag, Event::Hand(index));
    }

    pub(super) fn hand(&mut self, index: usize) {
        let crumbs = self.plan.net.crumbs;
        let driver = &mut self.drivers[index];
        driver.handing = false;
        if driver.life != Life::Open {
            return;
        }
        if driver.outgoing.is_empty() && driver.leaving {
            return self.driver_leaves(index);
        }
        let most = driver.outgoing.len().min(usize::try_from(driver.granted).unwrap_or(0));
        let count = piece(&mut driver.noise, crumbs, most);
        self.hand_bytes(index, count);
        self.pump_driver(index);
    }

    fn hand_bytes(&mut self, index: usize, count: usize) {
        if count == 0 {
            return;
        }
        let driver = &mut self.drivers[index];
        let bytes = driver.outgoing.split_to(count).freeze();
        driver.granted -= count as u64;
        driver.heard = self.now;
        let (client, place) = (driver.id, driver.plan);
        if driver.model.greeted {
            self.count_asked(place);
        }
        self.feed(Input::SocketData { client, bytes });
    }

    /// The engine writes to it.
    pub(super) fn written_to(&mut self, index: usize, bytes: &[Bytes]) {
        for piece in bytes {
            self.drivers[index].untaken.extend_from_slice(piece);
        }
        self.pump_reader(index);
    }

    pub(super) fn pump_reader(&mut self, index: usize) {
        let near = self.plan.net.near;
        let driver = &mut self.drivers[index];
        let nothing = driver.untaken.is_empty() && driver.life != Life::Closed;
        if driver.reading || nothing || driver.life == Life::Gone {
            return;
        }
        driver.reading = true;
        let slow = self.plan.clients[driver.plan].slow_reader && !self.calm;
        let most = if slow { 300 } else { near };
        let lag = driver.noise.within(0, most);
        self.after(lag, Event::Read(index));
    }

    pub(super) fn read(&mut self, index: usize) {
        let crumbs = self.plan.net.crumbs;
        let driver = &mut self.drivers[index];
        driver.reading = false;
        if driver.life == Life::Gone {
            return;
        }
        let slow = self.plan.clients[driver.plan].slow_reader && !self.calm;
        let available = driver.untaken.len();
        let count = if slow { available / 3 + 1 } else { available };
        let count = piece(&mut driver.noise, crumbs, count.min(available));
        let bytes = driver.untaken.split_to(count);
        driver.read.extend_from_slice(&bytes);
        let (client, open) = (driver.id, driver.life == Life::Open);
        if count > 0 && (open || driver.noise.chance(50)) {
            self.feed(Input::ClientTook { client, bytes: count });
        }
        self.understand(index);
        let driver = &self.drivers[index];
        if driver.untaken.is_empty() && driver.life == Life::Closed {
            self.driver_ended(index);
        } else {
            self.pump_reader(index);
        }
    }

    /// Looks at every whole message it has got.
    fn understand(&mut self, index: usize) {
        let mut read = std::mem::take(&mut self.drivers[index].read);
        while self.violation.is_none() {
            let driver = &mut self.drivers[index];
            if driver.model.expects_byte() && read.first().is_some_and(|byte| *byte != b'E') {
                let byte = read.split_to(1)[0];
                if let Err((rule, detail)) = driver.model.receive_byte(byte) {
                    return self.broken(rule, detail);
                }
                self.proceed(index);
                continue;
            }
            let mut rest = &read[..];
            let Some(message) = message::take(&mut rest) else { break };
            let used = read.len() - rest.len();
            let excused = driver.cancels > 0 || self.may_be_out_of_time(index);
            let seen = self.drivers[index].model.receive(&message, excused);
            let _ = read.split_to(used);
            match seen {
                Ok(seen) => self.saw(index, seen),
                Err((rule, how)) => {
                    let number = self.drivers[index].number;
                    return self.broken(rule, format!("client {number}: {how}"));
                }
            }
        }
        self.drivers[index].read = read;
    }

    fn saw(&mut self, index: usize, seen: Seen) {
        match seen {
            Seen::Own => {}
            Seen::Notified(channel) => self.notified(index, &channel),
            Seen::Ready => {
                // The time of the next segment begins.
                self.drivers[index].asked = Some(self.now);
                self.coverage.add("socket: ready");
            }
            Seen::Failed(code) => {
                let rejects = self.drivers[index].model.rejects;
                // Whether a refused Parse was heard, and so ended the unnamed statement, is not known.
                self.drivers[index].refused |= rejects || code != "0A000";
                self.coverage.add(match code.as_str() {
                    "0A000" if rejects => "socket: state refused",
                    "0A000" => "socket: plan broken",
                    _ => "socket: may not pin",
                });
            }
            Seen::Cancelled => {
                self.coverage.add("socket: cancelled");
                let driver = &mut self.drivers[index];
                driver.cancels = driver.cancels.saturating_sub(1);
            }
            Seen::Refused(code) => self.check_code(index, &code, false),
            Seen::Ended(code) => self.check_code(index, &code, true),
        }
        self.proceed(index);
    }

    /// The socket is closed, and everything was read.
    fn driver_ended(&mut self, index: usize) {
        let late = self.may_be_out_of_time(index);
        let driver = &mut self.drivers[index];
        driver.life = Life::Gone;
        let broken_off = !driver.read.is_empty();
        let explained = driver.model.ended.is_some() || driver.said_goodbye;
        driver.untaken.clear();
        let number = driver.number;
        // A session that is lost in the middle of a message leaves no room for an error.
        let limited = !self.plan.quiet;
        let driver = &mut self.drivers[index];
        let may = self.trouble || late || limited || driver.model.malformed || driver.said_goodbye;
        if broken_off && may {
            self.coverage.add("socket: ends within a message");
        } else if broken_off {
            self.broken("1 well-formed", format!("client {number} is told half a message"));
        } else if !explained {
            let detail = format!("the socket of client {number} is closed without a word");
            self.broken("1 well-formed", detail);
        }
    }
}

fn told(deed: &Deed) -> String {
    match deed {
        Deed::Say { what, awaits, .. } if *awaits => format!("{what} (and waits)"),
        Deed::Say { what, .. } => (*what).to_owned(),
        deed @ (Deed::Cancel { .. } | Deed::Terminate | Deed::Cut { .. }) => format!("{deed:?}"),
    }
}
