use std::rc::Rc;
use std::time::Duration;

use pierhead_config::{DatabaseConfig, Jurisdiction, Location, Secrets, variable};
use pierhead_wire::envelope::Options;
use wasm_bindgen::{JsCast, JsValue};
use worker::{Env, ObjectNamespace};

use crate::error::Kind;
use crate::exchange::{Exchange, Unsent};
use crate::result::Collector;
use crate::rpc::{Gateway, Namespace, Peer, RawSocket};
use crate::settings::Settings;
use crate::statement::{Place, Script, check_control};
use crate::{BatchResult, CopyIn, CopyOut, Error, Row, RowStream, Rows, Statement, ToParam, copy};

const BINDING_DEFAULT: &str = "PIERHEAD";

/// Longer than a patient client of the Worker waits.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

/// A database behind its coordinator. Opening one costs nothing and connects nothing; it may be kept
/// for as long as the Worker lives.
///
/// Every call is one trip to the coordinator, and one transaction of its own.
#[derive(Clone)]
pub struct Database {
    way: Way,
    name: String,
    pub(crate) timeout: Duration,
    pub(crate) options: Options,
    pub(crate) settings: Settings,
}

/// How the coordinator is reached.
#[derive(Clone)]
enum Way {
    Object { namespace: Namespace, location: Option<Location> },
    Gateway(Gateway),
}

/// How to open a [`Database`] when [`Database::from_env`] does not fit.
#[derive(Clone, Debug)]
pub struct Builder {
    name: String,
    binding: String,
    gateway: Option<String>,
    required: Vec<String>,
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
            gateway: None,
            required: Vec::new(),
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

    /// The same database, with these settings made for each transaction, in the same trip: by
    /// `set_config(name, value, true)` ahead of its statements, so that they end with it and no other
    /// caller meets them. They may be the database's own, such as `role`, or any name with a dot in
    /// it, for row-level security:
    ///
    /// ```sql
    /// create policy own_items on items
    ///     using (tenant = nullif(current_setting('app.tenant', true), ''));
    /// ```
    ///
    /// Where the setting is missing, such a policy compares with NULL and denies. The `true` is what
    /// makes a missing setting NULL and no error; `nullif` is for sessions that have seen it before,
    /// where what is missing reads as an empty text.
    ///
    /// A procedure that commits loses them.
    #[must_use]
    pub fn with_settings<N: Into<String>, V: Into<String>>(
        &self,
        settings: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let pairs = settings.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self { settings: self.settings.with(pairs), ..self.clone() }
    }

    /// The same database, which refuses every call unless these settings were given by
    /// [`with_settings`](Self::with_settings): nobody forgets whom a query is for.
    #[must_use]
    pub fn require_settings<N: Into<String>>(&self, names: impl IntoIterator<Item = N>) -> Self {
        let names = names.into_iter().map(Into::into);
        Self { settings: self.settings.requiring(names), ..self.clone() }
    }

    /// The database's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs a statement and returns its rows.
    ///
    /// # Errors
    /// See [`Error`]. Most are worth [`Error::to_response`].
    pub async fn query(&self, sql: &str, params: &[&dyn ToParam]) -> Result<Rows, Error> {
        self.run_one(Statement::new(sql, params)).await.map(|result| result.rows)
    }

    /// Runs a statement that must return exactly one row.
    ///
    /// # Errors
    /// As [`query`](Self::query), and when there is another number of rows.
    pub async fn query_one(&self, sql: &str, params: &[&dyn ToParam]) -> Result<Row, Error> {
        exactly_one(self.query_opt(sql, params).await?)
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
        self.run_one(Statement::new(sql, params)).await.map(|result| result.affected)
    }

    /// Runs several statements in one trip and one transaction: all of them have an effect or none.
    ///
    /// # Errors
    /// As [`query`](Self::query), and when a statement would control the transaction.
    pub async fn batch(&self, statements: &[Statement<'_>]) -> Result<Vec<BatchResult>, Error> {
        check_control(statements, Place::Batch)?;
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
    ) -> Result<RowStream<'static>, Error> {
        let (exchange, ahead) = self.start(&[Statement::new(sql, params)]).await?;
        Ok(RowStream::new(exchange, ahead, None))
    }

