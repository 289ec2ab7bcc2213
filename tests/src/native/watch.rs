//! What a test sees of a shell from outside its thread.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Lines of the log that are kept; the newest ones explain a failure.
const LINES: usize = 500;
/// Violations that are kept: enough to understand what went wrong.
const VIOLATIONS: usize = 20;

/// The shell's counters, log and violations.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    streams: AtomicU64,
    log: Mutex<VecDeque<String>>,
    violations: Mutex<Vec<String>>,
}

impl Watch {
    pub(super) fn stream_opened(&self) {
        self.0.streams.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn streams_opened(&self) -> u64 {
        self.0.streams.load(Ordering::Relaxed)
    }

    pub(super) fn note(&self, line: String) {
        let mut log = self.0.log.lock().unwrap();
        if log.len() == LINES {
            log.pop_front();
        }
        log.push_back(line);
    }

    pub(super) fn log(&self) -> Vec<String> {
        self.0.log.lock().unwrap().iter().cloned().collect()
    }

    pub(super) fn violation(&self, text: String) {
        let mut violations = self.0.violations.lock().unwrap();
        if violations.len() < VIOLATIONS {
            violations.push(text);
        }
    }

    /// What panics before the guard is dropped is a violation: a panic ends no more than the task
    /// that it happens in.
    pub(super) fn note_panics(&self) -> impl Drop {
        PanicNote(self)
    }

    pub(super) fn violations(&self) -> Vec<String> {
        self.0.violations.lock().unwrap().clone()
    }
}

struct PanicNote<'a>(&'a Watch);

impl Drop for PanicNote<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.violation("the engine panicked".to_owned());
        }
    }
}
