//! A Worker that uses tokio-postgres, unchanged, over a socket to the coordinator: for code that is
//! written for it, and for what needs the protocol itself, such as a COPY of any length.
//!
//! `GET` counts the ships at each berth; `POST` takes rows of `name <tab> value` for `counters`, as
//! they arrive.

use std::error::Error;
use std::pin::pin;

use futures_util::{SinkExt, StreamExt};
use pierhead_client::Database;
use tokio_postgres::{Client, Config, NoTls};
use worker::wasm_bindgen_futures::spawn_local;
use worker::{Context, Env, Method, Request, Response, console_error, event};

#[event(fetch)]
async fn fetch(mut request: Request, env: Env, _context: Context) -> worker::Result<Response> {
    let answer = if request.method() == Method::Post {
        import(&env, &mut request).await
    } else {
        taken(&env).await
    };
    match answer {
        Ok(text) => Response::ok(text),
        Err(error) => {
            console_error!("{error}");
            Response::error("the database reported an error", 500)
        }
    }
}

/// A client for this request. The coordinator answers its start-up; the session behind it was there
/// before, and belongs to this client for a transaction at a time.
async fn connect(env: &Env) -> Result<Client, Box<dyn Error>> {
    let database = Database::from_env(env, "main")?;
    let mut config = Config::new();
    config.user(env.var("DB_USER")?.to_string()).dbname(database.name());
    let (client, connection) = config.connect_raw(database.connect()?, NoTls).await?;
    // Carries the client's messages, and ends with it.
    spawn_local(async {
        if let Err(error) = connection.await {
            console_error!("the connection failed: {error}");
        }
    });
    Ok(client)
}

async fn taken(env: &Env) -> Result<String, Box<dyn Error>> {
    let mut client = connect(env).await?;
    let transaction = client.build_transaction().read_only(true).start().await?;
    let sql = "select name from berths where state = 'taken' order by id limit $1";
    let mut text = String::new();
    for berth in transaction.query(sql, &[&10_i64]).await? {
        let berth: &str = berth.get(0);
        let sql = "select count(*) from ships where berth = $1";
        let ships: i64 = transaction.query_one(sql, &[&berth]).await?.get(0);
        text.push_str(&format!("{berth}: {ships}\n"));
    }
    transaction.commit().await?;
    Ok(text)
}

/// Nothing of it is kept here: the request is read as quickly as the database takes it.
async fn import(env: &Env, request: &mut Request) -> Result<String, Box<dyn Error>> {
    let client = connect(env).await?;
    let mut sink = pin!(client.copy_in("copy counters (name, value) from stdin").await?);
    let mut body = request.stream()?;
    while let Some(chunk) = body.next().await {
        sink.send(std::io::Cursor::new(chunk?)).await?;
    }
    let rows = sink.finish().await?;
    Ok(format!("{rows} rows\n"))
}
