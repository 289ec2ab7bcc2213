//! The memory of an agent, all of its process, in three states.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures_util::future::try_join_all;
use pierhead_tests::agent::{Agent, AgentConfig};
use pierhead_tests::http::Http;
use pierhead_tests::postgres::{DATABASE, PASSWORD};
use pierhead_tests::workerd::{Worker, Workerd, WorkerdConfig, built};
use serde_json::json;

use super::{COORDINATOR, Measured};
use crate::plan::Plan;
use crate::stage::{POOL, Stage};

const TOKEN: &str = "a-token-for-this-run-only";
const PATIENCE: Duration = Duration::from_secs(30);
/// How many ask at once.
const CALLERS: usize = 50;
/// Sessions at rest are parked, and buffers let go.
const REST: Duration = Duration::from_secs(1);
/// How long each of a pool's sessions is held, in seconds, so that all are used: a busy machine may
/// need the longer ones.
const HOLDS: [f64; 3] = [0.3, 1.0, 4.0];

pub(super) fn note(plan: &Plan) -> String {
    format!(
        "memory/agent: all resident memory of the agent's process, its code too, with one database: \
         linked and idle; with {POOL} sessions at rest; after {} queries on them. The program is the \
         one that tests run, optimised, with debug information that is not loaded.",
        plan.carried
    )
}

/// One agent's life.
pub(super) async fn memory(stage: &Stage, plan: &Plan, measured: &mut Measured) -> Result<()> {
    let workerd = Workerd::start(workers()?).await?;
    let url = format!("postgres://{}/{DATABASE}?pool_size={POOL}", stage.postgres().addr());
    let agent = Agent::start(AgentConfig {
        name: "weight".into(),
        coordinator: workerd.addr(COORDINATOR)?,
        databases: vec![("main".into(), url, TOKEN.into())],
        variables: Vec::new(),
    })?;
    agent.log().wait_for("link up", PATIENCE).await?;
    let app = workerd.http("app")?;
    let mut look = async |state: &str| {
        tokio::time::sleep(REST).await;
        let bytes = agent.resident_bytes()? as f64;
        measured.figures.push("memory/agent", state, 0.0, "bytes", bytes);
        anyhow::Ok(())
    };
    look("idle").await?;
    fill(&app).await?;
    look("sessions").await?;
    let share = plan.carried.div_ceil(CALLERS);
    try_join_all((0..CALLERS).map(|_| ask(&app, share))).await?;
    look("queries").await
}

fn workers() -> Result<WorkerdConfig> {
    let url = format!(
        "postgres://scram_user@db.invalid/{DATABASE}?pool_size={POOL}&idle_timeout=10m&tunnel=agent"
    );
    let bound = |worker: Worker| worker.namespace("PIERHEAD", "Pierhead", COORDINATOR);
    let coordinator = Worker::from_directory(COORDINATOR, built("coordinator")?)
        .durable_object("Pierhead")
        .text("PIERHEAD_DB_MAIN", url)
        .text("PIERHEAD_DB_MAIN_PASSWORD", PASSWORD)
        .text("PIERHEAD_DB_MAIN_AGENT_TOKEN", TOKEN);
    let app = Worker::from_directory("app", built("app")?);
    Ok(WorkerdConfig::new().worker(bound(coordinator)).worker(bound(app)))
}

/// Has all sessions opened, by as many queries at once.
async fn fill(app: &Http) -> Result<()> {
    let mut used = 0;
    for seconds in HOLDS {
        let held = try_join_all((0..POOL).map(|_| hold(app, seconds))).await?;
        used = held.into_iter().collect::<BTreeSet<_>>().len();
        if used == POOL {
            break;
        }
    }
    ensure!(used == POOL, "{POOL} queries at once used {used} sessions");
    Ok(())
}

/// The process of a session that was held for so long.
async fn hold(app: &Http, seconds: f64) -> Result<String> {
    let sql = format!("select pg_backend_pid() from (select pg_sleep({seconds})) held");
    let answer = app.post_json("/query", &json!({ "sql": sql, "params": [] })).await?.ok()?;
    let pid = answer.json()?["rows"][0][0].as_str().map(str::to_owned);
    pid.context("no process id")
}

async fn ask(app: &Http, times: usize) -> Result<()> {
    for _ in 0..times {
        app.get("/echo?value=x").await?.ok()?;
    }
    Ok(())
}
