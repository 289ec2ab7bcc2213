//! How long things took: counts in buckets that grow with the time, four to each doubling.

use crate::time::Millis;

/// Buckets that each doubling is cut into. A quantile is too high by a quarter at most.
const STEPS: u64 = 4;

/// Binary digits of [`STEPS`].
const STEP_BITS: u32 = STEPS.ilog2();

/// Binary digits of the longest time that has a bucket of its own: 70 minutes, longer than
/// anything that a session is waited for. What took longer shares the last bucket.
const TIME_BITS: u32 = 22;

/// One for each time below [`STEPS`], then the steps of each doubling, and the last.
const BUCKETS: usize = (TIME_BITS - STEP_BITS) as usize * STEPS as usize + STEPS as usize + 1;

/// Counts of times, in milliseconds. A count that would overflow stays at its greatest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Histogram {
    counts: [u32; BUCKETS],
    sum: u64,
    longest: Millis,
}

/// One bucket of a [`Histogram`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bucket {
    /// The shortest time it counts.
    pub from: Millis,
    /// The longest time it counts; `None` for the last bucket, which has no end.
    pub to: Option<Millis>,
    /// How many there were.
    pub count: u32,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [0; BUCKETS], sum: 0, longest: Millis(0) }
    }
}

impl Histogram {
    /// Counts one more.
    pub(crate) fn record(&mut self, took: Millis) {
        if let Some(count) = self.counts.get_mut(bucket_of(took)) {
            *count = count.saturating_add(1);
        }
        self.sum = self.sum.saturating_add(took.0);
        self.longest = self.longest.max(took);
    }

    /// Adds the counts of another.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
        self.sum = self.sum.saturating_add(other.sum);
        self.longest = self.longest.max(other.longest);
    }

    /// How many were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().map(|&count| u64::from(count)).sum()
    }

    /// All times together, in milliseconds.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// The longest time.
    #[must_use]
    pub fn longest(&self) -> Millis {
        self.longest
    }

    /// A time that `per_mille` thousandths of all did not exceed: 500 is the median, 990 is what
    /// one in a hundred exceeds. It is the upper end of a bucket, or the longest time if that is
    /// shorter. `None` if nothing was counted.
    #[must_use]
    pub fn quantile(&self, per_mille: u32) -> Option<Millis> {
        let count = self.count();
        let rank = (count * u64::from(per_mille.min(1000))).div_ceil(1000).max(1);
        let mut below = 0;
        let reached = self.counts.iter().position(|&count| {
            below += u64::from(count);
            below >= rank
        });
        Some(upper_end(reached?).map_or(self.longest, |end| end.min(self.longest)))
    }

    /// The buckets that counted something, from the shortest time to the longest.
    pub fn buckets(&self) -> impl Iterator<Item = Bucket> + '_ {
        self.counts
            .iter()
            .enumerate()
            .filter(|&(_, &count)| count > 0)
            .map(|(index, &count)| Bucket { from: lower_end(index), to: upper_end(index), count })
    }
}

fn bucket_of(took: Millis) -> usize {
    if took.0 < STEPS {
        return usize::try_from(took.0).unwrap_or(0);
    }
    let doubling = took.0.ilog2();
    if doubling >= TIME_BITS {
        return BUCKETS - 1;
    }
    let step = (took.0 >> (doubling - STEP_BITS)) & (STEPS - 1);
    usize::try_from(u64::from(doubling - 1) * STEPS + step).unwrap_or(BUCKETS - 1)
}

/// The shortest time that a bucket counts.
fn lower_end(bucket: usize) -> Millis {
    let bucket = bucket as u64;
    if bucket < STEPS {
        return Millis(bucket);
    }
    let (doubling, step) = (bucket / STEPS + 1, bucket % STEPS);
    Millis((STEPS + step) << (doubling - u64::from(STEP_BITS)))
}

/// The longest time that a bucket counts, if it has an end.
fn upper_end(bucket: usize) -> Option<Millis> {
    (bucket + 1 < BUCKETS).then(|| Millis(lower_end(bucket + 1).0 - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn of(times: impl IntoIterator<Item = u64>) -> Histogram {
        let mut histogram = Histogram::default();
        times.into_iter().for_each(|time| histogram.record(Millis(time)));
        histogram
    }

    #[test]
    fn the_buckets_follow_each_other_without_gap_or_overlap() {
        assert_eq!((lower_end(0), upper_end(BUCKETS - 1)), (Millis(0), None));
        for bucket in 0..BUCKETS {
            assert_eq!(bucket_of(lower_end(bucket)), bucket);
            if let Some(end) = upper_end(bucket) {
                assert_eq!(bucket_of(end), bucket);
                let width = end.0 + 1 - lower_end(bucket).0;
                assert!(width == 1 || width * 4 <= lower_end(bucket).0, "a quarter at most");
            }
        }
        assert_eq!(lower_end(BUCKETS - 1), Millis(1 << TIME_BITS));
        assert_eq!(bucket_of(Millis(u64::MAX)), BUCKETS - 1);
    }

    #[test]
    fn a_quantile_is_never_too_low_and_at_most_a_quarter_too_high() {
        let mut rng = Rng::new([5; 32]);
        for scale in [5, 100, 30_000, 4_000_000] {
            let mut times: Vec<_> = (0..997).map(|_| rng.below(scale)).collect();
            let histogram = of(times.iter().copied());
            times.sort_unstable();
            for per_mille in [0_usize, 1, 500, 900, 990, 999, 1000] {
                let rank = (997 * per_mille).div_ceil(1000).max(1);
                let exact = times[rank - 1];
                let found = histogram.quantile(u32::try_from(per_mille).unwrap()).unwrap().0;
                assert!(exact <= found && found <= exact + exact / 4, "{found} for {exact}");
            }
            assert_eq!(histogram.quantile(1000), times.last().map(|&longest| Millis(longest)));
        }
    }

    #[test]
    fn what_was_counted_apart_can_be_counted_together() {
        let (early, late) = ([0, 1, 2, 900, 70_000], [3, 3, 900, 1 << 40]);
        let mut merged = of(early);
        merged.merge(&of(late));
        assert_eq!(merged, of(early.into_iter().chain(late)));
        assert_eq!((merged.count(), merged.longest()), (9, Millis(1 << 40)));
        assert_eq!(merged.sum(), early.into_iter().chain(late).sum::<u64>());
    }

    #[test]
    fn a_page_shows_the_buckets_that_counted_something() {
        let buckets: Vec<_> = of([3, 20, 21, 22, 1 << 30]).buckets().collect();
        let bucket = |from, to, count| Bucket { from: Millis(from), to, count };
        assert_eq!(
            buckets,
            [
                bucket(3, Some(Millis(3)), 1),
                bucket(20, Some(Millis(23)), 3),
                bucket(1 << 22, None, 1),
            ]
        );
    }

    #[test]
    fn nothing_has_no_quantile_and_too_much_stays_at_the_greatest_count() {
        assert_eq!(Histogram::default().quantile(500), None);
        let mut histogram = of([7]);
        for _ in 0..40 {
            let same = histogram.clone();
            histogram.merge(&same);
        }
        assert_eq!(histogram.count(), u64::from(u32::MAX));
        assert_eq!(histogram.quantile(999), Some(Millis(7)));
    }
}
