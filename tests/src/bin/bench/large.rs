//! A large result, streamed through the coordinator into a Worker that reads as fast as it can.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, bail};
use pierhead_tests::show::{Align, Stage, Table, median};

use crate::Plan;

/// The coordinator's databases: name, and what carries their bytes.
const TUNNELS: [(&str, &str); 2] = [("main", "cloudflared (WebSocket)"), ("tcp", "direct (TCP)")];

/// Megabytes per second over both tunnels, in alternating rounds.
pub(crate) async fn both(stage: &Arc<Stage>, plan: Plan) -> Result<Table> {
    eprintln!("large results");
    let mut measured = TUNNELS.map(|_| (Vec::new(), Vec::new()));
    for _ in 0..plan.rounds {
        for ((database, _), (rates, errors)) in TUNNELS.into_iter().zip(&mut measured) {
            match read(stage, database, plan.large_mib).await? {
                Ok(rate) => rates.push(rate),
                Err(error) => errors.push(error),
            }
        }
    }
    let columns =
        [("tunnel", Align::Left), ("median MB/s", Align::Right), ("failed", Align::Right)];
    let mut table = Table::new(columns.into_iter().chain([("error", Align::Left)]));
    for ((_, name), (rates, errors)) in TUNNELS.into_iter().zip(measured) {
        let failed = errors.len().to_string();
        let error = errors.first().cloned().unwrap_or_default();
        let rate = if rates.is_empty() { "–".into() } else { format!("{:.0}", median(rates)) };
        table.row([name.to_owned(), rate, failed, error]);
    }
    Ok(table)
}

/// The rate in MB/s, or what the Worker was told instead of the whole result.
async fn read(stage: &Stage, database: &str, mib: usize) -> Result<Result<f64, String>> {
    let began = Instant::now();
    let path = format!("/big?db={database}&mb={mib}&rate=0");
    let answer = stage.app().get(&path).await?.ok()?.json()?;
    let took = began.elapsed().as_secs_f64();
    let error = &answer["error"];
    if !error.is_null() {
        let sqlstate = error["sqlstate"].as_str().unwrap_or("no SQLSTATE");
        return Ok(Err(sqlstate.to_owned()));
    }
    let bytes = answer["bytes"].as_u64().unwrap_or(0);
    if bytes != (mib as u64) << 20 {
        bail!("a result of {mib} MiB came as {bytes} bytes, without an error");
    }
    Ok(Ok(bytes as f64 / 1e6 / took))
}
