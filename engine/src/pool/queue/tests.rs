use std::collections::{BTreeMap, VecDeque};

use super::*;
use crate::rng::Rng;

const A: ClassId = ClassId(1);
const B: ClassId = ClassId(2);
const C: ClassId = ClassId(3);

fn queue(waiting: &[(ClassId, u64)]) -> Queue {
    let mut queue = Queue::new(0);
    for &(class, client) in waiting {
        queue.push(class, ClientId(client));
    }
    queue
}

/// Serves the next client with a lease that is over at once.
fn serve(queue: &mut Queue, took: u64) -> Option<(ClassId, u64)> {
    let (class, client) = queue.pop()?;
    queue.granted(class);
    queue.released(class, Millis(took));
    Some((class, client.0))
}

fn clients(queue: &mut Queue) -> Vec<u64> {
    std::iter::from_fn(|| serve(queue, 3)).map(|(_, client)| client).collect()
}

#[test]
fn a_class_that_waits_alone_is_served_first_in_first_out() {
    let mut queue = queue(&[(A, 5), (A, 2), (A, 9), (A, 1)]);
    assert_eq!(queue.peek(), Some((A, ClientId(5))));
    assert_eq!(clients(&mut queue), [5, 2, 9, 1], "in the order of arrival, not of numbers");
    assert!(queue.is_empty() && queue.peek().is_none());
}

#[test]
fn whoever_is_put_back_stands_before_all_who_were_not_granted_yet() {
    let mut queue = queue(&[(A, 1), (A, 2), (A, 3), (A, 4)]);
    for _ in 0..3 {
        queue.pop();
    }
    queue.push(A, ClientId(5));
    queue.put_back(A, ClientId(3));
    queue.put_back(A, ClientId(1));
    assert_eq!(clients(&mut queue), [1, 3, 4, 5]);
}

#[test]
fn whoever_waits_already_keeps_its_place() {
    let mut queue = queue(&[(A, 1), (A, 2), (A, 1)]);
    queue.put_back(B, ClientId(2));
    assert_eq!(queue.iter().collect::<Vec<_>>(), [(A, ClientId(1)), (A, ClientId(2))]);
}

#[test]
fn whoever_leaves_is_not_served_and_only_its_own_class_lets_it_go() {
    let mut queue = queue(&[(A, 1), (A, 2), (B, 3)]);
    assert!(!queue.remove(B, ClientId(1)) && !queue.remove(C, ClientId(1)));
    assert!(queue.remove(A, ClientId(1)) && !queue.remove(A, ClientId(1)));
    assert!(queue.remove(B, ClientId(3)));
    assert_eq!((queue.len(), queue.len_of(A), queue.len_of(B)), (1, 1, 0));
    assert_eq!(clients(&mut queue), [2]);
}

#[test]
fn a_single_waiter_waits_for_at_most_a_quantum_of_grants_to_each_other_class() {
    let mut queue = Queue::new(0);
    for client in 0..1_000 {
        queue.push(A, ClientId(client));
        queue.push(C, ClientId(10_000 + client));
    }
    for before in 0..50 {
        // The single waiter comes at any point of the others' turns.
        for _ in 0..before {
            serve(&mut queue, 1);
        }
        queue.push(B, ClientId(100_000));
        let ahead = std::iter::from_fn(|| serve(&mut queue, 1)).take_while(|s| s.0 != B);
        let ahead: Vec<_> = ahead.map(|(class, _)| class).collect();
        for other in [A, C] {
            let grants = ahead.iter().filter(|&&class| class == other).count();
            assert!(grants as u64 <= QUANTUM.0, "{grants} grants to one class");
        }
        assert!(ahead.len() > 1, "it does not jump the queue either");
    }
}

