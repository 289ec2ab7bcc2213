//! Keeping links: when to dial, and when to dial again.

use std::collections::VecDeque;

use pierhead_wire::time::Millis;

use super::Agent;
use super::cancel::CancelNo;
use super::io::{DatabaseNo, Level, LinkNo, Output};
use super::limits::{CONNECTIONS_MAX, DENIED_RETRY, LINKS_MAX, RETRY_AFTER_MAX};
use super::link::Link;
use super::settings::DatabaseSettings;
use super::shutdown::Phase;
use super::status::Totals;
use super::timers::Timer;
use super::window::Window;

/// One database: its links, its count, its cancels.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) cap: u16,
    /// Connections that the database has not ended.
    pub(super) counted: usize,
    pub(super) slots: Vec<Slot>,
    /// Links that ended, and that no welcomed hello has replaced yet.
    pub(super) ended: VecDeque<u32>,
    pub(super) cancels_queued: VecDeque<CancelNo>,
    pub(super) cancels_flying: usize,
    pub(super) totals: Totals,
}

/// A place for a link.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) link: Option<LinkNo>,
    /// Attempts since a link was steady.
    attempts: u32,
}

/// Why a link is gone, for the time of the next attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Loss {
    /// It had been welcome for long enough: dial at once.
    Steady,
    /// It never was, or not for long: back off.
    Failed,
    /// The coordinator is a stale copy: back off, even the first time.
    Stale,
    /// Only a change of configuration helps.
    Denied,
    /// The coordinator's own advice.
    Advised(Millis),
}

impl Database {
    pub(super) fn new(settings: &DatabaseSettings) -> Self {
        let links = settings.links.clamp(1, LINKS_MAX);
        Self {
            cap: settings.cap.min(CONNECTIONS_MAX),
            counted: 0,
            slots: (0..links).map(|_| Slot::default()).collect(),
            ended: VecDeque::new(),
            cancels_queued: VecDeque::new(),
            cancels_flying: 0,
            totals: Totals::default(),
        }
    }
}

impl Agent {
    pub(super) fn dial_all(&mut self) {
        for database in 0..self.databases.len() {
            let slots = self.databases.get(database).map_or(0, |database| database.slots.len());
            for slot in 0..slots {
                self.dial(DatabaseNo(database), slot);
            }
        }
    }

    pub(super) fn dial(&mut self, database: DatabaseNo, slot: usize) {
        if self.phase != Phase::Running {
            return;
        }
        // Sixteen dials a second, for eight years: a number is never used twice.
        let Some(no) = self.last_link.checked_add(1) else { return };
        let window = Window::new(self.settings.link_window);
        let now = self.now;
        let Some(place) = self.database_mut(database).and_then(|known| known.slots.get_mut(slot))
        else {
            return;
        };
        if place.link.is_some() {
            return;
        }
        let link = LinkNo(no);
        place.link = Some(link);
        place.attempts = place.attempts.saturating_add(1);
        self.last_link = no;
        self.links.insert(link, Link::new(link, database, slot, window, now));
        self.emit(Output::Dial { link, database });
    }

    /// Plans the next attempt of a link's slot.
    pub(super) fn redial(&mut self, link: &Link, loss: Loss) {
        if self.phase != Phase::Running {
            return;
        }
        let Some(place) = self
            .databases
            .get_mut(link.database.0)
            .and_then(|known| known.slots.get_mut(link.slot))
        else {
            return;
        };
        place.link = None;
        if loss == Loss::Steady {
            place.attempts = 0;
        }
        let attempts = place.attempts;
        let delay = self.delay(attempts, loss);
        self.timers.set(Timer::Dial(link.database, link.slot), self.now + delay);
        if delay > Millis(0) {
            let text = format!("dials again in {:.1} s", seconds(delay));
            self.log(Level::Info, None, Some(link.database), text);
        }
    }

    /// Full jitter: a random part of a bound that doubles with each attempt.
    fn delay(&mut self, attempts: u32, loss: Loss) -> Millis {
        let (first, last) = self.settings.reconnect;
        let doubled = first.0.saturating_mul(1 << attempts.saturating_sub(1).min(20));
        let bound = doubled.min(last.0.max(first.0));
        match loss {
            Loss::Steady => Millis(0),
            Loss::Failed => Millis(self.rng.up_to(bound)),
            Loss::Stale => Millis(first.0.saturating_add(self.rng.up_to(bound))),
            Loss::Denied => Millis(DENIED_RETRY.0 / 2 + self.rng.up_to(DENIED_RETRY.0 / 2)),
            Loss::Advised(advice) => {
                let least = advice.min(RETRY_AFTER_MAX);
                Millis(least.0.saturating_add(self.rng.up_to(bound)))
            }
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "printed with one digit")]
fn seconds(span: Millis) -> f64 {
    span.0 as f64 / 1000.0
}
