//! When the object is to be woken, and whether that is worth a call to the platform.

use pierhead_engine::time::{Instant, Timeouts};

use crate::limits::TIMER_AHEAD;

/// The pending timer and the pending alarm, as far as this object knows.
///
/// A pending one that fires too early costs one idle call and is armed again; so neither is
/// replaced unless the new deadline is earlier, and neither is cancelled. The timer, which keeps the
/// object from hibernating, is set for [`TIMER_AHEAD`] at most. The alarm, which is a storage write and
/// keeps nothing awake, is set once per idle period.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    timer: Option<Instant>,
    alarm: Option<Instant>,
}

/// What to arm now, in the place of what is pending.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Arm {
    pub(crate) timer: Option<Instant>,
    pub(crate) alarm: Option<Instant>,
}

impl Wake {
    /// Notes that the timer fired.
    pub(crate) fn timer_fired(&mut self) {
        self.timer = None;
    }

    /// Notes that the alarm fired.
    pub(crate) fn alarm_fired(&mut self) {
        self.alarm = None;
    }

    /// What must be armed so that neither deadline is missed.
    pub(crate) fn arm(&mut self, now: Instant, timeouts: Timeouts) -> Arm {
        let ahead = now + TIMER_AHEAD;
        let timer = timeouts.active.map(|deadline| deadline.at.min(ahead));
        let alarm = timeouts.housekeeping.map(|deadline| deadline.at);
        Arm { timer: advance(&mut self.timer, timer), alarm: advance(&mut self.alarm, alarm) }
    }
}

fn advance(pending: &mut Option<Instant>, wanted: Option<Instant>) -> Option<Instant> {
    let wanted = wanted?;
    if pending.is_some_and(|at| at <= wanted) {
        return None;
    }
    *pending = Some(wanted);
    Some(wanted)
}

#[cfg(test)]
mod tests {
    use pierhead_engine::time::{Deadline, Reason};

    use super::*;

    fn timeouts(active: Option<u64>, housekeeping: Option<u64>) -> Timeouts {
        let deadline = |reason| move |ms| Deadline { at: Instant(ms), reason };
        Timeouts {
            active: active.map(deadline(Reason::ClientDue)),
            housekeeping: housekeeping.map(deadline(Reason::KeepAlive)),
        }
    }

    fn arm(timer: Option<u64>, alarm: Option<u64>) -> Arm {
        Arm { timer: timer.map(Instant), alarm: alarm.map(Instant) }
    }

    const NOW: Instant = Instant(0);

    #[test]
    fn arms_only_what_is_earlier_than_what_is_pending() {
        let mut wake = Wake::default();
        assert_eq!(wake.arm(NOW, timeouts(Some(30), Some(500))), arm(Some(30), Some(500)));
        assert_eq!(wake.arm(NOW, timeouts(Some(40), Some(600))), arm(None, None));
        assert_eq!(wake.arm(NOW, timeouts(Some(20), Some(400))), arm(Some(20), Some(400)));
    }

    #[test]
    fn a_timer_that_nobody_needs_stays_for_whoever_comes_next() {
        let mut wake = Wake::default();
        wake.arm(NOW, timeouts(Some(30), Some(500)));
        assert_eq!(wake.arm(NOW, timeouts(None, None)), arm(None, None));
        assert_eq!(wake.arm(NOW, timeouts(Some(40), Some(600))), arm(None, None));
        wake.timer_fired();
        assert_eq!(wake.arm(NOW, timeouts(None, None)), arm(None, None));
    }

    #[test]
    fn what_is_due_late_is_looked_at_again_before() {
        let mut wake = Wake::default();
        let ahead = TIMER_AHEAD.0;
        assert_eq!(wake.arm(NOW, timeouts(Some(30_000), None)), arm(Some(ahead), None));
        assert_eq!(wake.arm(Instant(40), timeouts(Some(30_040), None)), arm(None, None));
        wake.timer_fired();
        let later = wake.arm(Instant(ahead), timeouts(Some(30_040), None));
        assert_eq!(later, arm(Some(2 * ahead), None));
    }

    #[test]
    fn arms_again_after_firing() {
        let mut wake = Wake::default();
        wake.arm(NOW, timeouts(Some(30), Some(500)));
        wake.timer_fired();
        assert_eq!(wake.arm(NOW, timeouts(Some(60), Some(560))), arm(Some(60), None));
        wake.alarm_fired();
        assert_eq!(wake.arm(NOW, timeouts(Some(60), Some(560))), arm(None, Some(560)));
    }
}
