//! What goes wrong, and the end of it.

use bytes::Bytes;
use pierhead_engine::ids::{ClientId, StreamId};
use pierhead_engine::io::Input;
use pierhead_engine::time::Instant;

use super::events::Event;
use super::leases::Lease;
use super::machine::Disturbance;
use super::stream::{Life, Stream};
use super::{Road, World};
use crate::sim::server::Mischief;

kinds! {
    "drawn: "
    /// Kinds of faults.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub(super) enum Fault {
        /// A transport breaks, between any two bytes.
        Cut,
        /// A transport stands still.
        Hang,
        /// A session is ended by the server.
        Kill,
        /// A server breaks the protocol.
        Mischief,
        /// A server tells what nobody asked for, as it may.
        Chatter,
        /// The database restarts.
        Restart,
        /// The database cannot be reached.
        Down,
        /// The tunnel turns us away.
        Denied,
        /// The password is another one.
        Password,
        /// News of what is over.
        Ghost,
        /// A migration, which breaks plans.
        Alter,
        /// Much time passes at once.
        Leap,
        /// Something between the engine and its streams.
        Between(Disturbance),
    }
}

/// All of them, each with its weight.
pub(super) const FAULTS: [(Fault, u64); 11] = [
    (Fault::Cut, 25),
    (Fault::Hang, 6),
    (Fault::Kill, 12),
    (Fault::Mischief, 12),
    (Fault::Chatter, 20),
    (Fault::Restart, 2),
    (Fault::Down, 1),
    (Fault::Denied, 1),
    (Fault::Password, 1),
    (Fault::Ghost, 8),
    (Fault::Alter, 14),
];

impl World {
    /// One more thing goes wrong.
    pub(super) fn fault(&mut self, index: usize) {
        if self.calm {
            return;
        }
        let misfortune = self.plan.faults[index];
        let chance = misfortune.chance;
        self.note(|_| format!("  fault {}: {:?}", misfortune.number, misfortune.fault));
        if !matches!(misfortune.fault, Fault::Chatter | Fault::Ghost | Fault::Alter) {
            self.trouble = true;
        }
        self.coverage.add(misfortune.fault.kind());
        match misfortune.fault {
            Fault::Cut => self.cut(chance),
            Fault::Hang => self.hang(chance),
            Fault::Kill => self.kill(chance),
            Fault::Mischief => self.mischief(chance),
            Fault::Chatter => self.chatter(chance),
            Fault::Restart => self.restart(chance),
            Fault::Down => self.block(Road::Down, chance),
            Fault::Denied => self.block(Road::Denied, chance),
            Fault::Password => self.lock_out(chance),
            Fault::Ghost => self.ghost(chance),
            Fault::Alter => self.alter(),
            Fault::Leap => self.leap(chance),
            Fault::Between(what) => self.disturb(what, chance),
        }
    }

    /// Any stream of which this is true.
    fn any_stream(&self, chance: u64, wanted: impl Fn(&Stream) -> bool) -> Option<u64> {
        let found: Vec<u64> =
            self.streams.iter().filter(|(_, s)| wanted(s)).map(|(id, _)| *id).collect();
        let index = usize::try_from(chance % found.len().max(1) as u64).unwrap_or(0);
        found.get(index).copied()
    }

    fn cut(&mut self, chance: u64) {
        // Best where it hurts: with bytes on their way, if there are any.
        let busy = self.any_stream(chance, |s| {
            s.life == Life::Open
                && !(s.unaccepted.is_empty() && s.to_server.is_empty() && s.to_engine.is_empty())
        });
        let any = self.any_stream(chance, |s| matches!(s.life, Life::Open | Life::Closing));
        let Some(id) = busy.filter(|_| !chance.is_multiple_of(4)).or(any) else { return };
        self.coverage.add("fault: cut");
        let holds_back = self.plan.holds_back();
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let mut arriving = stream.to_engine.len();
        if holds_back {
            arriving = arriving.min(usize::try_from(stream.granted).unwrap_or(0));
        }
        let open = stream.life == Life::Open;
        let count = stream.noise.size(0, arriving);
        if open && stream.noise.chance(50) {
            self.hand_to_engine(id, count);
        }
        self.closed(id, false);
    }

