//! What goes wrong, and the end of it.

use pierhead_agent::core as agent;
use pierhead_engine::ids::LinkId;
use pierhead_engine::io::Input;

use super::conn::{Conn, Life, Owner};
use super::events::Event;
use super::link::{End, Link};
use super::objects::Site;
use super::plan::WAVE_MS;
use super::{Dials, World};
use crate::sim::server::Mischief;

kinds! {
    "drawn: "
    /// Kinds of faults.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub(super) enum Fault {
        /// A link breaks.
        CutLink,
        /// A link stands still, and nobody says so.
        Silence,
        /// A connection to the database breaks.
        CutConn,
        /// A connection to the database stands still.
        HangConn,
        /// An object is made to sleep, whatever it does.
        Evict,
        /// An object is gone.
        Crash,
        /// An agent is killed.
        KillAgent,
        /// An agent is told to end.
        Terminate,
        /// The platform runs a second copy.
        Split,
        /// A session is ended by the server.
        KillBackend,
        /// A server breaks the protocol.
        Mischief,
        /// A server tells what nobody asked for, as it may.
        Chatter,
        /// The database restarts.
        Restart,
        /// Agents cannot reach the database.
        Down,
        /// Dials are refused.
        Unreachable,
        /// News of what is over.
        Ghost,
    }
}

/// All of them, each with its weight.
const FAULTS: [(Fault, u64); 16] = [
    (Fault::CutLink, 25),
    (Fault::Silence, 8),
    (Fault::CutConn, 15),
    (Fault::HangConn, 4),
    (Fault::Evict, 12),
    (Fault::Crash, 8),
    (Fault::KillAgent, 6),
    (Fault::Terminate, 4),
    (Fault::Split, 6),
    (Fault::KillBackend, 10),
    (Fault::Mischief, 4),
    (Fault::Chatter, 15),
    (Fault::Restart, 1),
    (Fault::Down, 2),
    (Fault::Unreachable, 3),
    (Fault::Ghost, 8),
];

impl World {
    /// One more thing goes wrong.
    pub(super) fn fault(&mut self) {
        if self.calm {
            return;
        }
        let next = if self.plan.waves {
            // Between two waves, when what was used has been parked.
            let since = self.now % WAVE_MS;
            WAVE_MS - since + self.rng.within(800, WAVE_MS - 400)
        } else {
            self.rng.within(1, 2 * self.plan.fault_every)
        };
        self.after(next, Event::Fault);
        let kind = match self.plan.favourite {
            Some(favourite) if self.rng.chance(70) => favourite,
            _ => FAULTS[self.rng.weighted(&FAULTS.map(|(_, weight)| weight))].0,
        };
        self.coverage.add(kind.kind());
        match kind {
            Fault::CutLink => self.cut_some_link(),
            Fault::Silence => self.silence(),
            Fault::CutConn => self.cut_conn(),
            Fault::HangConn => self.hang_conn(),
            Fault::Evict => self.evict_some(),
            Fault::Crash => self.crash_some(),
            Fault::KillAgent => {
                let slot = self.any_slot();
                self.kill_agent(slot);
            }
            Fault::Terminate => {
                let slot = self.any_slot();
                self.terminate_agent(slot);
            }
            Fault::Split => self.split(),
            Fault::KillBackend => self.kill_backend(),
            Fault::Mischief => self.mischief(),
            Fault::Chatter => self.chatter(),
            Fault::Restart => self.restart(),
            Fault::Down => {
                self.coverage.add("fault: database unreachable");
                self.road = false;
                self.repair_soon();
            }
            Fault::Unreachable => {
                self.coverage.add("fault: coordinator unreachable");
                self.dials = self.rng.pick(&[Dials::Refused, Dials::Refused, Dials::Denied]);
                self.repair_soon();
            }
            Fault::Ghost => self.ghost(),
        }
    }

    fn repair_soon(&mut self) {
        let wait = self.rng.pick(&[50, 1_000, 6_000]);
        self.after(wait, Event::Repaired);
    }

    fn any_slot(&mut self) -> usize {
        self.rng.size(0, self.slots.len() - 1)
    }

    /// Any link of which this is true, best one with messages on their way.
    fn any_link(&mut self, wanted: impl Fn(&Link) -> bool) -> Option<u64> {
        let ids = |busy: bool| -> Vec<u64> {
            let found = self.links.iter().filter(|(_, l)| wanted(l) && (!busy || l.is_busy()));
            found.map(|(id, _)| *id).collect()
        };
        let (busy, all) = (ids(true), ids(false));
        let found = if busy.is_empty() || self.rng.chance(30) { all } else { busy };
        (!found.is_empty()).then(|| self.rng.pick(&found))
    }

