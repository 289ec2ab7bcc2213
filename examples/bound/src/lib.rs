//! A Worker that queries a PostgreSQL database through the coordinator deployed as `pierhead`.

use pierhead_client::Database;
use serde::{Deserialize, Serialize};
use worker::{Context, Env, Request, Response, event};

/// One row, by the names of its columns.
#[derive(Serialize, Deserialize)]
struct Ship {
    id: i32,
    name: String,
    berth: Option<String>,
}

#[event(fetch)]
async fn fetch(_request: Request, env: Env, _context: Context) -> worker::Result<Response> {
    match ships(&env, 10).await {
        Ok(ships) => Response::from_json(&ships),
        Err(error) => error.to_response(),
    }
}

async fn ships(env: &Env, limit: i64) -> Result<Vec<Ship>, pierhead_client::Error> {
    let database = Database::from_env(env, "main")?;
    let sql = "select id, name, berth from ships order by id limit $1";
    database.query(sql, &[&limit]).await?.into_structs()
}
