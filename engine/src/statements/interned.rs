//! Statements known to the coordinator, by text and parameter types.

use std::collections::BTreeSet;
use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use super::at_hand::AtHand;
use super::hash::{Key, hash};
use super::name::{Name, Prefix};
use super::order::Order;
use crate::limits::{STATEMENT_BYTES_MAX, STATEMENTS_BYTES_MAX, STATEMENTS_MAX};

/// Statements with one hash that are told apart. Without the key nobody makes even two.
const CHAIN_MAX: usize = 4;

/// A statement; names its slot. Whoever keeps one holds a reference (see [`Interned::hold`]), so
/// that the slot does not get another statement meanwhile.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct StatementId(u32);

/// Statements, each once, with what `F` says about them.
///
/// Statements that nobody holds stay until room is needed; then the one that was let go first
/// leaves first. What is held stays.
#[derive(Debug)]
pub(crate) struct Interned<F> {
    key: Key,
    prefix: Prefix,
    /// The number that the last name got.
    last_number: u64,
    slots: Vec<Option<Entry<F>>>,
    free: Vec<u32>,
    by_hash: BTreeSet<(u64, u32)>,
    /// Found lately, without a hash.
    at_hand: AtHand<StatementId>,
    /// Slots of statements that nobody holds.
    unheld: Order,
    unheld_count: usize,
    unheld_bytes: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Entry<F> {
    /// The text, a zero byte and the types: the end of a `Parse` message.
    tail: Bytes,
    sql_bytes: usize,
    hash: u64,
    number: u64,
    holders: u32,
    facts: F,
}

impl<F> Entry<F> {
    /// Bytes of one entry without its text: its slot, its places in the index and in the order.
    const FIXED: usize = size_of::<Option<Self>>() + size_of::<(u64, u32)>() + 8;

    fn sql(&self) -> &[u8] {
        self.tail.get(..self.sql_bytes).unwrap_or_default()
    }

    fn types(&self) -> &[u8] {
        self.tail.get(self.sql_bytes + 1..).unwrap_or_default()
    }

    fn bytes(&self) -> usize {
        Self::FIXED + self.tail.len()
    }
}

impl<F> Interned<F> {
    /// Both numbers are random and the secret is never shown. Names of other lives are others.
    pub(crate) fn new(life: u64, secret: u64) -> Self {
        let key = Key(life, secret);
        Self {
            key,
            prefix: Prefix::new(key),
            last_number: 0,
            slots: Vec::new(),
            free: Vec::new(),
            by_hash: BTreeSet::new(),
            at_hand: AtHand::default(),
            unheld: Order::new(),
            unheld_count: 0,
            unheld_bytes: 0,
            bytes: 0,
        }
    }

    /// The statement with this text and these types, as `Parse` messages have them. The caller
    /// holds one reference more. `facts` is asked on first sight.
    ///
    /// # Errors
    /// When it is too long, or there is no room because all others are held.
    pub(crate) fn intern(
        &mut self,
        sql: &[u8],
        types: &[u8],
        facts: impl FnOnce(&[u8]) -> F,
    ) -> Result<StatementId, InternError> {
        let hash = self.hash(sql, types);
        let id = match self.find_hashed(hash, sql, types) {
            Some(id) => id,
            None => self.insert(hash, sql, types, facts)?,
        };
        self.hold(id);
        Ok(id)
    }

    /// The statement with this text and these types, if it is known. Nothing is held.
    pub(crate) fn find(&self, sql: &[u8], types: &[u8]) -> Option<StatementId> {
        self.find_hashed(self.hash(sql, types), sql, types)
    }

    /// The same; where it is not known, the number of [`Interned::hash`]. What is found is at hand the
    /// next time.
    pub(crate) fn look_up(&mut self, sql: &[u8], types: &[u8]) -> Result<StatementId, u64> {
        if let Some(&id) = self.at_hand.get(sql)
            && self.is(id, sql, types)
        {
            return Ok(id);
        }
        let hash = self.hash(sql, types);
        let id = self.find_hashed(hash, sql, types).ok_or(hash)?;
        self.at_hand.put(sql, id);
        Ok(id)
    }

    /// A number for this text and these types that differs between lives.
    pub(crate) fn hash(&self, sql: &[u8], types: &[u8]) -> u64 {
        hash(self.key, &[sql, types])
    }

    /// One reference more.
    pub(crate) fn hold(&mut self, id: StatementId) {
        let Some(Some(entry)) = self.slots.get_mut(id.0 as usize) else { return };
        if entry.holders == 0 {
            self.unheld.remove(id.0);
            self.unheld_count -= 1;
            self.unheld_bytes -= entry.bytes();
        }
        entry.holders = entry.holders.saturating_add(1);
    }

    /// One reference less.
    pub(crate) fn release(&mut self, id: StatementId) {
        let Some(Some(entry)) = self.slots.get_mut(id.0 as usize) else { return };
        debug_assert!(entry.holders > 0, "{id:?} is dropped once too often");
        if entry.holders == 0 {
            return;
        }
        entry.holders -= 1;
        if entry.holders == 0 {
            let bytes = entry.bytes();
            self.put_aside(id.0, bytes);
        }
    }

    /// Its text.
    pub(crate) fn sql(&self, id: StatementId) -> &[u8] {
        self.entry(id).map(Entry::sql).unwrap_or_default()
    }

    /// Its parameters' types as a `Parse` has them, their count included.
    pub(crate) fn types(&self, id: StatementId) -> &[u8] {
        self.entry(id).map(Entry::types).unwrap_or_default()
    }

