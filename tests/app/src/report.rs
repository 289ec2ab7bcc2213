//! Results and errors as JSON.

use pierhead_client::{Column, Error, Row, Rows};
use serde_json::{Value, json};
use worker::{Response, Result};

/// All rows, every value as the text that PostgreSQL printed.
pub(crate) fn rows(rows: &Rows) -> std::result::Result<Value, Error> {
    let values: Vec<Vec<Option<&str>>> =
        rows.iter().map(row).collect::<std::result::Result<_, _>>()?;
    let columns: Vec<Value> = rows.columns().iter().map(column).collect();
    Ok(json!({"columns": columns, "rows": values}))
}

fn row(row: &Row) -> std::result::Result<Vec<Option<&str>>, Error> {
    (0..row.columns().len()).map(|index| row.text(index)).collect()
}

fn column(column: &Column) -> Value {
    json!({"name": column.name(), "type_oid": column.type_oid(), "type": column.type_name()})
}

/// The error with its own status.
pub(crate) fn error(error: &Error) -> Result<Response> {
    let mut response = Response::from_json(&describe(error))?.with_status(error.http_status());
    if let Some(seconds) = error.http_retry_after() {
        response.headers_mut().set("retry-after", &seconds.to_string())?;
    }
    Ok(response)
}

/// Everything that the error knows.
pub(crate) fn describe(error: &Error) -> Value {
    let database = error.db_error();
    json!({
        "text": error.to_string(),
        "status": error.http_status(),
        "sqlstate": error.sqlstate(),
        "retryable": error.is_retryable(),
        "unknown": error.is_outcome_unknown(),
        "refused": error.is_refused(),
        "rolled_back": error.is_rolled_back(),
        "timeout": error.is_timeout(),
        "overloaded": error.is_overloaded(),
        "retry_after_ms": error.retry_after().map(|wait| wait.as_millis() as u64),
        "statement": error.statement(),
        "severity": database.map(|e| &e.severity),
        "message": database.map_or_else(|| error.to_string(), |e| e.message.clone()),
        "position": database.and_then(|e| e.position),
        "detail": database.and_then(|e| e.detail.as_ref()),
        "hint": database.and_then(|e| e.hint.as_ref()),
        "schema": database.and_then(|e| e.schema.as_ref()),
        "table": database.and_then(|e| e.table.as_ref()),
        "column": database.and_then(|e| e.column.as_ref()),
        "constraint": database.and_then(|e| e.constraint.as_ref()),
        "routine": database.and_then(|e| e.routine.as_ref()),
    })
}
