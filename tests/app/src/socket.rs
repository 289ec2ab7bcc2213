//! A driver on a socket: a client of its own for each call.

use std::error::Error;

use pierhead_client::Database;
use serde_json::{Value, json};
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};
use worker::wasm_bindgen_futures::spawn_local;
use worker::{Response, Result, console_error};

/// tokio-postgres on a socket to the object.
pub(crate) async fn connect(
    database: &Database,
    user: &str,
) -> std::result::Result<Client, Box<dyn Error>> {
    let mut config = Config::new();
    config.user(user).dbname(database.name());
    let (client, connection) = config.connect_raw(database.connect()?, NoTls).await?;
    spawn_local(async {
        if let Err(error) = connection.await {
            console_error!("the connection failed: {error}");
        }
    });
    Ok(client)
}

/// Answers the first row as text. What the driver was told instead is an error of status 502, with
/// `sqlstate` if the far end said one.
pub(crate) async fn first_row(database: &Database, user: &str, sql: &str) -> Result<Response> {
    match ask(database, user, sql).await {
        Ok(values) => Response::from_json(&json!({ "values": values })),
        Err(error) => {
            let said = error.downcast_ref::<tokio_postgres::Error>();
            let sqlstate = said.and_then(|error| error.code()).map(|code| code.code());
            let body = json!({ "text": error.to_string(), "sqlstate": sqlstate });
            Ok(Response::from_json(&body)?.with_status(502))
        }
    }
}

async fn ask(
    database: &Database,
    user: &str,
    sql: &str,
) -> std::result::Result<Value, Box<dyn Error>> {
    let messages = connect(database, user).await?.simple_query(sql).await?;
    let row = messages.iter().find_map(|message| {
        if let SimpleQueryMessage::Row(row) = message { Some(row) } else { None }
    });
    let values = row.map(|row| (0..row.len()).map(|at| row.get(at)).collect::<Vec<_>>());
    Ok(json!(values))
}
