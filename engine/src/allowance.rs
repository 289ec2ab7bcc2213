//! A number of bytes that several engines share.
//!
//! All objects of a script live in one isolate and share its memory, so what one coordinator holds
//! is taken from its neighbours. The shell makes one allowance for the isolate and gives a handle on
//! it to every engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::limits::ALLOWANCE_BYTES;

/// A handle on the shared number; clones count together.
#[derive(Clone, Debug)]
pub struct Allowance {
    held: Arc<AtomicUsize>,
    most: usize,
}

impl Default for Allowance {
    /// An allowance of its own, of [`ALLOWANCE_BYTES`].
    fn default() -> Self {
        Self::of(ALLOWANCE_BYTES)
    }
}

impl Allowance {
    /// An allowance of `most` bytes.
    #[must_use]
    pub fn of(most: usize) -> Self {
        Self { held: Arc::default(), most }
    }

    /// Bytes held by all who share it.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.load(Relaxed)
    }

    /// True if both count together.
    #[must_use]
    pub fn is_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.held, &other.held)
    }

    /// True if this many bytes more would be too many.
    pub(crate) fn lacks(&self, bytes: usize) -> bool {
        self.held().saturating_add(bytes) > self.most
    }

    /// True if more is held than may be: what came without being asked for.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.held() > self.most
    }

    /// One holder holds `now` bytes instead of `before`.
    pub(crate) fn changed(&self, before: usize, now: usize) {
        if now >= before {
            self.held.fetch_add(now - before, Relaxed);
        } else {
            self.held.fetch_sub(before - now, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_count_together() {
        let (a, b) = {
            let a = Allowance::of(100);
            (a.clone(), a)
        };
        a.changed(0, 60);
        b.changed(0, 30);
        assert!(!a.is_exceeded() && !a.lacks(10) && a.lacks(11));
        b.changed(30, 50);
        assert!(a.is_exceeded());
        a.changed(60, 0);
        assert_eq!(b.held(), 50);
        assert!(a.is_shared_with(&b) && !a.is_shared_with(&Allowance::of(100)));
    }
}