    fn hang(&mut self, chance: u64) {
        let Some(id) = self.any_stream(chance, |s| s.life == Life::Open && !s.hung) else { return };
        self.coverage.add("fault: hang");
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.hung = true;
        }
    }

    fn kill(&mut self, chance: u64) {
        let ready = |s: &Stream| s.life == Life::Open && s.backend.is_ready();
        let Some(id) = self.any_stream(chance, ready) else { return };
        self.coverage.add("fault: killed (57P01)");
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.backend.kill(&mut self.db);
        }
        self.after_backend(id);
    }

    /// A server does what no server may do.
    fn mischief(&mut self, chance: u64) {
        let index = usize::try_from((chance >> 32) % Mischief::ALL.len() as u64).unwrap_or(0);
        let mischief = Mischief::ALL[index];
        let served = self.drivers.iter().any(|d| d.life == super::driver::Life::Open);
        if mischief == Mischief::WrongType && self.plan.calls() {
            // Whoever calls functions asks for such a reply.
            return;
        }
        if mischief == Mischief::ExtraError && served {
            // To whom a session belongs, its errors may be news of its end.
            return;
        }
        // A reply nobody asked for can be told from one that was asked for only while nothing was.
        let only_idle = matches!(
            mischief,
            Mischief::ExtraReady
                | Mischief::ExtraComplete
                | Mischief::ExtraRow
                | Mischief::ExtraError
        );
        let resting = |s: &Stream| {
            s.backend.is_idle()
                && s.unaccepted.is_empty()
                && s.to_server.is_empty()
                && s.to_engine.is_empty()
                && s.told_to_end.is_none()
        };
        let all_rest = self.drivers.iter().all(|d| d.model.is_answered() && d.outgoing.is_empty());
        if only_idle && self.plan.between.is_some() {
            // It is under way for a while, and may cross what it seems to answer.
            return;
        }
        if only_idle && !(all_rest && self.exchanges.iter().all(|e| !e.caller.is_open())) {
            return;
        }
        let fits = |s: &Stream| {
            s.life == Life::Open && !s.hung && !s.server_ended && (!only_idle || resting(s))
        };
        let Some(id) = self.any_stream(chance, fits) else { return };
        self.note(|_| format!("  server of stream {id} does {mischief:?}"));
        self.coverage.add(if only_idle { "fault: mischief at rest" } else { "fault: mischief" });
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.backend.misbehave(&mut self.db, mischief);
        }
        self.after_backend(id);
        if only_idle && let Some(stream) = self.streams.get_mut(&id) {
            stream.poisoned = true;
            let count = stream.to_engine.len();
            self.hand_to_engine(id, count);
        }
    }

    fn chatter(&mut self, chance: u64) {
        let ready = |s: &Stream| s.life == Life::Open && s.backend.is_ready();
        let Some(id) = self.any_stream(chance, ready) else { return };
        self.coverage.add("fault: chatter");
        if let Some(stream) = self.streams.get_mut(&id) {
            // A parameter that changes by itself would be another client's, too.
            let which = if chance.is_multiple_of(2) { 0 } else { 2 };
            stream.backend.chatter(which);
        }
        self.after_backend(id);
    }

    /// All sessions end, and for a while everybody is told to come back later.
    fn restart(&mut self, chance: u64) {
        self.coverage.add("fault: restart");
        let ids: Vec<u64> = self.streams.keys().copied().collect();
        for id in ids {
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            if chance.is_multiple_of(2) && stream.backend.is_ready() {
                stream.backend.kill(&mut self.db);
            } else {
                stream.backend.crash(&mut self.db);
            }
            self.after_backend(id);
        }
        self.db.starting = true;
        self.repair_later(chance);
    }

    fn repair_later(&mut self, chance: u64) {
        let wait = [50, 1_000, 6_000][usize::try_from((chance >> 8) % 3).unwrap_or(0)];
        self.after(wait, Event::Repaired);
    }

    fn block(&mut self, road: Road, chance: u64) {
        self.coverage.add("fault: road");
        self.road = road;
        self.repair_later(chance);
    }

    fn lock_out(&mut self, chance: u64) {
        self.coverage.add("fault: password changed");
        "anders".clone_into(&mut self.db.password);
        self.repair_later(chance);
    }

    fn disturb(&mut self, what: Disturbance, chance: u64) {
        if what == Disturbance::Crash {
            self.lose_everybody();
        }
        self.engine.disturb(Instant(self.now), what, chance);
        self.drain();
        self.set_alarms();
    }

    /// The object that served them is gone, and cannot say so.
    fn lose_everybody(&mut self) {
        for driver in &mut self.drivers {
            if matches!(driver.life, super::driver::Life::Open | super::driver::Life::Closed) {
                driver.life = super::driver::Life::Gone;
                driver.said_goodbye = true;
            }
        }
        for exchange in self.exchanges.iter_mut().filter(|e| e.caller.is_open()) {
            exchange.caller.gone = true;
        }
        self.errands.iter_mut().for_each(|errand| errand.open = false);
        self.leases.iter_mut().for_each(Lease::lose);
    }

    fn alter(&mut self) {
        self.coverage.add("fault: migration");
        self.db.generation += 1;
        self.drivers.iter_mut().for_each(|driver| driver.model.altered = true);
    }

    /// News of what is long over, or never was: it must find nothing.
    fn ghost(&mut self, chance: u64) {
        let stream =
            StreamId(self.any_stream(chance, |s| s.life == Life::Finished).unwrap_or(1 << 40));
        let client = self.drivers.iter().find(|d| {
            matches!(d.life, super::driver::Life::Closed | super::driver::Life::Gone) && d.id.0 > 0
        });
        let client = client.map_or(ClientId(1 << 40), |d| d.id);
        self.coverage.add("fault: ghost");
        let detail = "twice".into();
        let input = match (chance >> 16) % 10 {
            0 => Input::TimePassed,
            1 => Input::AbortRequest { id: [7; 16] },
            2 => Input::StreamOpened { stream },
            3 => Input::StreamData { stream, bytes: Bytes::from_static(b"Z\0\0\0\x05I") },
            4 => Input::StreamClosed { stream, orderly: false, accepted: 0, detail },
            5 => Input::StreamTook { stream, bytes: 5 },
            6 => Input::ClientGone { client },
            7 => Input::ClientAlive { client },
            8 => Input::SocketData { client, bytes: Bytes::from_static(b"S\0\0\0\x04") },
            _ => Input::ClientTook { client, bytes: 1000 },
        };
        self.feed(input);
    }

    pub(super) fn repair(&mut self) {
        self.road = Road::Open;
        self.db.starting = false;
        "geheim".clone_into(&mut self.db.password);
    }

    /// Faults are over: what is asked for from here on works.
    pub(super) fn become_calm(&mut self) {
        self.note(|_| "  calm".into());
        self.calm = true;
        self.repair();
        self.db.max_connections = 1000;
        let hung = self.streams.iter().filter(|(_, s)| s.hung && s.life == Life::Open);
        let hung: Vec<u64> = hung.map(|(id, _)| *id).collect();
        for id in hung {
            self.closed(id, false);
        }
    }
}
