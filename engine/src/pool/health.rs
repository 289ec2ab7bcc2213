//! Whether sessions can be opened at present, and when to try again.

use crate::failure::ConnectFailure;
use crate::limits::{BACKOFF_DENIED, BACKOFF_JITTER_PERCENT, BACKOFF_UNREACHABLE};
use crate::time::{Instant, Millis};

/// What the last opens have shown.
#[derive(Debug, Default)]
pub(crate) struct Health {
    trouble: Option<Trouble>,
}

#[derive(Debug)]
struct Trouble {
    failure: ConnectFailure,
    /// Before a random share is taken off it: what the next pause is twice of.
    pause: Millis,
    until: Instant,
}

impl Health {
    /// An open succeeded.
    pub(crate) fn succeeded(&mut self) {
        self.trouble = None;
    }

    /// An open failed. Failures of opens that were in flight together count once. `jitter` is random,
    /// 0 to 99: how many hundredths of the greatest share the pause is shortened by.
    pub(crate) fn failed(&mut self, now: Instant, failure: ConnectFailure, jitter: u64) {
        let (first, last) = if failure.lasting { BACKOFF_DENIED } else { BACKOFF_UNREACHABLE };
        let pause = match &self.trouble {
            Some(trouble) if now < trouble.until => trouble.pause,
            Some(trouble) => Millis(trouble.pause.0.saturating_mul(2).clamp(first.0, last.0)),
            None => first,
        };
        let shorter = pause.0.saturating_mul(BACKOFF_JITTER_PERCENT * jitter.min(99)) / 10_000;
        let until = now + Millis(pause.0.saturating_sub(shorter));
        self.trouble = Some(Trouble { failure, pause, until });
    }

    /// True while no open should be tried.
    pub(crate) fn is_pausing(&self, now: Instant) -> bool {
        self.trouble.as_ref().is_some_and(|t| now < t.until)
    }

    /// When opens may be tried again, if they may not now.
    pub(crate) fn resumes_at(&self) -> Option<Instant> {
        self.trouble.as_ref().map(|t| t.until)
    }

    /// The last failure, and how long to wait before anybody tries again.
    pub(crate) fn trouble(&self, now: Instant) -> Option<(&ConnectFailure, Millis)> {
        self.trouble.as_ref().map(|t| (&t.failure, t.until.since(now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::{Refusal, RefusalKind};

    fn failure(kind: RefusalKind) -> ConnectFailure {
        ConnectFailure::stream(&Refusal { kind, detail: String::new() })
    }

    #[test]
    fn pauses_grow_to_their_bound_and_end_with_success() {
        let mut health = Health::default();
        let mut now = Instant(0);
        let mut pauses = Vec::new();
        for _ in 0..7 {
            health.failed(now, failure(RefusalKind::Failed), 0);
            health.failed(now, failure(RefusalKind::Failed), 0);
            let until = health.resumes_at().unwrap();
            pauses.push(until.since(now).0);
            assert!(health.is_pausing(now));
            now = until;
            assert!(!health.is_pausing(now));
        }
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 2000, 2000]);
        health.succeeded();
        assert!(health.trouble(now).is_none());
    }

    #[test]
    fn a_refusal_of_credentials_pauses_for_longer() {
        let mut health = Health::default();
        health.failed(Instant(0), failure(RefusalKind::Denied), 0);
        assert_eq!(health.resumes_at(), Some(Instant(1000)));
    }

    #[test]
    fn coordinators_that_fail_together_do_not_try_again_together() {
        let resumes = |jitter| {
            let mut health = Health::default();
            health.failed(Instant(0), failure(RefusalKind::Denied), jitter);
            health.resumes_at().unwrap().0
        };
        assert_eq!((resumes(0), resumes(20), resumes(50)), (1000, 950, 875));
        // At most a quarter less, whatever the number.
        assert_eq!((resumes(99), resumes(u64::MAX)), (753, 753));
    }

    #[test]
    fn a_pause_that_was_shortened_at_random_does_not_shorten_the_next() {
        let mut health = Health::default();
        health.failed(Instant(0), failure(RefusalKind::Failed), 99);
        let now = health.resumes_at().unwrap();
        health.failed(now, failure(RefusalKind::Failed), 0);
        assert_eq!(health.resumes_at(), Some(now + Millis(200)));
    }
}
