//! A driver on a socket: a client of its own for each call.

use pierhead_client::Database;
use serde_json::json;
use tokio_postgres::{Config, NoTls, SimpleQueryMessage};
use worker::wasm_bindgen_futures::spawn_local;
use worker::{Response, Result, Url};

use crate::{parameter, report};

/// Answers the first row as text. What the driver was told instead is an error of status 502, with
/// `sqlstate` if the far end said one.
pub(crate) async fn socket(database: &Database, url: &Url) -> Result<Response> {
    let socket = match database.connect() {
        Ok(socket) => socket,
        Err(error) => return report::error(&error),
    };
    let mut config = Config::new();
    config.user(parameter(url, "user").unwrap_or_default()).dbname(database.name());
    let (client, connection) = match config.connect_raw(socket, NoTls).await {
        Ok(connected) => connected,
        Err(error) => return told(&error),
    };
    spawn_local(async { drop(connection.await) });
    let answer = client.simple_query(&parameter(url, "sql").unwrap_or_default()).await;
    let messages = match answer {
        Ok(messages) => messages,
        Err(error) => return told(&error),
    };
    let row = messages.iter().find_map(|message| {
        if let SimpleQueryMessage::Row(row) = message { Some(row) } else { None }
    });
    let values = row.map(|row| (0..row.len()).map(|at| row.get(at)).collect::<Vec<_>>());
    Response::from_json(&json!({ "values": values }))
}

fn told(error: &tokio_postgres::Error) -> Result<Response> {
    let sqlstate = error.code().map(|code| code.code());
    let body = json!({ "text": error.to_string(), "sqlstate": sqlstate });
    Ok(Response::from_json(&body)?.with_status(502))
}
