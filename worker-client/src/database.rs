use std::time::Duration;

use pierhead_config::{DatabaseConfig, Jurisdiction, Location, Secrets, variable};
use pierhead_wire::envelope::{Options, Record};
use wasm_bindgen::{JsCast, JsValue};
use worker::{Env, ObjectNamespace};

use crate::error::Kind;
use crate::exchange::Exchange;
use crate::result::Collector;
use crate::rpc::Namespace;
use crate::statement::check_batch;
use crate::{BatchResult, Error, Row, RowStream, Rows, Statement, ToParam};

const BINDING_DEFAULT: &str = "PIERHEAD";

/// Longer than a patient client of the Worker waits.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

/// A database behind its coordinator. Opening one costs nothing and connects nothing; it may be kept
/// for as long as the Worker lives.
///
/// Every call is one trip to the coordinator, and one transaction of its own.
#[derive(Clone)]
pub struct Database {
    namespace: Namespace,
    name: String,
    location: Option<Location>,
    timeout: Duration,
    options: Options,
}

/// How to open a [`Database`] when [`Database::from_env`] does not fit.
#[derive(Clone, Debug)]
pub struct Builder {
    name: String,
    binding: String,
    location: Option<String>,
    jurisdiction: Option<String>,
    timeout: Duration,
    options: Options,
}

impl Database {
    /// Opens the database `name` behind the binding `PIERHEAD`.
    ///
    /// # Errors
    /// When there is no such binding, the name is malformed, or the Worker has a malformed variable
    /// `PIERHEAD_DB_<NAME>`.
    pub fn from_env(env: &Env, name: &str) -> Result<Self, Error> {
        Self::builder(name).build(env)
    }

    /// Opens the database `name` in another way.
    #[must_use]
    pub fn builder(name: &str) -> Builder {
        Builder {
            name: name.to_owned(),
            binding: BINDING_DEFAULT.to_owned(),
            location: None,
            jurisdiction: None,
            timeout: TIMEOUT_DEFAULT,
            options: Options::default(),
        }
    }

