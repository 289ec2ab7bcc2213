//! The Worker that the live tests call. Every endpoint answers JSON; an error is answered with the
//! status of [`Error::http_status`] and everything the error knows.
//!
//! Every endpoint takes `db` (the database's name, `main` unless given), `binding` (`PIERHEAD` unless
//! given), `gateway` (a service binding in place of it), `timeout_ms`, `reset=1`, `require` (a setting
//! without which nothing may run) and any number of `set=name:value` in its query string.
//!
//! | endpoint | does |
//! |---|---|
//! | `GET /` | nothing; tells that the Worker runs |
//! | `GET /echo?value=` | `select $1::text`; answers `{value}` |
//! | `POST /query` | runs `{sql, params}`; answers `{columns, rows, affected}`, values as text |
//! | `POST /execute` | runs `{sql, params}`; answers `{affected}` |
//! | `POST /batch` | runs `{statements: [{sql, params}]}`; answers `{results}` |
//! | `POST /transaction` | a transaction told in steps, see [`transaction`] |
//! | `POST /copy_in` | copies `{sql, data, times}` in; answers `{affected}` |
//! | `GET /copy_out?sql=&every=&stop=` | copies out, see [`copy`]; answers `{bytes, pieces, affected}` |
//! | `GET /error?sql=` | runs `sql`; answers like `/query` |
//! | `GET /response?sql=` | runs `sql`; answers an error as [`Error::to_response`] does |
//! | `GET /deadline?seconds=` | sleeps in the database; answers the error and `elapsed_ms` |
//! | `GET /abandon?sql=&how=` | runs `sql` and does not wait for it: `how=return` ends the invocation, as a caller that dies does; `how=drop` drops the call |
//! | `GET /big?mb=&rate=&stop=` | streams `mb` MiB of rows, read at `rate` MB/s (0: at once), and drops the stream after `stop` rows |
//! | `GET /socket?user=&sql=` | runs `sql` with tokio-postgres on a socket; answers `{values}`, the first row as text |
//! | `GET /driver?chapter=&user=` | a chapter of the driver matrix by tokio-postgres, on a socket; answers `{}`, or 500 with what is wrong |
//! | `GET /bench?what=&n=&from=&user=` | what the benchmark asks of a driver on a socket, see [`bench`] |
//! | `GET /typed` | every supported Rust type there and back |
//!
//! A parameter is a JSON value, or `{type, value}` with one of the types of [`param`].

#![allow(missing_docs, reason = "a program, whose endpoints are documented above")]

mod bench;
mod big;
mod copy;
mod driver;
mod param;
mod report;
mod socket;
mod transaction;
mod typed;

use std::time::Duration;

use futures_util::future::select;
use pierhead_client::{BatchResult, Database, Error, Statement, ToParam};
use serde::Deserialize;
use serde_json::{Value, json};
use worker::wasm_bindgen_futures::spawn_local;
use worker::{Context, Delay, Env, Request, Response, Result, Url, event};

use crate::param::Param;

/// A statement in the body of a request.
#[derive(Deserialize)]
struct Input {
    sql: String,
    #[serde(default)]
    params: Vec<Value>,
}

#[derive(Deserialize)]
struct BatchInput {
    statements: Vec<Input>,
}

#[event(fetch)]
async fn fetch(mut request: Request, env: Env, _context: Context) -> Result<Response> {
    let url = request.url()?;
    let database = match open(&env, &url) {
        Ok(database) => database,
        Err(error) => return report::error(&error),
    };
    match url.path() {
        "/" => Response::from_json(&json!({"ok": true})),
        "/echo" => answer(echo(&database, &url).await),
        "/query" => answer(query(&database, &request.json().await?).await),
        "/execute" => answer(execute(&database, &request.json().await?).await),
        "/batch" => answer(batch(&database, &request.json().await?).await),
        "/transaction" => answer(transaction::tell(&database, &request.json().await?).await),
        "/copy_in" => answer(copy::copy_in(&database, &request.json().await?).await),
        "/copy_out" => {
            let sql = parameter(&url, "sql").unwrap_or_default();
            let (every, stop) = (number(&url, "every", 0), number(&url, "stop", 0));
            answer(copy::copy_out(&database, &sql, every, stop).await)
        }
        "/error" => answer(query(&database, &input(&url)).await),
        "/response" => match query(&database, &input(&url)).await {
            Ok(value) => Response::from_json(&value),
            Err(error) => error.to_response(),
        },
        "/deadline" => deadline(&database, &url).await,
        "/abandon" => abandon(database, &url).await,
        "/big" => {
            let (mib, rate) = (number(&url, "mb", 50), number(&url, "rate", 10));
            big::big(&database, mib, rate, number(&url, "stop", 0)).await
        }
        "/socket" => {
            let [user, sql] = ["user", "sql"].map(|key| parameter(&url, key).unwrap_or_default());
            socket::first_row(&database, &user, &sql).await
        }
        "/driver" => {
            let [chapter, user] =
                ["chapter", "user"].map(|key| parameter(&url, key).unwrap_or_default());
            let told = driver::tell(&database, &chapter, &user).await;
            match told {
                Ok(()) => Response::from_json(&json!({})),
                Err(error) => Response::error(error.to_string(), 500),
            }
        }
        "/bench" => {
            let [what, user] = ["what", "user"].map(|key| parameter(&url, key).unwrap_or_default());
            bench::work(&database, &user, &what, number(&url, "n", 1), number(&url, "from", 0)).await
        }
        "/typed" => Response::from_json(&typed::report(&database).await),
        _ => Response::error("no such endpoint; see the list in tests/app/src/lib.rs", 404),
    }
}

