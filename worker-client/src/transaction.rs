//! Transactions over several trips, and savepoints in them.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use crate::progress::Mark;
use crate::scope::Scope;
use crate::{BatchResult, Database, Error, Statement, ToParam};

/// A transaction over several calls. Each call is one trip: `BEGIN` rides with the first one, and
/// `COMMIT` with the last one if that is [`commit_with`](Self::commit_with).
///
/// What can be run in it are the methods of [`Scope`]. Dropped, it is rolled back, with nothing to
/// wait for. It holds a session of the pool from its first call on: end it soon.
///
/// After an error of the database nothing more runs in it; every further call fails with the first
/// error told again. What may fail belongs in a [`savepoint`](Scope::savepoint).
pub struct Transaction {
    scope: Scope,
}

/// A part of a transaction that can be undone by itself. Dropped, it is rolled back;
/// [`release`](Self::release) keeps it. Neither costs a trip: what is to be said rides with the next
/// call.
///
/// An error of the database in it leaves the transaction around it usable.
pub struct Savepoint<'a> {
    scope: &'a mut Scope,
    /// Where it begins.
    mark: Mark,
    released: bool,
}

/// What a transaction sees of others, in PostgreSQL's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// What was committed before each statement; the usual default.
    ReadCommitted,
    /// What was committed before its first statement. A conflict fails with `40001`.
    RepeatableRead,
    /// As if transactions ran one after the other. A conflict fails with `40001`.
    Serializable,
}

/// How a transaction is to begin; from [`Database::transaction`].
#[derive(Clone, Debug)]
#[must_use = "nothing begins before begin()"]
pub struct TransactionBuilder {
    database: Database,
    modes: Modes,
}

/// What stands behind `BEGIN`.
#[derive(Clone, Copy, Debug, Default)]
struct Modes {
    isolation: Option<Isolation>,
    read_only: bool,
    deferrable: bool,
}

impl Modes {
    fn begin(self) -> String {
        let isolation = match self.isolation {
            None => "",
            Some(Isolation::ReadCommitted) => " ISOLATION LEVEL READ COMMITTED",
            Some(Isolation::RepeatableRead) => " ISOLATION LEVEL REPEATABLE READ",
            Some(Isolation::Serializable) => " ISOLATION LEVEL SERIALIZABLE",
        };
        let read_only = if self.read_only { " READ ONLY" } else { "" };
        let deferrable = if self.deferrable { " DEFERRABLE" } else { "" };
        format!("BEGIN{isolation}{read_only}{deferrable}")
    }
}

impl Database {
    /// Begins a transaction over several calls, in the database's default modes. Nothing is sent
    /// before its first call.
    ///
    /// ```no_run
    /// # use pierhead_client::{Database, Error};
    /// # async fn f(db: &Database, from: i64, to: i64) -> Result<(), Error> {
    /// let mut tx = db.begin()?;
    /// let take = "update accounts set cents = cents - 100 where id = $1 returning cents";
    /// let left: i64 = tx.query_one(take, &[&from]).await?.get(0)?;
    /// if left < 0 {
    ///     return Ok(()); // Dropped: rolled back.
    /// }
    /// tx.commit_with("update accounts set cents = cents + 100 where id = $1", &[&to]).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When the binding cannot be used, or settings are required and not given.
    pub fn begin(&self) -> Result<Transaction, Error> {
        self.transaction().begin()
    }

    /// A transaction in other modes than the database's default.
    pub fn transaction(&self) -> TransactionBuilder {
        TransactionBuilder { database: self.clone(), modes: Modes::default() }
    }
}

impl TransactionBuilder {
    /// What the transaction sees of others.
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.modes.isolation = Some(isolation);
        self
    }

    /// The transaction may not write.
    pub fn read_only(mut self) -> Self {
        self.modes.read_only = true;
        self
    }

    /// A serializable, read-only transaction waits at its start until it can run without a conflict.
    /// The database ignores it for others.
    pub fn deferrable(mut self) -> Self {
        self.modes.deferrable = true;
        self
    }

    /// The time for each call, instead of the database handle's.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.database = self.database.with_timeout(timeout);
        self
    }

    /// Begins the transaction. Nothing is sent before its first call.
    ///
    /// # Errors
    /// As [`Database::begin`].
    pub fn begin(self) -> Result<Transaction, Error> {
        let begin = self.modes.begin();
        Ok(Transaction { scope: Scope::new(self.database, begin)? })
    }
}

impl Transaction {
    /// Commits. One trip; none if nothing was run.
    ///
    /// # Errors
    /// When the transaction failed before, or fails of what is checked only now (deferred
    /// constraints, conflicts). Everything is rolled back then, unless
    /// [`is_outcome_unknown`](Error::is_outcome_unknown).
    pub async fn commit(mut self) -> Result<(), Error> {
        self.scope.commit(&[]).await.map(drop)
    }

    /// Runs a last statement and commits, in one trip.
    ///
    /// # Errors
    /// As [`commit`](Self::commit), and when the statement fails: nothing is committed then.
    pub async fn commit_with(
        mut self,
        sql: &str,
        params: &[&dyn ToParam],
    ) -> Result<BatchResult, Error> {
        let mut results = self.scope.commit(&[Statement::new(sql, params)]).await?;
        results.pop().ok_or_else(|| Error::request("no result"))
    }

    /// Runs the last statements and commits, in one trip.
    ///
    /// # Errors
    /// As [`commit_with`](Self::commit_with).
    pub async fn commit_with_batch(
        mut self,
        statements: &[Statement<'_>],
    ) -> Result<Vec<BatchResult>, Error> {
        self.scope.commit(statements).await
    }

    /// Rolls back, and waits until it is done. To drop the transaction is as good, and waits for
    /// nothing.
    ///
    /// # Errors
    /// When it is not certain that it is done by now. Nothing is committed in any case.
    pub async fn rollback(mut self) -> Result<(), Error> {
        self.scope.roll_back().await
    }
}

impl<'a> Savepoint<'a> {
    pub(crate) fn new(scope: &'a mut Scope, name: &str) -> Result<Self, Error> {
        let mark = scope.mark(name)?;
        Ok(Self { scope, mark, released: false })
    }

    /// Keeps what was done since the savepoint. Sends nothing by itself.
    ///
    /// # Errors
    /// When something failed since: it is rolled back then.
    pub fn release(mut self) -> Result<(), Error> {
        self.scope.release(&self.mark)?;
        self.released = true;
        Ok(())
    }

    /// Undoes what was done since the savepoint, as dropping it does. Sends nothing by itself.
    pub fn rollback(self) {}
}

impl Drop for Savepoint<'_> {
    fn drop(&mut self) {
        if !self.released {
            self.scope.roll_back_to(&self.mark);
        }
    }
}

impl Deref for Transaction {
    type Target = Scope;

    fn deref(&self) -> &Scope {
        &self.scope
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut Scope {
        &mut self.scope
    }
}

impl Deref for Savepoint<'_> {
    type Target = Scope;

    fn deref(&self) -> &Scope {
        self.scope
    }
}

impl DerefMut for Savepoint<'_> {
    fn deref_mut(&mut self) -> &mut Scope {
        self.scope
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Transaction").field(&self.scope).finish()
    }
}

impl fmt::Debug for Savepoint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Savepoint").field(&self.mark).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_stand_behind_begin() {
        assert_eq!(Modes::default().begin(), "BEGIN");
        let modes =
            Modes { isolation: Some(Isolation::Serializable), read_only: true, deferrable: true };
        assert_eq!(modes.begin(), "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE");
    }
}
