//! What goes wrong, and the end of it.

use bytes::Bytes;
use pierhead_engine::ids::{ClientId, StreamId};
use pierhead_engine::io::Input;

use super::events::Event;
use super::net::PIECE_MAX;
use super::stream::{Life, Stream};
use super::{Road, World};
use crate::sim::caller::Caller;
use crate::sim::server::Mischief;

kinds! {
    "drawn: "
    /// Kinds of faults.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub(super) enum Fault {
        /// A transport breaks.
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
    }
}

/// All of them, each with its weight.
pub(super) const FAULTS: [(Fault, u64); 10] = [
    (Fault::Cut, 25),
    (Fault::Hang, 8),
    (Fault::Kill, 12),
    (Fault::Mischief, 12),
    (Fault::Chatter, 30),
    (Fault::Restart, 2),
    (Fault::Down, 1),
    (Fault::Denied, 1),
    (Fault::Password, 1),
    (Fault::Ghost, 10),
];

impl World {
    /// One more thing goes wrong.
    pub(super) fn fault(&mut self) {
        if self.calm {
            return;
        }
        let next = self.rng.within(1, 2 * self.plan.fault_every);
        self.after(next, Event::Fault);
        let kind = match self.plan.favourite {
            Some(favourite) if self.plan.torn || self.rng.chance(80) => favourite,
            _ => FAULTS[self.rng.weighted(&FAULTS.map(|(_, weight)| weight))].0,
        };
        self.coverage.add(kind.kind());
        match kind {
            Fault::Cut => self.cut(),
            Fault::Hang => self.hang(),
            Fault::Kill => self.kill(),
            Fault::Mischief => self.mischief(),
            Fault::Chatter => self.chatter(),
            Fault::Restart => self.restart(),
            Fault::Down => self.block(Road::Down, "fault: database down"),
            Fault::Denied => self.block(Road::Denied, "fault: tunnel denies"),
            Fault::Password => self.lock_out(),
            Fault::Ghost => self.ghost(),
        }
    }

    /// News of what is long over, or never was: it must find nothing.
    fn ghost(&mut self) {
        let finished = self.any_stream(|s| s.life == Life::Finished);
        let stream = StreamId(finished.filter(|_| self.rng.chance(80)).unwrap_or(1 << 40));
        let done = self.clients.iter().position(|c| c.gone || (c.outcome.is_some() && !c.streamed));
        let client = ClientId(done.map_or(1 << 40, |index| index as u64 + 1));
        self.coverage.add("fault: ghost");
        let input = match self.rng.below(9) {
            0 => Input::TimePassed,
            1 => Input::AbortRequest { id: self.rng.bytes() },
            2 => Input::StreamOpened { stream },
            3 => Input::StreamData { stream, bytes: Bytes::from_static(b"Z\0\0\0\x05I") },
            4 => {
                Input::StreamClosed { stream, orderly: false, accepted: 0, detail: "twice".into() }
            }
            5 => Input::StreamSecured { stream },
            6 => Input::ClientGone { client },
            7 => Input::ClientAlive { client },
            _ => Input::ClientTook { client, bytes: 1000 },
        };
        self.feed(input);
    }

    /// Any stream of which this is true.
    fn any_stream(&mut self, wanted: impl Fn(&Stream) -> bool) -> Option<u64> {
        let found: Vec<u64> =
            self.streams.iter().filter(|(_, s)| wanted(s)).map(|(id, _)| *id).collect();
        (!found.is_empty()).then(|| self.rng.pick(&found))
    }

    /// The transport breaks, between any two bytes in either direction.
    fn cut(&mut self) {
        // Best where it hurts: with bytes on their way, if there are any.
        let busy = self.any_stream(|s| {
            s.life == Life::Open && !(s.unaccepted.is_empty() && s.to_server.is_empty())
        });
        let unsent = self.clients.iter().filter(|c| c.is_open()).filter_map(|c| c.written);
        let unsent = unsent
            .filter(|(id, at)| {
                self.streams.get(id).is_some_and(|s| s.life == Life::Open && s.accepted <= *at + 1)
            })
            .map(|(id, _)| id)
            .next();
        let any = self.any_stream(|s| matches!(s.life, Life::Open | Life::Closing));
        let aimed = if self.plan.torn || self.rng.chance(50) {
            unsent
        } else {
            busy.or(any).filter(|_| self.rng.chance(70)).or(any)
        };
        let Some(id) = aimed else { return };
        self.coverage.add("fault: cut");
        let Some(stream) = self.streams.get(&id) else { return };
        if !stream.unaccepted.is_empty() {
            self.coverage.add("fault: cut before acceptance");
        }
        let mut arriving = stream.to_engine.len();
        if self.plan.holds_back() {
            arriving = arriving.min(usize::try_from(stream.granted).unwrap_or(0));
        }
        self.note(|_| format!("  cut of stream {id}"));
        if self.rng.chance(50) && stream_is_open(self.streams.get(&id)) {
            let count = self.rng.size(0, arriving.min(PIECE_MAX));
            self.hand_to_engine(id, count);
        }
        self.closed(id);
    }

