//! A contender of the benchmark: tokio-postgres, unmodified, on a socket to the object. What it does
//! is what `worker-client/js/test/bench` does with other drivers.

use std::error::Error;
use std::pin::pin;

use futures_util::TryStreamExt as _;
use futures_util::future::try_join_all;
use pierhead_client::Database;
use serde_json::{Value, json};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, GenericClient};
use worker::{Response, Result};

use crate::socket::connect;

const SHIP: &str = "select name from ships where id = $1";
const BIG: &str = "select repeat(md5(i::text), 32) from generate_series(1, $1::int) i";

/// Does one thing on a socket of its own: `query` (in turn), `batch` (in a pipeline), `transaction`
/// or `big` (KiB in rows of one). What went wrong is an error of status 500.
pub(crate) async fn work(
    database: &Database,
    user: &str,
    what: &str,
    n: u32,
    from: u32,
) -> Result<Response> {
    match told(database, user, what, n, from).await {
        Ok(value) => Response::from_json(&value),
        Err(error) => Response::error(error.to_string(), 500),
    }
}

async fn told(
    database: &Database,
    user: &str,
    what: &str,
    n: u32,
    from: u32,
) -> std::result::Result<Value, Box<dyn Error>> {
    let mut client = connect(database, user).await?;
    let ids = (0..n).map(|at| ((from + at * 7) % 40 + 1) as i32);
    Ok(match what {
        "query" => json!(in_turn(&client, ids).await?),
        "batch" => {
            let client = &client;
            json!(try_join_all(ids.map(|id| async move { name(client, id).await })).await?)
        }
        "transaction" => {
            let transaction = client.transaction().await?;
            let names = in_turn(&transaction, ids).await?;
            transaction.commit().await?;
            json!(names)
        }
        "big" => json!(big(&client, n as i32).await?),
        other => return Err(format!("the benchmark asks for no {other}").into()),
    })
}

async fn in_turn(
    client: &impl GenericClient,
    ids: impl Iterator<Item = i32>,
) -> std::result::Result<Vec<String>, tokio_postgres::Error> {
    let mut names = Vec::new();
    for id in ids {
        names.push(name(client, id).await?);
    }
    Ok(names)
}

/// In one trip: the type of the parameter is told, not asked for.
async fn name(
    client: &impl GenericClient,
    id: i32,
) -> std::result::Result<String, tokio_postgres::Error> {
    let rows = client.query_typed(SHIP, &[(&id, Type::INT4)]).await?;
    Ok(rows.first().map(|row| row.get(0)).unwrap_or_default())
}

async fn big(client: &Client, kib: i32) -> std::result::Result<usize, tokio_postgres::Error> {
    let mut rows = pin!(client.query_typed_raw(BIG, [(kib, Type::INT4)]).await?);
    let mut bytes = 0;
    while let Some(row) = rows.try_next().await? {
        bytes += row.get::<_, &str>(0).len();
    }
    Ok(bytes)
}
