//! The one timer: wakes the engine at its earliest deadline, whichever kind it is of.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::shell::Shell;

/// When the timer is set to fire. Moved earlier at once; moved later only when it has fired, since
/// most deadlines are put off again and again and never reached.
#[derive(Debug, Default)]
pub(super) struct Timer {
    armed: Cell<Option<u64>>,
    earlier: Notify,
}

impl Timer {
    /// There is a deadline at this many milliseconds of the shell's clock.
    pub(super) fn arm(&self, at: u64) {
        if self.armed.get().is_none_or(|armed| at < armed) {
            self.armed.set(Some(at));
            self.earlier.notify_one();
        }
    }
}

/// Wakes the engine, for ever.
pub(super) async fn run(shell: Rc<Shell>, born: Instant) {
    loop {
        let timer = shell.timer();
        let Some(armed) = timer.armed.get() else {
            timer.earlier.notified().await;
            continue;
        };
        let at = born + Duration::from_millis(armed);
        tokio::select! {
            biased;
            () = timer.earlier.notified() => {}
            () = tokio::time::sleep_until(at.into()) => {
                timer.armed.set(None);
                shell.time_passed();
            }
        }
    }
}