#[test]
fn classes_share_time_and_not_grants() {
    let mut queue = Queue::new(0);
    for client in 0..1_000 {
        queue.push(A, ClientId(client));
        queue.push(B, ClientId(10_000 + client));
    }
    let mut grants = BTreeMap::new();
    for _ in 0..550 {
        let took = if queue.peek().unwrap().0 == A { 100 } else { 10 };
        *grants.entry(serve(&mut queue, took).unwrap().0).or_insert(0) += 1;
    }
    assert_eq!(grants, BTreeMap::from([(A, 50), (B, 500)]));
}

#[test]
fn a_class_at_its_cap_is_passed_over_until_it_gives_a_session_back() {
    let mut queue = Queue::new(2);
    for (class, client) in [(A, 1), (A, 2), (A, 3), (B, 4)] {
        queue.push(class, ClientId(client));
    }
    for expected in [1, 2, 4] {
        let (class, client) = queue.pop().unwrap();
        queue.granted(class);
        assert_eq!(client.0, expected);
    }
    assert_eq!((queue.pop(), queue.peek(), queue.len()), (None, None, 1));
    queue.released(A, Millis(1));
    assert_eq!(queue.pop(), Some((A, ClientId(3))));
}

#[test]
fn leaving_the_queue_pays_no_debt() {
    let mut queue = queue(&[(A, 1), (B, 2), (B, 3), (B, 4)]);
    assert_eq!(serve(&mut queue, 23), Some((A, 1)));
    queue.push(A, ClientId(5));
    assert_eq!(clients(&mut queue), [2, 3, 4, 5], "9 ms of the others are not yet 23");
}

#[test]
fn a_credit_does_not_grow_while_nobody_of_its_class_waits() {
    let mut queue = queue(&[(A, 1), (B, 2), (B, 3), (B, 4), (B, 5), (B, 6), (B, 7), (B, 8)]);
    assert_eq!(serve(&mut queue, 1), Some((A, 1)), "its turn began, and 4 ms are left of it");
    assert_eq!(serve(&mut queue, 1), Some((B, 2)));
    queue.push(A, ClientId(9));
    let order: Vec<_> = std::iter::from_fn(|| serve(&mut queue, 1)).map(|s| s.1).collect();
    assert_eq!(order, [3, 4, 5, 6, 9, 7, 8], "not before the turn of B is over");
    assert!(queue.share(A).unwrap().balance <= QUANTUM_MS);
}

#[test]
fn accounts_are_forgotten_when_nobody_waits() {
    let mut queue = queue(&[(A, 1)]);
    serve(&mut queue, 5_000);
    for (class, client) in [(A, 2), (B, 3)] {
        queue.push(class, ClientId(client));
    }
    assert_eq!(clients(&mut queue), [2, 3]);
}

#[test]
fn a_lease_of_a_day_is_charged_like_one_of_seconds() {
    let mut queue = queue(&[(C, 1)]);
    queue.granted(A);
    queue.released(A, Millis::secs(86_400));
    let charged = queue.share(A).unwrap().balance.unsigned_abs();
    assert_eq!(charged, LEASE_CHARGE_MAX.0);
}

#[test]
fn a_number_that_goes_to_another_name_comes_without_debts() {
    let mut queue = queue(&[(C, 1)]);
    queue.granted(A);
    queue.released(A, Millis(100));
    queue.forget_account(A);
    assert_eq!(queue.share(A).unwrap().balance, 0);
}

#[test]
fn a_thousand_classes_find_room_among_the_others() {
    let mut queue = Queue::new(0);
    for number in 0..1_000 {
        queue.push(ClassId(number), ClientId(u64::from(number)));
    }
    assert_eq!(clients(&mut queue).len(), 1_000);
    assert!(queue.classes.len() <= crate::pool::classes::Classes::NUMBERS);
}

/// The same rules, a turn at a time.
#[derive(Default)]
struct Plain {
    /// The class whose turn it is stands in front.
    ring: VecDeque<u32>,
    begun: bool,
    waiting: BTreeMap<u32, Vec<(bool, u64)>>,
    balance: BTreeMap<u32, i64>,
    held: BTreeMap<u32, usize>,
    cap: usize,
}

