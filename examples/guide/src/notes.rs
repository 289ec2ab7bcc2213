//! Row-level security: whom a query is for.

use pierhead_client::{Database, Error};
use worker::{Env, Response};

/// A handle that runs nothing unless it was told for whom.
fn tenants(env: &Env) -> Result<Database, Error> {
    Database::builder("main").require_settings(["app.tenant"]).build(env)
}

pub(crate) async fn notes(env: &Env, tenant: &str) -> Result<worker::Result<Response>, Error> {
    let mut db = tenants(env)?;
    if !tenant.is_empty() {
        db = db.with_settings([("app.tenant", tenant)]);
    }
    let rows = db.query("select note from notes order by note", &[]).await?;
    let notes: Vec<(String,)> = rows.into_structs()?;
    Ok(Response::from_json(&notes))
}
