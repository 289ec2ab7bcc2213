//! What the engine counts, for whoever looks inside: how long things took by class of clients, and
//! which statements use the pool.
mod histogram;
pub(crate) mod holders;
mod top;

pub use self::histogram::{Bucket, Histogram};
pub use self::holders::{Holder, Waiter};
pub(crate) use self::holders::{describe_holders, describe_waiters};
pub use self::top::StatementAccount;

use std::cmp::Reverse;

use self::top::Top;
use crate::limits::LISTED_MAX;
use crate::pool::classes::{ClassId, Classes};
use crate::time::Millis;

/// How long the parts of clients' requests took.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Times {
    /// From a client's arrival in the queue to its grant.
    pub wait: Histogram,
    /// From a grant to the session's release.
    pub lease: Histogram,
    /// From a request's first byte sent to its last ready point.
    pub query: Histogram,
    /// From the first byte of a reply to the last byte that its client was handed.
    pub transfer: Histogram,
}

/// The times of one class of clients.
#[derive(Clone, Copy, Debug)]
pub struct ClassAccount<'a> {
    /// The identity of its clients.
    pub name: &'a str,
    /// Since the class was first seen, or seen again after it was forgotten.
    pub times: &'a Times,
}

/// Who uses the pool and for what, now and up to now: of each list those that use most of it, the
/// first of them first, [`LISTED_MAX`] at most. No SQL but that of the statements, whose constants
/// are left out.
#[derive(Clone, Debug, Default)]
pub struct Usage<'a> {
    /// Who holds sessions, longest first.
    pub holders: Vec<Holder>,
    /// Who waits for one, longest first.
    pub waiters: Vec<Waiter>,
    /// Classes of clients by how long they held sessions.
    pub classes: Vec<ClassAccount<'a>>,
    /// Statements by how long they took.
    pub statements: Vec<&'a StatementAccount>,
}

impl Usage<'_> {
    /// Puts each list in order and cuts it.
    pub(crate) fn cut(mut self) -> Self {
        self.holders.sort_by_key(|one| (Reverse(one.held), one.client));
        self.waiters.sort_by_key(|one| (Reverse(one.waited), one.client));
        self.classes.sort_by_key(|one| (Reverse(one.times.lease.sum()), one.name));
        self.holders.truncate(LISTED_MAX);
        self.waiters.truncate(LISTED_MAX);
        self.classes.truncate(LISTED_MAX);
        self.statements.truncate(LISTED_MAX);
        self
    }
}

/// Everything that is counted by class or statement.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    /// By the number of the class; a class of which nothing was counted has no memory.
    classes: Vec<Option<Box<Times>>>,
    /// Of classes that were forgotten.
    forgotten: Option<Box<Times>>,
    statements: Top,
}

impl Accounts {
    /// A client of this class was granted a session after this time in the queue.
    pub(crate) fn waited(&mut self, class: ClassId, time: Millis) {
        self.times(class, |times| times.wait.record(time));
    }

    /// A client of this class gave a session back after this time.
    pub(crate) fn leased(&mut self, class: ClassId, time: Millis) {
        self.times(class, |times| times.lease.record(time));
    }

    /// The database took this time for a request of this class.
    pub(crate) fn queried(&mut self, class: ClassId, time: Millis) {
        self.times(class, |times| times.query.record(time));
    }

    /// Handing over an answer took this time.
    pub(crate) fn transferred(&mut self, class: ClassId, time: Millis) {
        self.times(class, |times| times.transfer.record(time));
    }

    /// A statement was called. `text` makes its text without constants, when it is needed.
    pub(crate) fn called(
        &mut self,
        fingerprint: u64,
        took: Millis,
        failed: bool,
        text: impl FnOnce() -> String,
    ) {
        self.statements.record(fingerprint, took, failed, text);
    }

