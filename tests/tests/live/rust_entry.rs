//! The driver matrix' entries in Rust: what `tests/app` is asked for, chapter by chapter.

use std::time::Duration;

use serde_json::{Value, json};

use crate::app::{App, Failure};
use crate::world::World;

/// tokio-postgres on a socket, whose chapters are in the Worker.
pub(crate) async fn by_tokio_postgres(world: &World, chapter: &str) -> Result<(), String> {
    let asked = [("chapter", chapter), ("user", "scram_user")];
    world.app().get("/driver", &asked).await.map(|_| ()).map_err(told)
}

/// The Rust client, over calls.
pub(crate) async fn by_the_client(world: &World, chapter: &str) -> Result<(), String> {
    let app = world.app();
    match chapter {
        "types" => types(&app).await,
        "prepared" => prepared(&app).await,
        "transactions" => transactions(&app).await,
        "big result" => big_result(&app).await,
        "cancel" => cancel(&app).await,
        "two clients" => two_clients(&app).await,
        other => Err(format!("no chapter {other}")),
    }
}

fn told(failure: Failure) -> String {
    format!("{failure:?}")
}

#[track_caller]
fn same(found: &Value, wanted: Value) -> Result<(), String> {
    if *found == wanted { Ok(()) } else { Err(format!("{found}, not {wanted}")) }
}

async fn types(app: &App) -> Result<(), String> {
    let report = app.get("/typed", &[]).await.map_err(told)?;
    let cases = report["cases"].as_array().ok_or("no cases")?;
    let wrong: Vec<_> = cases.iter().filter(|case| case["ok"] != true).collect();
    if wrong.is_empty() && cases.len() > 60 { Ok(()) } else { Err(format!("{wrong:#?}")) }
}

/// A statement is prepared at whichever session runs it, as often as there are sessions.
async fn prepared(app: &App) -> Result<(), String> {
    let sql = "select $1::int4 + 10 / $1::int4";
    let ask = async |n: i32| app.value(sql, &[json!({"type": "i32", "value": n})]).await;
    for n in [1, 2, 5, 10] {
        same(&ask(n).await.map_err(told)?.into(), (n + 10 / n).to_string().into())?;
    }
    let error = ask(0).await.err().ok_or("a division by zero is not refused")?;
    same(&error.sqlstate().into(), "22012".into())?;
    same(&ask(2).await.map_err(told)?.into(), "7".into())
}

async fn transactions(app: &App) -> Result<(), String> {
    let table = "drop table if exists m_client; create table m_client (n int4 primary key)";
    for sql in table.split("; ") {
        app.execute(sql, &[]).await.map_err(told)?;
    }
    let insert = |n: i32| json!({"query": {"sql": "insert into m_client values ($1)", "params": [{"type": "i32", "value": n}]}});
    let twice = json!({"savepoint": "s", "steps": [insert(1)], "end": "drop"});
    let story = json!({"steps": [insert(1), twice, insert(2)], "end": "commit"});
    let kept = app.transaction(&story).await.map_err(told)?;
    same(&kept["end"], "committed".into())?;
    same(&kept["steps"][1]["steps"][0]["error"]["sqlstate"], "23505".into())?;
    let delete = json!({"query": {"sql": "delete from m_client"}});
    let story = json!({"steps": [delete], "end": "drop"});
    app.transaction(&story).await.map_err(told)?;
    let left = app.value("select string_agg(n::text, ',') from m_client", &[]).await;
    same(&left.map_err(told)?.into(), "1,2".into())
}

async fn big_result(app: &App) -> Result<(), String> {
    let asked = [("mb", "5"), ("rate", "0")];
    let read = app.patient(Duration::from_secs(60)).get("/big", &asked).await.map_err(told)?;
    same(
        &json!([read["rows"], read["bytes"], read["error"]]),
        json!([5 * 1024, 5 * 1024 * 1024, null]),
    )
}

/// A deadline that passes, and a call that is dropped: both are cancelled at the database.
async fn cancel(app: &App) -> Result<(), String> {
    let hasty = app.timeout(Duration::from_millis(300));
    let report = hasty.get("/deadline", &[("seconds", "60")]).await.map_err(told)?;
    same(&report["error"]["timeout"], true.into())?;
    let abandoned = [("sql", "select pg_sleep(60)"), ("how", "drop")];
    app.get("/abandon", &abandoned).await.map_err(told)?;
    same(&app.echo("next").await.map_err(told)?.into(), "next".into())
}

async fn two_clients(app: &App) -> Result<(), String> {
    let [a, b] = ["a", "b"].map(|name| app.set("app.own", name));
    let sql = "select current_setting('app.own'), pg_sleep(0.1)::text";
    let (first, second) = tokio::join!(a.value(sql, &[]), b.value(sql, &[]));
    same(&json!([first.map_err(told)?, second.map_err(told)?]), json!(["a", "b"]))?;
    let none = app.value("select nullif(current_setting('app.own', true), '')", &[]).await;
    same(&none.map_err(told)?.into(), "NULL".into())
}
