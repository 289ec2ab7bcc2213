//! The page and its charts, from figures that nobody measured.

use std::collections::BTreeMap;
use std::fs;

use super::figures::{Figure, Section};
use super::layout::CHAPTERS;
use super::machine::Machine;
use super::page::{Page, Results, render, rewrite, stale};

/// Six ways, with ever smaller figures.
const WAYS: [&str; 6] =
    ["native", "forward", "exchange-agent", "socket-pg", "pgbouncer-pg", "direct-pg"];

fn figure(metric: &str, contender: &str, at: f64, unit: &str, rounds: &[f64]) -> Figure {
    let [metric, contender, unit] = [metric, contender, unit].map(str::to_owned);
    Figure { metric, contender, at, unit, rounds: rounds.to_vec() }
}

fn section(id: &str, figures: Vec<Figure>) -> Section {
    Section {
        id: id.into(),
        date: "2026-11-22".into(),
        command: format!("cargo xtask bench {id}"),
        plan: "full".into(),
        took_s: 75.0,
        machine: Machine {
            cpu: "Some CPU".into(),
            cores: 2,
            memory_gb: 25.3,
            os: "Linux, x86_64".into(),
        },
        versions: BTreeMap::from([("workerd".into(), "1.2".into())]),
        figures,
        notes: vec!["a thing to know".into()],
    }
}

/// Rates at 200 callers as given, the other figures made up around them.
fn throughput(rates: [f64; 6]) -> Section {
    let mut figures = Vec::new();
    for (way, rate) in WAYS.into_iter().zip(rates) {
        for callers in [1.0, 10.0, 50.0, 200.0, 1_000.0] {
            let rate = rate * (callers / 200.0_f64).min(1.0);
            let rounds = [rate * 0.99, rate, rate * 1.01];
            figures.push(figure("rate", way, callers, "queries/s", &rounds));
            figures.push(figure("p99", way, callers, "ms", &[callers / rate * 2e3]));
            figures.push(figure("spread", way, callers, "", &[1.4]));
        }
        figures.push(figure("cpu/workerd", way, 200.0, "s", &[0.4, 0.42]));
        figures.push(figure("cpu/database", way, 200.0, "s", &[0.1, 0.12]));
    }
    section("throughput", figures)
}

fn latency(trips: [f64; 6]) -> Section {
    let mut figures = Vec::new();
    for (way, trips) in WAYS.into_iter().zip(trips) {
        for at in [0.0, 2.0, 20.0, 40.0, 80.0] {
            let ms = 1.0 + trips * at;
            figures.push(figure("first/p50", way, at, "ms", &[ms * 0.98, ms, ms * 1.3]));
            figures.push(figure("first/p99", way, at, "ms", &[ms + 9.0]));
            figures.push(figure("transaction/p50", way, at, "ms", &[ms]));
            if at > 20.0 {
                figures.push(figure("first/trips", way, at, "", &[trips]));
            }
        }
    }
    section("latency", figures)
}

fn results(sections: impl IntoIterator<Item = Section>) -> Results {
    let mut results = Results::default();
    results.extend(sections);
    results
}

/// A page with all marks and a word between them.
fn empty() -> String {
    let ids = ["verdicts"].into_iter().chain(CHAPTERS.iter().map(|chapter| chapter.id));
    let marks = ids.map(|id| format!("<!-- {id} -->\nold\n<!-- /{id} -->\n\nwords of {id}\n"));
    marks.collect()
}

fn rendered(sections: impl IntoIterator<Item = Section>) -> Page {
    render(&results(sections), &empty()).unwrap()
}

/// The row of the targets' table that begins so.
fn row<'a>(page: &'a Page, target: &str) -> &'a str {
    let begin = format!("| {target}");
    let line = page.text.lines().find(|line| line.starts_with(&begin));
    line.unwrap_or_else(|| panic!("no row begins with {target}"))
}

#[test]
fn what_was_not_measured_says_so() {
    let page = rendered([]);
    assert!(page.charts.is_empty());
    for chapter in CHAPTERS {
        let words = format!("Not measured yet: `cargo xtask bench {}`.", chapter.id);
        assert!(page.text.contains(&words), "{words}");
    }
    let rows: Vec<&str> = page.text.lines().filter(|line| line.starts_with("| ")).collect();
    let (_, rows) = rows.split_first().unwrap();
    assert_eq!(rows.len(), 14);
    assert!(rows.iter().all(|row| row.ends_with("| – | not measured |")), "{rows:#?}");
    assert!(!page.text.contains("old"));
    assert!(page.text.contains("words of latency"));
}

