//! What the statements of one lease have done to its session beyond their transactions.
//!
//! Plain `SET`s are collected, kept at COMMIT and dropped at ROLLBACK, as the database does. What
//! cannot be followed is a [`Sign`]: the session must be reset, or stay with its client.

use crate::database::transaction::Transaction;
use crate::sql::{Change, Control, Facts, Sign, Signs};

/// Effects of a lease so far.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Of the transaction that is open.
    open: Part,
    /// Of transactions that were committed.
    kept: Part,
    /// Something that no command clears was done.
    pub(crate) indelible: bool,
    /// The segment that is being answered saw an error.
    failed: bool,
}

#[derive(Debug, Default)]
struct Part {
    changes: Vec<Change>,
    sign: Option<Sign>,
}

impl Part {
    fn add(&mut self, facts: &Facts) {
        self.changes.extend(facts.changes.iter().cloned());
        if planted!(ListenerNotKept) && facts.signs.state == Some(Sign::Listen) {
            return;
        }
        self.sign = self.sign.or(facts.signs.state);
    }

    fn append(&mut self, mut other: Self) {
        self.changes.append(&mut other.changes);
        self.sign = self.sign.or(other.sign);
    }
}

impl Effects {
    /// Forgets all of a lease that is over.
    pub(crate) fn empty(&mut self) {
        let Self { open, kept, indelible, failed } = self;
        for part in [open, kept] {
            part.changes.clear();
            part.sign = None;
        }
        (*indelible, *failed) = (false, false);
    }

    /// One statement was completed; `facts` about the text that it is in, if anything is known of
    /// it. What a text of several shows counts when all of it has run.
    pub(crate) fn completed(&mut self, tag: &[u8], facts: Option<&Facts>) {
        if let Some(facts) = facts.filter(|facts| facts.statements <= 1) {
            self.indelible |= facts.signs.indelible;
            self.open.add(facts);
        }
        if facts.is_none_or(|facts| !facts.shows_command) {
            // The text hid what ran.
            let shown = Signs::of_tag(tag);
            self.indelible |= shown.indelible;
            self.open.sign = self.open.sign.or(shown.state);
        }
        let back = facts.is_some_and(|f| f.control == Control::RollbackTo);
        match tag {
            b"COMMIT\0" | b"PREPARE TRANSACTION\0" => {
                let open = std::mem::take(&mut self.open);
                self.kept.append(open);
            }
            // To a savepoint: which of the changes came after it is not known here.
            b"ROLLBACK\0" if back && self.open.changes.is_empty() => {}
            b"ROLLBACK\0" if back => {
                self.open.changes.clear();
                self.open.sign = self.open.sign.or(Some(Sign::Set));
            }
            b"ROLLBACK\0" => self.roll_back(),
            b"DISCARD ALL\0" => {
                self.open = Part::default();
                self.kept = Part::default();
            }
            _ => {}
        }
    }

    /// A statement gave a part of its rows. What it does for each of them is done for these, and the end
    /// of its segment may end it without another word.
    pub(crate) fn suspended(&mut self, facts: &Facts) {
        self.indelible |= facts.signs.indelible;
        self.open.add(facts);
    }

    /// Settings were made again that a statement had undone.
    pub(crate) fn restored(&mut self, changes: Vec<Change>) {
        self.open.changes.extend(changes);
    }

    /// All statements of a text were completed.
    pub(crate) fn ran(&mut self, facts: &Facts) {
        self.indelible |= facts.signs.indelible;
        self.open.add(facts);
    }

    /// A statement is about to be sent whose effects may outlive its failure.
    pub(crate) fn begins(&mut self, facts: &Facts) {
        self.indelible |= facts.signs.indelible;
        if let Some(sign) = facts.signs.state
            && sign.survives_rollback()
        {
            self.kept.sign = self.kept.sign.or(Some(sign));
        }
    }

    /// An error was reported.
    pub(crate) fn failed(&mut self) {
        self.failed = true;
    }

    /// A ready point came.
    pub(crate) fn ready(&mut self, transaction: Transaction) {
        let failed = std::mem::take(&mut self.failed);
        if transaction != Transaction::None {
            return;
        }
        if failed {
            self.roll_back();
        } else {
            let open = std::mem::take(&mut self.open);
            self.kept.append(open);
        }
    }

    fn roll_back(&mut self) {
        self.open = Part::default();
    }

    /// Changes that were committed since the last call.
    pub(crate) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.kept.changes)
    }

    /// True if [`Effects::take_changes`] has something.
    #[cfg(test)]
    pub(crate) fn has_changes(&self) -> bool {
        !self.kept.changes.is_empty()
    }

    /// Why the session cannot be handed on as it is, committed or not.
    pub(crate) fn sign(&self) -> Option<Sign> {
        self.kept.sign.or(self.open.sign)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql;

    fn after(steps: &[(&str, &str, Transaction)]) -> Effects {
        let mut effects = Effects::default();
        for &(text, tag, transaction) in steps {
            let facts = sql::read(text.as_bytes());
            effects.begins(&facts);
            match tag {
                "" => effects.failed(),
                tag => effects.completed(format!("{tag}\0").as_bytes(), Some(&facts)),
            }
            effects.ready(transaction);
        }
        effects
    }

    use Transaction::{Failed, None as Idle, Open};

    #[test]
    fn a_setting_counts_when_it_is_committed() {
        let mut effects = after(&[("begin", "BEGIN", Open), ("set a = 1", "SET", Open)]);
        assert!(!effects.has_changes());
        effects.completed(b"COMMIT\0", Some(&sql::read(b"commit")));
        effects.ready(Idle);
        assert_eq!(effects.take_changes().len(), 1);
        assert_eq!(after(&[("set a = 1", "SET", Idle)]).take_changes().len(), 1);
    }

    #[test]
    fn a_setting_is_dropped_with_its_transaction() {
        let begin = ("begin", "BEGIN", Open);
        let set = ("set a = 1", "SET", Open);
        assert!(!after(&[begin, set, ("rollback", "ROLLBACK", Idle)]).has_changes());
        assert!(
            !after(&[begin, set, ("x", "", Failed), ("commit", "ROLLBACK", Idle)]).has_changes()
        );
        assert!(!after(&[("set a = 1", "", Idle)]).has_changes());
    }

    #[test]
    fn what_a_savepoint_undid_is_not_known() {
        let effects = after(&[
            ("begin", "BEGIN", Open),
            ("savepoint s", "SAVEPOINT", Open),
            ("set a = 1", "SET", Open),
            ("rollback to s", "ROLLBACK", Open),
        ]);
        assert!(effects.sign().is_some() && !effects.has_changes());
    }

    #[test]
    fn a_lock_outlives_the_failure_of_its_statement() {
        assert!(after(&[("select pg_advisory_lock(1), 1 / 0", "", Idle)]).sign().is_some());
        assert!(after(&[("create temp table t (a int)", "", Idle)]).sign().is_none());
    }
}