    /// The same database with another time for each call: waiting for a session, running and reading
    /// the answer together.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { timeout, ..self.clone() }
    }

    /// The same database, with all session state cleared after each call, whatever the database's
    /// setting.
    #[must_use]
    pub fn with_reset(&self) -> Self {
        Self { options: Options { reset: true, ..self.options.clone() }, ..self.clone() }
    }

    /// The same database, with each call's statements planned anew for its values, and none kept
    /// prepared: for data so skewed that one plan for all values is a bad one.
    #[must_use]
    pub fn with_fresh_plans(&self) -> Self {
        Self { options: Options { fresh_plans: true, ..self.options.clone() }, ..self.clone() }
    }

    /// Runs a statement and returns its rows.
    ///
    /// # Errors
    /// See [`Error`]. Most are worth [`Error::to_response`].
    pub async fn query(&self, sql: &str, params: &[&dyn ToParam]) -> Result<Rows, Error> {
        self.run_one(sql, params).await.map(|result| result.rows)
    }

    /// Runs a statement that must return exactly one row.
    ///
    /// # Errors
    /// As [`query`](Self::query), and when there is another number of rows.
    pub async fn query_one(&self, sql: &str, params: &[&dyn ToParam]) -> Result<Row, Error> {
        let row = self.query_opt(sql, params).await?;
        row.ok_or_else(|| Error::new(Kind::RowCount { expected: "exactly one", found: 0 }))
    }

    /// Runs a statement that returns at most one row.
    ///
    /// # Errors
    /// As [`query`](Self::query), and when there are more rows.
    pub async fn query_opt(
        &self,
        sql: &str,
        params: &[&dyn ToParam],
    ) -> Result<Option<Row>, Error> {
        self.query(sql, params).await?.into_at_most_one()
    }

    /// Runs a statement and returns how many rows it touched.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    pub async fn execute(&self, sql: &str, params: &[&dyn ToParam]) -> Result<u64, Error> {
        self.run_one(sql, params).await.map(|result| result.affected)
    }

    /// Runs several statements in one trip and one transaction: all of them have an effect or none.
    ///
    /// # Errors
    /// As [`query`](Self::query), and when a statement would control the transaction.
    pub async fn batch(&self, statements: &[Statement<'_>]) -> Result<Vec<BatchResult>, Error> {
        check_batch(statements)?;
        if statements.is_empty() {
            return Ok(Vec::new());
        }
        self.run(statements).await
    }

    /// Runs a statement and gives its rows as they arrive, for results that do not fit into memory.
    /// The timeout covers the reading too.
    ///
    /// # Errors
    /// As [`query`](Self::query), from here or from [`RowStream::next`].
    pub async fn query_stream(
        &self,
        sql: &str,
        params: &[&dyn ToParam],
    ) -> Result<RowStream, Error> {
        self.start(&[Statement::new(sql, params)]).await.map(RowStream::new)
    }

    async fn run_one(&self, sql: &str, params: &[&dyn ToParam]) -> Result<BatchResult, Error> {
        let mut results = self.run(&[Statement::new(sql, params)]).await?;
        results.pop().ok_or_else(|| Error::new(Kind::Protocol("no result".to_owned())))
    }

    async fn run(&self, statements: &[Statement<'_>]) -> Result<Vec<BatchResult>, Error> {
        let mut exchange = self.start(statements).await?;
        let mut collector = Collector::default();
        loop {
            match exchange.next().await? {
                Record::Data(data) => collector.push(&data)?,
                Record::Outcome(outcome) => return collector.finish(outcome, statements.len()),
            }
        }
    }

    /// A stub lives no longer than an invocation, and a broken one stays broken: each call takes a
    /// new one.
    async fn start(&self, statements: &[Statement<'_>]) -> Result<Exchange, Error> {
        let location = self.location.as_ref().map(Location::as_str);
        let coordinator = self.namespace.open(&self.name, location)?;
        Exchange::start(coordinator, self.timeout, &self.options, statements).await
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Builder {
    /// The durable object binding of the coordinator; `PIERHEAD` unless given.
    #[must_use]
    pub fn binding(mut self, binding: &str) -> Self {
        binding.clone_into(&mut self.binding);
        self
    }

    /// Where the coordinator is created when this is its first use: next to the database. The
    /// `location` in the Worker's variable `PIERHEAD_DB_<NAME>` comes first, if there is one.
    #[must_use]
    pub fn location(mut self, location: &str) -> Self {
        self.location = Some(location.to_owned());
        self
    }

    /// The jurisdiction of the coordinator. The `jurisdiction` in the Worker's variable
    /// `PIERHEAD_DB_<NAME>` comes first, if there is one.
    #[must_use]
    pub fn jurisdiction(mut self, jurisdiction: &str) -> Self {
        self.jurisdiction = Some(jurisdiction.to_owned());
        self
    }

    /// The time for each call; 30 seconds unless given.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// This Worker's name in the coordinator's logs, at most 64 bytes.
    #[must_use]
    pub fn caller(mut self, caller: &str) -> Self {
        self.options.caller = Some(caller.to_owned());
        self
    }

    /// Opens the database.
    ///
    /// # Errors
    /// As [`Database::from_env`], and when location or jurisdiction are none that exist.
    pub fn build(self, env: &Env) -> Result<Database, Error> {
        let (location, jurisdiction) = self.placement(env)?;
        let namespace = self.namespace(env)?;
        let namespace = match jurisdiction {
            None => namespace,
            Some(jurisdiction) => namespace.jurisdiction(jurisdiction.as_str()).map_err(|_| {
                let name = jurisdiction.as_str();
                config(format!("the platform does not know the jurisdiction {name} here"))
            })?,
        };
        let Self { name, timeout, options, .. } = self;
        Ok(Database { namespace, name, location, timeout, options })
    }

    fn placement(&self, env: &Env) -> Result<(Option<Location>, Option<Jurisdiction>), Error> {
        let (mut location, mut jurisdiction) = (None, None);
        if let Ok(url) = env.var(&variable(&self.name)?) {
            let config = DatabaseConfig::parse(&self.name, &url.to_string(), &Secrets::default())?;
            (location, jurisdiction) = (config.location, config.jurisdiction);
        }
        if let (None, Some(given)) = (location, &self.location) {
            let unknown =
                || config("the location is none that exists; see the configuration's keys");
            location = Some(Location::from_name(given).ok_or_else(unknown)?);
        }
        if let (None, Some(given)) = (jurisdiction, &self.jurisdiction) {
            let unknown = || config("the jurisdiction is not one of eu, fedramp, us");
            jurisdiction = Some(Jurisdiction::from_name(given).ok_or_else(unknown)?);
        }
        Ok((location, jurisdiction))
    }

    fn namespace(&self, env: &Env) -> Result<Namespace, Error> {
        let namespace: ObjectNamespace = env.durable_object(&self.binding).map_err(|_| {
            config(format!(
                "there is no durable object binding {}; add [[durable_objects.bindings]] with name \
                 = \"{0}\", class_name = \"Pierhead\" and the coordinator's script_name to \
                 wrangler.toml",
                self.binding
            ))
        })?;
        Ok(JsValue::from(namespace).unchecked_into())
    }
}

fn config(message: impl Into<String>) -> Error {
    Error::new(Kind::Config(message.into()))
}