#[test]
fn a_target_is_met_by_all_by_some_or_by_none() {
    let page = rendered([
        throughput([9e3, 1e3, 850.0, 700.0, 300.0, 60.0]),
        latency([1.0, 1.0, 1.01, 1.04, 3.0, 6.0]),
    ]);
    let forward = row(&page, "200 callers: at least 0.8");
    assert!(forward.contains("exchange-agent 0.85; socket-pg 0.70 |"), "{forward}");
    assert!(forward.ends_with("| **missed** by socket-pg; met by exchange-agent |"), "{forward}");
    assert!(row(&page, "200 callers: at least 10 times").ends_with("| **met** |"));
    assert!(row(&page, "200 callers: at least 2.5 times").contains("**missed** by socket-pg;"));
    assert!(row(&page, "first query").ends_with("exchange-agent 1.01; socket-pg 1.04 | **met** |"));
    assert!(row(&page, "each further query").ends_with("| – | not measured |"));
    assert!(row(&page, "200 callers: CPU").ends_with("| **met** |"));
    let slow = rendered([throughput([9e3, 1e3, 500.0, 400.0, 300.0, 60.0])]);
    assert!(row(&slow, "200 callers: at least 0.8").ends_with("| **missed** |"));
}

#[test]
fn a_distance_that_was_not_measured_is_not_met_and_may_be_missed() {
    let mut section = latency([1.0, 1.0, 1.01, 1.2, 3.0, 6.0]);
    section.figures.retain(|figure| figure.at < 80.0);
    let page = rendered([section]);
    let first = row(&page, "first query");
    assert!(
        first.ends_with("| **missed** by socket-pg; not measured: exchange-agent |"),
        "{first}"
    );
}

#[test]
fn whatever_others_do_better_is_listed() {
    let page = rendered([throughput([9e3, 1e3, 850.0, 700.0, 300.0, 60.0])]);
    assert!(row(&page, "where others").contains("nowhere in what was measured"));
    let page = rendered([throughput([9e3, 1e3, 850.0, 700.0, 300.0, 900.0])]);
    assert!(row(&page, "where others").contains("in 2 rows, below"));
    let line = page.text.lines().find(|line| line.starts_with("- throughput, `rate`")).unwrap();
    assert!(line.contains("`direct-pg` 900 queries/s at 200 callers, `exchange-agent` 850"));
}

#[test]
fn a_rate_that_production_does_not_reach_is_marked() {
    let page = rendered([throughput([9e3, 3e3, 2e3, 700.0, 1.5e3, 60.0])]);
    let agent = row(&page, "exchange, agent |");
    assert!(agent.contains("| 2,000 *local* |"), "{agent}");
    assert!(!row(&page, "socket, pg |").contains("local"));
    assert!(!row(&page, "pg through PgBouncer |").contains("local"), "that is through no object");
    assert!(row(&page, "200 callers: at least 0.8").contains("exchange-agent 0.67 *local*"));
    assert!(page.text.contains("*local*: more than"));
}

#[test]
fn tables_show_spread_where_it_is_wide_and_ratios_to_floor_and_best_peer() {
    let page = rendered([latency([1.0, 1.0, 1.0, 1.0, 3.0, 6.0])]);
    assert!(page.text.contains("| by emulated round trip, ms | 0 | 2 | 20 | 40 | 80 | to `forward` at 40 | to `pgbouncer-pg` at 40 |"));
    let (_, first) = page
        .text
        .split_once("**First query of an invocation: median / 99th percentile, ms**")
        .unwrap();
    let agent = first.lines().find(|line| line.starts_with("| exchange, agent |")).unwrap();
    assert!(agent.contains("| 41 <sub>40.2–53.3</sub> / 50 |"), "{agent}");
    assert!(agent.ends_with("| 1.00 | 0.34 |"), "{agent}");
    assert!(page.text.contains(
        "2026-11-22, `cargo xtask bench latency`, 75 s; Some CPU, 2 cores, 25.3 GB, Linux, x86_64; \
         workerd 1.2.\n"
    ));
    assert!(page.text.contains("- a thing to know\n"));
}

#[test]
fn a_run_that_was_not_full_is_called_so() {
    let mut quick = latency([1.0; 6]);
    quick.plan = "quick".into();
    assert!(rendered([quick.clone()]).text.contains("latency`, plan `quick`, 75 s"));
    quick.plan = "smoke".into();
    let page = rendered([quick]);
    assert!(page.text.contains("a smoke run, which measures nothing"));
    assert!(row(&page, "first query").ends_with("| – | not measured |"));
}

