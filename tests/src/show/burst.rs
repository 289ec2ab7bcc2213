//! Many invocations at once, and what the database sees of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Stage, Way};
use crate::http::Response;

/// Between two looks at the database's sessions.
const LOOK: Duration = Duration::from_millis(3);

/// What became of a burst.
#[derive(Clone, Debug)]
pub struct Burst {
    /// Answered with rows.
    pub answered: usize,
    /// Not answered with rows, by what they said (an SQLSTATE, if there was one).
    pub errors: BTreeMap<String, usize>,
    /// The most sessions of this way in `pg_stat_activity` at once.
    pub sessions_peak: usize,
    /// Connections opened for it.
    pub connections: u64,
    /// Until the last one was answered.
    pub took: Duration,
}

impl Burst {
    /// How many were not answered with rows.
    pub fn failed(&self) -> usize {
        self.errors.values().sum()
    }
}

/// Starts `count` invocations at once and waits for all.
pub async fn burst(stage: &Arc<Stage>, way: Way, count: usize) -> Result<Burst> {
    let watch = Watch::start(stage, way).await?;
    let connections = stage.connections(way);
    let began = Instant::now();
    let invocations: Vec<_> = (0..count)
        .map(|_| {
            let stage = stage.clone();
            tokio::spawn(async move { stage.try_ask(way).await })
        })
        .collect();
    let (mut answered, mut errors) = (0, BTreeMap::new());
    for invocation in invocations {
        match failure(&invocation.await?) {
            None => answered += 1,
            Some(label) => *errors.entry(label).or_default() += 1,
        }
    }
    let took = began.elapsed();
    let connections = stage.connections(way) - connections;
    Ok(Burst { answered, errors, sessions_peak: watch.stop().await?, connections, took })
}

/// What an answer without rows says, in a word or two.
fn failure(answer: &Result<Response>) -> Option<String> {
    match answer {
        Err(error) => Some(format!("{error:#}")),
        Ok(response) if response.status == 200 => None,
        Ok(response) => {
            let json = response.json().unwrap_or_default();
            let sqlstate = json["sqlstate"].as_str().map(str::to_owned);
            Some(sqlstate.unwrap_or_else(|| format!("HTTP {}", response.status)))
        }
    }
}

/// Looks at the database's sessions over and over.
struct Watch {
    stop: Arc<AtomicBool>,
    looking: tokio::task::JoinHandle<Result<usize>>,
}

impl Watch {
    async fn start(stage: &Stage, way: Way) -> Result<Self> {
        let control = stage.postgres().control().await?;
        let sql = "select count(*) from pg_stat_activity where application_name = $1";
        let statement = control.prepare(sql).await?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let looking = tokio::spawn(async move {
            let mut peak = 0;
            while !stopped.load(Ordering::Relaxed) {
                let row = control.query_one(&statement, &[&way.application()]).await?;
                peak = peak.max(usize::try_from(row.get::<_, i64>(0))?);
                tokio::time::sleep(LOOK).await;
            }
            Ok(peak)
        });
        Ok(Self { stop, looking })
    }

    async fn stop(self) -> Result<usize> {
        self.stop.store(true, Ordering::Relaxed);
        self.looking.await?
    }
}
