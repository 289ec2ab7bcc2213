//! The Worker of `docs/guides/rust-worker.md`. It brings its own coordinator; bound to one that is
//! deployed by itself it is the same but for `PierheadCore`.

mod calls;
mod moor;
mod notes;
mod table;

use pierhead_client::{Database, Error};
use worker::{Context, Env, Request, Response, Url, event};

pub use pierhead_coordinator::PierheadCore;

#[event(fetch)]
async fn fetch(mut request: Request, env: Env, _context: Context) -> worker::Result<Response> {
    let url = request.url()?;
    let answer = match url.path() {
        "/ships" => calls::ships(&env).await,
        "/counters" => calls::count(&env, &parameter(&url, "names")).await,
        "/moor" => moor::moor(&env, &parameter(&url, "ship"), &parameter(&url, "berth"), 3).await,
        "/notes" => notes::notes(&env, &parameter(&url, "tenant")).await,
        "/export" => table::export(&env).await,
        "/import" => table::import(&env, request.bytes().await?).await,
        _ => Ok(Response::error("no such page", 404)),
    };
    // 503 with Retry-After, 504, 409, …
    answer.unwrap_or_else(|error| error.to_response())
}

fn database(env: &Env) -> Result<Database, Error> {
    Database::builder("main").caller("guide").build(env)
}

fn parameter(url: &Url, key: &str) -> String {
    let value = url.query_pairs().find(|(name, _)| name == key);
    value.map(|(_, value)| value.into_owned()).unwrap_or_default()
}
