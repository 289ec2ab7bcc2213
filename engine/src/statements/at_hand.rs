//! Where to look first for what is known of a text: a look at some of its bytes and a comparison with
//! one other text cost a fraction of a hash.

use crate::limits::TEXTS_AT_HAND;

/// Things that came lately, each in the place of its text. Another one with the same place displaces
/// it, and is displaced: whoever finds something here must compare the text.
#[derive(Debug)]
pub(crate) struct AtHand<T>(Vec<Option<T>>);

impl<T> Default for AtHand<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> AtHand<T> {
    /// What came last with a text in this place.
    #[inline]
    pub(crate) fn get(&self, text: &[u8]) -> Option<&T> {
        self.0.get(place(text))?.as_ref()
    }

    /// This came with this text.
    pub(crate) fn put(&mut self, text: &[u8], thing: T) {
        if self.0.is_empty() {
            self.0.resize_with(TEXTS_AT_HAND, || None);
        }
        if let Some(slot) = self.0.get_mut(place(text)) {
            *slot = Some(thing);
        }
    }
}

/// The place of a text: its length, and some of its bytes from its beginning to its end. No secret:
/// whoever makes texts meet makes nothing but misses.
#[inline]
fn place(text: &[u8]) -> usize {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    const LOOKS: usize = 8;
    let stride = text.len().saturating_sub(8) / (LOOKS - 1);
    let eight =
        |at| text.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |b| u64::from_le_bytes(*b));
    let last = text.last_chunk().map_or(0, |b| u64::from_le_bytes(*b));
    let mixed = (0..LOOKS).fold(text.len() as u64 ^ last, |mixed, look| {
        (mixed ^ eight(look * stride)).wrapping_mul(ODD).rotate_left(29)
    });
    usize::try_from(mixed % TEXTS_AT_HAND as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_last_in_a_place_is_at_hand() {
        let mut at_hand = AtHand::default();
        assert_eq!(at_hand.get(b"select 1"), None);
        at_hand.put(b"select 1", 1);
        assert_eq!(at_hand.get(b"select 1"), Some(&1));
        at_hand.put(b"select 1", 2);
        assert_eq!(at_hand.get(b"select 1"), Some(&2));
    }

    #[test]
    fn texts_that_differ_in_a_letter_mostly_have_places_of_their_own() {
        let texts: Vec<String> = (0..TEXTS_AT_HAND)
            .map(|n| format!("select a{n} from some_table where b = $1"))
            .collect();
        let mut places: Vec<usize> = texts.iter().map(|text| place(text.as_bytes())).collect();
        places.sort_unstable();
        places.dedup();
        assert!(places.len() > TEXTS_AT_HAND / 2, "{}", places.len());
        assert!(place(b"") < TEXTS_AT_HAND);
    }
}
