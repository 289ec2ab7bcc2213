//! Objects: one life after the other at each site, with sleep between them or without.

use pierhead_engine::Engine;
use pierhead_engine::ids::LinkId;
use pierhead_engine::io::Input;
use pierhead_engine::settings::{Settings, Way};
use pierhead_engine::time::Instant;

use super::World;
use super::conn::{Life, Owner};
use super::describe;
use super::events::Event;
use super::link::End;
use crate::sim::ground::Alarms;
use crate::sim::kinds::input_kind;

/// Wakes in a row after which a deadline may still be due.
const FUTILE_MAX: u32 = 2;

/// Where an object lives.
pub(super) struct Site {
    awake: Option<Awake>,
    /// What a life that begins is configured with.
    pub(super) settings: Settings,
    /// Which storage it uses.
    pub(super) storage: usize,
    /// The platform took its storage away: the next write fails.
    pub(super) stale: bool,
    /// Clients and dials come here.
    pub(super) routed: bool,
    /// It is no more.
    pub(super) ended: bool,
    /// Things that happened to it.
    inputs: u64,
    /// It slept since the last life.
    slept: bool,
}

struct Awake {
    engine: Engine,
    life: u64,
    alarms: Alarms,
    futile: u32,
    database: String,
}

impl Site {
    /// A site without an object.
    #[must_use]
    pub(super) fn new(storage: usize, settings: Settings) -> Self {
        Self {
            awake: None,
            settings,
            storage,
            stale: false,
            routed: true,
            ended: false,
            inputs: 0,
            slept: false,
        }
    }

    /// The life that is in memory.
    #[must_use]
    pub(super) fn life(&self) -> Option<u64> {
        self.awake.as_ref().map(|awake| awake.life)
    }

    /// The engine in memory.
    #[must_use]
    pub(super) fn engine(&self) -> Option<&Engine> {
        self.awake.as_ref().map(|awake| &awake.engine)
    }

    /// The database that the life in memory logs in to.
    #[must_use]
    pub(super) fn database(&self) -> Option<&str> {
        self.awake.as_ref().map(|awake| awake.database.as_str())
    }

    /// When the shell wakes it.
    #[must_use]
    pub(super) fn rings(&self, housekeeping: bool) -> Option<u64> {
        self.awake.as_ref()?.alarms.next(housekeeping)
    }
}

impl World {
    /// Where a client or a dial arrives.
    pub(super) fn pick_site(&mut self) -> usize {
        let routed: Vec<usize> =
            self.sites.iter().enumerate().filter(|(_, s)| s.routed).map(|(i, _)| i).collect();
        self.rng.pick(&routed)
    }

    /// Sees to it that there is an object: a new life finds the WebSockets of the one before.
    pub(super) fn wake_site(&mut self, site: usize) {
        if self.sites[site].awake.is_some() || self.violation.is_some() {
            return;
        }
        let life = self.number();
        let settings = self.sites[site].settings.clone();
        let database = settings.database.clone();
        let engine = Engine::new(Instant(self.now), settings, self.rng.bytes());
        let alarms = Alarms::default();
        self.sites[site].awake = Some(Awake { engine, life, alarms, futile: 0, database });
        self.note(|_| format!("object {site} begins life {life}"));
        if std::mem::take(&mut self.sites[site].slept) {
            self.coverage.add("object: woke");
        }
        let found = self.links.iter().filter(|(_, l)| l.site == site && l.object == End::Open);
        let found: Vec<u64> = found.map(|(id, _)| *id).collect();
        for id in found {
            let Some(link) = self.links.get_mut(&id) else { continue };
            if link.known.is_some() {
                continue;
            }
            link.known = Some(life);
            let attachment = link.attachment.clone();
            link.monitor.restored(self.now);
            self.coverage.add("link: restored");
            self.feed(site, Input::LinkRestored { link: LinkId(id), attachment });
        }
    }

    /// Feeds an object one input and does everything it says.
    pub(super) fn feed(&mut self, site: usize, input: Input) {
        if self.violation.is_some() {
            return;
        }
        self.wake_site(site);
        self.coverage.add(input_kind(&input));
        if self.trace.is_wanted() {
            let line = describe::object_input(&input);
            self.note(|_| format!("object {site} > {line}"));
        }
        let now = Instant(self.now);
        let Some(awake) = self.sites[site].awake.as_mut() else { return };
        awake.engine.handle(now, input);
        self.sites[site].inputs += 1;
        self.drain_object(site);
        self.set_alarms(site);
        self.think_of_sleep(site);
    }

    fn drain_object(&mut self, site: usize) {
        let life = self.sites[site].life();
        while let Some(awake) = self.sites[site].awake.as_mut() {
            let Some(output) = awake.engine.poll_output() else { break };
            if self.trace.is_wanted() {
                let line = describe::object_output(&output);
                self.note(|_| format!("object {site} <   {line}"));
            }
            self.obey(site, output);
            if self.violation.is_some() || self.sites[site].life() != life {
                return;
            }
        }
        self.check_status(site);
        self.check_here(site);
    }

