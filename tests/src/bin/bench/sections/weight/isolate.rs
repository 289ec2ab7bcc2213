//! From nothing to the first answer of an object: the coordinator's, and one that does nothing.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use pierhead_tests::postgres::{DATABASE, PASSWORD};
use pierhead_tests::workerd::{Worker, Workerd, WorkerdConfig, built};

use super::{COORDINATOR, Measured};
use crate::stage::Stage;

pub(super) const NOTE: &str = "isolate: from the first request that a fresh workerd gets to the answer of an object that was \
     not there; isolate/process: the same from the start of workerd, which loads and compiles the \
     Worker before it listens. The object is asked for its status: no database is asked.";

/// Its home's name, and its class's.
const EMPTY: &str = "empty";
const EMPTY_OBJECT: &str = r#"
import { DurableObject } from "cloudflare:workers";
export class Empty extends DurableObject {
  fetch() {
    return Response.json({});
  }
}
export default { fetch: () => new Response("empty\n") };
"#;

/// Asks an object for its status.
const CALLER: &str = r#"
export default {
  fetch: (request, env) => env.OBJECT.getByName("main").fetch("http://object/status"),
};
"#;

/// One start of each.
pub(super) async fn start(stage: &Stage, measured: &mut Measured) -> Result<()> {
    let url = format!("postgres://scram_user@{}/{DATABASE}?tls=off", stage.postgres().addr());
    let coordinator = Worker::from_directory(COORDINATOR, built("coordinator")?)
        .namespace("PIERHEAD", "Pierhead", COORDINATOR)
        .text("PIERHEAD_DB_MAIN", url)
        .text("PIERHEAD_DB_MAIN_PASSWORD", PASSWORD);
    let empty = Worker::from_script(EMPTY, EMPTY_OBJECT);
    for (who, class, home) in [(COORDINATOR, "Pierhead", coordinator), (EMPTY, "Empty", empty)] {
        let caller = Worker::from_script("caller", CALLER).namespace("OBJECT", class, who);
        let workers = WorkerdConfig::new().worker(home.durable_object(class)).worker(caller);
        let began = Instant::now();
        let workerd = Workerd::start(workers).await?;
        let asked = Instant::now();
        let answer = workerd.http("caller")?.get("/").await?.ok()?;
        let (answered, process) = (asked.elapsed(), began.elapsed());
        ensure!(answer.json().context("no status")?.is_object(), "{}", answer.text());
        for (metric, took) in [("isolate", answered), ("isolate/process", process)] {
            measured.figures.push(metric, who, 0.0, "ms", took.as_secs_f64() * 1e3);
        }
    }
    Ok(())
}
