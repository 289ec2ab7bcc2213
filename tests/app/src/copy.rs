//! COPY without a transaction around it.

use std::time::Duration;

use pierhead_client::{Database, Error};
use serde_json::{Value, json};
use worker::Delay;

use crate::transaction::Copied;

/// Copies in; answers `{affected}`.
pub(crate) async fn copy_in(database: &Database, input: &Copied) -> Result<Value, Error> {
    let mut copy = database.copy_in(&input.sql)?;
    for _ in 0..input.times {
        for data in &input.data {
            copy.send(data)?;
        }
    }
    Ok(json!({"affected": copy.finish().await?}))
}

/// Copies out and pauses before each `every`th piece; answers `{bytes, pieces, affected}`. With
/// `stop` it drops the stream after so many pieces.
pub(crate) async fn copy_out(
    database: &Database,
    sql: &str,
    every: u32,
    stop: u32,
) -> Result<Value, Error> {
    let mut copy = database.copy_out(sql).await?;
    let (mut bytes, mut pieces) = (0, 0_u32);
    while let Some(data) = copy.next().await? {
        bytes += data.len();
        pieces += 1;
        if pieces == stop {
            break;
        }
        if every > 0 && pieces.is_multiple_of(every) {
            Delay::from(Duration::from_millis(10)).await;
        }
    }
    Ok(json!({"bytes": bytes, "pieces": pieces, "affected": copy.affected()}))
}
