//! Whether sessions can be opened at present, and when to try again.

use crate::failure::ConnectFailure;
use crate::limits::{
    BACKOFF_DENIED, BACKOFF_JITTER_PERCENT, BACKOFF_UNREACHABLE, UNREACHABLE_PATIENCE,
};
use crate::time::{Instant, Millis};

/// What the last opens have shown.
#[derive(Debug, Default)]
pub(crate) struct Health {
    trouble: Option<Trouble>,
}

#[derive(Debug)]
struct Trouble {
    failure: ConnectFailure,
    /// Since when the database was out of reach at each try, if it was.
    away_since: Option<Instant>,
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
        let away_since = self.trouble.as_ref().and_then(|t| t.away_since).unwrap_or(now);
        let away_since = Some(away_since).filter(|_| failure.unreachable);
        self.trouble = Some(Trouble { failure, away_since, pause, until });
    }

    /// True while no open should be tried.
    pub(crate) fn is_pausing(&self, now: Instant) -> bool {
        self.trouble.as_ref().is_some_and(|t| now < t.until)
    }

    /// Why it is no use to wait for the next try, if it is none: somebody must change something first,
    /// or the database has been out of reach for so long that it is down. Words of its own, such as
    /// that it is starting, are worth the wait.
    pub(crate) fn hopeless(&self, now: Instant) -> Option<(&ConnectFailure, Millis)> {
        let trouble = self.trouble.as_ref().filter(|trouble| now < trouble.until)?;
        let down = trouble.away_since.is_some_and(|at| at + UNREACHABLE_PATIENCE < trouble.until);
        (down || trouble.failure.lasting).then(|| (&trouble.failure, trouble.until.since(now)))
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
    use pierhead_wire::pg::errors::ErrorFields;

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
    fn a_database_is_down_when_it_was_out_of_reach_for_longer_than_a_restart_takes() {
        let mut health = Health::default();
        let mut now = Instant(0);
        while health.hopeless(now).is_none() {
            now = health.resumes_at().unwrap_or(now);
            health.failed(now, failure(RefusalKind::Failed), 0);
        }
        assert_eq!(now, Instant(1_500), "the next try would come too late");
        let starting = ErrorFields { code: "57P03".into(), ..ErrorFields::default() };
        for _ in 0..5 {
            health.failed(now, ConnectFailure::reported(&starting), 0);
            assert!(health.hopeless(now).is_none());
            now = health.resumes_at().unwrap();
        }
        health.failed(now, failure(RefusalKind::Failed), 0);
        assert!(health.hopeless(now).is_none(), "it was there a moment ago");
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
