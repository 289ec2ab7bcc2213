//! A transaction as a story tells it: steps in JSON, and what each of them gave.
//!
//! | step | does |
//! |---|---|
//! | `{"query": {sql, params}}` | answers as `/query` |
//! | `{"batch": [{sql, params}]}` | answers as `/batch` |
//! | `{"stream": {sql, rows}}` | reads at most so many rows as they arrive, then drops the stream; answers `{rows}` |
//! | `{"copy_in": {sql, data, times}}` | answers `{affected}` |
//! | `{"copy_out": sql}` | answers `{text, affected}` |
//! | `{"abandon": sql}` | drops the call before its answer |
//! | `{"sleep": milliseconds}` | |
//! | `{"savepoint": name, "steps": […], "end": "release" \| "drop"}` | answers `{steps, end}` |

use std::time::Duration;

use futures_util::future::select;
use pierhead_client::{Database, Error, Isolation, Scope, Statement, Transaction};
use serde::Deserialize;
use serde_json::{Value, json};
use worker::Delay;

use crate::param;
use crate::report;
use crate::{Input, results};

type Result<T> = std::result::Result<T, Error>;

/// How long a call is left to arrive before it is dropped.
const ABANDON_AFTER: Duration = Duration::from_millis(200);

#[derive(Deserialize)]
pub(crate) struct Story {
    #[serde(default)]
    isolation: Option<String>,
    #[serde(default)]
    read_only: bool,
    #[serde(default)]
    deferrable: bool,
    #[serde(default)]
    settings: Vec<(String, String)>,
    steps: Vec<Step>,
    end: End,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", untagged)]
enum Step {
    Savepoint { savepoint: String, steps: Vec<Self>, end: String },
    Query { query: Input },
    Batch { batch: Vec<Input> },
    Stream { stream: Streamed },
    CopyIn { copy_in: Copied },
    CopyOut { copy_out: String },
    Abandon { abandon: String },
    Sleep { sleep: u64 },
}

#[derive(Deserialize)]
struct Streamed {
    sql: String,
    rows: u64,
}

#[derive(Deserialize)]
pub(crate) struct Copied {
    pub(crate) sql: String,
    pub(crate) data: Vec<String>,
    /// How often the data is sent.
    #[serde(default = "once")]
    pub(crate) times: u64,
}

const fn once() -> u64 {
    1
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum End {
    Commit,
    CommitWith(Input),
    Rollback,
    Drop,
}

/// Answers `{steps, end}`; each is a value, or `{error}`.
pub(crate) async fn tell(database: &Database, story: &Story) -> Result<Value> {
    let database = database.with_settings(story.settings.iter().cloned());
    let mut builder = database.transaction();
    if let Some(level) = &story.isolation {
        builder = builder.isolation(isolation(level)?);
    }
    if story.read_only {
        builder = builder.read_only();
    }
    if story.deferrable {
        builder = builder.deferrable();
    }
    let mut tx = builder.begin()?;
    let steps = run_all(&mut tx, &story.steps).await;
    Ok(json!({"steps": steps, "end": told(end(tx, &story.end).await)}))
}

fn isolation(level: &str) -> Result<Isolation> {
    match level {
        "read committed" => Ok(Isolation::ReadCommitted),
        "repeatable read" => Ok(Isolation::RepeatableRead),
        _ => Ok(Isolation::Serializable),
    }
}

async fn end(tx: Transaction, end: &End) -> Result<Value> {
    match end {
        End::Commit => tx.commit().await.map(|()| json!("committed")),
        End::CommitWith(input) => {
            let params = param::read(&input.params);
            let result = tx.commit_with(&input.sql, &param::borrow(&params)).await?;
            results(&[result])
        }
        End::Rollback => tx.rollback().await.map(|()| json!("rolled back")),
        End::Drop => {
            drop(tx);
            Ok(json!("dropped"))
        }
    }
}

async fn run_all(scope: &mut Scope, steps: &[Step]) -> Vec<Value> {
    let mut told_all = Vec::new();
    for step in steps {
        told_all.push(told(Box::pin(run(scope, step)).await));
    }
    told_all
}

fn told(result: Result<Value>) -> Value {
    result.unwrap_or_else(|error| json!({"error": report::describe(&error)}))
}

async fn run(scope: &mut Scope, step: &Step) -> Result<Value> {
    match step {
        Step::Query { query } => {
            let params = param::read(&query.params);
            report::rows(&scope.query(&query.sql, &param::borrow(&params)).await?)
        }
        Step::Batch { batch } => {
            let params: Vec<_> = batch.iter().map(|input| param::read(&input.params)).collect();
            let borrowed: Vec<_> = params.iter().map(|params| param::borrow(params)).collect();
            let statements: Vec<_> = batch
                .iter()
                .zip(&borrowed)
                .map(|(input, params)| Statement::new(&input.sql, params))
                .collect();
            results(&scope.batch(&statements).await?)
        }
        Step::Stream { stream } => {
            let mut rows = scope.query_stream(&stream.sql, &[]).await?;
            let mut read = 0;
            while read < stream.rows && rows.next().await?.is_some() {
                read += 1;
            }
            Ok(json!({ "rows": read }))
        }
        Step::CopyIn { copy_in } => {
            let mut copy = scope.copy_in(&copy_in.sql)?;
            for _ in 0..copy_in.times {
                for data in &copy_in.data {
                    copy.send(data)?;
                }
            }
            Ok(json!({"affected": copy.finish().await?}))
        }
        Step::CopyOut { copy_out } => {
            let mut copy = scope.copy_out(copy_out).await?;
            let mut text = String::new();
            while let Some(data) = copy.next().await? {
                text.push_str(&String::from_utf8_lossy(&data));
            }
            Ok(json!({"text": text, "affected": copy.affected()}))
        }
        Step::Abandon { abandon } => {
            let call = Box::pin(scope.query(abandon, &[]));
            drop(select(call, Box::pin(Delay::from(ABANDON_AFTER))).await);
            Ok(json!("abandoned"))
        }
        Step::Sleep { sleep } => {
            Delay::from(Duration::from_millis(*sleep)).await;
            Ok(json!("slept"))
        }
        Step::Savepoint { savepoint, steps, end } => {
            let mut inner = scope.savepoint(savepoint)?;
            let steps = run_all(&mut inner, steps).await;
            let end = if end == "release" {
                told(inner.release().map(|()| json!("released")))
            } else {
                drop(inner);
                json!("dropped")
            };
            Ok(json!({"steps": steps, "end": end}))
        }
    }
}
