//! SeaORM's proxy interface on top of the Pierhead client.
//!
//! The interface has gaps that an application must know: `COMMIT` cannot report that it failed, so
//! [`Proxy::committed`] must be asked behind each transaction; and its transactions have no handle, so a
//! [`Proxy`] is for one request of the Worker, and for one transaction at a time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::lock::Mutex as AsyncMutex;
use pierhead_client::{AsText, Database, Error, Mark, Row, Rows, ToParam, Transaction};
use sea_orm::{
    DatabaseConnection, DbBackend, DbErr, ProxyDatabaseTrait, ProxyExecResult, ProxyRow,
    RuntimeErr, Statement, Value,
};
use worker::send::{SendFuture, SendWrapper};

/// A database for one request of the Worker.
#[derive(Clone)]
pub(crate) struct Proxy {
    shared: Arc<Shared>,
}

struct Shared {
    /// A Worker has one thread; SeaORM asks for what may cross threads.
    inner: SendWrapper<Inner>,
    error: Mutex<Option<Error>>,
    /// Why the last COMMIT failed.
    not_committed: Mutex<Option<Error>>,
}

struct Inner {
    database: Database,
    open: AsyncMutex<Open>,
}

/// The transaction that is open, and the savepoints in it.
#[derive(Default)]
struct Open {
    transaction: Option<Transaction>,
    marks: Vec<Mark>,
    /// Why there is none although one was begun.
    failed: Option<Error>,
}

impl Proxy {
    pub(crate) fn new(database: Database) -> Self {
        let inner = SendWrapper::new(Inner { database, open: AsyncMutex::default() });
        let (error, not_committed) = (Mutex::default(), Mutex::default());
        Self { shared: Arc::new(Shared { inner, error, not_committed }) }
    }

    /// What SeaORM works on.
    pub(crate) async fn connection(&self) -> Result<DatabaseConnection, DbErr> {
        let proxy: Box<dyn ProxyDatabaseTrait> = Box::new(self.clone());
        sea_orm::Database::connect_proxy(DbBackend::Postgres, Arc::new(proxy)).await
    }

    /// How the last COMMIT ended, which SeaORM does not learn.
    pub(crate) fn committed(&self) -> Result<(), DbErr> {
        match lock(&self.shared.not_committed).take() {
            None => Ok(()),
            Some(error) => Err(self.failed(error)),
        }
    }

    /// The last error in the client's own words.
    pub(crate) fn take_error(&self) -> Option<Error> {
        lock(&self.shared.error).take()
    }

    fn failed(&self, error: Error) -> DbErr {
        let told = DbErr::Query(RuntimeErr::Internal(error.to_string()));
        *lock(&self.shared.error) = Some(error);
        told
    }

    async fn run(&self, statement: Statement) -> Result<(Rows, u64), DbErr> {
        let params = params(&statement)?;
        let params: Vec<&dyn ToParam> = params.iter().map(AsRef::as_ref).collect();
        let statements = [pierhead_client::Statement::new(&statement.sql, &params)];
        let mut open = self.shared.inner.open.lock().await;
        if let Some(error) = &open.failed {
            return Err(self.failed(error.clone()));
        }
        let results = match &mut open.transaction {
            Some(transaction) => transaction.batch(&statements).await,
            None => self.shared.inner.database.batch(&statements).await,
        };
        let mut results = results.map_err(|error| self.failed(error))?;
        let result = results.pop().ok_or_else(|| DbErr::Custom("no result".to_owned()))?;
        Ok((result.rows, result.affected))
    }

    async fn begin_one(&self) {
        let inner = &self.shared.inner;
        let mut open = inner.open.lock().await;
        let begun = match &mut open.transaction {
            Some(transaction) => transaction.mark("sea_orm").map(Some),
            None => inner.database.begin().map(|transaction| {
                open.transaction = Some(transaction);
                None
            }),
        };
        match begun {
            Ok(mark) => open.marks.extend(mark),
            Err(error) => open.failed = Some(error),
        }
    }

    async fn commit_one(&self) {
        let mut open = self.shared.inner.open.lock().await;
        let mark = open.marks.pop();
        let result = match (mark, open.failed.take()) {
            (_, Some(error)) => Err(error),
            (Some(mark), None) => match &mut open.transaction {
                Some(transaction) => transaction.release(&mark),
                None => Ok(()),
            },
            (None, None) => match open.transaction.take() {
                Some(transaction) => transaction.commit().await,
                None => Ok(()),
            },
        };
        if let Err(error) = result {
            *lock(&self.shared.not_committed) = Some(error);
        }
    }
}

