//! `docs/benchmarks.md` and its charts, made from the figures in `docs/benchmarks`.

use crate::report::page::{docs, folder, rewrite, stale};

/// With `REWRITE_DOCS=1` in the environment they are brought up to date instead.
#[test]
fn page_and_charts_of_the_benchmark_are_made_from_its_figures() {
    if std::env::var_os("REWRITE_DOCS").is_some() {
        rewrite(&docs()).unwrap();
    }
    let stale: Vec<_> = stale(&docs()).unwrap().into_iter().map(|(path, _)| path).collect();
    assert!(stale.is_empty(), "`cargo xtask bench --render` brings up to date: {stale:#?}");
}

/// A smoke run proves that the benchmark runs; its figures mean nothing.
#[test]
fn no_figure_of_a_smoke_run_is_kept() {
    for entry in folder().read_dir().into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(!text.contains("\"plan\": \"smoke\""), "{}", path.display());
        }
    }
}
