//! Which statements one session has.

/// Whether a session has a statement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Has {
    /// It must be parsed there first.
    No,
    /// Its `Parse` is on the way and not answered.
    Pending,
    /// It can be used.
    Yes,
}

/// The statements of one session, by the numbers in their names.
///
/// ```text
///        sent            prepared
///   No ────────▶ Pending ────────▶ Yes
///    ◀── failed ────┘               │
///    ◀── forget, clear, chosen to be closed
///    ── not_closed ────────────────▶
///                      ◀── doubted ─┘
/// ```
///
/// Time is counted in turns: whatever a turn used stays at least until the next one. So what was
/// sent in this turn never finds its statement closed. With more in one turn than there is room
/// for, there are more for a while: as many as one turn has messages at most.
#[derive(Debug)]
pub(crate) struct OnSession {
    /// Sorted by number.
    entries: Vec<Entry>,
    room: usize,
    turn: u32,
}

#[derive(Debug)]
struct Entry {
    generation: u64,
    /// The turn that used it last.
    used: u32,
    pending: bool,
    /// It was there, and may be there still: whoever needs it closes it first.
    doubtful: bool,
    /// `Parse`s of it on the way; each but the first is behind a `Close`.
    parses: u16,
}

impl Entry {
    /// One is answered. Of several only the last one tells for certain, if it succeeds.
    fn awaits_more(&mut self) -> bool {
        self.parses = self.parses.saturating_sub(1);
        self.doubtful |= self.parses > 0;
        self.parses > 0
    }
}

impl OnSession {
    /// None yet, and room for so many.
    pub(crate) fn new(room: usize) -> Self {
        Self { entries: Vec::new(), room, turn: 1 }
    }

    /// Whether it has this one.
    pub(crate) fn has(&self, generation: u64) -> Has {
        match self.find(generation).ok().and_then(|at| self.entries.get(at)) {
            None => Has::No,
            Some(Entry { pending: true, .. }) => Has::Pending,
            Some(Entry { pending: false, .. }) => Has::Yes,
        }
    }

    /// A turn begins: what was used up to now may be closed for others.
    pub(crate) fn mark(&mut self) {
        self.turn = self.turn.checked_add(1).unwrap_or_else(|| {
            // Once in four thousand million turns the order is lost.
            for entry in &mut self.entries {
                entry.used = 0;
            }
            1
        });
    }

    /// It is used in this turn.
    pub(crate) fn used(&mut self, generation: u64) {
        let turn = self.turn;
        if let Some(entry) = self.get_mut(generation) {
            entry.used = turn;
        }
    }

    /// Its `Parse` was sent. Returns one that must be closed to make room, if any; it is forgotten.
    pub(crate) fn sent(&mut self, generation: u64) -> Option<u64> {
        let entry =
            Entry { generation, used: self.turn, pending: true, doubtful: false, parses: 1 };
        self.put(entry);
        self.excess()
    }

    /// Its `Parse` succeeded.
    pub(crate) fn prepared(&mut self, generation: u64) {
        if let Some(entry) = self.get_mut(generation)
            && !entry.awaits_more()
        {
            entry.pending = false;
            entry.doubtful = false;
        }
    }

    /// A `Close` and another `Parse` were sent, because it may be there.
    pub(crate) fn sent_again(&mut self, generation: u64) {
        if let Some(entry) = self.get_mut(generation) {
            entry.parses = entry.parses.saturating_add(1);
        }
    }

    /// It is to be closed and parsed once more, if its turn comes.
    pub(crate) fn doubted(&mut self, generation: u64) {
        if let Some(entry) = self.get_mut(generation) {
            entry.doubtful |= !entry.pending;
            entry.pending = true;
        }
    }

    /// Its `Parse` failed, or was skipped after an error.
    pub(crate) fn failed(&mut self, generation: u64) {
        let gone = |entry: &mut Entry| !entry.awaits_more() && entry.pending && !entry.doubtful;
        if self.get_mut(generation).is_some_and(gone) {
            self.forget(generation);
        }
    }

    /// One that was to be closed is still there: its `Close` was skipped after an error.
    pub(crate) fn not_closed(&mut self, generation: u64) {
        self.put(Entry { generation, used: 0, pending: false, doubtful: false, parses: 0 });
    }

    /// One that must be closed because there are more than there is room for: the one used longest
    /// ago, and none that is on the way or used in this turn. It is forgotten.
    pub(crate) fn excess(&mut self) -> Option<u64> {
        if self.entries.len() <= self.room {
            return None;
        }
        let may_go = |entry: &&Entry| (!entry.pending || entry.doubtful) && entry.used < self.turn;
        let oldest = self.entries.iter().filter(may_go).min_by_key(|entry| entry.used)?.generation;
        self.forget(oldest);
        Some(oldest)
    }

    /// It is gone from the session.
    pub(crate) fn forget(&mut self, generation: u64) {
        if let Ok(at) = self.find(generation) {
            self.entries.remove(at);
        }
    }

    /// All are gone from the session.
    pub(crate) fn clear(&mut self) {
        self.entries = Vec::new();
    }

    /// How many there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes that they take here.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>()
    }

    fn find(&self, generation: u64) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&generation, |entry| entry.generation)
    }

    fn get_mut(&mut self, generation: u64) -> Option<&mut Entry> {
        let at = self.find(generation).ok()?;
        self.entries.get_mut(at)
    }

    fn put(&mut self, entry: Entry) {
        match self.find(entry.generation) {
            Ok(at) => {
                if let Some(place) = self.entries.get_mut(at) {
                    *place = entry;
                }
            }
            Err(at) => self.entries.insert(at, entry),
        }
    }
}

#[cfg(test)]
mod tests;