    /// Nothing moves on the stream any more, and nobody says so.
    fn hang(&mut self) {
        let Some(id) = self.any_stream(|s| s.life == Life::Open && !s.hung) else { return };
        self.coverage.add("fault: hang");
        self.note(|_| format!("  stream {id} hangs"));
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.hung = true;
        }
    }

    /// An administrator ends a session.
    fn kill(&mut self) {
        let Some(id) = self.any_stream(|s| s.life == Life::Open && s.backend.is_ready()) else {
            return;
        };
        self.coverage.add("fault: killed (57P01)");
        self.note(|_| format!("  server ends stream {id}"));
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.backend.kill(&mut self.db);
        }
        self.after_backend(id);
    }

    /// A server does what no server may do.
    fn mischief(&mut self) {
        let mischief = self.rng.pick(&Mischief::ALL);
        // A reply nobody asked for can be told from one that was asked for only while nothing was.
        let only_idle = matches!(
            mischief,
            Mischief::ExtraReady
                | Mischief::ExtraComplete
                | Mischief::ExtraRow
                | Mischief::ExtraError
        );
        let open = |id: Option<u64>, clients: &[Caller]| {
            id.is_some_and(|id| clients[id as usize - 1].outcome.is_none())
        };
        let idle: Vec<u64> = self
            .streams
            .iter()
            .filter(|(_, s)| {
                s.life == Life::Open
                    && !s.hung
                    && s.backend.is_idle()
                    && s.unaccepted.is_empty()
                    && s.to_server.is_empty()
                    && s.to_engine.is_empty()
                    && s.told_to_end.is_none()
                    && !open(s.holder, &self.clients)
            })
            .map(|(id, _)| *id)
            .collect();
        if only_idle {
            if idle.is_empty() {
                return;
            }
            let id = self.rng.pick(&idle);
            self.coverage.add("fault: mischief while idle");
            self.misbehave(id, mischief);
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.poisoned = true;
                let count = stream.to_engine.len();
                self.hand_to_engine(id, count);
            }
            return;
        }
        let Some(id) = self.any_stream(|s| s.life == Life::Open && !s.hung && !s.server_ended)
        else {
            return;
        };
        if open(self.streams.get(&id).and_then(|s| s.holder), &self.clients) {
            self.coverage.add("fault: mischief while busy");
        }
        self.misbehave(id, mischief);
    }

    fn misbehave(&mut self, id: u64, mischief: Mischief) {
        self.note(|_| format!("  server of stream {id} does {mischief:?}"));
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.backend.misbehave(&mut self.db, mischief);
        }
        self.after_backend(id);
    }

    fn chatter(&mut self) {
        let which = self.rng.number();
        let Some(id) = self.any_stream(|s| s.life == Life::Open && s.backend.is_ready()) else {
            return;
        };
        self.coverage.add("fault: chatter");
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.backend.chatter(which);
        }
        self.after_backend(id);
    }

    /// All sessions end, and for a while everybody is told to come back later.
    fn restart(&mut self) {
        self.coverage.add("fault: restart");
        self.note(|_| "  database restarts".into());
        let politely = self.rng.chance(50);
        let ids: Vec<u64> = self.streams.keys().copied().collect();
        for id in ids {
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            if politely && stream.backend.is_ready() {
                stream.backend.kill(&mut self.db);
            } else {
                stream.backend.crash(&mut self.db);
            }
            self.after_backend(id);
        }
        self.db.version += 1;
        self.db.starting = true;
        let wait = self.rng.pick(&[10, 500, 4_000]);
        self.after(wait, Event::Repaired);
    }

    fn block(&mut self, road: Road, name: &'static str) {
        self.coverage.add(name);
        self.road = road;
        let wait = self.rng.pick(&[50, 1_000, 6_000]);
        self.after(wait, Event::Repaired);
    }

    /// Nobody can log in any more.
    fn lock_out(&mut self) {
        match self.rng.below(3) {
            0 => {
                self.coverage.add("fault: role dropped");
                "niemand".clone_into(&mut self.db.user);
            }
            1 => {
                self.coverage.add("fault: TLS off");
                self.db.tls = false;
            }
            _ => {
                self.coverage.add("fault: password changed");
                "anders".clone_into(&mut self.db.password);
            }
        }
        let wait = self.rng.pick(&[50, 1_000, 6_000]);
        self.after(wait, Event::Repaired);
    }

    /// Faults are over: what is asked for from here on works.
    pub(super) fn become_calm(&mut self) {
        self.note(|_| "  calm".into());
        self.calm = true;
        self.repair();
        self.db.max_connections = 1000;
    }

    /// Streams that hang break. Whoever waited on one has been helped by a deadline; one that nobody
    /// used would be found out only by its next client.
    pub(super) fn cut_hung(&mut self) {
        let hung: Vec<u64> = self
            .streams
            .iter()
            .filter(|(_, s)| s.hung && s.life == Life::Open)
            .map(|(id, _)| *id)
            .collect();
        for id in hung {
            self.closed(id);
        }
    }
}

fn stream_is_open(stream: Option<&Stream>) -> bool {
    stream.is_some_and(|s| s.life == Life::Open)
}
