//! One program in front of PostgreSQL and in front of the pool: the same words.

use std::path::Path;
use std::process::Command;

use crate::program;
use crate::target::{Mode, Place, Target};

/// What every program tells about, each under a heading of its own (`== types`), so that one that
/// does nothing does not pass.
pub(crate) const CHAPTERS: &[&str] =
    &["types", "prepared", "transactions", "big result", "cancel", "two clients"];

/// One entry of the matrix.
pub(crate) struct Entry {
    /// Its name in the table of `docs/compatibility.md`.
    pub(crate) name: &'static str,
    pub(crate) mode: Mode,
    /// Sessions of the pool.
    pub(crate) sessions: usize,
    /// What must be told.
    pub(crate) chapters: &'static [&'static str],
}

impl Entry {
    /// Runs the program directly, then through each target, and compares what it printed. Returns
    /// the places, for what else is to be seen there.
    pub(crate) async fn is_alike(&self, program: impl Fn(&Place) -> Command) -> Vec<Place> {
        let direct = Place::make(Target::Direct, self.mode, self.sessions).await;
        let told = self.run(&direct, &program).await;
        for chapter in self.chapters {
            let lines = told.iter().skip_while(|line| **line != format!("== {chapter}")).skip(1);
            let lines = lines.take_while(|line| !line.starts_with("== ")).count();
            assert!(lines > 0, "{} tells nothing of {chapter}:\n{}", self.name, told.join("\n"));
        }
        let mut places = Vec::new();
        for target in Target::POOLED {
            let place = Place::make(*target, self.mode, self.sessions).await;
            let heard = self.run(&place, &program).await;
            self.compare(*target, &told, &heard);
            place.is_left_clean().await;
            assert!(place.sessions().await <= self.sessions, "more sessions than the pool has");
            places.push(place);
        }
        places
    }

    async fn run(&self, place: &Place, program: impl Fn(&Place) -> Command) -> Vec<String> {
        let printed = program::run(self.name, place, program(place)).await.well(self.name, place);
        // For whoever wants to read it: the same name in each run.
        let kept = format!("{}-{:?}-{}.txt", self.name, self.mode, place.target.name());
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(kept.replace(' ', "-"));
        std::fs::write(kept, &printed).unwrap();
        let port = place.address.port().to_string();
        let printed = printed.replace(&place.database, "DATABASE").replace(&port, "PORT");
        printed.lines().map(str::to_owned).collect()
    }

    #[track_caller]
    fn compare(&self, target: Target, told: &[String], heard: &[String]) {
        let lines = told.len().max(heard.len());
        let line = |lines: &[String], at: usize| lines.get(at).cloned().unwrap_or("(end)".into());
        let Some(at) = (0..lines).find(|at| told.get(*at) != heard.get(*at)) else { return };
        let before = &told[at.saturating_sub(8)..at];
        panic!(
            "{} through {}, line {}:\ndirectly {}\npooled   {}\nafter\n{}",
            self.name,
            target.name(),
            at + 1,
            line(told, at),
            line(heard, at),
            before.join("\n")
        );
    }
}
