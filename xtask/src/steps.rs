//! The steps of a test run: each with a heading, a duration and a verdict, and a table of all.

use std::time::{Duration, Instant};

use anyhow::Result;

/// Collects what became of each step.
#[derive(Default)]
pub(crate) struct Steps {
    rows: Vec<Row>,
}

struct Row {
    name: String,
    took: Duration,
    verdict: Verdict,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Passed,
    Failed,
}

impl Steps {
    /// Runs one step. A failure is printed and remembered; later steps still run, so that one run
    /// tells everything that is wrong.
    pub(crate) fn step(&mut self, name: &str, run: impl FnOnce() -> Result<()>) {
        // The value is of no use after a failure either.
        let _: Option<()> = self.value(name, run);
    }

    /// Runs a step that gives something the later steps need.
    pub(crate) fn value<T>(&mut self, name: &str, run: impl FnOnce() -> Result<T>) -> Option<T> {
        eprintln!("\n== {name}");
        let started = Instant::now();
        let result = run();
        let verdict = if result.is_ok() { Verdict::Passed } else { Verdict::Failed };
        self.rows.push(Row { name: name.to_owned(), took: started.elapsed(), verdict });
        result.map_err(|error| eprintln!("FAILED: {name}: {error:#}")).ok()
    }

    /// Whether every step so far passed.
    pub(crate) fn passed(&self) -> bool {
        self.rows.iter().all(|row| row.verdict == Verdict::Passed)
    }

    /// The table so far.
    pub(crate) fn table(&self) -> String {
        let mut text = String::from("\nstep                             seconds  verdict\n");
        for row in &self.rows {
            let verdict = match row.verdict {
                Verdict::Passed => "ok",
                Verdict::Failed => "FAILED",
            };
            text.push_str(&format!(
                "{:<30} {:>9.1}  {verdict}\n",
                row.name,
                row.took.as_secs_f32()
            ));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_is_in_the_table_and_fails_the_run() {
        let mut steps = Steps::default();
        steps.step("good", || Ok(()));
        assert!(steps.passed());
        assert_eq!(steps.value("bad", || -> Result<u8> { anyhow::bail!("no") }), None);
        steps.step("later", || Ok(()));
        assert!(!steps.passed());
        let table = steps.table();
        assert_eq!(table.matches("ok\n").count(), 2);
        assert_eq!(table.matches("FAILED\n").count(), 1);
    }
}