fn open(env: &Env, url: &Url) -> std::result::Result<Database, Error> {
    let name = parameter(url, "db").unwrap_or_else(|| "main".to_owned());
    let mut builder = Database::builder(&name).caller("test-app");
    if let Some(binding) = parameter(url, "binding") {
        builder = builder.binding(&binding);
    }
    if let Some(gateway) = parameter(url, "gateway") {
        builder = builder.gateway(&gateway);
    }
    if let Some(required) = parameter(url, "require") {
        builder = builder.require_settings([required]);
    }
    let millis = number(url, "timeout_ms", 0);
    if millis > 0 {
        builder = builder.timeout(Duration::from_millis(millis.into()));
    }
    let set = url.query_pairs().filter(|(name, _)| name == "set");
    let set = set.filter_map(|(_, set)| {
        set.split_once(':').map(|(name, value)| (name.to_owned(), value.to_owned()))
    });
    let database = builder.build(env)?.with_settings(set);
    Ok(if number(url, "reset", 0) == 1 { database.with_reset() } else { database })
}

fn parameter(url: &Url, key: &str) -> Option<String> {
    url.query_pairs().find(|(name, _)| name == key).map(|(_, value)| value.into_owned())
}

fn number(url: &Url, key: &str, default: u32) -> u32 {
    parameter(url, key).and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn input(url: &Url) -> Input {
    Input { sql: parameter(url, "sql").unwrap_or_default(), params: Vec::new() }
}

fn answer(result: std::result::Result<Value, Error>) -> Result<Response> {
    match result {
        Ok(value) => Response::from_json(&value),
        Err(error) => report::error(&error),
    }
}

async fn echo(database: &Database, url: &Url) -> std::result::Result<Value, Error> {
    let value = parameter(url, "value").unwrap_or_default();
    let row = database.query_one("select $1::text", &[&value]).await?;
    Ok(json!({"value": row.get::<String>(0)?}))
}

async fn query(database: &Database, input: &Input) -> std::result::Result<Value, Error> {
    let params = param::read(&input.params);
    let rows = database.query(&input.sql, &param::borrow(&params)).await?;
    report::rows(&rows)
}

async fn execute(database: &Database, input: &Input) -> std::result::Result<Value, Error> {
    let params = param::read(&input.params);
    let affected = database.execute(&input.sql, &param::borrow(&params)).await?;
    Ok(json!({"affected": affected}))
}

async fn batch(database: &Database, input: &BatchInput) -> std::result::Result<Value, Error> {
    let params: Vec<Vec<Param>> =
        input.statements.iter().map(|statement| param::read(&statement.params)).collect();
    let borrowed: Vec<Vec<&dyn ToParam>> =
        params.iter().map(|params| param::borrow(params)).collect();
    let statements: Vec<Statement<'_>> = input
        .statements
        .iter()
        .zip(&borrowed)
        .map(|(statement, params)| Statement::new(&statement.sql, params))
        .collect();
    Ok(json!({"results": results(&database.batch(&statements).await?)?}))
}

/// Rows and how many were touched, of each statement.
fn results(results: &[BatchResult]) -> std::result::Result<Value, Error> {
    let results = results.iter().map(|result| {
        let mut value = report::rows(&result.rows)?;
        if let Value::Object(object) = &mut value {
            object.insert("affected".to_owned(), result.affected.into());
        }
        Ok(value)
    });
    results.collect::<std::result::Result<Vec<_>, Error>>().map(Value::from)
}

async fn deadline(database: &Database, url: &Url) -> Result<Response> {
    let seconds = f64::from(number(url, "seconds", 10));
    let started = worker::Date::now().as_millis();
    let result = database.query("select pg_sleep($1)", &[&seconds]).await;
    let elapsed = worker::Date::now().as_millis() - started;
    let error = result.err().map(|error| report::describe(&error));
    Response::from_json(&json!({"elapsed_ms": elapsed, "error": error}))
}

/// How long an abandoned call is left to arrive.
const ABANDON_AFTER: Duration = Duration::from_millis(200);

async fn abandon(database: Database, url: &Url) -> Result<Response> {
    let sql = parameter(url, "sql").unwrap_or_else(|| "select pg_sleep(60)".to_owned());
    let call = Box::pin(async move { database.query(&sql, &[]).await.map(drop) });
    let pause = || Box::pin(Delay::from(ABANDON_AFTER));
    if parameter(url, "how").as_deref() == Some("drop") {
        drop(select(call, pause()).await);
    } else {
        spawn_local(async { drop(call.await) });
    }
    // An invocation that ends at once takes its unsent messages with it.
    pause().await;
    Response::from_json(&json!({"abandoned": true}))
}
