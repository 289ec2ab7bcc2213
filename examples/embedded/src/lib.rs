//! A Worker that brings its own coordinator: one deployment for both. Each deployment ends the
//! pool's sessions; `examples/bound` does without that.

use pierhead_client::Database;
use worker::{Context, Env, Request, Response, event};

// Exported by the built module, for `worker.mjs` to make a Durable Object class of.
pub use pierhead_coordinator::PierheadCore;

#[event(fetch)]
async fn fetch(_request: Request, env: Env, _context: Context) -> worker::Result<Response> {
    match server_time(&env).await {
        Ok(time) => Response::ok(time),
        Err(error) => error.to_response(),
    }
}

async fn server_time(env: &Env) -> Result<String, pierhead_client::Error> {
    let database = Database::from_env(env, "main")?;
    let row = database.query_one("select now()::text as time", &[]).await?;
    row.get("time")
}
