//! Requests per second, with a number of callers that each ask again as soon as they are answered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Stage, Way};

/// What a number of callers achieved.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rate {
    /// Answers with rows.
    pub answered: usize,
    /// Other answers.
    pub failed: usize,
    /// From the first question to the last answer.
    pub took: Duration,
}

impl Rate {
    /// Answers with rows per second.
    pub fn per_second(&self) -> f64 {
        self.answered as f64 / self.took.as_secs_f64().max(1e-9)
    }
}

/// Lets `callers` ask for this long.
pub async fn throughput(
    stage: &Arc<Stage>,
    way: Way,
    callers: usize,
    time: Duration,
) -> Result<Rate> {
    let began = Instant::now();
    let callers: Vec<_> = (0..callers)
        .map(|_| {
            let stage = stage.clone();
            tokio::spawn(async move {
                let (mut answered, mut failed) = (0, 0);
                while began.elapsed() < time {
                    match stage.try_ask(way).await {
                        Ok(response) if response.status == 200 => answered += 1,
                        _ => failed += 1,
                    }
                }
                (answered, failed)
            })
        })
        .collect();
    let mut rate = Rate::default();
    for caller in callers {
        let (answered, failed) = caller.await?;
        rate.answered += answered;
        rate.failed += failed;
    }
    rate.took = began.elapsed();
    Ok(rate)
}