    /// What follows the name in its `Parse`: the text, a zero byte, the types.
    pub(crate) fn parse_tail(&self, id: StatementId) -> Bytes {
        self.entry(id).map(|entry| entry.tail.clone()).unwrap_or_default()
    }

    /// What is known of it; `None` for a statement that nobody holds and that has left.
    pub(crate) fn facts(&self, id: StatementId) -> Option<&F> {
        self.entry(id).map(|entry| &entry.facts)
    }

    /// What it is called on sessions now.
    pub(crate) fn name(&self, id: StatementId) -> Name {
        let number = self.generation(id);
        self.prefix.name(if planted!(NameCollision) { number % 2 + 1 } else { number })
    }

    /// What the statement with this number in its name is, or was, called on sessions.
    pub(crate) fn name_of(&self, generation: u64) -> Name {
        self.prefix.name(generation)
    }

    /// The number in its name: no other statement ever has or had it. It is above 0.
    pub(crate) fn generation(&self, id: StatementId) -> u64 {
        self.entry(id).map_or(0, |entry| entry.number)
    }

    /// Its plan is broken on every session: from now on it has another name.
    pub(crate) fn renew(&mut self, id: StatementId) {
        if let Some(Some(entry)) = self.slots.get_mut(id.0 as usize) {
            self.last_number += 1;
            entry.number = self.last_number;
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.by_hash.len()
    }

    /// Bytes that they take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    fn entry(&self, id: StatementId) -> Option<&Entry<F>> {
        self.slots.get(id.0 as usize)?.as_ref()
    }

    fn chain(&self, hash: u64) -> impl Iterator<Item = StatementId> {
        self.by_hash.range((hash, 0)..=(hash, u32::MAX)).map(|(_, slot)| StatementId(*slot))
    }

    /// The same, the number being that of [`Interned::hash`].
    fn find_hashed(&self, hash: u64, sql: &[u8], types: &[u8]) -> Option<StatementId> {
        self.chain(hash).find(|id| self.is(*id, sql, types))
    }

    /// True if the statement in this slot has this text and these types.
    fn is(&self, id: StatementId, sql: &[u8], types: &[u8]) -> bool {
        self.entry(id).is_some_and(|entry| entry.sql() == sql && entry.types() == types)
    }

    fn insert(
        &mut self,
        hash: u64,
        sql: &[u8],
        types: &[u8],
        facts: impl FnOnce(&[u8]) -> F,
    ) -> Result<StatementId, InternError> {
        let bytes = sql.len().saturating_add(types.len());
        if bytes > STATEMENT_BYTES_MAX {
            return Err(InternError::TooLong);
        }
        if self.chain(hash).count() >= CHAIN_MAX {
            return Err(InternError::Full);
        }
        self.make_room(Entry::<F>::FIXED + bytes + 1)?;
        let mut tail = BytesMut::with_capacity(bytes + 1);
        tail.put_slice(sql);
        tail.put_u8(0);
        tail.put_slice(types);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        self.last_number += 1;
        let entry = Entry {
            tail: tail.freeze(),
            sql_bytes: sql.len(),
            hash,
            number: self.last_number,
            holders: 0,
            facts: facts(sql),
        };
        let bytes = entry.bytes();
        self.bytes += bytes;
        self.by_hash.insert((hash, slot));
        if let Some(place) = self.slots.get_mut(slot as usize) {
            *place = Some(entry);
        }
        self.put_aside(slot, bytes);
        Ok(StatementId(slot))
    }

    /// Lets statements go that nobody holds, until there is room for one more of this size. Those
    /// stay if it would not help.
    fn make_room(&mut self, bytes: usize) -> Result<(), InternError> {
        let held = self.bytes - self.unheld_bytes;
        if held + bytes > STATEMENTS_BYTES_MAX {
            return Err(InternError::Full);
        }
        while self.bytes + bytes > STATEMENTS_BYTES_MAX || self.len() >= STATEMENTS_MAX {
            self.evict()?;
        }
        Ok(())
    }

    fn evict(&mut self) -> Result<(), InternError> {
        let slot = self.unheld.first().ok_or(InternError::Full)?;
        let entry = self.slots.get_mut(slot as usize).and_then(Option::take);
        let entry = entry.ok_or(InternError::Full)?;
        self.unheld.remove(slot);
        self.unheld_count -= 1;
        self.unheld_bytes -= entry.bytes();
        self.bytes -= entry.bytes();
        self.by_hash.remove(&(entry.hash, slot));
        self.free.push(slot);
        Ok(())
    }

    fn put_aside(&mut self, slot: u32, bytes: usize) {
        self.unheld.push(slot);
        self.unheld_count += 1;
        self.unheld_bytes += bytes;
    }
}

/// Why a statement is not interned. It can still run, unnamed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum InternError {
    /// Its text and types are longer than [`STATEMENT_BYTES_MAX`].
    TooLong,
    /// There are [`STATEMENTS_MAX`], or [`STATEMENTS_BYTES_MAX`] of them, and all are held.
    Full,
}

impl fmt::Display for InternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => {
                write!(f, "a prepared statement is longer than {STATEMENT_BYTES_MAX} bytes")
            }
            Self::Full => write!(
                f,
                "all clients together hold {STATEMENTS_MAX} prepared statements, or \
                 {STATEMENTS_BYTES_MAX} bytes of them"
            ),
        }
    }
}

#[cfg(test)]
mod tests;
