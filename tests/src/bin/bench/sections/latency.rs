//! How long one invocation takes that nobody else disturbs, near to the database and far from it, in
//! milliseconds and in round trips.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::Measured;
use crate::figures::percentile_ms;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::stage::Stage;
use crate::ways::Work;

/// Statements behind each other, of which all but the first are "further" ones.
const QUERIES: usize = 6;
const BATCH: usize = 10;
const TRANSACTION: usize = 3;
/// The contender that tells what the emulated distance really is.
const ECHO: &str = "echo";

/// What is told of each contender.
const FIRST: &str = "first";
const FURTHER: &str = "further";
const OPERATIONS: [(&str, Work); 4] = [
    (FIRST, Work::Queries(1)),
    (FURTHER, Work::Queries(QUERIES)),
    ("batch", Work::Batch(BATCH)),
    ("transaction", Work::Transaction(TRANSACTION)),
];

/// Samples by operation, contender and distance.
type Samples = BTreeMap<(&'static str, &'static str, u64), Vec<Duration>>;

pub(super) async fn measure(
    stage: &Arc<Stage>,
    plan: &Plan,
    progress: &mut Progress,
) -> Result<Measured> {
    let mut measured = Measured::default();
    let mut all = Samples::new();
    let steps = plan.rounds * plan.distances.len();
    for round in 0..plan.rounds {
        let mut samples = Samples::new();
        for (index, &distance) in plan.distances.iter().enumerate() {
            stage.set_round_trip_ms(distance);
            for sample in 0..plan.samples {
                let step = round * plan.distances.len() + index;
                progress.at(step, steps, &format!("{distance} ms"));
                once(stage, plan, distance, sample, &mut samples).await?;
            }
        }
        stage.set_round_trip_ms(0);
        tell_round(&mut samples, &mut measured);
        for (key, more) in samples {
            all.entry(key).or_default().extend(more);
        }
    }
    for ((operation, who, distance), mut samples) in all {
        let p99 = percentile_ms(&mut samples, 990);
        measured.figures.push(&format!("{operation}/p99"), who, distance as f64, "ms", p99);
    }
    measured.notes.push(format!(
        "p50: of {} samples a round ({} of those that connect by themselves); p99: of all rounds' \
         samples together.",
        plan.samples, plan.samples_connecting
    ));
    Ok(measured)
}

/// One sample of everything at one distance.
async fn once(
    stage: &Arc<Stage>,
    plan: &Plan,
    distance: u64,
    sample: usize,
    samples: &mut Samples,
) -> Result<()> {
    let began = Instant::now();
    stage.native().echo().await?;
    samples.entry((FIRST, ECHO, distance)).or_default().push(began.elapsed());
    for way in stage.ways() {
        if way.connects() && sample >= plan.samples_connecting {
            continue;
        }
        let mut first = Duration::ZERO;
        for (operation, work) in OPERATIONS {
            let began = Instant::now();
            stage.ask(way, work).await?;
            let mut took = began.elapsed();
            match operation {
                FIRST => first = took,
                // What the queries behind the first took, each.
                FURTHER => took = took.saturating_sub(first) / (QUERIES as u32 - 1),
                _ => {}
            }
            samples.entry((operation, way.id(), distance)).or_default().push(took);
        }
    }
    Ok(())
}

/// Medians, and round trips: what the distance adds to a contender's median, in units of what it
/// adds to the echo's.
fn tell_round(samples: &mut Samples, measured: &mut Measured) {
    let medians: BTreeMap<_, _> =
        samples.iter_mut().map(|(key, samples)| (*key, percentile_ms(samples, 500))).collect();
    for (&(operation, who, distance), median) in &medians {
        let at = distance as f64;
        measured.figures.push(&format!("{operation}/p50"), who, at, "ms", *median);
        let near = |operation, who| medians.get(&(operation, who, 0)).copied();
        let (Some(own), Some(echo)) = (near(operation, who), near(FIRST, ECHO)) else { continue };
        let Some(far) = medians.get(&(FIRST, ECHO, distance)) else { continue };
        if distance > 0 && who != ECHO {
            let trips = (median - own) / (far - echo);
            measured.figures.push(&format!("{operation}/trips"), who, at, "round trips", trips);
        }
    }
}
