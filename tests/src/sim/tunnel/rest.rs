//! The course of a schedule: trouble, calm, a last question, sleep, a wake, and the end of what
//! nobody uses.

use pierhead_engine::ids::LinkId;
use pierhead_wire::envelope::Status;

use super::World;
use super::conn::{Life, Owner};
use super::link::Link;

/// How long after the faults everybody must have been answered: longer than every timeout of the
/// plan together.
const CALM_MS: u64 = 120_000;

/// How long it may take until agents are back and sessions are opened again.
const RECOVERY_MS: u64 = 120_000;

/// How long an idle pool is watched: longer than any doze, shorter than park times.
const WATCH_MS: u64 = 30_000;

/// How long an unused pool may live: longer than the longest idle time, and its end.
const UNUSED_MS: u64 = 700_000;

impl World {
    /// Runs the whole schedule.
    pub(super) fn live(&mut self) {
        self.pass(self.plan.horizon + CALM_MS);
        self.everybody_answered("after the faults");
        self.smooth();
        let first = self.invite_plain(0);
        let large = self.invite_large(1_000);
        let asked = [first, large, self.invite_plain(2_000), self.invite_plain(2_005)];
        self.pass(self.now + CALM_MS.min(60_000));
        self.everybody_answered("after the last question");
        for index in asked {
            self.check_served(index, "the pool does not work again");
        }
        self.check_credit();
        self.watch_idle();
        self.wake_warm();
        self.pass(self.now + UNUSED_MS);
        self.let_go();
        self.cover_end();
    }

    /// Lets everything happen that happens in this time; afterwards it is `end`.
    fn pass(&mut self, end: u64) {
        let housekeeping = self.plan.clients.is_multiple_of(2);
        while self.step(end, housekeeping) {}
        self.now = self.now.max(end);
    }

    /// From here on the network is quick and whole.
    fn smooth(&mut self) {
        if self.violation.is_some() {
            return;
        }
        self.cut_hung();
        self.pass(self.now + RECOVERY_MS);
        self.plan.delay = 0;
        self.plan.tcp_delay = 0;
        self.plan.open_delay = 0;
        self.plan.crumbs = 0;
        self.plan.late_accepts = 0;
    }

    fn everybody_answered(&mut self, when: &str) {
        if self.violation.is_some() {
            return;
        }
        if let Some(index) = self.guests.iter().position(|g| g.caller.is_open()) {
            let detail = format!("client {} has no answer {when}", index + 1);
            return self.broken("liveness", detail);
        }
        let busy = self.sites.iter().filter_map(|s| s.engine()).map(|e| e.status()).find(|s| {
            s.opening + s.leased + s.resetting + s.draining + s.ending + s.waiting + s.clients > 0
                || s.request_bytes + s.answer_bytes > 0
        });
        if let Some(status) = busy {
            return self.broken("liveness", format!("at rest {when}, and yet: {status:?}"));
        }
        self.judge_effects();
    }

    fn check_served(&mut self, index: usize, what: &str) {
        if self.violation.is_some() {
            return;
        }
        let outcome = self.guests[index].caller.outcome.clone();
        let served =
            outcome.as_ref().is_some_and(|o| matches!(o.status, Status::Completed | Status::Error));
        if !served {
            self.broken("liveness", format!("{what}: client {}: {outcome:?}", index + 1));
        }
    }

    /// Nothing is on its way, so all credit is where it belongs.
    fn check_credit(&mut self) {
        if self.violation.is_some() {
            return;
        }
        let whole = self.links.iter().filter(|(_, l)| l.is_whole() && !l.is_busy());
        let wrong = whole.filter_map(|(id, l)| {
            let (agent, object) = (&l.monitor.agent, &l.monitor.object);
            if agent.is_over() || object.is_over() || agent.copy.is_none() {
                return None;
            }
            let agreed = agent.may_send == object.may_come && object.may_send == agent.may_come;
            let full = agent.has_half() && object.has_half() && self.agent_credit(l);
            (!agreed || !full).then(|| format!("link {id}: {agent:?} {object:?}"))
        });
        if let Some(detail) = wrong.take(1).next() {
            self.broken("credit leak", detail);
        }
    }

