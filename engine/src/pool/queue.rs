//! Who is served next. Within a class, whoever came first. Between classes, deficit round robin,
//! in session time.
//!
//! The classes that wait stand in a ring. At its turn a class gets [`QUANTUM`] on its account, and
//! is served while the account is positive. A grant is charged 1 ms at once and the rest of its
//! lease's time at the end, when it is known; so an account may fall below zero, and its class lets
//! turns pass, with a quantum each, until it is above. A lease is charged 1 ms at least and
//! [`LEASE_CHARGE_MAX`] at most. A class that holds as many sessions as it may is passed over and
//! gets nothing.
//!
//! **The bound.** Let two classes wait without a pause from a moment at which their accounts are
//! even, and neither be held back by its cap. Then the leases granted to one since that moment
//! are charged at most `2 × QUANTUM + leases × LONGEST` more than those of the other, where
//! `leases` is how many the class may hold at once and `LONGEST` the longest charge among its
//! leases. For of the quanta neither gets more than one ahead of the other; the one is granted
//! nothing once the charges have used its quanta up, and what is not charged by then are the
//! leases it holds; the other leaves at most a quantum unused, or it would be served.
//!
//! **A single waiter** that comes to a class without debts is served after at most [`QUANTUM`]'s
//! number of grants to each other class.
//!
//! An account's debt stays when its class stops waiting, so that leaving the queue pays nobody's
//! debt; a credit is lost, unless leases still run that will be charged. When nobody waits at all,
//! sessions are not short, and all accounts are forgotten: who used an idle pool is not punished.
use crate::ids::ClientId;
use crate::limits::{LEASE_CHARGE_MAX, QUANTUM};
use crate::pool::classes::ClassId;
use crate::pool::ordered::Ordered;
use crate::time::Millis;

/// Those who wait for a session.
#[derive(Debug)]
pub(crate) struct Queue {
    /// By number; as many as have ever waited or held something.
    classes: Vec<Share>,
    /// The classes that wait.
    ring: Vec<ClassId>,
    /// Whose turn it is: an index of the ring.
    turn: usize,
    /// The class whose turn it is has had its quantum.
    begun: bool,
    /// The place in its class of each client that waits.
    places: Ordered,
    /// Given to the last one that came.
    last_place: u64,
    /// Counts the times at which the queue began to fill; accounts of earlier times are void.
    period: u64,
    /// Sessions that a class may hold at once; 0 for as many as there are.
    class_size: usize,
    /// Whoever waits alone is in here and nowhere else: most are served before another comes.
    sole: Option<Sole>,
}

/// The only one who waits.
#[derive(Clone, Copy, Debug)]
struct Sole {
    class: ClassId,
    client: ClientId,
    place: u64,
}

/// One class's part of the queue.
#[derive(Debug, Default)]
struct Share {
    /// Who waits, by place.
    waiting: Ordered,
    /// Sessions held.
    held: usize,
    /// In milliseconds; valid in its period only.
    balance: i64,
    period: u64,
}

/// Who is next, and how it comes to that.
struct Choice {
    /// An index of the ring.
    at: usize,
    /// Turns from the one that is due to this one, counting from 0.
    steps: usize,
    /// How often the ring comes round, the last time included; 0 if the turn goes on.
    rounds: i64,
}

/// Places of those who came; below them are the places of those who were put back.
const FIRST_PLACE: u64 = 1 << 63;

const QUANTUM_MS: i64 = QUANTUM.0.cast_signed();

impl Queue {
    /// An empty queue; `class_size` sessions at most for one class, or 0 for no such cap.
    pub(crate) fn new(class_size: usize) -> Self {
        Self {
            classes: Vec::new(),
            ring: Vec::new(),
            turn: 0,
            begun: false,
            places: Ordered::default(),
            last_place: FIRST_PLACE,
            period: 0,
            class_size,
            sole: None,
        }
    }

    /// A client joins the end of its class. One that waits already keeps its place.
    pub(crate) fn push(&mut self, class: ClassId, client: ClientId) {
        let place = self.next_place();
        self.insert(class, client, place);
    }

    /// A client that was granted a session and sent nothing waits again. Whoever was granted one
    /// came before all who still wait, so it stands before these; among those put back, the one
    /// with the lower number comes first.
    pub(crate) fn put_back(&mut self, class: ClassId, client: ClientId) {
        let place = if client.0 < FIRST_PLACE { client.0 } else { self.next_place() };
        self.insert(class, client, place);
    }

