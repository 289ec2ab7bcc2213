//! Who is served when, counted from outside: who asked, whose bytes went to a session, when its answer
//! was whole. Within a class, whoever asked first; between classes, the bound that the engine's queue
//! promises (`engine/src/pool/queue.rs`).

use std::collections::BTreeMap;

use pierhead_engine::limits::{LEASE_CHARGE_MAX, QUANTUM};

use super::World;
use crate::sim::coverage::Coverage;

/// Who waits and who holds a session, as clients and the database see it.
#[derive(Debug)]
pub(super) struct Fair {
    /// Sessions that a class may hold at once.
    leases: usize,
    /// Clients by number, in the order in which they asked.
    waiting: Vec<(u64, &'static str)>,
    holding: BTreeMap<u64, Hold>,
    /// Whose request was written to a stream last.
    streams: BTreeMap<u64, u64>,
    classes: BTreeMap<&'static str, Share>,
    /// Two classes that wait, from the moment at which both did: whether the first is served more
    /// than it may.
    pairs: BTreeMap<[&'static str; 2], Pair>,
    /// The only ones of a class without debts: grants to other classes since they came.
    singles: BTreeMap<u64, BTreeMap<&'static str, u64>>,
    grants: u64,
    capped: bool,
}

#[derive(Clone, Copy, Debug)]
struct Hold {
    class: &'static str,
    since: u64,
    /// The number of its grant.
    grant: u64,
}

#[derive(Clone, Copy, Default, Debug)]
struct Share {
    waiting: usize,
    held: usize,
    /// Milliseconds charged since anybody has been waiting.
    spent: u64,
    /// The longest charge ever.
    longest: u64,
}

#[derive(Clone, Copy, Debug)]
struct Pair {
    /// Grants from this one on count.
    from: u64,
    /// Neither had spent anything.
    even: bool,
    /// Milliseconds charged to each for those grants.
    spent: [u64; 2],
    /// The longest of them, of the first class.
    longest: u64,
}

impl Fair {
    pub(super) fn new(pool_size: usize, class_size: usize) -> Self {
        let capped = class_size > 0;
        Self {
            leases: if capped { class_size.min(pool_size) } else { pool_size },
            waiting: Vec::new(),
            holding: BTreeMap::new(),
            streams: BTreeMap::new(),
            classes: BTreeMap::new(),
            pairs: BTreeMap::new(),
            singles: BTreeMap::new(),
            grants: 0,
            capped,
        }
    }

    /// A client wants a session, unless it has one.
    fn asks(&mut self, number: u64, class: &'static str, coverage: &mut Coverage) {
        let waits = self.waiting.iter().any(|(other, _)| *other == number);
        if waits || self.holding.contains_key(&number) {
            return;
        }
        if self.waiting.is_empty() {
            self.classes.values_mut().for_each(|share| share.spent = 0);
        }
        self.waiting.push((number, class));
        let share = self.classes.entry(class).or_default();
        if share.waiting == 0 && share.held == 0 && share.spent == 0 {
            self.singles.insert(number, BTreeMap::new());
        }
        share.waiting += 1;
        self.pair_up(coverage);
    }

    /// Its request goes to a session, or it is asked whether it still wants that.
    fn granted(&mut self, number: u64, now: u64, coverage: &mut Coverage) -> Result<(), String> {
        let Some(at) = self.waiting.iter().position(|(other, _)| *other == number) else {
            let holds = self.holding.contains_key(&number);
            return if holds { Ok(()) } else { Err(format!("client {number} did not ask")) };
        };
        let (_, class) = self.waiting[at];
        if let Some((first, _)) = self.waiting[..at].iter().find(|(_, other)| *other == class) {
            let detail = format!("client {number} of {class:?} is served before client {first}");
            return Err(detail);
        }
        self.waiting.remove(at);
        coverage.add(if at == 0 { "crowd: in order" } else { "crowd: before another class" });
        if self.singles.remove(&number).is_some() && !self.waiting.is_empty() {
            coverage.add("crowd: a single waiter");
        }
        self.grants += 1;
        let hold = Hold { class, since: now, grant: self.grants };
        self.holding.insert(number, hold);
        let share = self.classes.entry(class).or_default();
        share.waiting -= 1;
        share.held += 1;
        for (waiter, grants) in &mut self.singles {
            let times = grants.entry(class).or_default();
            *times += 1;
            if *times > QUANTUM.0 {
                let detail = format!("client {waiter} saw {times} grants to {class:?}, alone");
                return Err(detail);
            }
        }
        self.charge(hold, 1)?;
        self.pair_up(coverage);
        Ok(())
    }

    /// It needs its session no longer.
    fn released(&mut self, number: u64, now: u64, coverage: &mut Coverage) -> Result<(), String> {
        let Some(hold) = self.holding.remove(&number) else { return Ok(()) };
        let took = (now - hold.since).clamp(1, LEASE_CHARGE_MAX.0);
        let share = self.classes.entry(hold.class).or_default();
        share.held -= 1;
        share.longest = share.longest.max(took);
        for ([class, _], pair) in &mut self.pairs {
            if *class == hold.class && hold.grant >= pair.from {
                pair.longest = pair.longest.max(took);
            }
        }
        self.charge(hold, took - 1)?;
        self.pair_up(coverage);
        Ok(())
    }

    /// It has gone without.
    fn leaves(&mut self, number: u64, coverage: &mut Coverage) {
        let Some(at) = self.waiting.iter().position(|(other, _)| *other == number) else { return };
        let (_, class) = self.waiting.remove(at);
        self.singles.remove(&number);
        self.classes.entry(class).or_default().waiting -= 1;
        self.pair_up(coverage);
    }

    fn charge(&mut self, hold: Hold, ms: u64) -> Result<(), String> {
        self.classes.entry(hold.class).or_default().spent += ms;
        for (classes, pair) in &mut self.pairs {
            let Some(side) = classes.iter().position(|class| *class == hold.class) else {
                continue;
            };
            if hold.grant < pair.from {
                continue;
            }
            pair.spent[side] += ms;
            let leases = self.leases as u64;
            let mut bound = 2 * QUANTUM.0 + leases * pair.longest.max(1);
            if !pair.even {
                // What the second owed when they met, and what the first had to spend.
                let owed = self.classes.get(classes[1]).map_or(0, |share| share.longest.max(1));
                bound += QUANTUM.0 + leases * owed;
            }
            let [more, less] = pair.spent;
            if more > less + bound {
                let [a, b] = classes;
                return Err(format!("{a:?} has had {more} ms, {b:?} {less}; at most {bound} more"));
            }
        }
        Ok(())
    }

    /// Classes that wait and may be served are compared from here on, the others no longer.
    fn pair_up(&mut self, coverage: &mut Coverage) {
        let open = |share: &Share| share.waiting > 0 && !(self.capped && share.held >= self.leases);
        let even = |share: &Share| share.spent == 0 && share.held == 0;
        for (a, first) in &self.classes {
            for (b, second) in &self.classes {
                if a == b {
                    continue;
                }
                if !(open(first) && open(second)) {
                    if let Some(pair) = self.pairs.remove(&[*a, *b])
                        && pair.spent.iter().all(|ms| *ms > 0)
                    {
                        coverage.add(if pair.even { "crowd: even" } else { "crowd: uneven" });
                    }
                    continue;
                }
                self.pairs.entry([*a, *b]).or_insert_with(|| Pair {
                    from: self.grants + 1,
                    even: even(first) && even(second),
                    spent: [0, 0],
                    longest: 0,
                });
            }
        }
    }
}

impl World {
    /// A client asks for a session, if it has none.
    pub(super) fn count_asked(&mut self, place: usize) {
        if let Some(fair) = &mut self.fair {
            let client = &self.plan.clients[place];
            fair.asks(client.number, client.class, &mut self.coverage);
        }
    }

    /// Something of this client goes to a session, by this stream if it is bytes.
    pub(super) fn count_granted(&mut self, number: u64, stream: Option<u64>) {
        let Some(fair) = &mut self.fair else { return };
        if let Some(stream) = stream {
            fair.streams.insert(stream, number);
        }
        if let Err(detail) = fair.granted(number, self.now, &mut self.coverage) {
            self.broken("fair", detail);
        }
    }

    /// The database has answered on this stream, and is at a ready point outside of a transaction.
    pub(super) fn count_released(&mut self, stream: u64) {
        let Some(number) = self.fair.as_mut().and_then(|fair| fair.streams.remove(&stream)) else {
            return;
        };
        self.count_left(number);
    }

    /// A client lets go of its session, or of its place among those who wait.
    pub(super) fn count_left(&mut self, number: u64) {
        let Some(fair) = &mut self.fair else { return };
        fair.leaves(number, &mut self.coverage);
        if let Err(detail) = fair.released(number, self.now, &mut self.coverage) {
            self.broken("fair", detail);
        }
    }
}
