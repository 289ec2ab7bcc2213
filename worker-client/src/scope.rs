use std::fmt;
use std::rc::Rc;

use crate::database::{exactly_one, only};
use crate::error::Kind;
use crate::exchange::{Exchange, Unsent};
use crate::progress::{Mark, Progress};
use crate::result::Collector;
use crate::rpc::Peer;
use crate::statement::{Place, Script, check_control};
use crate::terms;
use crate::transaction::Savepoint;
use crate::{
    BatchResult, CopyIn, CopyOut, Database, Error, Row, RowStream, Rows, Statement, ToParam,
};

/// What can be run in a [`Transaction`](crate::Transaction) or in a [`Savepoint`].
///
/// Each call is one trip. A call that is dropped before its answer ends the transaction, because
/// nobody knows then how far it came.
pub struct Scope {
    database: Database,
    lease: Option<Rc<Peer>>,
    progress: Progress,
}

impl Scope {
    pub(crate) fn new(database: Database, begin: String) -> Result<Self, Error> {
        database.settings.check()?;
        Ok(Self { database, lease: None, progress: Progress::new(begin) })
    }

    /// Runs a statement and returns its rows.
    ///
    /// # Errors
    /// See [`Error`]; after one of the database nothing more runs in this transaction.
    pub async fn query(&mut self, sql: &str, params: &[&dyn ToParam]) -> Result<Rows, Error> {
        self.run_one(Statement::new(sql, params)).await.map(|result| result.rows)
    }

    /// Runs a statement that must return exactly one row.
    ///
    /// # Errors
    /// As [`query`](Self::query), and when there is another number of rows; the transaction goes on
    /// then.
    pub async fn query_one(&mut self, sql: &str, params: &[&dyn ToParam]) -> Result<Row, Error> {
        exactly_one(self.query_opt(sql, params).await?)
    }

    /// Runs a statement that returns at most one row.
    ///
    /// # Errors
    /// As [`query_one`](Self::query_one).
    pub async fn query_opt(
        &mut self,
        sql: &str,
        params: &[&dyn ToParam],
    ) -> Result<Option<Row>, Error> {
        self.query(sql, params).await?.into_at_most_one()
    }

