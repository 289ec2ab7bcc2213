//! What texts show, kept from one sighting to the next: reading costs more than all else that is
//! done for a short query.

use std::sync::Arc;

use crate::database::translate::facts_of;
use crate::limits::TEXTS_KEPT;
use crate::sql::Facts;

/// What is known of texts, by their hashes. A hash is keyed, so nobody can make two texts meet; a
/// text displaces another that falls on the same slot.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    slots: Vec<Option<(u64, Arc<Facts>)>>,
}

impl Texts {
    /// What the text with this hash shows.
    pub(crate) fn read(&mut self, hash: u64, sql: &[u8]) -> Arc<Facts> {
        if self.slots.is_empty() {
            self.slots.resize(TEXTS_KEPT, None);
        }
        let index = usize::try_from(hash % TEXTS_KEPT as u64).unwrap_or_default();
        let Some(slot) = self.slots.get_mut(index) else { return facts_of(sql) };
        if let Some((known, facts)) = slot
            && *known == hash
        {
            return facts.clone();
        }
        let facts = facts_of(sql);
        *slot = Some((hash, facts.clone()));
        facts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_once_and_another_one_for_itself() {
        let mut texts = Texts::default();
        let first = texts.read(1, b"listen c");
        assert!(Arc::ptr_eq(&first, &texts.read(1, b"listen c")));
        let other = texts.read(1 + TEXTS_KEPT as u64, b"select 1");
        assert!(first.signs.state.is_some() && other.signs.state.is_none());
        assert!(texts.read(1, b"listen c").signs.state.is_some());
    }
}
