//! Running and waiting requests by the ids that their callers gave them.

use crate::ids::ClientId;

/// The ids are random, so a few bits of each spread them evenly. Whoever gives ids that are not makes
/// his own look-ups longer, up to one through all requests.
const SHELVES: u8 = 64;

/// Requests whose room is kept on a shelf that becomes empty.
const ROOM_KEPT: usize = 4;

/// Requests by id. They come and go with every exchange, and their order is nobody's business.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    shelves: Vec<Vec<(u128, ClientId)>>,
}

impl Requests {
    /// Who has the request with this id.
    pub(crate) fn get(&self, id: u128) -> Option<ClientId> {
        let shelf = self.shelves.get(shelf_of(id))?;
        shelf.iter().find(|(other, _)| *other == id).map(|(_, client)| *client)
    }

    /// A request comes; no other has its id.
    pub(crate) fn insert(&mut self, id: u128, client: ClientId) {
        if self.shelves.is_empty() {
            self.shelves.resize_with(SHELVES.into(), Vec::new);
        }
        if let Some(shelf) = self.shelves.get_mut(shelf_of(id)) {
            shelf.push((id, client));
        }
    }

    /// A request is over.
    pub(crate) fn remove(&mut self, id: u128) {
        let Some(shelf) = self.shelves.get_mut(shelf_of(id)) else { return };
        if let Some(at) = shelf.iter().position(|(other, _)| *other == id) {
            shelf.swap_remove(at);
        }
        if shelf.is_empty() && shelf.capacity() > ROOM_KEPT {
            *shelf = Vec::new();
        }
    }
}

fn shelf_of(id: u128) -> usize {
    let [first, ..] = id.to_le_bytes();
    usize::from(first % SHELVES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_found_by_its_id_until_it_is_over() {
        let mut requests = Requests::default();
        assert_eq!(requests.get(7), None);
        for n in 0..1_000 {
            requests.insert(u128::from(n), ClientId(n));
        }
        requests.remove(7);
        requests.remove(1_000);
        assert_eq!((requests.get(7), requests.get(7 + 64)), (None, Some(ClientId(71))));
        for n in 0..1_000_u64 {
            requests.remove(u128::from(n));
        }
        assert!(requests.shelves.iter().all(|shelf| shelf.capacity() <= ROOM_KEPT));
    }
}
