//! Which statements use the pool: those with the most session time, found in a table of fixed size
//! without remembering the others (the Space-Saving algorithm, weighted by time).
//!
//! A statement that is not in a full table takes the row with the least weight, and that weight
//! with it. So a row's weight is never too low, it is too high by [`StatementAccount::missed`] at
//! most, and every statement with more than its share (the weight of all, divided by the number of
//! rows) has a row.

use crate::limits::{FINGERPRINTS_KEPT, STATEMENT_TEXT_MAX};
use crate::pool::classes::cut;
use crate::time::Millis;

/// One statement of the table: the same text but for its constants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StatementAccount {
    fingerprint: u64,
    text: String,
    calls: u64,
    errors: u64,
    total: u64,
    longest: Millis,
    weight: u64,
    missed: u64,
}

impl StatementAccount {
    /// What statements are told apart by.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// The statement without its constants, cut to [`STATEMENT_TEXT_MAX`] bytes.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How often it was called since it entered the table.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// How many of these calls ended with an error.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.errors
    }

    /// How long these calls took together, in milliseconds.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How long the longest of them took.
    #[must_use]
    pub fn longest(&self) -> Millis {
        self.longest
    }

    /// What the row is ranked by: the milliseconds of its calls, each counted as one at least, and
    /// those [missed](Self::missed).
    #[must_use]
    pub fn weight(&self) -> u64 {
        self.weight
    }

    /// The most weight that its calls can have had before it entered the table.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed
    }

    fn count(&mut self, took: Millis, failed: bool) {
        self.calls += 1;
        self.errors += u64::from(failed);
        self.total = self.total.saturating_add(took.0);
        self.longest = self.longest.max(took);
        self.weight = self.weight.saturating_add(took.0.max(1));
    }
}

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Top {
    /// By fingerprint.
    rows: Vec<StatementAccount>,
}

impl Top {
    /// Counts one call. `text` makes the statement's text without its constants; it is asked only
    /// when the statement enters the table.
    pub(crate) fn record(
        &mut self,
        fingerprint: u64,
        took: Millis,
        failed: bool,
        text: impl FnOnce() -> String,
    ) {
        let found = self.rows.binary_search_by_key(&fingerprint, |row| row.fingerprint);
        let at = found.unwrap_or_else(|place| self.enter(place, fingerprint, text()));
        if let Some(row) = self.rows.get_mut(at) {
            row.count(took, failed);
        }
    }

    /// The table, the greatest weight first; where weights are equal, by fingerprint.
    pub(crate) fn ranked(&self) -> Vec<&StatementAccount> {
        let mut rows: Vec<_> = self.rows.iter().collect();
        rows.sort_by_key(|row| (u64::MAX - row.weight, row.fingerprint));
        rows
    }

    /// Gives a statement a row, in place of the lightest one if the table is full; of several, the
    /// one with the lowest fingerprint.
    fn enter(&mut self, mut place: usize, fingerprint: u64, mut text: String) -> usize {
        text.truncate(cut(&text, STATEMENT_TEXT_MAX).len());
        text.shrink_to_fit();
        let mut missed = 0;
        if self.rows.len() >= FINGERPRINTS_KEPT
            && let Some((at, row)) = self.rows.iter().enumerate().min_by_key(|(_, row)| row.weight)
        {
            missed = row.weight;
            self.rows.remove(at);
            place -= usize::from(at < place);
        }
        self.rows.insert(
            place,
            StatementAccount {
                fingerprint,
                text,
                calls: 0,
                errors: 0,
                total: 0,
                longest: Millis(0),
                weight: missed,
                missed,
            },
        );
        place
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::rng::Rng;

    fn called(top: &mut Top, fingerprint: u64, took: u64) {
        top.record(fingerprint, Millis(took), false, || format!("select {fingerprint}"));
    }

    fn row(top: &Top, fingerprint: u64) -> Option<&StatementAccount> {
        top.rows.iter().find(|row| row.fingerprint == fingerprint)
    }

    #[test]
    fn calls_errors_and_times_are_counted_exactly_while_there_is_room() {
        let mut top = Top::default();
        top.record(7, Millis(30), false, || "select $1".into());
        top.record(7, Millis(0), true, || panic!("the text is known"));
        called(&mut top, 3, 5);
        let row = row(&top, 7).unwrap();
        assert_eq!((row.fingerprint(), row.text()), (7, "select $1"));
        assert_eq!((row.calls(), row.errors(), row.total()), (2, 1, 30));
        assert_eq!((row.longest(), row.weight(), row.missed()), (Millis(30), 31, 0));
        assert!(top.ranked().iter().map(|row| row.fingerprint()).eq([7, 3]));
    }

    #[test]
    fn a_newcomer_takes_the_row_of_the_lightest() {
        let mut top = Top::default();
        for fingerprint in 0..FINGERPRINTS_KEPT as u64 {
            called(&mut top, 1_000 + fingerprint, 10);
        }
        called(&mut top, 1_000, 0);
        called(&mut top, 5, 2);
        assert_eq!(top.rows.len(), FINGERPRINTS_KEPT);
        assert!(row(&top, 1_001).is_none(), "of the lightest, the lowest fingerprint");
        let new = row(&top, 5).unwrap();
        assert_eq!((new.weight(), new.missed(), new.calls(), new.total()), (12, 10, 1, 2));
        assert!(top.rows.is_sorted_by_key(|row| row.fingerprint));
    }

    #[test]
    fn a_weight_is_never_too_low_and_whoever_has_more_than_its_share_has_a_row() {
        let mut rng = Rng::new([9; 32]);
        let (mut top, mut exact) = (Top::default(), BTreeMap::new());
        for _ in 0..30_000 {
            // Few statements are frequent, one is rare and slow, most come once.
            let (fingerprint, took) = match rng.below(10) {
                0..=3 => (rng.below(20), rng.below(4)),
                4 if rng.below(100) == 0 => (999, 2_000),
                _ => (1_000 + rng.below(1 << 40), rng.below(3)),
            };
            called(&mut top, fingerprint, took);
            *exact.entry(fingerprint).or_insert(0) += took.max(1);
        }
        let all: u64 = exact.values().sum();
        for (&fingerprint, &weight) in &exact {
            let Some(row) = row(&top, fingerprint) else {
                assert!(weight <= all / FINGERPRINTS_KEPT as u64, "{fingerprint} is missing");
                continue;
            };
            assert!(row.weight() >= weight && row.weight() - row.missed() <= weight);
        }
        assert_eq!(top.ranked()[0].fingerprint(), 999, "though it was called least");
        assert_eq!(top.rows.iter().map(|row| row.weight).sum::<u64>(), all);
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let mut top = Top::default();
        top.record(1, Millis(1), false, || "x".to_owned() + &"ß".repeat(10_000));
        assert_eq!(top.rows[0].text().len(), STATEMENT_TEXT_MAX - 1);
        assert!(top.rows[0].text.capacity() < 2 * STATEMENT_TEXT_MAX);
    }
}