    /// A client waits no longer. False if it did not wait in this class.
    pub(crate) fn remove(&mut self, class: ClassId, client: ClientId) -> bool {
        if let Some(sole) = self.sole {
            let found = sole.client == client && sole.class.index() == class.index();
            if found {
                self.sole = None;
            }
            return found;
        }
        let Some(place) = self.places.get(client.0) else { return false };
        let Some(share) = self.classes.get_mut(class.index()) else { return false };
        if share.waiting.remove(place).is_none() {
            return false;
        }
        if share.waiting.len() == 0 {
            self.leave_ring(class);
        }
        self.places.remove(client.0).is_some()
    }

    /// Takes out who is next. Nobody is, if nobody waits or every class that does holds as many
    /// sessions as it may.
    pub(crate) fn pop(&mut self) -> Option<(ClassId, ClientId)> {
        if self.sole.is_some() {
            return self.pop_sole();
        }
        let choice = self.choose()?;
        let (class, client) = self.front(&choice)?;
        self.settle(&choice);
        self.remove(class, client);
        Some((class, client))
    }

    /// Who is next, left where it is.
    pub(crate) fn peek(&self) -> Option<(ClassId, ClientId)> {
        if let Some(Sole { class, client, .. }) = self.sole {
            return self.may_hold_more(class).then_some((class, client));
        }
        if self.ring.is_empty() {
            return None;
        }
        self.front(&self.choose()?)
    }

    /// A lease begins. It counts towards the cap of its class.
    pub(crate) fn granted(&mut self, class: ClassId) {
        let Some(share) = self.share(class) else { return };
        share.held += 1;
        share.balance = share.balance.saturating_sub(1);
    }

    /// A lease that took this long ends.
    pub(crate) fn released(&mut self, class: ClassId, took: Millis) {
        let took = if planted!(LeasesForNothing) { Millis(1) } else { took };
        let charge = took.0.clamp(1, LEASE_CHARGE_MAX.0).cast_signed();
        let Some(share) = self.share(class) else { return };
        share.held = share.held.saturating_sub(1);
        share.balance = share.balance.saturating_sub(charge - 1);
    }

    /// The number of a class was given to another name.
    pub(crate) fn forget_account(&mut self, class: ClassId) {
        if let Some(share) = self.share(class) {
            share.balance = 0;
        }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.places.len() + usize::from(self.sole.is_some())
    }

    /// True if nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many of a class wait.
    #[cfg(test)]
    pub(crate) fn len_of(&self, class: ClassId) -> usize {
        let sole = self.sole.is_some_and(|sole| sole.class.index() == class.index());
        let share = self.classes.get(class.index());
        share.map_or(0, |share| share.waiting.len()) + usize::from(sole)
    }

    /// How many sessions a class holds.
    #[cfg(any(test, debug_assertions))]
    pub(crate) fn held_by(&self, class: ClassId) -> usize {
        self.classes.get(class.index()).map_or(0, |share| share.held)
    }

    /// All who wait: class by class, in the order of their numbers, each in its own order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ClassId, ClientId)> + '_ {
        let all = (0..).zip(&self.classes).flat_map(|(number, share)| {
            share.waiting.iter().map(move |client| (ClassId(number), ClientId(client)))
        });
        self.sole.iter().map(|sole| (sole.class, sole.client)).chain(all)
    }

    fn insert(&mut self, class: ClassId, client: ClientId, place: u64) {
        if self.is_empty() {
            self.period += 1;
            self.sole = Some(Sole { class, client, place });
            return;
        }
        if let Some(sole) = self.sole.take() {
            self.join(sole.class, sole.client, sole.place);
        }
        self.join(class, client, place);
    }

    fn join(&mut self, class: ClassId, client: ClientId, place: u64) {
        if !self.places.insert(client.0, place) {
            return;
        }
        let Some(share) = self.share(class) else { return };
        let joins = share.waiting.len() == 0;
        share.waiting.insert(place, client.0);
        if joins {
            if share.held == 0 {
                share.balance = share.balance.min(0);
            }
            self.join_ring(class);
        }
    }

    /// Whoever waits alone is served if its class may: it is given the quanta of the rounds up to its
    /// turn, as it would be in a ring of one.
    fn pop_sole(&mut self) -> Option<(ClassId, ClientId)> {
        let Sole { class, client, .. } = self.sole?;
        if !self.may_hold_more(class) {
            return None;
        }
        let share = self.share(class)?;
        if share.balance <= 0 {
            share.balance += rounds_to_credit(share.balance) * QUANTUM_MS;
        }
        self.sole = None;
        Some((class, client))
    }

    /// Puts whoever waits alone where the others are put.
    #[cfg(test)]
    fn spread(&mut self) {
        if let Some(sole) = self.sole.take() {
            self.join(sole.class, sole.client, sole.place);
        }
    }

    fn may_hold_more(&self, class: ClassId) -> bool {
        let held = || self.classes.get(class.index()).map_or(0, |share| share.held);
        self.class_size == 0 || held() < self.class_size
    }

    /// The part of a class, its account made valid.
    fn share(&mut self, class: ClassId) -> Option<&mut Share> {
        let index = class.index();
        if self.classes.len() <= index {
            self.classes.resize_with(index + 1, Share::default);
        }
        let period = self.period;
        let share = self.classes.get_mut(index)?;
        if share.period != period {
            share.period = period;
            share.balance = 0;
        }
        Some(share)
    }

    fn next_place(&mut self) -> u64 {
        self.last_place += 1;
        self.last_place
    }
}

