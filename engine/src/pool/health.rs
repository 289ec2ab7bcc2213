//! Whether sessions can be opened at present, and when to try again.

use crate::failure::ConnectFailure;
use crate::limits::{BACKOFF_DENIED, BACKOFF_UNREACHABLE};
use crate::time::{Instant, Millis};

/// What the last opens have shown.
#[derive(Debug, Default)]
pub(crate) struct Health {
    trouble: Option<Trouble>,
}

#[derive(Debug)]
struct Trouble {
    failure: ConnectFailure,
    pause: Millis,
    until: Instant,
}

impl Health {
    /// An open succeeded.
    pub(crate) fn succeeded(&mut self) {
        self.trouble = None;
    }

    /// An open failed. Failures of opens that were in flight together count once.
    pub(crate) fn failed(&mut self, now: Instant, failure: ConnectFailure) {
        let (first, last) = if failure.lasting { BACKOFF_DENIED } else { BACKOFF_UNREACHABLE };
        let pause = match &self.trouble {
            Some(trouble) if now < trouble.until => trouble.pause,
            Some(trouble) => Millis(trouble.pause.0.saturating_mul(2).clamp(first.0, last.0)),
            None => first,
        };
        self.trouble = Some(Trouble { failure, pause, until: now + pause });
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
            health.failed(now, failure(RefusalKind::Failed));
            health.failed(now, failure(RefusalKind::Failed));
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
        health.failed(Instant(0), failure(RefusalKind::Denied));
        assert_eq!(health.resumes_at(), Some(Instant(1000)));
    }
}
