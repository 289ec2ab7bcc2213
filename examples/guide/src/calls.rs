//! Calls: one trip, one transaction each.

use pierhead_client::{Error, Statement};
use serde::{Deserialize, Serialize};
use worker::{Env, Response};

use crate::database;

#[derive(Serialize, Deserialize)]
struct Ship {
    id: i32,
    name: String,
    berth: Option<String>,
}

pub(crate) async fn ships(env: &Env) -> Result<worker::Result<Response>, Error> {
    let sql = "select id, name, berth from ships where name <> $1 order by id limit 3";
    let ships: Vec<Ship> =
        database(env)?.query(sql, &[&"Flying Dutchman"]).await?.into_structs()?;
    Ok(Response::from_json(&ships))
}

/// Several statements in one trip: all of them have an effect or none.
pub(crate) async fn count(env: &Env, names: &str) -> Result<worker::Result<Response>, Error> {
    let names: Vec<&str> = names.split(',').collect();
    let add = "insert into counters select unnest($1::text[]), 1 \
               on conflict (name) do update set value = counters.value + 1";
    let sum = "select sum(value)::bigint from counters where name = any($1)";
    let results = database(env)?
        .batch(&[Statement::new(add, &[&names]), Statement::new(sum, &[&names])])
        .await?;
    let sum: i64 = match results.last().and_then(|result| result.rows.first()) {
        Some(row) => row.get(0)?,
        None => 0,
    };
    Ok(Response::ok(sum.to_string()))
}
