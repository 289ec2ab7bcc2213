//! Latencies of warm requests, side by side.

use std::time::Duration;

use anyhow::Result;

use super::{FAR_MS, Stage, Way, median};

/// How long some requests took.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<Duration>);

impl Samples {
    /// Adds one.
    pub fn push(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    /// The middle one.
    pub fn median(&self) -> Duration {
        Duration::from_secs_f64(median(self.0.iter().map(Duration::as_secs_f64).collect()))
    }

    /// The smallest one that `percent` of all do not exceed; zero of none.
    pub fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied().unwrap_or_default()
    }
}

/// One way's latencies, near to the database and far from it.
#[derive(Clone, Debug, Default)]
pub struct Latency {
    /// Without an emulated round trip.
    pub near: Samples,
    /// With a round trip of [`FAR_MS`].
    pub far: Samples,
}

impl Latency {
    /// How many round trips a request takes, at the median: what the distance adds, in units of it.
    pub fn round_trips(&self) -> f64 {
        let added = self.far.median().as_secs_f64() - self.near.median().as_secs_f64();
        added * 1e3 / FAR_MS as f64
    }
}

/// Measures both ways, `requests` each at both distances, after a request each that is not counted
/// because the pool may be cold. Way and distance change with every request, so that whatever else
/// the machine does meanwhile hits all four alike. Leaves the stage without an emulated round trip.
pub async fn latency(
    stage: &Stage,
    requests: usize,
    mut progress: impl FnMut(usize),
) -> Result<[Latency; 2]> {
    for way in Way::BOTH {
        stage.ask(way).await?;
    }
    let mut latencies = [Latency::default(), Latency::default()];
    for done in 1..=requests {
        for far in [false, true] {
            stage.set_round_trip_ms(if far { FAR_MS } else { 0 });
            for (way, latency) in Way::BOTH.into_iter().zip(&mut latencies) {
                let samples = if far { &mut latency.far } else { &mut latency.near };
                samples.push(stage.ask(way).await?);
            }
        }
        progress(done);
    }
    stage.set_round_trip_ms(0);
    Ok(latencies)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(millis: impl IntoIterator<Item = u64>) -> Samples {
        Samples(millis.into_iter().map(Duration::from_millis).collect())
    }

    #[test]
    fn percentiles_are_samples() {
        let all = samples((1..=40).rev());
        assert_eq!(all.percentile(95), Duration::from_millis(38));
        assert_eq!(all.percentile(100), Duration::from_millis(40));
        assert_eq!(Samples::default().percentile(95), Duration::ZERO);
    }

    #[test]
    fn round_trips_are_what_distance_adds() {
        let latency = Latency { near: samples([3, 4, 5]), far: samples([204, 203, 900]) };
        assert!((latency.round_trips() - 5.0).abs() < 1e-9);
    }
}
