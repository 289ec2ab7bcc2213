//! Bytes that lie in one piece, or in several.

use std::ops::{Deref, Range};

use bytes::Bytes;

/// Bytes to be passed on, one piece behind the other. As a rule it is one, which needs no list.
#[derive(Clone, Debug)]
pub struct Parts(List);

#[derive(Clone, Debug)]
enum List {
    One(Bytes),
    Several(Vec<Bytes>),
}

impl Parts {
    /// Adds a piece at the end.
    pub fn push(&mut self, piece: Bytes) {
        match &mut self.0 {
            List::Several(pieces) if pieces.capacity() == 0 => self.0 = List::One(piece),
            List::Several(pieces) => pieces.push(piece),
            List::One(first) => {
                self.0 = List::Several(vec![std::mem::take(first), piece]);
            }
        }
    }

    /// Bytes in all.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.iter().map(Bytes::len).sum()
    }
}

impl Default for Parts {
    fn default() -> Self {
        Self(List::Several(Vec::new()))
    }
}

impl PartialEq for Parts {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Parts {}

impl From<Bytes> for Parts {
    fn from(piece: Bytes) -> Self {
        Self(List::One(piece))
    }
}

impl From<Vec<Bytes>> for Parts {
    fn from(pieces: Vec<Bytes>) -> Self {
        Self(List::Several(pieces))
    }
}

impl FromIterator<Bytes> for Parts {
    fn from_iter<I: IntoIterator<Item = Bytes>>(pieces: I) -> Self {
        let mut parts = Self::default();
        parts.extend(pieces);
        parts
    }
}

impl Extend<Bytes> for Parts {
    fn extend<I: IntoIterator<Item = Bytes>>(&mut self, pieces: I) {
        for piece in pieces {
            self.push(piece);
        }
    }
}

impl Deref for Parts {
    type Target = [Bytes];

    fn deref(&self) -> &[Bytes] {
        match &self.0 {
            List::One(piece) => std::slice::from_ref(piece),
            List::Several(pieces) => pieces,
        }
    }
}

impl IntoIterator for Parts {
    type Item = Bytes;
    type IntoIter = std::iter::Chain<std::option::IntoIter<Bytes>, std::vec::IntoIter<Bytes>>;

    fn into_iter(self) -> Self::IntoIter {
        let (one, several) = match self.0 {
            List::One(piece) => (Some(piece), Vec::new()),
            List::Several(pieces) => (None, pieces),
        };
        one.into_iter().chain(several)
    }
}

/// Where in `chunk` the bytes lie, if they are a part of it.
#[inline]
pub(crate) fn part_of(chunk: &[u8], bytes: &[u8]) -> Option<Range<usize>> {
    let start = bytes.as_ptr().addr().checked_sub(chunk.as_ptr().addr())?;
    let end = start.checked_add(bytes.len())?;
    (end <= chunk.len() && start < end).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_stay_in_order_however_many_there_are() {
        let pieces = [&b"a"[..], b"", b"bc", b"d"].map(Bytes::from_static);
        for count in 0..=pieces.len() {
            let some = &pieces[..count];
            let parts: Parts = some.iter().cloned().collect();
            assert_eq!(*parts, *some);
            assert_eq!(parts.bytes(), some.concat().len());
            assert!(parts.clone().into_iter().eq(some.iter().cloned()));
            let mut more = Parts::from(pieces[0].clone());
            more.extend(parts);
            assert_eq!(more.len(), count + 1);
            assert_eq!(more[1..], *some);
        }
    }

    #[test]
    fn a_list_is_a_list_of_parts_and_takes_no_more_room() {
        let list = vec![Bytes::from_static(b"a"), Bytes::from_static(b"b")];
        let mut parts = Parts::from(list.clone());
        parts.push(Bytes::from_static(b"c"));
        assert_eq!((&parts[..2], parts.len()), (&list[..], 3));
        assert!(size_of::<Parts>() <= size_of::<Bytes>());
    }
}
