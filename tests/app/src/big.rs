//! A large result, read at a chosen rate.

use std::time::Duration;

use pierhead_client::{Database, Error};
use serde_json::json;
use worker::{Date, Delay, Response, Result};

use crate::report;

/// Bytes of text in one row: 32 times an MD5 in hexadecimal.
const ROW_BYTES: u32 = 1_024;

/// The rows of one MiB.
const ROWS_PER_MIB: u32 = 1_024 * 1_024 / ROW_BYTES;

/// How far a reader may be ahead of its rate before it sleeps. A timer per row would be slower than
/// most rates.
const AHEAD_MS: u64 = 20;

/// What was read before the end.
struct Read {
    bytes: u64,
    rows: u64,
    /// FNV-1a (64 bits) of all values, one behind the other.
    checksum: u64,
}

/// Reads `mib` MiB of rows at `rate` million bytes per second, 0 for no limit. Answers what was
/// read, and the error if there was one.
///
/// With `stop` it drops the stream after so many rows.
pub(crate) async fn big(database: &Database, mib: u32, rate: u32, stop: u32) -> Result<Response> {
    let started = Date::now().as_millis();
    let mut read = Read { bytes: 0, rows: 0, checksum: 0xcbf2_9ce4_8422_2325 };
    let result = read.run(database, mib, (rate, stop), started).await;
    let error = result.err().map(|error| report::describe(&error));
    Response::from_json(&json!({
        "bytes": read.bytes,
        "rows": read.rows,
        "checksum": format!("{:016x}", read.checksum),
        "elapsed_ms": Date::now().as_millis() - started,
        "error": error,
    }))
}

impl Read {
    async fn run(
        &mut self,
        database: &Database,
        mib: u32,
        (rate, stop): (u32, u32),
        started: u64,
    ) -> std::result::Result<(), Error> {
        let count = i64::from(mib) * i64::from(ROWS_PER_MIB);
        let sql = "select repeat(md5(i::text), 32) from generate_series(1, $1::int8) i";
        let mut rows = database.query_stream(sql, &[&count]).await?;
        while let Some(row) = rows.next().await? {
            self.take(row.text(0)?.unwrap_or_default().as_bytes());
            if self.rows == u64::from(stop) {
                break;
            }
            self.wait(rate, started).await;
        }
        Ok(())
    }

    fn take(&mut self, value: &[u8]) {
        self.rows += 1;
        self.bytes += value.len() as u64;
        for byte in value {
            self.checksum = (self.checksum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    async fn wait(&self, rate: u32, started: u64) {
        // Bytes per millisecond are thousands of a rate in MB/s.
        let Some(due) = self.bytes.checked_div(u64::from(rate) * 1_000) else { return };
        let ahead = due.saturating_sub(Date::now().as_millis() - started);
        if ahead >= AHEAD_MS {
            Delay::from(Duration::from_millis(ahead)).await;
        }
    }
}