impl Open {
    /// Rolls back to where the innermost began: sends nothing that must be waited for.
    fn roll_back(&mut self) {
        self.failed = None;
        match self.marks.pop() {
            Some(mark) => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.roll_back_to(&mark);
                }
            }
            None => self.transaction = None,
        }
    }
}

#[async_trait::async_trait]
impl ProxyDatabaseTrait for Proxy {
    async fn query(&self, statement: Statement) -> Result<Vec<ProxyRow>, DbErr> {
        let (rows, _) = SendFuture::new(self.run(statement)).await?;
        rows.iter().map(row).collect()
    }

    async fn execute(&self, statement: Statement) -> Result<ProxyExecResult, DbErr> {
        let (_, rows_affected) = SendFuture::new(self.run(statement)).await?;
        Ok(ProxyExecResult { last_insert_id: 0, rows_affected })
    }

    async fn begin(&self) {
        SendFuture::new(self.begin_one()).await;
    }

    async fn commit(&self) {
        SendFuture::new(self.commit_one()).await;
    }

    async fn rollback(&self) {
        SendFuture::new(async { self.shared.inner.open.lock().await.roll_back() }).await;
    }

    fn start_rollback(&self) {
        // Nobody holds it: SeaORM's own lock is around every call.
        if let Some(mut open) = self.shared.inner.open.try_lock() {
            open.roll_back();
        }
    }
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Proxy")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

type Param = Box<dyn ToParam>;

fn params(statement: &Statement) -> Result<Vec<Param>, DbErr> {
    let values = statement.values.as_ref().map(|values| values.0.as_slice()).unwrap_or_default();
    values.iter().map(param).collect()
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the rest is one error")]
fn param(value: &Value) -> Result<Param, DbErr> {
    Ok(match value.clone() {
        Value::Bool(value) => Box::new(value),
        Value::TinyInt(value) => Box::new(value.map(i16::from)),
        Value::SmallInt(value) => Box::new(value),
        Value::Int(value) => Box::new(value),
        Value::BigInt(value) => Box::new(value),
        Value::Unsigned(value) => Box::new(value),
        // What LIMIT and OFFSET are given as.
        Value::BigUnsigned(value) => Box::new(value.map(AsText)),
        Value::Float(value) => Box::new(value),
        Value::Double(value) => Box::new(value),
        Value::String(value) => Box::new(value),
        Value::Char(value) => Box::new(value.map(String::from)),
        Value::Bytes(value) => Box::new(value),
        Value::Json(value) => Box::new(value.map(|value| *value)),
        Value::Uuid(value) => Box::new(value),
        Value::ChronoDate(value) => Box::new(value),
        Value::ChronoTime(value) => Box::new(value),
        Value::ChronoDateTime(value) => Box::new(value),
        Value::ChronoDateTimeUtc(value) => Box::new(value),
        Value::ChronoDateTimeWithTimeZone(value) => Box::new(value),
        _ => return Err(DbErr::Type("a parameter of this type is not supported".to_owned())),
    })
}

fn row(row: &Row) -> Result<ProxyRow, DbErr> {
    let value = |(index, column): (usize, &pierhead_client::Column)| {
        let value = value(row, index, &column.type_name())
            .map_err(|error| DbErr::Type(error.to_string()))?;
        Ok((column.name().to_owned(), value))
    };
    let values = row.columns().iter().enumerate().map(value).collect::<Result<_, DbErr>>()?;
    Ok(ProxyRow::new(values))
}

/// A column as SeaORM's value of its type; what it has no type for, as text.
fn value(row: &Row, index: usize, type_name: &str) -> Result<Value, Error> {
    Ok(match type_name {
        "bool" => Value::Bool(row.get(index)?),
        "smallint" => Value::SmallInt(row.get(index)?),
        "integer" => Value::Int(row.get(index)?),
        "bigint" => Value::BigInt(row.get(index)?),
        "oid" => Value::Unsigned(row.get(index)?),
        "real" => Value::Float(row.get(index)?),
        "double precision" => Value::Double(row.get(index)?),
        "bytea" => Value::Bytes(row.get(index)?),
        "uuid" => Value::Uuid(row.get(index)?),
        "date" => Value::ChronoDate(row.get(index)?),
        "time" => Value::ChronoTime(row.get(index)?),
        "timestamp" => Value::ChronoDateTime(row.get(index)?),
        "timestamp with time zone" => Value::ChronoDateTimeUtc(row.get(index)?),
        "json" | "jsonb" => Value::Json(row.get::<Option<_>>(index)?.map(Box::new)),
        _ => Value::String(row.get(index)?),
    })
}
