//! A closed loop: so many callers, each of which asks again as soon as it is answered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::sync::Barrier;

use crate::cpu::Times;
use crate::stage::Stage;
use crate::ways::{Way, Work};

/// What some callers achieved.
#[derive(Debug, Default)]
pub(crate) struct Load {
    /// How long each answer with rows took.
    pub(crate) answered: Vec<Duration>,
    /// Other answers.
    pub(crate) errors: usize,
    /// From the first question to the last answer.
    pub(crate) took: Duration,
    /// Processor time that everybody has had meanwhile.
    pub(crate) spent: Times,
}

impl Load {
    pub(crate) fn per_second(&self) -> f64 {
        self.answered.len() as f64 / self.took.as_secs_f64().max(1e-9)
    }
}

/// Lets `callers` ask for this long, each at least once. What they asked before, once each, is not
/// counted: it opens connections, and comes all at once.
pub(crate) async fn closed_loop(
    stage: &Arc<Stage>,
    way: Way,
    callers: usize,
    time: Duration,
) -> Result<Load> {
    let warm = Arc::new(Barrier::new(callers + 1));
    let callers: Vec<_> = (0..callers)
        .map(|caller| tokio::spawn(call(stage.clone(), way, caller, warm.clone(), time)))
        .collect();
    warm.wait().await;
    let (began, before) = (Instant::now(), Times::now(stage)?);
    let mut load = Load::default();
    for caller in callers {
        let (answered, errors) = caller.await?;
        load.answered.extend(answered);
        load.errors += errors;
    }
    load.took = began.elapsed();
    load.spent = Times::now(stage)?.since(&before);
    Ok(load)
}

async fn call(
    stage: Arc<Stage>,
    way: Way,
    caller: usize,
    warm: Arc<Barrier>,
    time: Duration,
) -> (Vec<Duration>, usize) {
    is_answered(&stage, way, caller).await;
    warm.wait().await;
    let until = Instant::now() + time;
    let (mut answered, mut errors) = (Vec::new(), 0);
    loop {
        let asked = Instant::now();
        if is_answered(&stage, way, caller).await {
            answered.push(asked.elapsed());
        } else {
            errors += 1;
        }
        if Instant::now() >= until {
            return (answered, errors);
        }
    }
}

async fn is_answered(stage: &Stage, way: Way, caller: usize) -> bool {
    if way == Way::Native {
        return stage.native().work(Work::Queries(1)).await.is_ok();
    }
    let answer = stage.try_ask(way, Work::Queries(1), caller).await;
    answer.is_ok_and(|answer| answer.status == 200)
}
