//! Collects figures round by round.

use std::time::Duration;

use pierhead_tests::report::Figure;

/// The figures of a section, each with the rounds so far.
#[derive(Debug, Default)]
pub(crate) struct Figures(Vec<Figure>);

impl Figures {
    /// Adds one round's value.
    pub(crate) fn push(&mut self, metric: &str, contender: &str, at: f64, unit: &str, value: f64) {
        let same = |figure: &&mut Figure| {
            figure.metric == metric
                && figure.contender == contender
                && (figure.at - at).abs() < 1e-9
        };
        match self.0.iter_mut().find(same) {
            Some(figure) => figure.rounds.push(value),
            None => self.0.push(Figure {
                metric: metric.into(),
                contender: contender.into(),
                at,
                unit: unit.into(),
                rounds: vec![value],
            }),
        }
    }

    pub(crate) fn into_vec(self) -> Vec<Figure> {
        self.0
    }
}

/// The smallest sample that so many thousandths of all do not exceed, in milliseconds; 0 of none.
pub(crate) fn percentile_ms(samples: &mut [Duration], thousandths: usize) -> f64 {
    samples.sort_unstable();
    let rank = (samples.len() * thousandths).div_ceil(1_000).max(1);
    samples.get(rank - 1).map_or(0.0, |sample| sample.as_secs_f64() * 1e3)
}
