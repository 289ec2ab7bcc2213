//! A thousand invocations at once: on a coordinator that does not exist yet, on one that sleeps, on a
//! warm one, and without any.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use pierhead_tests::http::Response;

use super::Measured;
use crate::figures::percentile_ms;
use crate::load::closed_loop;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::stage::{POOL, Stage};
use crate::ways::{Way, Work};

const NOTE: &str = "cold: through cloudflared, no object and no session is there; hibernated: the \
     object sleeps, its sessions are parked with the agent; warm: the same object right after; \
     direct-pg: each invocation connects to PostgreSQL, which takes 300 connections; pgbouncer-pg: \
     each connects to a warm PgBouncer; rpc: an object that does nothing. The connections from this \
     program to workerd are there before.";
/// For what was aborted to be gone, and for the agent to be back.
const PATIENCE: Duration = Duration::from_secs(30);
/// Idle sessions are parked by then.
const REST: Duration = Duration::from_secs(1);
/// What opens all sessions of a pool.
const WARMING: Duration = Duration::from_millis(300);

/// What became of a storm.
struct Storm {
    answered: Vec<Duration>,
    errors: BTreeMap<String, usize>,
    took: Duration,
    /// Connections to PostgreSQL that it had opened.
    sessions: u64,
}

pub(super) async fn measure(
    stage: &Arc<Stage>,
    plan: &Plan,
    progress: &mut Progress,
) -> Result<Measured> {
    let mut measured = Measured::default();
    let mut errors = Vec::new();
    let ways = stage.ways();
    let alone = [Way::Rpc, Way::DirectPg, Way::PgBouncerPg];
    // The first crowd in any Worker's life also meets cold code.
    for way in [Way::ExchangeAgent, Way::ExchangeCloudflared, Way::PgBouncerPg] {
        if ways.contains(&way) {
            at_once(stage, way, plan.storm).await?;
        }
    }
    for round in 0..plan.rounds {
        progress.at(round, plan.rounds, "storms");
        asleep(stage).await?;
        let mut tell = async |who: &'static str, way: Way| {
            let storm = storm(stage, way, plan.storm).await?;
            errors.push((who, tell_storm(who, storm, &mut measured)));
            anyhow::Ok(())
        };
        tell("hibernated", Way::ExchangeAgent).await?;
        tell("warm", Way::ExchangeAgent).await?;
        gone(stage).await?;
        tell("cold", Way::ExchangeCloudflared).await?;
        for way in alone.into_iter().filter(|way| ways.contains(way)) {
            // What a storm of connections leaves must not meet the next.
            tokio::time::sleep(REST).await;
            tell(way.id(), way).await?;
        }
    }
    tell_errors(&errors, &mut measured);
    measured.notes.push(format!("{} invocations at once. {NOTE}", plan.storm));
    Ok(measured)
}

/// Leaves the agent's object asleep with its whole pool parked, and no other object alive that
/// could not sleep.
async fn asleep(stage: &Arc<Stage>) -> Result<()> {
    gone(stage).await?;
    let warm = closed_loop(stage, Way::ExchangeAgent, 5 * POOL, WARMING).await?;
    if warm.answered.is_empty() {
        bail!("the agent's pool answers nothing");
    }
    tokio::time::sleep(REST).await;
    stage.workerd().hibernate_all_objects().await
}

/// Ends all objects, and waits until the database knows, and the agent is linked again.
async fn gone(stage: &Arc<Stage>) -> Result<()> {
    let links = stage.agent().log().count("link up");
    stage.workerd().abort_all_objects().await?;
    let deadline = Instant::now() + PATIENCE;
    while stage.published_streams() > 0 {
        if Instant::now() > deadline {
            bail!("streams of aborted objects are still open");
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stage.agent().log().wait_for_more("link up", links, PATIENCE).await?;
    tokio::time::sleep(REST).await;
    Ok(())
}

async fn storm(stage: &Arc<Stage>, way: Way, count: usize) -> Result<Storm> {
    at_once(stage, Way::Rpc, count).await?;
    let (sessions, connections) = (sessions(stage).await?, stage.connections());
    let mut storm = at_once(stage, way, count).await?;
    storm.sessions = if way == Way::DirectPg {
        // Mostly over before anybody could look at the database.
        stage.connections() - connections
    } else {
        self::sessions(stage).await?.difference(&sessions).count() as u64
    };
    Ok(storm)
}

async fn at_once(stage: &Arc<Stage>, way: Way, count: usize) -> Result<Storm> {
    let began = Instant::now();
    let invocations: Vec<_> = (0..count)
        .map(|caller| {
            let stage = stage.clone();
            tokio::spawn(async move {
                let asked = Instant::now();
                let answer = stage.try_ask(way, Work::Queries(1), caller).await;
                (asked.elapsed(), failure(&answer))
            })
        })
        .collect();
    let (mut answered, mut errors) = (Vec::new(), BTreeMap::new());
    for invocation in invocations {
        match invocation.await? {
            (took, None) => answered.push(took),
            (_, Some(kind)) => *errors.entry(kind).or_default() += 1,
        }
    }
    Ok(Storm { answered, errors, took: began.elapsed(), sessions: 0 })
}

/// What kind of failure an answer is: an SQLSTATE or another code, or what HTTP says.
fn failure(answer: &Result<Response>) -> Option<String> {
    match answer {
        Err(_) => Some("no answer".into()),
        Ok(response) if response.status == 200 => None,
        Ok(response) => {
            let json = response.json().unwrap_or_default();
            let code = json["code"].as_str().or(json["message"].as_str());
            Some(code.map_or_else(|| format!("HTTP {}", response.status), str::to_owned))
        }
    }
}

/// The server processes of all sessions.
async fn sessions(stage: &Stage) -> Result<BTreeSet<i32>> {
    let sql = "select pid from pg_stat_activity where backend_type = 'client backend'";
    let rows = stage.postgres().control().await?.query(sql, &[]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Gives the errors back.
fn tell_storm(who: &str, mut storm: Storm, measured: &mut Measured) -> BTreeMap<String, usize> {
    let figures = &mut measured.figures;
    figures.push("took", who, 0.0, "ms", storm.took.as_secs_f64() * 1e3);
    for (metric, thousandths) in [("p50", 500), ("p99", 990)] {
        let value = percentile_ms(&mut storm.answered, thousandths);
        figures.push(metric, who, 0.0, "ms", value);
    }
    figures.push("sessions", who, 0.0, "sessions", storm.sessions as f64);
    let errors: usize = storm.errors.values().sum();
    figures.push("errors", who, 0.0, "answers", errors as f64);
    storm.errors
}

/// Each kind that a contender has met in any round, with its number in every one.
fn tell_errors(all: &[(&str, BTreeMap<String, usize>)], measured: &mut Measured) {
    let kinds: BTreeSet<_> = all
        .iter()
        .flat_map(|(who, errors)| errors.keys().map(|kind| (*who, kind.as_str())))
        .collect();
    for (who, kind) in kinds {
        for (_, errors) in all.iter().filter(|(other, _)| *other == who) {
            let count = errors.get(kind).copied().unwrap_or(0) as f64;
            measured.figures.push(&format!("errors/{kind}"), who, 0.0, "answers", count);
        }
        measured.notes.push(format!("errors of {who}: {kind}."));
    }
}
