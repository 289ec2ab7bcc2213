//! Numbers in the order of their keys, in one vector. What is removed leaves a hole, and holes are
//! closed in bulk, so that a thousand clients that leave at once cost a thousand searches and not a
//! thousand moves of the rest.
/// Holes that are left alone however few numbers there are.
const HOLES_KEPT: usize = 16;

/// Places whose memory is kept when the last number goes.
const PLACES_KEPT: usize = 64;

/// A map from keys to numbers, ordered by key. Adding at the end is cheapest.
#[derive(Debug, Default)]
pub(crate) struct Ordered {
    places: Vec<Place>,
    /// The first place that is no hole; the number of places if there is none.
    first: usize,
    taken: usize,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    key: u64,
    number: Option<u64>,
}

impl Ordered {
    /// Adds a number, unless the key has one.
    pub(crate) fn insert(&mut self, key: u64, number: u64) -> bool {
        let place = Place { key, number: Some(number) };
        let at = match self.places.last() {
            Some(last) if last.key >= key => match self.find(key) {
                Ok(at) => {
                    let Some(hole) = self.places.get_mut(at).filter(|p| p.number.is_none()) else {
                        return false;
                    };
                    *hole = place;
                    at
                }
                Err(at) => {
                    self.places.insert(at, place);
                    at
                }
            },
            Some(_) | None => {
                self.places.push(place);
                self.places.len() - 1
            }
        };
        self.first = self.first.min(at);
        self.taken += 1;
        true
    }

    /// Takes the number of a key out.
    pub(crate) fn remove(&mut self, key: u64) -> Option<u64> {
        let at = self.find(key).ok()?;
        let number = self.places.get_mut(at)?.number.take()?;
        self.taken -= 1;
        self.close_holes();
        Some(number)
    }

    /// The number of a key.
    pub(crate) fn get(&self, key: u64) -> Option<u64> {
        self.places.get(self.find(key).ok()?)?.number
    }

    /// The least key and its number.
    pub(crate) fn first(&self) -> Option<(u64, u64)> {
        let place = self.places.get(self.first)?;
        Some((place.key, place.number?))
    }

    /// How many numbers there are.
    pub(crate) fn len(&self) -> usize {
        self.taken
    }

    /// All numbers, in the order of their keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.places.iter().filter_map(|place| place.number)
    }

    fn find(&self, key: u64) -> Result<usize, usize> {
        // Whoever is first is asked for most.
        if self.places.get(self.first).is_some_and(|place| place.key == key) {
            return Ok(self.first);
        }
        self.places.binary_search_by_key(&key, |place| place.key)
    }

    /// Finds the first number again, and closes the holes once they outnumber the numbers.
    fn close_holes(&mut self) {
        if self.taken == 0 {
            if self.places.capacity() > PLACES_KEPT {
                self.places = Vec::new();
            }
            self.places.clear();
            self.first = 0;
        } else if self.places.len() > 2 * self.taken + HOLES_KEPT {
            self.places.retain(|place| place.number.is_some());
            self.first = 0;
        } else {
            while self.places.get(self.first).is_some_and(|place| place.number.is_none()) {
                self.first += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::rng::Rng;

    #[test]
    fn it_agrees_with_an_ordinary_ordered_map() {
        let mut rng = Rng::new([3; 32]);
        let (mut ordered, mut plain) = (Ordered::default(), BTreeMap::new());
        for step in 0..20_000 {
            // Grows and shrinks in turns, so that holes are closed and the last number goes.
            let grows = (step / 500) % 2 == 0;
            let key = rng.below(300);
            if rng.below(4) < if grows { 3 } else { 1 } {
                assert_eq!(ordered.insert(key, step), !plain.contains_key(&key));
                plain.entry(key).or_insert(step);
            } else {
                let key = if rng.below(2) == 0 { key } else { ordered.first().map_or(0, |f| f.0) };
                assert_eq!(ordered.remove(key), plain.remove(&key));
            }
            assert_eq!(ordered.len(), plain.len());
            assert_eq!(ordered.first(), plain.first_key_value().map(|(&k, &n)| (k, n)));
            assert!(ordered.places.len() <= 2 * plain.len() + HOLES_KEPT + 1, "too many holes");
        }
        assert!(ordered.iter().eq(plain.values().copied()));
    }

    #[test]
    fn a_crowd_that_leaves_gives_its_memory_back() {
        let mut ordered = Ordered::default();
        for key in 0..10_000 {
            ordered.insert(key, key);
        }
        for key in (0..10_000).rev() {
            assert_eq!(ordered.remove(key), Some(key));
        }
        assert!(ordered.places.capacity() <= PLACES_KEPT);
    }
}