    /// Arms what a shell would: a timer for the active deadline, an alarm for the other one.
    fn set_alarms(&mut self, site: usize) {
        let Some(awake) = self.sites[site].awake.as_mut() else { return };
        awake.alarms.set(awake.engine.poll_timeout(), self.now, &mut self.rng);
    }

    /// An object's deadline is due.
    pub(super) fn ring_site(&mut self, site: usize) {
        let Some(awake) = self.sites[site].awake.as_mut() else { return };
        awake.alarms = Alarms::default();
        self.feed(site, Input::TimePassed);
        let now = self.now;
        let Some(awake) = self.sites[site].awake.as_mut() else { return };
        let due = awake.engine.poll_timeout().active.filter(|deadline| deadline.at.0 <= now);
        match due {
            Some(deadline) if awake.futile >= FUTILE_MAX => {
                self.broken("livelock", format!("{deadline:?} stays due after it was served"));
            }
            Some(_) => awake.futile += 1,
            None => awake.futile = 0,
        }
    }

    /// Whether the platform may let the object sleep: nothing is pending, nobody is served.
    pub(super) fn is_idle(&self, site: usize) -> bool {
        let Some(awake) = &self.sites[site].awake else { return false };
        let life = awake.life;
        let busy = self.guests.iter().any(|g| g.life == Some(life) && g.holds_object());
        let outward = self.conns.values().any(|c| {
            matches!(c.owner, Owner::Direct { site: s, .. } if s == site)
                && c.life != Life::Finished
        });
        let closing = self.links.values().any(|l| l.site == site && l.object == End::Closing);
        awake.engine.poll_timeout().active.is_none() && !busy && !outward && !closing
    }

    fn think_of_sleep(&mut self, site: usize) {
        if self.is_idle(site) {
            let wait = self.rng.pick(&self.plan.doze);
            let inputs = self.sites[site].inputs;
            self.after(wait, Event::Doze(site, inputs));
        }
    }

    pub(super) fn doze(&mut self, site: usize, inputs: u64) {
        if self.sites[site].inputs == inputs && self.is_idle(site) {
            let mut mine =
                self.links.iter().filter(|(_, l)| l.site == site && l.object == End::Open);
            if let Some((id, _)) = mine.find(|(_, l)| l.monitor.is_unfinished()) {
                let detail = format!("object {site} sleeps while link {id} is not settled");
                return self.broken("sleep", detail);
            }
            self.check_whole_credit(site);
            self.coverage.add("object: hibernated");
            self.sleep(site);
        }
    }

    /// The object's memory goes, its WebSockets stay.
    pub(super) fn sleep(&mut self, site: usize) {
        if self.sites[site].awake.is_none() {
            return;
        }
        self.note(|_| format!("  object {site} sleeps"));
        self.end_life(site);
        self.sites[site].slept = true;
        for link in self.links.values_mut().filter(|l| l.site == site) {
            link.known = None;
        }
    }

    /// The same in the middle of whatever it does: what it noted may be old.
    pub(super) fn evict(&mut self, site: usize) {
        if self.sites[site].awake.is_none() {
            return;
        }
        self.coverage.add("object: evicted");
        for link in self.links.values_mut().filter(|l| l.site == site) {
            link.monitor.tainted = true;
        }
        self.sleep(site);
    }

    /// The object is gone, with its WebSockets.
    pub(super) fn crash(&mut self, site: usize) {
        self.note(|_| format!("  object {site} is aborted"));
        self.end_life(site);
        self.object_died(site);
    }

    fn end_life(&mut self, site: usize) {
        let Some(awake) = self.sites[site].awake.take() else { return };
        let life = awake.life;
        for guest in self.guests.iter_mut().filter(|g| g.life == Some(life)) {
            guest.lose();
        }
        self.orphan_conns(|owner| matches!(owner, Owner::Direct { life: l, .. } if l == life));
        self.leave_statements(life);
        if self.rng.chance(self.plan.reconfigured) && !self.calm {
            self.reconfigure(site);
        }
    }

    /// The next life is configured otherwise.
    pub(super) fn reconfigure(&mut self, site: usize) {
        self.coverage.add("object: other configuration");
        let database = &mut self.sites[site].settings.database;
        *database = if database == "sim" { "sim2".into() } else { "sim".into() };
    }

    /// Storage answers the life that asked it to count on.
    pub(super) fn stored(&mut self, site: usize, life: u64) {
        let storage = self.sites[site].storage;
        let alive = self.sites[site].life() == Some(life);
        if self.sites[site].stale {
            if alive {
                self.coverage.add("object: stale copy aborts itself");
                self.crash(site);
            }
            return;
        }
        if !alive && self.rng.chance(50) {
            return;
        }
        self.storages[storage] += 1;
        let epoch = self.storages[storage];
        if alive {
            self.feed(site, Input::EpochRaised { epoch });
        }
    }

    /// Whether only links lead from here to the database.
    pub(super) fn only_links(&self) -> bool {
        self.plan.settings.ways == [Way::Agent]
    }
}
