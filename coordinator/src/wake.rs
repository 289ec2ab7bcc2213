//! When the object is to be woken, and whether that is worth a call to the platform.

use pierhead_engine::time::{Deadline, Instant, Timeouts};

/// The pending timer and the pending alarm, as far as this object knows.
///
/// A pending one that fires too early costs one idle call and is armed again; so neither is
/// replaced unless the new deadline is earlier. Under load the timer fires once per deadline
/// rather than once per query, and the alarm, which is a storage write, once per idle period.
///
/// A timer that nobody needs any more is cancelled all the same, because it would keep the object
/// from hibernating. An alarm would not.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    timer: Option<Instant>,
    alarm: Option<Instant>,
}

/// What to arm now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Arm {
    pub(crate) timer: Timer,
    pub(crate) alarm: Option<Instant>,
}

/// What becomes of the timer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Timer {
    /// It is early enough, or not needed and not pending.
    #[default]
    Leave,
    /// It fires then.
    Set(Instant),
    /// It is not needed.
    Cancel,
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
    pub(crate) fn arm(&mut self, timeouts: Timeouts) -> Arm {
        let timer = match advance(&mut self.timer, timeouts.active) {
            Some(at) => Timer::Set(at),
            None if timeouts.active.is_none() && self.timer.take().is_some() => Timer::Cancel,
            None => Timer::Leave,
        };
        Arm { timer, alarm: advance(&mut self.alarm, timeouts.housekeeping) }
    }
}

fn advance(pending: &mut Option<Instant>, wanted: Option<Deadline>) -> Option<Instant> {
    let wanted = wanted?.at;
    if pending.is_some_and(|at| at <= wanted) {
        return None;
    }
    *pending = Some(wanted);
    Some(wanted)
}

#[cfg(test)]
mod tests {
    use pierhead_engine::time::Reason;

    use super::*;

    fn timeouts(active: Option<u64>, housekeeping: Option<u64>) -> Timeouts {
        let deadline = |reason| move |ms| Deadline { at: Instant(ms), reason };
        Timeouts {
            active: active.map(deadline(Reason::ClientDue)),
            housekeeping: housekeeping.map(deadline(Reason::KeepAlive)),
        }
    }

    fn arm(timer: Timer, alarm: Option<u64>) -> Arm {
        Arm { timer, alarm: alarm.map(Instant) }
    }

    fn set(ms: u64) -> Timer {
        Timer::Set(Instant(ms))
    }

    #[test]
    fn arms_only_what_is_earlier_than_what_is_pending() {
        let mut wake = Wake::default();
        assert_eq!(wake.arm(timeouts(Some(30), Some(500))), arm(set(30), Some(500)));
        assert_eq!(wake.arm(timeouts(Some(40), Some(600))), arm(Timer::Leave, None));
        assert_eq!(wake.arm(timeouts(Some(20), Some(400))), arm(set(20), Some(400)));
    }

    #[test]
    fn cancels_a_timer_that_nobody_needs_once_and_leaves_the_alarm() {
        let mut wake = Wake::default();
        wake.arm(timeouts(Some(30), Some(500)));
        assert_eq!(wake.arm(timeouts(None, None)), arm(Timer::Cancel, None));
        assert_eq!(wake.arm(timeouts(None, None)), arm(Timer::Leave, None));
        assert_eq!(wake.arm(timeouts(Some(40), Some(600))), arm(set(40), None));
    }

    #[test]
    fn arms_again_after_firing() {
        let mut wake = Wake::default();
        wake.arm(timeouts(Some(30), Some(500)));
        wake.timer_fired();
        assert_eq!(wake.arm(timeouts(Some(60), Some(560))), arm(set(60), None));
        wake.alarm_fired();
        assert_eq!(wake.arm(timeouts(Some(60), Some(560))), arm(Timer::Leave, Some(560)));
    }
}