    /// Nobody is served, so everything that agents may send has been granted or is about to be.
    pub(super) fn check_whole_credit(&mut self, site: usize) {
        let Some(engine) = self.sites[site].engine() else { return };
        let wrong = self.links.iter().filter(|(_, l)| l.site == site).find_map(|(id, _)| {
            let credit = engine.link_credit(LinkId(*id))?;
            (credit.left + credit.due != credit.window).then(|| format!("link {id}: {credit:?}"))
        });
        if let Some(detail) = wrong {
            self.broken("credit leak", detail);
        }
    }

    /// What the agent lets the coordinator send, with what it is about to grant, is its window.
    fn agent_credit(&self, link: &Link) -> bool {
        let Some(agent) = self.slots[link.slot].agent() else { return true };
        let status = agent.status();
        let Some(found) = status.links.iter().find(|s| s.link == link.no) else { return true };
        found.receive_credit + found.grant_due == self.plan.link_window
    }

    /// Nobody wants anything: objects sleep, and not a message flows.
    fn watch_idle(&mut self) {
        if self.violation.is_some() {
            return;
        }
        let before = self.messages;
        self.pass(self.now + WATCH_MS);
        if self.messages > before && !self.tells_ends() {
            let detail = format!("{} messages while nobody wants anything", self.messages - before);
            return self.broken("silence", detail);
        }
        if !self.only_links() {
            return;
        }
        for site in 0..self.sites.len() {
            self.check_whole_credit(site);
            let Some(engine) = self.sites[site].engine() else { continue };
            if let Some(deadline) = engine.poll_timeout().active {
                return self.broken("sleep", format!("{deadline:?} is set at rest"));
            }
            if self.plan.doze.iter().all(|ms| *ms < WATCH_MS) {
                let detail = format!("object {site} does not sleep: {:?}", engine.status());
                return self.broken("sleep", detail);
            }
        }
    }

    /// Whether sessions reach the end of a short time while the idle pool is watched.
    fn tells_ends(&self) -> bool {
        let settings = &self.plan.settings;
        settings.idle_timeout.0 < 2 * WATCH_MS || settings.max_lifetime.0 < CALM_MS + RECOVERY_MS
    }

    fn parked(&self) -> usize {
        let agents = self.slots.iter().filter_map(|slot| slot.agent());
        agents.flat_map(|agent| agent.status().databases).map(|d| d.parked).sum()
    }

    fn backends(&self) -> u64 {
        self.db.seen.logins
    }

    /// A question to a sleeping object is answered by a session that was parked.
    fn wake_warm(&mut self) {
        if self.violation.is_some() {
            return;
        }
        let (warm, logins) = (self.parked(), self.backends());
        let asleep = self.sites.iter().all(|s| s.life().is_none());
        let asked = self.invite_plain(0);
        self.pass(self.now + 5_000);
        self.check_served(asked, "a question after sleep");
        if warm == 0 || !asleep {
            return;
        }
        if self.backends() > logins {
            let detail = format!("a new session after sleep, with {warm} parked");
            return self.broken("warm", detail);
        }
        self.coverage.add("session: outlived sleep");
    }

    /// What nobody uses ends.
    fn let_go(&mut self) {
        if self.violation.is_some() || !self.only_links() {
            return;
        }
        let open = self.conns.values().filter(|c| c.life != Life::Finished).count();
        if open > 0 || self.db.connections > 0 {
            let detail = format!(
                "{open} connections and {} backends are left, long after the end",
                self.db.connections
            );
            self.broken("sleep", detail);
        }
    }

    fn cover_end(&mut self) {
        let seen = self.db.seen;
        self.coverage.add_many("server: login", seen.logins);
        self.coverage.add_many("server: refused (53300)", seen.refused_full);
        self.coverage.add_many("server: discard", seen.discards);
        let links = self.links.len() as u64;
        self.coverage.add_many("link: all", links);
        self.coverage.add_many("link: messages", self.messages);
        let agents = self.conns.values().filter(|c| matches!(c.owner, Owner::Agent { .. }));
        let count = agents.count() as u64;
        self.coverage.add_many("conn: of agents", count);
    }
}
