//! Which statements' texts were seen before.

use std::collections::{BTreeSet, VecDeque};

use crate::limits::SIGHTINGS_MAX;

/// Remembers the hashes of the last texts, so that one seen again is known to be worth a name. The
/// one first seen longest ago is forgotten first.
#[derive(Debug, Default)]
pub(crate) struct Sightings {
    known: BTreeSet<u64>,
    order: VecDeque<u64>,
}

impl Sightings {
    /// True from the second time on.
    pub(crate) fn see(&mut self, hash: u64) -> bool {
        if !self.known.insert(hash) {
            return true;
        }
        if self.order.len() == SIGHTINGS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.order.push_back(hash);
        false
    }

    /// Bytes that they take, about.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        // A node of the set is filled to two thirds in the mean.
        self.order.capacity() * 8 + self.known.len() * 12
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn the_second_sighting_is_told_from_the_first() {
        let mut sightings = Sightings::default();
        assert!(!sightings.see(1));
        assert!(!sightings.see(2));
        assert!(sightings.see(1));
        assert!(sightings.see(1));
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        let mut sightings = Sightings::default();
        let most = SIGHTINGS_MAX as u64;
        for hash in 0..=most {
            assert!(!sightings.see(hash));
        }
        assert!(sightings.see(1));
        assert!(sightings.see(most));
        assert!(!sightings.see(0));
        assert!(!sightings.see(1));
        assert_eq!(sightings.known.len(), SIGHTINGS_MAX);
        assert!(sightings.bytes() < 128 * 1024);
    }

    #[test]
    fn it_agrees_with_a_plain_list() {
        let mut rng = Rng::new([2; 32]);
        let (mut sightings, mut model) = (Sightings::default(), VecDeque::new());
        for _ in 0..30_000 {
            let hash = rng.below(3 * SIGHTINGS_MAX as u64);
            let seen = model.contains(&hash);
            if !seen {
                model.push_back(hash);
                if model.len() > SIGHTINGS_MAX {
                    model.pop_front();
                }
            }
            assert_eq!(sightings.see(hash), seen);
        }
    }
}