    /// Takes data for `COPY … FROM STDIN` and sends it in one trip, at most 16 MiB of it.
    ///
    /// ```no_run
    /// # use pierhead_client::{Database, Error};
    /// # async fn f(db: &Database) -> Result<(), Error> {
    /// let mut copy = db.copy_in("copy items (id, name) from stdin")?;
    /// copy.send("1\tbollard\n")?;
    /// copy.send("2\tfender\n")?;
    /// assert_eq!(copy.finish().await?, 2);
    /// # Ok(()) }
    /// ```
    ///
    /// More than that goes in several calls of [`Scope::copy_in`](crate::Scope::copy_in) in one
    /// transaction, each with whole rows, or as a stream over [`connect`](Self::connect).
    ///
    /// # Errors
    /// When the statement is no COPY.
    pub fn copy_in(&self, sql: &str) -> Result<CopyIn<'static>, Error> {
        CopyIn::into_database(self.clone(), sql)
    }

    /// Runs `COPY … TO STDOUT` and gives its data as it arrives. The timeout covers the reading too.
    ///
    /// # Errors
    /// When the statement is no COPY; as [`query`](Self::query), from here or from
    /// [`CopyOut::next`].
    pub async fn copy_out(&self, sql: &str) -> Result<CopyOut<'static>, Error> {
        copy::check(sql)?;
        let (exchange, ahead) = self.start(&[Statement::new(sql, &[])]).await?;
        Ok(CopyOut::new(exchange, ahead, None))
    }

    pub(crate) async fn run_one(&self, statement: Statement<'_>) -> Result<BatchResult, Error> {
        only(self.run(&[statement]).await?)
    }

    async fn run(&self, statements: &[Statement<'_>]) -> Result<Vec<BatchResult>, Error> {
        let (mut exchange, ahead) = self.start(statements).await?;
        let mut collector = Collector::behind(ahead);
        let outcome = exchange.collect(&mut collector).await?;
        let copies = statements.iter().filter(|statement| statement.is_copy_in()).count();
        collector.finish(outcome, statements.len(), copies)
    }

    /// The exchange, and how many results come ahead of those of the statements.
    async fn start(&self, statements: &[Statement<'_>]) -> Result<(Exchange, usize), Error> {
        self.settings.check()?;
        let script = Script { settings: self.settings.pairs(), statements, ..Script::default() };
        let request = Unsent::new(self.peer()?, self.timeout, &self.options, &script)?;
        Ok((request.send().await?, script.results_ahead()))
    }

    /// A stub lives no longer than an invocation, and a broken one stays broken: each call takes a
    /// new one.
    pub(crate) fn peer(&self) -> Result<Rc<Peer>, Error> {
        match &self.way {
            Way::Object { namespace, location } => {
                namespace.open(&self.name, location.as_ref().map(Location::as_str))
            }
            Way::Gateway(gateway) => gateway.open(&self.name),
        }
    }

    pub(crate) fn socket(&self) -> Result<(RawSocket, bool), Error> {
        match &self.way {
            Way::Object { namespace, location } => {
                let location = location.as_ref().map(Location::as_str);
                Ok((namespace.connect(&self.name, location)?, true))
            }
            Way::Gateway(gateway) => Ok((gateway.connect()?, false)),
        }
    }
}

/// The result of the only statement.
pub(crate) fn only(mut results: Vec<BatchResult>) -> Result<BatchResult, Error> {
    results.pop().ok_or_else(|| Error::new(Kind::Protocol("no result".to_owned())))
}

pub(crate) fn exactly_one(row: Option<Row>) -> Result<Row, Error> {
    row.ok_or_else(|| Error::new(Kind::RowCount { expected: "exactly one", found: 0 }))
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

    /// A service binding of the gateway (`entrypoint = "Gateway"`), in place of the durable object's.
    /// What may be reached over it, its `props` say. Location and jurisdiction are the gateway's.
    #[must_use]
    pub fn gateway(mut self, binding: &str) -> Self {
        self.gateway = Some(binding.to_owned());
        self
    }

    /// Settings without which every call is refused; see [`Database::require_settings`].
    #[must_use]
    pub fn require_settings<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.required.extend(names.into_iter().map(Into::into));
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

    /// This Worker's name, at most 64 bytes: its class in the pool, and what logs and status call it.
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
        let way = match &self.gateway {
            Some(binding) => Way::Gateway(gateway(env, binding)?),
            None => self.object(env)?,
        };
        let Self { name, timeout, options, required, .. } = self;
        let settings = Settings::default().requiring(required);
        Ok(Database { way, name, timeout, options, settings })
    }

    fn object(&self, env: &Env) -> Result<Way, Error> {
        let (location, jurisdiction) = self.placement(env)?;
        let namespace = self.namespace(env)?;
        let namespace = match jurisdiction {
            None => namespace,
            Some(jurisdiction) => namespace.jurisdiction(jurisdiction.as_str()).map_err(|_| {
                let name = jurisdiction.as_str();
                config(format!("the platform does not know the jurisdiction {name} here"))
            })?,
        };
        Ok(Way::Object { namespace, location })
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

fn gateway(env: &Env, binding: &str) -> Result<Gateway, Error> {
    let fetcher = env.service(binding).map_err(|_| {
        config(format!(
            "there is no service binding {binding}; add [[services]] with binding = \"{binding}\", \
             entrypoint = \"Gateway\" and the coordinator's service to wrangler.toml"
        ))
    })?;
    Ok(JsValue::from(fetcher).unchecked_into())
}

fn config(message: impl Into<String>) -> Error {
    Error::new(Kind::Config(message.into()))
}
