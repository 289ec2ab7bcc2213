//! One program in front of PostgreSQL and in front of the pool: the same words.

use std::path::Path;
use std::process::Command;

use crate::program;
use crate::target::{BIG_ROWS, Mode, Place, Seen, Target};

/// One entry of the matrix.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    /// Its name in what tests print.
    pub(crate) name: &'static str,
    pub(crate) mode: Mode,
    /// Sessions of the pool.
    pub(crate) sessions: usize,
    /// Which of the chapters that all drivers have it tells of.
    pub(crate) chapters: &'static [&'static str],
    /// What else it tells of. It prints the headings of both and no others, none of them empty.
    pub(crate) further: &'static [&'static str],
    /// How a statement is ended early.
    pub(crate) cancel: &'static str,
}

impl Entry {
    /// Runs the program directly, then through each target, and compares what it printed. Returns
    /// what the pools say of themselves when the program has just ended.
    pub(crate) async fn is_alike(&self, program: impl Fn(&Place) -> Command) -> Vec<Seen> {
        let mut directly: Vec<(u32, Vec<String>)> = Vec::new();
        let mut all = Vec::new();
        for target in Target::POOLED {
            let rows = if self.has("big result") { target.big_rows() } else { BIG_ROWS };
            if !directly.iter().any(|(told, _)| *told == rows) {
                let direct = Place::make(Target::Direct, self.mode, self.sessions).await;
                let told = self.run(&direct, rows, &program).await;
                self.tells_its_chapters(&told);
                directly.push((rows, told));
            }
            let told = directly.iter().find(|(told, _)| *told == rows);
            let (_, told) = told.expect("it was run just now");
            let place = Place::make(*target, self.mode, self.sessions).await;
            let heard = self.run(&place, rows, &program).await;
            // An object whose sessions an agent keeps soon sleeps, and then counts anew.
            all.push(place.seen().await.expect("a pool"));
            self.compare(*target, told, &heard);
            place.is_left_clean().await;
            assert!(place.sessions().await <= self.sessions, "more sessions than the pool has");
        }
        all
    }

    /// Whether its program tells of this chapter.
    pub(crate) fn has(&self, chapter: &str) -> bool {
        self.chapters.contains(&chapter)
    }

    /// A program that does nothing does not pass, and the table of the page says what is told.
    #[track_caller]
    fn tells_its_chapters(&self, told: &[String]) {
        let headings = told.iter().filter_map(|line| line.strip_prefix("== "));
        let headings: Vec<_> = headings.collect();
        let (mut expected, mut found) = ([self.chapters, self.further].concat(), headings.clone());
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected, "what {} tells of", self.name);
        for chapter in headings {
            let lines = told.iter().skip_while(|line| **line != format!("== {chapter}")).skip(1);
            let lines = lines.take_while(|line| !line.starts_with("== ")).count();
            assert!(lines > 0, "{} tells nothing of {chapter}:\n{}", self.name, told.join("\n"));
        }
    }

    async fn run(
        &self,
        place: &Place,
        rows: u32,
        program: impl Fn(&Place) -> Command,
    ) -> Vec<String> {
        let mut command = program(place);
        command.env("BIG_ROWS", rows.to_string());
        let printed = program::run(self.name, place, command).await.well(self.name, place);
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
