//! What texts show, kept from one sighting to the next: reading costs more than all else that is
//! done for a short query.

use std::sync::Arc;

use bytes::Bytes;

use crate::database::translate::facts_of;
use crate::limits::{TEXT_AT_HAND_MAX, TEXTS_KEPT};
use crate::sql::Facts;
use crate::statements::AtHand;

/// A text and what it shows.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    /// Empty where the text is not kept.
    pub(crate) text: Bytes,
    pub(crate) facts: Arc<Facts>,
}

/// What is known of texts. Those at hand are compared. Of the others it is known by their hashes: a
/// hash is keyed, so nobody can make two texts meet; a text displaces another that falls on the same
/// slot.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    at_hand: AtHand<Read>,
    slots: Vec<Option<(u64, Arc<Facts>)>>,
}

impl Texts {
    /// What a text shows. `hash` is asked where it is not at hand.
    pub(crate) fn read(&mut self, sql: &[u8], hash: impl FnOnce() -> u64) -> Read {
        if let Some(read) = self.at_hand.get(sql).filter(|read| read.text == sql) {
            return read.clone();
        }
        let (facts, again) = self.read_hashed(sql, hash());
        if !again || sql.is_empty() || sql.len() > TEXT_AT_HAND_MAX {
            return Read { text: Bytes::new(), facts };
        }
        let read = Read { text: Bytes::copy_from_slice(sql), facts };
        self.at_hand.put(sql, read.clone());
        read
    }

    /// What the text with this hash shows, and whether it was seen before.
    fn read_hashed(&mut self, sql: &[u8], hash: u64) -> (Arc<Facts>, bool) {
        if self.slots.is_empty() {
            self.slots.resize(TEXTS_KEPT, None);
        }
        let index = usize::try_from(hash % TEXTS_KEPT as u64).unwrap_or_default();
        let Some(slot) = self.slots.get_mut(index) else { return (facts_of(sql), false) };
        if let Some((known, facts)) = slot
            && *known == hash
        {
            return (facts.clone(), true);
        }
        let facts = facts_of(sql);
        *slot = Some((hash, facts.clone()));
        (facts, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_once_and_another_one_for_itself() {
        let mut texts = Texts::default();
        let first = texts.read(b"listen c", || 1).facts;
        assert!(Arc::ptr_eq(&first, &texts.read(b"listen c", || 1).facts));
        let other = texts.read(b"select 1", || 1 + TEXTS_KEPT as u64).facts;
        assert!(first.signs.state.is_some() && other.signs.state.is_none());
        assert!(texts.read(b"listen c", || 1).facts.signs.state.is_some());
    }

    #[test]
    fn a_text_that_came_twice_is_found_without_its_hash() {
        let mut texts = Texts::default();
        assert_eq!(texts.read(b"listen c", || 1).text, b""[..]);
        assert_eq!(texts.read(b"listen c", || 1).text, b"listen c"[..]);
        let again = texts.read(b"listen c", || unreachable!("it is at hand"));
        assert!(again.text == b"listen c"[..] && again.facts.signs.state.is_some());
    }

    #[test]
    fn a_long_text_is_not_kept() {
        let (mut texts, long) = (Texts::default(), vec![b' '; TEXT_AT_HAND_MAX + 1]);
        for _ in 0..3 {
            assert!(texts.read(&long, || 1).text.is_empty());
        }
    }
}
