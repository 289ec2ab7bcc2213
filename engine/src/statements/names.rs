//! What one client calls its statements.

use std::fmt;

use super::interned::StatementId;
use crate::limits::{NAME_BYTES_MAX, NAMES_MAX};

/// One client's names, each for a statement that the client holds a reference to: whoever takes one
/// out drops it.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Sorted by name.
    entries: Vec<(Box<[u8]>, StatementId)>,
    name_bytes: usize,
}

impl Names {
    /// Gives a statement a name. Returns the one that had it.
    ///
    /// # Errors
    /// When the name is too long, or there are too many.
    pub(crate) fn insert(
        &mut self,
        name: &[u8],
        id: StatementId,
    ) -> Result<Option<StatementId>, NameError> {
        if name.len() > NAME_BYTES_MAX {
            return Err(NameError::TooLong);
        }
        match self.find(name) {
            Ok(at) => {
                let old = self.entries.get_mut(at).map(|(_, place)| std::mem::replace(place, id));
                Ok(old)
            }
            Err(_) if self.entries.len() >= NAMES_MAX => Err(NameError::TooMany),
            Err(at) => {
                self.name_bytes += name.len();
                self.entries.insert(at, (name.into(), id));
                Ok(None)
            }
        }
    }

    /// The statement of this name.
    pub(crate) fn get(&self, name: &[u8]) -> Option<StatementId> {
        let at = self.find(name).ok()?;
        self.entries.get(at).map(|(_, id)| *id)
    }

    /// Takes a name out. Returns the statement that had it.
    pub(crate) fn remove(&mut self, name: &[u8]) -> Option<StatementId> {
        let at = self.find(name).ok()?;
        let (name, id) = self.entries.remove(at);
        self.name_bytes -= name.len();
        Some(id)
    }

    /// Takes all names out. Returns the statements that had them.
    pub(crate) fn clear(&mut self) -> impl Iterator<Item = StatementId> + use<> {
        std::mem::take(self).entries.into_iter().map(|(_, id)| id)
    }

    /// True if there are none, nor room for any.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.capacity() == 0
    }

    /// How many there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes that they take, without their allocations' overhead.
    pub(crate) fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<(Box<[u8]>, StatementId)>() + self.name_bytes
    }

    fn find(&self, name: &[u8]) -> Result<usize, usize> {
        self.entries.binary_search_by(|(known, _)| (**known).cmp(name))
    }
}

/// Why a client cannot have a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NameError {
    /// It is longer than [`NAME_BYTES_MAX`].
    TooLong,
    /// The client has [`NAMES_MAX`].
    TooMany,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => {
                write!(f, "a prepared statement's name is longer than {NAME_BYTES_MAX} bytes")
            }
            Self::TooMany => {
                write!(f, "a client can have at most {NAMES_MAX} prepared statements at a time")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::rng::Rng;
    use crate::statements::Interned;

    fn ids(count: u8) -> Vec<StatementId> {
        let mut interned = Interned::new(1, 2);
        (0..count).map(|n| interned.intern(&[n], b"", |_| ()).unwrap()).collect()
    }

    #[test]
    fn a_name_is_given_found_and_taken() {
        let ids = ids(2);
        let mut names = Names::default();
        assert_eq!(names.insert(b"s1", ids[0]), Ok(None));
        assert_eq!(names.get(b"s1"), Some(ids[0]));
        assert_eq!(names.insert(b"s1", ids[1]), Ok(Some(ids[0])));
        assert_eq!(names.remove(b"s1"), Some(ids[1]));
        assert_eq!(names.remove(b"s1"), None);
        assert_eq!(names.get(b"s1"), None);
    }

    #[test]
    fn names_are_bounded_in_number_and_length() {
        let id = ids(1)[0];
        let mut names = Names::default();
        for n in 0..NAMES_MAX {
            assert_eq!(names.insert(n.to_string().as_bytes(), id), Ok(None));
        }
        assert_eq!(names.insert(b"more", id), Err(NameError::TooMany));
        assert_eq!(names.insert(b"0", id), Ok(Some(id)));
        assert_eq!(names.clear().count(), NAMES_MAX);
        assert_eq!(names.insert(&[b'x'; NAME_BYTES_MAX], id), Ok(None));
        assert_eq!(names.insert(&[b'x'; NAME_BYTES_MAX + 1], id), Err(NameError::TooLong));
    }

    #[test]
    fn a_client_without_names_costs_nothing() {
        let mut names = Names::default();
        assert_eq!(names.bytes(), 0);
        names.insert(b"abc", ids(1)[0]).unwrap();
        assert!(names.bytes() > 3);
        assert_eq!(names.clear().count(), 1);
        assert_eq!((names.bytes(), names.len()), (0, 0));
    }

    #[test]
    fn they_agree_with_a_map() {
        let ids = ids(9);
        let mut rng = Rng::new([3; 32]);
        let (mut names, mut model) = (Names::default(), BTreeMap::new());
        for _ in 0..5_000 {
            let name = format!("s{}", rng.below(30)).into_bytes();
            let id = ids[usize::try_from(rng.below(9)).unwrap()];
            match rng.below(40) {
                0 => {
                    let taken: Vec<_> = names.clear().collect();
                    assert_eq!(taken, model.values().copied().collect::<Vec<_>>());
                    model.clear();
                }
                1..=15 => assert_eq!(names.remove(&name), model.remove(&name)),
                16..=30 => assert_eq!(names.insert(&name, id), Ok(model.insert(name, id))),
                _ => assert_eq!(names.get(&name), model.get(&name).copied()),
            }
            assert_eq!(names.len(), model.len());
            assert_eq!(names.name_bytes, model.keys().map(Vec::len).sum::<usize>());
        }
    }
}
