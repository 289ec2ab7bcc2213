//! Things by their names, in order of the names, for names that are given in rising order.
//!
//! One input touches one client, one session and one stream, each some dozens of times. So what was
//! looked up last is found at once, what came last is found by one comparison, and everything else
//! by halving. Order and answers are those of a map, whatever was looked up before.

use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::fmt;

/// A map from names to things.
pub(crate) struct Table<K, V> {
    /// Sorted. Whoever came first is mostly the first to go, and little moves then.
    names: VecDeque<(K, usize)>,
    slots: Vec<Option<V>>,
    free: Vec<usize>,
    /// What was looked up last, while it is there.
    last: Cell<Option<(K, usize)>>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { names: VecDeque::new(), slots: Vec::new(), free: Vec::new(), last: Cell::new(None) }
    }
}

impl<K: Copy + Ord, V> Table<K, V> {
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    pub(crate) fn contains_key(&self, name: &K) -> bool {
        self.slot(name).is_some()
    }

    #[inline]
    pub(crate) fn get(&self, name: &K) -> Option<&V> {
        self.slots.get(self.slot(name)?)?.as_ref()
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, name: &K) -> Option<&mut V> {
        let slot = self.slot(name)?;
        self.slots.get_mut(slot)?.as_mut()
    }

    /// Puts a thing in, in place of what had the name before.
    pub(crate) fn insert(&mut self, name: K, thing: V) -> Option<V> {
        if let Some(known) = self.get_mut(&name) {
            return Some(std::mem::replace(known, thing));
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        if let Some(room) = self.slots.get_mut(slot) {
            *room = Some(thing);
        }
        // At the end, as a rule.
        let place = match self.names.back() {
            Some((last, _)) if *last > name => self.names.partition_point(|(n, _)| *n < name),
            _ => self.names.len(),
        };
        self.names.insert(place, (name, slot));
        self.last.set(Some((name, slot)));
        None
    }

    pub(crate) fn remove(&mut self, name: &K) -> Option<V> {
        let place = self.place(name)?;
        let (_, slot) = self.names.remove(place)?;
        self.last.set(None);
        self.free.push(slot);
        self.slots.get_mut(slot)?.take()
    }

    /// All, in order of their names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let thing = |slot: &usize| self.slots.get(*slot).and_then(Option::as_ref);
        self.names.iter().filter_map(move |(name, slot)| Some((name, thing(slot)?)))
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.names.iter().map(|(name, _)| name)
    }

    /// The name at this place, counted from 0.
    pub(crate) fn nth(&self, place: usize) -> Option<K> {
        self.names.get(place).map(|&(name, _)| name)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, thing)| thing)
    }

    #[inline]
    fn slot(&self, name: &K) -> Option<usize> {
        if let Some((last, slot)) = self.last.get()
            && last == *name
        {
            return Some(slot);
        }
        self.search(name)
    }

    fn search(&self, name: &K) -> Option<usize> {
        let (_, slot) = *self.names.get(self.place(name)?)?;
        self.last.set(Some((*name, slot)));
        Some(slot)
    }

    fn place(&self, name: &K) -> Option<usize> {
        // Who came last is asked for most, and who came first is served first.
        let ((first, _), (last, _)) = (self.names.front()?, self.names.back()?);
        match (name.cmp(last), name == first) {
            (Ordering::Equal, _) => Some(self.names.len() - 1),
            (Ordering::Greater, _) => None,
            (Ordering::Less, true) => Some(0),
            (Ordering::Less, false) => self.names.binary_search_by(|(n, _)| n.cmp(name)).ok(),
        }
    }
}

impl<K: fmt::Debug + Copy + Ord, V: fmt::Debug> fmt::Debug for Table<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::rng::Rng;

    #[test]
    fn a_table_is_a_map_whatever_was_looked_up_before() {
        let mut rng = Rng::new([3; 32]);
        let (mut table, mut map) = (Table::default(), BTreeMap::new());
        for step in 0..20_000_u64 {
            let name = rng.below(40);
            match rng.below(4) {
                0 => assert_eq!(table.insert(name, step), map.insert(name, step)),
                1 => assert_eq!(table.remove(&name), map.remove(&name)),
                2 => assert_eq!(table.get(&name), map.get(&name)),
                _ => assert_eq!(table.get_mut(&name), map.get_mut(&name)),
            }
            assert_eq!(table.len(), map.len());
            assert!(table.iter().eq(map.iter()), "in the same order");
        }
        assert!(table.slots.len() <= 40, "places are used again");
    }
}