    fn any_conn(&mut self, wanted: impl Fn(&Conn) -> bool) -> Option<u64> {
        let found: Vec<u64> =
            self.conns.iter().filter(|(_, c)| wanted(c)).map(|(id, _)| *id).collect();
        (!found.is_empty()).then(|| self.rng.pick(&found))
    }

    fn cut_some_link(&mut self) {
        let open = |l: &Link| l.agent != End::Closed && l.object != End::Closed && !l.over;
        if let Some(id) = self.any_link(open) {
            if self.links.get(&id).is_some_and(Link::is_busy) {
                self.coverage.add("fault: link cut with messages under way");
            }
            self.coverage.add("fault: link cut");
            self.cut_link(id);
        }
    }

    fn silence(&mut self) {
        let Some(id) = self.any_link(|l| l.is_whole() && !l.silent) else { return };
        self.coverage.add("fault: link silent");
        self.note(|_| format!("  link {id} falls silent"));
        if let Some(link) = self.links.get_mut(&id) {
            link.silent = true;
        }
    }

    fn cut_conn(&mut self) {
        let busy = self.any_conn(|c| c.life == Life::Open && !c.is_still());
        let any = self.any_conn(|c| c.life == Life::Open);
        let Some(id) = busy.filter(|_| self.rng.chance(70)).or(any) else { return };
        self.coverage.add("fault: connection cut");
        self.note(|_| format!("  connection {id} is cut"));
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.cut = true;
        }
        self.end_conn(id);
    }

    fn hang_conn(&mut self) {
        let Some(id) = self.any_conn(|c| c.life == Life::Open && !c.hung) else { return };
        self.coverage.add("fault: connection hangs");
        self.note(|_| format!("  connection {id} hangs"));
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.hung = true;
        }
    }

    /// The site of an object that is in memory.
    fn any_site(&mut self) -> Option<usize> {
        let awake: Vec<usize> = self
            .sites
            .iter()
            .enumerate()
            .filter(|(_, s)| s.life().is_some())
            .map(|(i, _)| i)
            .collect();
        (!awake.is_empty()).then(|| self.rng.pick(&awake))
    }

    fn evict_some(&mut self) {
        if let Some(site) = self.any_site() {
            self.evict(site);
        }
    }

    fn crash_some(&mut self) {
        if let Some(site) = self.any_site() {
            self.coverage.add("fault: object aborted");
            self.crash(site);
        }
    }

    /// The platform runs a second copy: the first one may be cut off from its storage, and may
    /// still be called by those who know it.
    fn split(&mut self) {
        let alive = self.alive();
        let [first] = alive[..] else { return };
        self.coverage.add("fault: two copies");
        self.note(|_| "  two copies".into());
        let settings = self.sites[first].settings.clone();
        self.sites.push(Site::new(self.sites[first].storage, settings));
        let second = self.sites.len() - 1;
        if self.rng.chance(self.plan.reconfigured) {
            self.reconfigure(second);
        }
        if self.plan.one_storage {
            self.sites[first].stale = true;
            self.sites[first].routed = self.rng.chance(50);
        } else {
            let epoch = self.rng.pick(&[0, 0, 1, 3]);
            self.storages.push(epoch);
            self.sites[second].storage = self.storages.len() - 1;
        }
        // Agents notice nothing until they dial; let them.
        for _ in 0..self.rng.below(3) {
            self.cut_some_link();
        }
        let wait = self.rng.pick(&[100, 2_000, 10_000]);
        self.after(wait, Event::Heal);
    }

    fn alive(&self) -> Vec<usize> {
        let alive = self.sites.iter().enumerate().filter(|(_, s)| !s.ended);
        alive.map(|(index, _)| index).collect()
    }

    /// One of two copies ends for good.
    pub(super) fn heal(&mut self) {
        let alive = self.alive();
        let [first, second] = alive[..] else { return };
        if self.violation.is_some() {
            return;
        }
        let ends = if self.sites[first].stale || self.rng.chance(50) { first } else { second };
        self.note(|_| format!("  copy {ends} ends"));
        self.crash(ends);
        self.sites[ends].routed = false;
        self.sites[ends].ended = true;
        self.sites[first + second - ends].routed = true;
    }

    fn kill_backend(&mut self) {
        let Some(id) = self.any_conn(|c| c.life == Life::Open && c.backend.is_ready()) else {
            return;
        };
        self.coverage.add("fault: killed (57P01)");
        self.note(|_| format!("  server ends connection {id}"));
        let politely = self.rng.chance(70);
        if let Some(conn) = self.conns.get_mut(&id) {
            if politely {
                conn.backend.kill(&mut self.db);
            } else {
                conn.backend.crash(&mut self.db);
            }
        }
        self.after_backend(id);
    }

    /// A server says on an idle session what nobody asked for.
    fn mischief(&mut self) {
        let guests = &self.guests;
        let unanswered =
            |c: &Conn| c.holder.is_some_and(|h| guests[h as usize - 1].caller.outcome.is_none());
        let idle: Vec<u64> = self
            .conns
            .iter()
            .filter(|(_, c)| {
                c.life == Life::Open
                    && c.backend.is_idle()
                    && c.is_still()
                    && !c.hung
                    && c.told_to_end.is_none()
                    && !unanswered(c)
            })
            .map(|(id, _)| *id)
            .collect();
        if idle.is_empty() {
            return;
        }
        let id = self.rng.pick(&idle);
        // A reply that nobody asked for may cross a request that it seems to answer; these cannot.
        let mischief =
            self.rng.pick(&[Mischief::UnknownType, Mischief::WrongType, Mischief::BadLength]);
        self.coverage.add("fault: mischief");
        self.note(|_| format!("  server of connection {id} does {mischief:?}"));
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.backend.misbehave(&mut self.db, mischief);
        }
        self.after_backend(id);
    }

    fn chatter(&mut self) {
        let which = self.rng.number();
        let Some(id) = self.any_conn(|c| c.life == Life::Open && c.backend.is_ready()) else {
            return;
        };
        self.coverage.add("fault: chatter");
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.backend.chatter(which);
        }
        self.after_backend(id);
    }

    fn restart(&mut self) {
        self.coverage.add("fault: restart");
        self.note(|_| "  database restarts".into());
        let ids: Vec<u64> = self.conns.keys().copied().collect();
        for id in ids {
            if let Some(conn) = self.conns.get_mut(&id) {
                conn.backend.crash(&mut self.db);
            }
            self.after_backend(id);
        }
        self.db.version += 1;
        self.db.starting = true;
        self.repair_soon();
    }

    /// News of what is long over, or never was: it must find nothing.
    fn ghost(&mut self) {
        self.coverage.add("fault: ghost");
        let slot = self.any_slot();
        let dead = |owner: &Owner| matches!(owner, Owner::Agent { slot: s, .. } if *s == slot);
        let found = self.conns.values().rev();
        let found = found.filter(|c| c.life == Life::Finished && dead(&c.owner));
        let conn = found.map(|c| c.owner).next();
        let process = self.slots[slot].process();
        if let Some(Owner::Agent { conn, process: p, .. }) = conn
            && Some(p) == process
        {
            let input = match self.rng.below(4) {
                0 => agent::Input::Quiet { conn },
                1 => agent::Input::Ended { conn },
                2 => agent::Input::Wrote { conn, bytes: 5 },
                _ => agent::Input::Closed { conn, detail: "twice".into() },
            };
            self.feed_agent(slot, input);
        }
        let Some(site) = self.any_site() else { return };
        let link = LinkId(1 << 40);
        let input = match self.rng.below(3) {
            0 => Input::TimePassed,
            1 => Input::LinkClosed { link, detail: "twice".into() },
            _ => Input::LinkMessage { link, message: Some("late".into()) },
        };
        self.feed(site, input);
    }

    /// Faults are over: what is asked for from here on works.
    pub(super) fn become_calm(&mut self) {
        self.note(|_| "  calm".into());
        self.calm = true;
        self.db.max_connections = 1_000;
        self.repair();
        self.heal();
        for slot in 0..self.slots.len() {
            self.after(0, Event::Start(slot));
        }
    }

    /// What hangs breaks. Whoever waited for it has been helped by a deadline; what nobody used
    /// would be found out only by its next user.
    pub(super) fn cut_hung(&mut self) {
        let hung = self.conns.iter().filter(|(_, c)| c.hung && c.life != Life::Finished);
        let hung: Vec<u64> = hung.map(|(id, _)| *id).collect();
        for id in hung {
            if let Some(conn) = self.conns.get_mut(&id) {
                conn.cut = true;
            }
            self.end_conn(id);
        }
        // What an evicted object noted is old: its links are good for one more surprise.
        let silent: Vec<u64> = self
            .links
            .iter()
            .filter(|(_, l)| l.silent || l.monitor.tainted)
            .map(|(id, _)| *id)
            .collect();
        for id in silent {
            self.cut_link(id);
        }
    }
}
