//! The order in which slots were put aside: a list linked through slot numbers, so that the one put
//! aside first, or any other, is taken out in constant time.

const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Links {
    before: u32,
    after: u32,
}

/// Slots in the order they were pushed. A slot is in it once at most: the owner sees to that.
#[derive(Debug)]
pub(super) struct Order {
    links: Vec<Links>,
    first: u32,
    last: u32,
}

impl Order {
    pub(super) fn new() -> Self {
        Self { links: Vec::new(), first: NONE, last: NONE }
    }

    /// The slot pushed first.
    pub(super) fn first(&self) -> Option<u32> {
        (self.first != NONE).then_some(self.first)
    }

    /// Adds a slot at the end.
    pub(super) fn push(&mut self, slot: u32) {
        let own = Links { before: self.last, after: NONE };
        let index = slot as usize;
        if index >= self.links.len() {
            self.links.resize(index + 1, Links { before: NONE, after: NONE });
        }
        if let Some(links) = self.links.get_mut(index) {
            *links = own;
        }
        *self.after(self.last) = slot;
        self.last = slot;
    }

    /// Takes a slot out.
    pub(super) fn remove(&mut self, slot: u32) {
        let Some(&Links { before, after }) = self.links.get(slot as usize) else { return };
        *self.after(before) = after;
        *self.before(after) = before;
    }

    /// Where it is written what follows a slot.
    fn after(&mut self, slot: u32) -> &mut u32 {
        match self.links.get_mut(slot as usize) {
            Some(links) => &mut links.after,
            None => &mut self.first,
        }
    }

    /// Where it is written what a slot follows.
    fn before(&mut self, slot: u32) -> &mut u32 {
        match self.links.get_mut(slot as usize) {
            Some(links) => &mut links.before,
            None => &mut self.last,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn drain(order: &mut Order) -> Vec<u32> {
        let mut slots = Vec::new();
        while let Some(slot) = order.first() {
            assert!(!slots.contains(&slot), "{slot} comes out twice");
            order.remove(slot);
            slots.push(slot);
        }
        slots
    }

    #[test]
    fn the_first_pushed_comes_out_first() {
        let mut order = Order::new();
        for slot in [3, 0, 2] {
            order.push(slot);
        }
        assert_eq!(drain(&mut order), [3, 0, 2]);
        assert_eq!(order.first(), None);
    }

    #[test]
    fn it_agrees_with_a_plain_list() {
        let mut rng = Rng::new([1; 32]);
        let (mut order, mut model) = (Order::new(), Vec::new());
        for _ in 0..5_000 {
            let slot = u32::try_from(rng.below(20)).unwrap();
            if model.contains(&slot) {
                order.remove(slot);
                model.retain(|s| *s != slot);
            } else {
                order.push(slot);
                model.push(slot);
            }
            assert_eq!(order.first(), model.first().copied());
        }
        assert_eq!(drain(&mut order), model);
    }
}