/// How often the ring comes round until an account without credit has some.
fn rounds_to_credit(balance: i64) -> i64 {
    1 - balance / QUANTUM_MS
}

/// The ring.
impl Queue {
    /// A class begins to wait: its turn comes after everybody's.
    fn join_ring(&mut self, class: ClassId) {
        self.ring.insert(self.turn.min(self.ring.len()), class);
        self.turn = if self.ring.len() == 1 { 0 } else { self.turn + 1 };
    }

    fn leave_ring(&mut self, class: ClassId) {
        let Some(at) = self.ring.iter().position(|&other| other.index() == class.index()) else {
            return;
        };
        self.ring.remove(at);
        if at < self.turn {
            self.turn -= 1;
        } else if at == self.turn {
            self.begun = false;
        }
        if self.turn >= self.ring.len() {
            self.turn = 0;
        }
    }

    /// Whose turn comes, without a quantum being given: the class that becomes positive in the
    /// fewest rounds, and of several the one whose turn comes first.
    fn choose(&self) -> Option<Choice> {
        if self.begun && self.open_account(self.turn).is_some_and(|balance| balance > 0) {
            return Some(Choice { at: self.turn, steps: 0, rounds: 0 });
        }
        let mut best: Option<Choice> = None;
        for steps in 0..self.ring.len() {
            let at = self.turn_after(steps);
            let Some(balance) = self.open_account(at) else { continue };
            let rounds = if balance > 0 { 1 } else { rounds_to_credit(balance) };
            if best.as_ref().is_none_or(|best| rounds < best.rounds) {
                best = Some(Choice { at, steps, rounds });
            }
            if rounds == 1 {
                break;
            }
        }
        best
    }

    /// Gives everybody the quanta of the turns that lead to this choice.
    fn settle(&mut self, choice: &Choice) {
        if choice.rounds == 0 {
            return;
        }
        let reached = if choice.rounds == 1 { choice.steps + 1 } else { self.ring.len() };
        for step in 0..reached {
            let at = self.turn_after(step);
            let turns = if step <= choice.steps { choice.rounds } else { choice.rounds - 1 };
            if self.open_account(at).is_some_and(|balance| balance <= 0)
                && let Some(&class) = self.ring.get(at)
                && let Some(share) = self.share(class)
            {
                share.balance += turns * QUANTUM_MS;
            }
        }
        self.turn = choice.at;
        self.begun = true;
    }

    /// The index of the turn that comes `step` after the one that is due.
    fn turn_after(&self, step: usize) -> usize {
        let at = self.turn + usize::from(self.begun) + step;
        if at < self.ring.len() { at } else { at.saturating_sub(self.ring.len()) }
    }

    /// The account of a class in the ring, unless it holds as many sessions as it may.
    fn open_account(&self, at: usize) -> Option<i64> {
        let share = self.classes.get(self.ring.get(at)?.index())?;
        (self.class_size == 0 || share.held < self.class_size).then_some(share.balance)
    }

    fn front(&self, choice: &Choice) -> Option<(ClassId, ClientId)> {
        let &class = self.ring.get(choice.at)?;
        let waiting = &self.classes.get(class.index())?.waiting;
        if planted!(YoungestFirst) {
            return Some((class, ClientId(waiting.iter().last()?)));
        }
        let (_, client) = waiting.first()?;
        Some((class, ClientId(client)))
    }
}

#[cfg(test)]
mod tests;