impl Plain {
    fn held(&self, class: u32) -> usize {
        self.held.get(&class).copied().unwrap_or(0)
    }

    fn add(&mut self, class: u32, client: u64, back: bool) {
        if self.ring.is_empty() {
            self.balance.clear();
        }
        let held = self.held(class);
        let line = self.waiting.entry(class).or_default();
        if line.is_empty() {
            self.ring.push_back(class);
            let balance = self.balance.entry(class).or_default();
            if held == 0 {
                *balance = (*balance).min(0);
            }
        }
        let at = if back {
            line.iter().take_while(|other| other.0 && other.1 < client).count()
        } else {
            line.len()
        };
        line.insert(at, (back, client));
    }

    fn drop_out(&mut self, class: u32, client: u64) {
        let line = self.waiting.get_mut(&class).unwrap();
        line.retain(|other| other.1 != client);
        if line.is_empty() {
            if self.ring[0] == class {
                self.begun = false;
            }
            self.ring.retain(|&other| other != class);
        }
    }

    fn pop(&mut self) -> Option<(u32, u64)> {
        if self.ring.iter().all(|&class| self.cap > 0 && self.held(class) >= self.cap) {
            return None;
        }
        loop {
            let class = self.ring[0];
            let balance = self.balance.entry(class).or_default();
            let capped = self.cap > 0 && self.held.get(&class).is_some_and(|&h| h >= self.cap);
            if !capped && !self.begun && *balance <= 0 {
                *balance += QUANTUM_MS;
            }
            if !capped && *balance > 0 {
                self.begun = true;
                let (_, client) = self.waiting[&class][0];
                self.drop_out(class, client);
                return Some((class, client));
            }
            self.ring.rotate_left(1);
            self.begun = false;
        }
    }
}

#[test]
fn it_agrees_with_a_plain_simulation() {
    for seed in 0..60 {
        let mut rng = Rng::new([seed; 32]);
        let cap = [0, 1, 3][usize::from(seed % 3)];
        let (mut queue, mut plain) = (Queue::new(cap), Plain { cap, ..Plain::default() });
        let (mut next, mut leases) = (0, Vec::new());
        let crowd = [4, 40][usize::from(seed % 2)];
        for _ in 0..600 {
            match rng.below(10) {
                0..=4 if queue.len() < crowd => {
                    next += 1;
                    // Numbers in no order, as clients that stay come back with old ones.
                    let (class, client) = (rng.below(5) as u32, next ^ 21);
                    queue.push(ClassId(class), ClientId(client));
                    plain.add(class, client, false);
                }
                5 if !queue.is_empty() => {
                    let at = rng.below(queue.len() as u64) as usize;
                    let (class, client) = queue.iter().nth(at).unwrap();
                    assert!(queue.remove(class, client));
                    plain.drop_out(class.0, client.0);
                }
                6 | 7 if !leases.is_empty() => {
                    let (class, client) =
                        leases.swap_remove(rng.below(leases.len() as u64) as usize);
                    let took = [0, 1, 7, 40, 9_000][rng.below(5) as usize];
                    queue.released(ClassId(class), Millis(took));
                    *plain.held.get_mut(&class).unwrap() -= 1;
                    *plain.balance.entry(class).or_default() -= took.clamp(1, 5_000) as i64 - 1;
                    if rng.below(4) == 0 {
                        queue.put_back(ClassId(class), ClientId(client));
                        plain.add(class, client, true);
                    }
                }
                _ => {
                    let (peeked, popped) = (queue.peek(), queue.pop());
                    assert_eq!(peeked, popped);
                    assert_eq!(popped.map(|(class, client)| (class.0, client.0)), plain.pop());
                    if let Some((class, client)) = popped {
                        queue.granted(class);
                        *plain.held.entry(class.0).or_default() += 1;
                        *plain.balance.entry(class.0).or_default() -= 1;
                        leases.push((class.0, client.0));
                    }
                }
            }
            assert_eq!(queue.len(), plain.waiting.values().map(Vec::len).sum::<usize>());
            let waiting = plain.waiting.iter().flat_map(|(&class, line)| {
                line.iter().map(move |&(_, client)| (ClassId(class), ClientId(client)))
            });
            assert!(queue.iter().eq(waiting));
        }
    }
}