    /// Runs a statement and returns how many rows it touched.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    pub async fn execute(&mut self, sql: &str, params: &[&dyn ToParam]) -> Result<u64, Error> {
        self.run_one(Statement::new(sql, params)).await.map(|result| result.affected)
    }

    /// Runs several statements in one trip.
    ///
    /// # Errors
    /// As [`query`](Self::query); [`Error::statement`] tells which one failed.
    pub async fn batch(&mut self, statements: &[Statement<'_>]) -> Result<Vec<BatchResult>, Error> {
        if statements.is_empty() {
            return Ok(Vec::new());
        }
        self.run(statements).await
    }

    /// Runs a statement and gives its rows as they arrive. Dropped before its end, the stream ends
    /// the transaction.
    ///
    /// # Errors
    /// As [`query`](Self::query), from here or from [`RowStream::next`].
    pub async fn query_stream(
        &mut self,
        sql: &str,
        params: &[&dyn ToParam],
    ) -> Result<RowStream<'_>, Error> {
        let (exchange, ahead) = self.start(&[Statement::new(sql, params)], None).await?;
        Ok(RowStream::new(exchange, ahead, Some(&mut self.progress)))
    }

    /// Takes data for `COPY … FROM STDIN`; see [`Database::copy_in`]. May be called again and again,
    /// with whole rows each time: that is how more than 16 MiB are copied in one transaction.
    ///
    /// # Errors
    /// As [`Database::copy_in`].
    pub fn copy_in(&mut self, sql: &str) -> Result<CopyIn<'_>, Error> {
        CopyIn::into_scope(self, sql)
    }

    /// Runs `COPY … TO STDOUT` and gives its data as it arrives. Dropped before its end, the stream
    /// ends the transaction.
    ///
    /// # Errors
    /// As [`Database::copy_out`].
    pub async fn copy_out(&mut self, sql: &str) -> Result<CopyOut<'_>, Error> {
        crate::copy::check(sql)?;
        let (exchange, ahead) = self.start(&[Statement::new(sql, &[])], None).await?;
        Ok(CopyOut::new(exchange, ahead, Some(&mut self.progress)))
    }

    /// Begins a part that can be undone by itself. The name is for the database's log; two of the
    /// same name do not disturb each other.
    ///
    /// # Errors
    /// When the name is empty or longer than 40 bytes, or the transaction failed before.
    pub fn savepoint(&mut self, name: &str) -> Result<Savepoint<'_>, Error> {
        Savepoint::new(self, name)
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        self.progress.check()
    }

    /// Begins a part as [`savepoint`](Self::savepoint) does, for adapters that cannot hold a borrow:
    /// nothing is undone by itself. Marks must be ended from the last to the first.
    ///
    /// # Errors
    /// As [`savepoint`](Self::savepoint).
    pub fn mark(&mut self, name: &str) -> Result<Mark, Error> {
        self.progress.mark(name)
    }

    /// Keeps what was done since the mark, as [`Savepoint::release`] does.
    ///
    /// # Errors
    /// When something failed since; then only [`roll_back_to`](Self::roll_back_to) is left.
    pub fn release(&mut self, mark: &Mark) -> Result<(), Error> {
        self.progress.check()?;
        self.progress.release(mark);
        Ok(())
    }

    /// Undoes what was done since the mark, and its failure.
    pub fn roll_back_to(&mut self, mark: &Mark) {
        self.progress.roll_back_to(mark);
    }

    /// Runs these statements and commits.
    pub(crate) async fn commit(
        &mut self,
        statements: &[Statement<'_>],
    ) -> Result<Vec<BatchResult>, Error> {
        self.progress.check()?;
        if self.progress.is_new() && statements.is_empty() {
            return Ok(Vec::new());
        }
        self.finish(statements, "COMMIT").await
    }

    pub(crate) async fn roll_back(&mut self) -> Result<(), Error> {
        if self.progress.is_open() {
            self.progress.forget_pending();
            self.finish(&[], "ROLLBACK").await?;
        }
        Ok(())
    }

    async fn finish(
        &mut self,
        statements: &[Statement<'_>],
        command: &'static str,
    ) -> Result<Vec<BatchResult>, Error> {
        let (mut results, rolled_back) = self.collect(statements, Some(command)).await?;
        results.pop();
        if rolled_back && command == "COMMIT" {
            return Err(Error::new(Kind::NotCommitted));
        }
        Ok(results)
    }

    pub(crate) async fn run_one(&mut self, statement: Statement<'_>) -> Result<BatchResult, Error> {
        only(self.run(&[statement]).await?)
    }

    async fn run(&mut self, statements: &[Statement<'_>]) -> Result<Vec<BatchResult>, Error> {
        self.collect(statements, None).await.map(|(results, _)| results)
    }

    /// Results of the statements and of the command behind them, and whether that rolled back.
    async fn collect(
        &mut self,
        statements: &[Statement<'_>],
        behind: Option<&'static str>,
    ) -> Result<(Vec<BatchResult>, bool), Error> {
        let (mut exchange, ahead) = self.start(statements, behind).await?;
        let mut collector = Collector::behind(ahead);
        let outcome = exchange.collect(&mut collector).await;
        let (ready, rolled_back) = (collector.ready(), collector.rolled_back());
        let expected = statements.len() + usize::from(behind.is_some());
        let copies = statements.iter().filter(|statement| statement.is_copy_in()).count();
        let result = match outcome {
            Ok(outcome) => collector.finish(outcome, expected, copies),
            Err(error) => Err(error),
        };
        self.progress.answered(ready, result.as_ref().err());
        Ok((result?, rolled_back))
    }

    /// Sends a request of the transaction; tells how many results come ahead of those asked for.
    async fn start(
        &mut self,
        statements: &[Statement<'_>],
        behind: Option<&'static str>,
    ) -> Result<(Exchange, usize), Error> {
        if behind != Some("ROLLBACK") {
            self.progress.check()?;
        }
        check_control(statements, Place::Transaction)?;
        let new = self.progress.is_new();
        let ahead = self.progress.ahead();
        let script = Script {
            begin: new.then(|| self.progress.begin()),
            settings: if new { self.database.settings.pairs() } else { &[] },
            ahead: &ahead,
            statements,
            behind,
        };
        let results_ahead = script.results_ahead();
        let lease = match &self.lease {
            Some(lease) => lease.clone(),
            None => {
                let options = terms::caller(&self.database.options);
                self.lease.insert(self.database.peer()?.lease(&options)?).clone()
            }
        };
        let request = Unsent::new(lease, self.database.timeout, &self.database.options, &script)?;
        self.progress.asked();
        match request.send().await {
            Ok(exchange) => Ok((exchange, results_ahead)),
            Err(error) => {
                self.progress.answered(None, Some(&error));
                Err(error)
            }
        }
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("database", &self.database).finish_non_exhaustive()
    }
}