    /// The number of a class was given to another name: what it counted stays in the totals.
    pub(crate) fn forget_class(&mut self, class: ClassId) {
        if let Some(times) = self.classes.get_mut(class.index()).and_then(Option::take) {
            self.forgotten.get_or_insert_default().merge(&times);
        }
    }

    /// The times of each class of which something was counted, in the order of their numbers.
    pub(crate) fn classes<'a>(
        &'a self,
        names: &'a Classes,
    ) -> impl Iterator<Item = ClassAccount<'a>> {
        (0..).zip(&self.classes).filter_map(|(number, times)| {
            Some(ClassAccount { name: names.name(ClassId(number)), times: times.as_deref()? })
        })
    }

    /// The times of all classes together, of those that were forgotten too.
    pub(crate) fn totals(&self) -> Times {
        let mut totals = Times::default();
        for times in self.classes.iter().chain([&self.forgotten]).flatten() {
            totals.merge(times);
        }
        totals
    }

    /// The statements that use most session time, the first of them first.
    pub(crate) fn statements(&self) -> Vec<&StatementAccount> {
        self.statements.ranked()
    }

    fn times(&mut self, class: ClassId, record: impl FnOnce(&mut Times)) {
        if self.classes.len() <= class.index() {
            self.classes.resize(class.index() + 1, None);
        }
        if let Some(times) = self.classes.get_mut(class.index()) {
            record(times.get_or_insert_default());
        }
    }
}

impl Times {
    /// Adds the times of another class.
    pub fn merge(&mut self, other: &Self) {
        self.wait.merge(&other.wait);
        self.lease.merge(&other.lease);
        self.query.merge(&other.query);
        self.transfer.merge(&other.transfer);
    }
}

const _: () = assert!(Classes::NUMBERS * size_of::<Times>() < 512 * 1024);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_has_its_own_times_and_the_totals_have_all() {
        let (mut accounts, mut names) = (Accounts::default(), Classes::default());
        let [api, _, cron] = ["api", "silent", "cron"].map(|name| names.enter(name).class);
        accounts.waited(api, Millis(1));
        accounts.leased(api, Millis(2));
        accounts.queried(api, Millis(3));
        accounts.transferred(cron, Millis(4));
        accounts.leased(cron, Millis(50));
        let shown: Vec<_> = accounts
            .classes(&names)
            .map(|class| (class.name, class.times.wait.sum(), class.times.lease.sum()))
            .collect();
        assert_eq!(shown, [("api", 1, 2), ("cron", 0, 50)]);
        let totals = accounts.totals();
        assert_eq!((totals.wait.sum(), totals.lease.sum()), (1, 52));
        assert_eq!((totals.query.sum(), totals.transfer.sum()), (3, 4));
    }

    #[test]
    fn what_a_forgotten_class_counted_stays_in_the_totals() {
        let (mut accounts, mut names) = (Accounts::default(), Classes::default());
        let class = names.enter("gone").class;
        for time in [1, 10] {
            accounts.queried(class, Millis(time));
            accounts.forget_class(class);
        }
        assert_eq!(accounts.classes(&names).count(), 0);
        assert_eq!(accounts.totals().query.sum(), 11);
        accounts.queried(class, Millis(100));
        assert_eq!(accounts.totals().query.count(), 3);
    }

    #[test]
    fn statements_are_ranked_by_the_time_they_use() {
        let mut accounts = Accounts::default();
        accounts.called(1, Millis(5), false, || "select $1".into());
        accounts.called(2, Millis(500), true, || "delete from t".into());
        let texts: Vec<_> = accounts.statements().iter().map(|row| row.text()).collect();
        assert_eq!(texts, ["delete from t", "select $1"]);
    }

    #[test]
    fn numbers_that_no_class_has_cost_no_memory() {
        let mut accounts = Accounts::default();
        accounts.waited(ClassId(u32::MAX), Millis(1));
        assert_eq!((accounts.classes.len(), accounts.totals().wait.count()), (1, 1));
    }
}