/// A pool in the plainest form: sessions that are busy until some moment. Classes never stop
/// waiting. Gives the greatest difference between two classes' charges that was ever seen.
fn greatest_difference(seed: u8, sessions: usize, longest: &[u64]) -> u64 {
    let mut rng = Rng::new([seed; 32]);
    let mut queue = Queue::new(0);
    let mut next = 0;
    let mut come = |queue: &mut Queue, class: u32| {
        next += 1;
        queue.push(ClassId(class), ClientId(next));
    };
    for class in 0..longest.len() as u32 {
        (0..3).for_each(|_| come(&mut queue, class));
    }
    let mut charged = vec![0; longest.len()];
    let mut busy: Vec<(u64, u32, u64)> = Vec::new();
    let (mut now, mut greatest) = (0, 0);
    for _ in 0..2_000 {
        while busy.len() < sessions {
            let (class, _) = queue.pop().unwrap();
            come(&mut queue, class.0);
            queue.granted(class);
            let took = 1 + rng.below(longest[class.0 as usize]);
            busy.push((now + took, class.0, took));
            // A lease counts in full from its grant: what is promised is spent.
            charged[class.0 as usize] += took;
            greatest = greatest.max(charged.iter().max().unwrap() - charged.iter().min().unwrap());
        }
        busy.sort_unstable();
        let (end, class, took) = busy.remove(0);
        now = end;
        queue.released(ClassId(class), Millis(took));
    }
    greatest
}

#[test]
fn no_class_gets_ahead_of_another_by_more_than_the_bound() {
    let mut closest = 0;
    for seed in 0..30 {
        let sessions = [1, 2, 5, 10][usize::from(seed % 4)];
        let longest = [&[1, 100][..], &[40, 40, 40], &[1, 7, 300, 20, 3]][usize::from(seed % 3)];
        let bound = 2 * QUANTUM.0 + sessions as u64 * longest.iter().max().unwrap();
        let greatest = greatest_difference(seed, sessions, longest);
        assert!(greatest <= bound, "seed {seed}: {greatest} ms, and the bound is {bound} ms");
        closest = closest.max(100 * greatest / bound);
    }
    assert!(closest >= 60, "the bound says something: {closest} % of it were reached");
}

#[test]
fn whoever_waits_alone_is_served_as_one_of_several_would_be() {
    for class_size in [0, 2] {
        let mut rng = Rng::new([8; 32]);
        let (mut queue, mut spread) = (Queue::new(class_size), Queue::new(class_size));
        let mut held = Vec::new();
        for client in 1..20_000 {
            let class = [A, B, C][rng.below(3) as usize];
            match rng.below(6) {
                0 | 1 => {
                    queue.push(class, ClientId(client));
                    spread.push(class, ClientId(client));
                }
                2 => {
                    queue.put_back(class, ClientId(client));
                    spread.put_back(class, ClientId(client));
                }
                3 => {
                    let client = ClientId(client - rng.below(4));
                    assert_eq!(queue.remove(class, client), spread.remove(class, client));
                }
                4 => {
                    if let Some(class) = held.pop() {
                        let took = Millis(rng.below(900));
                        queue.released(class, took);
                        spread.released(class, took);
                    }
                }
                _ => {
                    assert_eq!(queue.peek(), spread.peek());
                    let popped = queue.pop();
                    assert_eq!(popped, spread.pop());
                    if let Some((class, _)) = popped {
                        queue.granted(class);
                        spread.granted(class);
                        held.push(class);
                    }
                }
            }
            spread.spread();
            assert_eq!(queue.len(), spread.len());
            assert!(queue.iter().eq(spread.iter()));
        }
    }
}