#[test]
fn the_same_figures_give_the_same_bytes() {
    let render = || {
        rendered([
            throughput([9e3, 1e3, 850.0, 700.0, 300.0, 60.0]),
            latency([1.0, 1.0, 1.0, 1.0, 3.0, 6.0]),
        ])
    };
    let (one, other) = (render(), render());
    assert_eq!((&one.text, &one.charts), (&other.text, &other.charts));
    let names: Vec<&str> = one.charts.keys().map(String::as_str).collect();
    let expected = [
        "latency-first.svg",
        "latency-transaction.svg",
        "throughput-cpu.svg",
        "throughput-p99.svg",
        "throughput-rate.svg",
    ];
    assert_eq!(names, expected);
    for (name, svg) in &one.charts {
        assert!(one.text.contains(&format!("](benchmarks/{name})")), "{name} is not shown");
        assert!(svg.len() < 30_000, "{name} has {} bytes", svg.len());
        assert!(svg.contains("prefers-color-scheme:dark"), "{name} is for light pages only");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{name}: a place that is none");
        balanced(name, svg);
    }
    let rate = &one.charts["throughput-rate.svg"];
    for words in
        ["Queries a second, closed loop", "queries/s", "callers at once", "exchange, agent"]
    {
        assert!(rate.contains(words), "{words}");
    }
    assert!(rate.contains(".c-forward{color:#6e7781;stroke-dasharray:8 4}"));
}

/// Every element that begins also ends, in the right order.
fn balanced(name: &str, svg: &str) {
    let mut open: Vec<&str> = Vec::new();
    for element in svg.split('<').skip(1) {
        let (tag, _) = element.split_once('>').unwrap();
        let word = tag.split([' ', '\n']).next().unwrap();
        if let Some(ended) = word.strip_prefix('/') {
            assert_eq!(open.pop(), Some(ended), "{name}");
        } else if !tag.ends_with('/') {
            open.push(word);
        }
    }
    assert!(open.is_empty(), "{name}: {open:?}");
}

#[test]
fn engine_and_pgbouncer_stand_side_by_side() {
    let rounds = [("simple", [4_500.0, 4_770.0]), ("extended", [9_000.0, 6_180.0])];
    let mut figures = Vec::new();
    for (round, [engine, pgbouncer]) in rounds {
        let metric = format!("instructions/{round}");
        figures.push(figure(&metric, "engine", 0.0, "", &[engine]));
        figures.push(figure(&metric, "pgbouncer", 0.0, "", &[pgbouncer]));
    }
    figures.push(figure("sum/gzip", "coordinator", 0.0, "bytes", &[400_001.0]));
    let page = rendered([section("weight", figures)]);
    let instructions = row(&page, "instructions");
    assert!(instructions.contains("simple 4,500 to 4,770; extended 9,000 to 6,180"));
    assert!(instructions.ends_with("| **missed** by extended; met by simple |"));
    assert!(
        row(&page, "wasm and JavaScript").ends_with("coordinator 400,001 bytes | **missed** |")
    );
    assert!(page.text.contains("| extended | 9,000 | 6,180 |"));
    assert!(page.charts["weight-instructions.svg"].contains("extended, PgBouncer"));
    let others = page.text.lines().find(|line| line.starts_with("- weight")).unwrap();
    assert_eq!(others, "- weight, `instructions/extended`: `pgbouncer` 6,180, `engine` 9,000");
}

#[test]
fn growth_is_judged_by_what_was_there_before() {
    let soak = |growth: f64, minutes: f64| {
        let figures = vec![
            figure("begin", "isolate", 0.0, "MB", &[10.0]),
            figure("growth", "isolate", 0.0, "MB", &[growth]),
            figure("memory", "isolate", 0.5, "MB", &[10.0]),
            figure("memory", "isolate", minutes, "MB", &[10.0]),
        ];
        rendered([section("soak", figures)])
    };
    let still = soak(-0.3, 20.1);
    assert!(row(&still, "20 minutes").ends_with("| isolate -0.30 MB (-3.0 %) | **met** |"));
    assert!(still.charts.contains_key("soak.svg"));
    assert!(row(&soak(0.6, 20.1), "20 minutes").ends_with("| **missed** |"));
    assert!(row(&soak(0.0, 2.0), "20 minutes").ends_with("| not measured |"), "too short");
    assert!(row(&soak(0.6, 2.0), "20 minutes").ends_with("| **missed** |"));
}

#[test]
fn a_page_without_its_marks_is_refused() {
    let error = render(&Results::default(), "# Benchmarks\n").unwrap_err().to_string();
    assert!(error.contains("no line `<!-- verdicts -->`"), "{error}");
}

#[test]
fn page_and_charts_are_brought_up_to_date_once() {
    let docs = tempfile::tempdir().unwrap();
    let folder = docs.path().join("benchmarks");
    fs::write(docs.path().join("benchmarks.md"), empty()).unwrap();
    latency([1.0; 6]).write(&folder).unwrap();
    fs::write(folder.join("of-yesterday.svg"), "<svg/>").unwrap();
    // The page, two charts, and one that no figure has.
    assert_eq!(rewrite(docs.path()).unwrap().len(), 4);
    assert!(stale(docs.path()).unwrap().is_empty());
    assert!(!folder.join("of-yesterday.svg").exists());

    fs::write(folder.join("latency-first.svg"), "<svg/>").unwrap();
    let changed: Vec<_> = stale(docs.path()).unwrap().into_iter().map(|(path, _)| path).collect();
    assert_eq!(changed, [folder.join("latency-first.svg")]);
}
