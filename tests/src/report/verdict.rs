//! The targets, and what the figures say of them.

use std::fmt::Write as _;

use super::contenders::{self, Kind};
use super::figures::{Figure, Section};
use super::layout::{CHAPTERS, is_contest, more_is_better};
use super::markdown::{best, contenders, is, is_local, places};
use super::number::{ratio, short};
use super::page::Results;

/// One row: what is promised, and how each way is measured by it.
struct Target {
    text: &'static str,
    section: &'static str,
    /// What each way has to show, and whether it does.
    measure: fn(&Section) -> Vec<Measured>,
}

/// What one way has to show.
struct Measured {
    way: String,
    value: String,
    /// `None`: something that it would take was not measured.
    met: Option<bool>,
}

const TARGETS: &[Target] = &[
    Target {
        text: "first query of an invocation: at most 1.05 round trips at 40 and 80 ms",
        section: "latency",
        measure: |section| trips(section, "first", 1.05),
    },
    Target {
        text: "each further query: at most 1.05 round trips at 40 and 80 ms",
        section: "latency",
        measure: |section| trips(section, "further", 1.05),
    },
    Target {
        text: "ten statements at once: at most 1.05 round trips at 40 and 80 ms",
        section: "latency",
        measure: |section| trips(section, "batch", 1.05),
    },
    Target {
        text: "interactive transaction of three statements, `BEGIN` and `COMMIT` included: at most 3.1 round trips at 40 and 80 ms",
        section: "latency",
        measure: |section| trips(section, "transaction", 3.1),
    },
    Target {
        text: "200 callers: at least 0.8 of what an object forwards (`forward`)",
        section: "throughput",
        measure: |section| rates(section, "forward", 0.8),
    },
    Target {
        text: "200 callers: at least 10 times what connecting for each invocation does (`direct-pg`)",
        section: "throughput",
        measure: |section| rates(section, "direct-pg", 10.0),
    },
    Target {
        text: "200 callers: at least 2.5 times what PgBouncer does (`pgbouncer-pg`)",
        section: "throughput",
        measure: |section| rates(section, "pgbouncer-pg", 2.5),
    },
    Target {
        text: "1,000 callers on ten sessions: 99th percentile at most 1.5 times the median",
        section: "throughput",
        measure: even,
    },
    Target {
        text: "200 callers: CPU of workerd per query at most 1.3 times that of `forward`",
        section: "throughput",
        measure: cpu,
    },
    Target {
        text: "20 minutes of load: no growth of memory in the second half",
        section: "soak",
        measure: growth,
    },
    Target {
        text: "an idle socket client: at most 8 kB, all counted",
        section: "idle",
        measure: |section| largest(section, "memory/client", 8_000.0),
    },
    Target {
        text: "instructions of the engine per query: at most PgBouncer's",
        section: "weight",
        measure: instructions,
    },
    Target {
        text: "wasm and JavaScript, gzipped: at most 400 KB",
        section: "weight",
        measure: |section| largest(section, "sum/gzip", 400_000.0),
    },
];

/// The targets' table, and where a peer does better than every way through Pierhead.
pub(super) fn block(results: &Results) -> String {
    let mut text = String::from("| target | measured | |\n|---|---|---|\n");
    for target in TARGETS {
        let section = results.section(target.section).filter(|section| section.plan != "smoke");
        let measured = section.map(target.measure).unwrap_or_default();
        let values: Vec<String> =
            measured.iter().map(|m| format!("{} {}", m.way, m.value)).collect();
        let values = if values.is_empty() { "–".into() } else { values.join("; ") };
        let _ = writeln!(text, "| {} | {values} | {} |", target.text, verdict(&measured));
    }
    let others = others(results);
    let (count, verdict) = match others.len() {
        _ if results.is_empty() => ("–".into(), "not measured"),
        0 => ("nowhere in what was measured".into(), "–"),
        1 => ("in one row, below".into(), "see below"),
        n => (format!("in {n} rows, below"), "see below"),
    };
    let _ = writeln!(
        text,
        "| where others are better than every way through Pierhead | {count} | {verdict} |"
    );
    for (index, line) in others.iter().enumerate() {
        let _ = writeln!(text, "{}- {line}", if index == 0 { "\n" } else { "" });
    }
    text
}

/// One word where all agree; else who has missed it, and who was not measured.
fn verdict(measured: &[Measured]) -> String {
    let count = |met| measured.iter().filter(|m| m.met == met).count();
    let (met, missed) = (count(Some(true)), count(Some(false)));
    if met + missed == 0 {
        return "not measured".into();
    }
    if met == measured.len() {
        return "**met**".into();
    }
    if missed == measured.len() {
        return "**missed**".into();
    }
    let who = |met| {
        let who = measured.iter().filter(|m| m.met == met).map(|m| m.way.as_str());
        who.collect::<Vec<_>>().join(", ")
    };
    let words = [("**missed** by", Some(false)), ("met by", Some(true)), ("not measured:", None)];
    let words = words.into_iter().filter(|(_, met)| count(*met) > 0);
    words.map(|(words, met)| format!("{words} {}", who(met))).collect::<Vec<_>>().join("; ")
}

/// The ways of Pierhead that a Worker has, as far as they have such a figure.
fn ways<'a>(section: &'a Section, metric: &str) -> Vec<&'a str> {
    let ids = contenders(section, |figure| {
        figure.metric == metric && contenders::is(&figure.contender, Kind::Pierhead)
    });
    ids.into_iter().filter(|id| contenders::comparable(id, "direct-pg")).collect()
}

/// Where distance is what counts.
const FAR: [f64; 2] = [40.0, 80.0];

/// The larger of both distances.
fn trips(section: &Section, operation: &str, at_most: f64) -> Vec<Measured> {
    let metric = format!("{operation}/trips");
    let measure = |id: &str| {
        let values = FAR.map(|at| section.figure(&metric, id, at).map(Figure::median));
        let largest = values.into_iter().flatten().reduce(f64::max)?;
        let whole = values.iter().all(Option::is_some) || largest > at_most;
        Some(Measured {
            way: id.to_owned(),
            value: ratio(largest),
            met: whole.then_some(largest <= at_most),
        })
    };
    ways(section, &metric).into_iter().filter_map(measure).collect()
}

const CALLERS: f64 = 200.0;

fn rates(section: &Section, other: &str, at_least: f64) -> Vec<Measured> {
    let base = section.figure("rate", other, CALLERS).map(Figure::median);
    let base = base.filter(|base| *base > 0.0);
    let measure = |id: &str| {
        let figure = section.figure("rate", id, CALLERS)?;
        let quotient = base.map(|base| figure.median() / base);
        let local = if is_local(figure) { " *local*" } else { "" };
        let value = quotient.map_or("–".into(), |q| format!("{}{local}", ratio(q)));
        Some(Measured { way: id.to_owned(), value, met: quotient.map(|q| q >= at_least) })
    };
    ways(section, "rate").into_iter().filter_map(measure).collect()
}

fn even(section: &Section) -> Vec<Measured> {
    let measure = |id: &str| {
        let spread = section.figure("spread", id, 1_000.0)?.median();
        let met = Some(spread <= 1.5);
        Some(Measured { way: id.to_owned(), value: ratio(spread), met })
    };
    ways(section, "spread").into_iter().filter_map(measure).collect()
}

fn cpu(section: &Section) -> Vec<Measured> {
    let median = |id: &str| section.figure("cpu/workerd", id, CALLERS).map(Figure::median);
    let base = median("forward").filter(|base| *base > 0.0);
    let measure = |id: &str| {
        let quotient = base.map(|base| median(id).map(|own| own / base));
        let quotient = quotient.unwrap_or_default();
        Some(Measured {
            way: id.to_owned(),
            value: quotient.map_or("–".into(), ratio),
            met: quotient.map(|quotient| quotient <= 1.3),
        })
        .filter(|_| median(id).is_some())
    };
    ways(section, "cpu/workerd").into_iter().filter_map(measure).collect()
}

/// Growth over the second half, as a share of what is there before: less than this is the collector's
/// rhythm. A byte for each query of ten minutes would be more.
const STILL: f64 = 0.05;
/// Minutes that a run takes at least to say that nothing grows.
const SOAK: f64 = 20.0;

/// `growth` is what the second half's slope adds up to over that half, `begin` what was there before.
fn growth(section: &Section) -> Vec<Measured> {
    let long = places(section, "memory").last().is_some_and(|minutes| *minutes >= SOAK);
    let figures = section.figures.iter().filter(|figure| figure.metric == "growth");
    let measure = |figure: &Figure| {
        let begin = section.figure("begin", &figure.contender, figure.at)?.median();
        let share = if begin > 0.0 { figure.median() / begin } else { 0.0 };
        let still = share <= STILL;
        Some(Measured {
            way: figure.contender.clone(),
            value: format!("{} {} ({:.1} %)", short(figure.median()), figure.unit, share * 100.0),
            // A short run may show growth; it does not show that there is none.
            met: (long || !still).then_some(still),
        })
    };
    figures.filter_map(measure).collect()
}

/// The largest figure of each way, whatever the place.
fn largest(section: &Section, metric: &str, at_most: f64) -> Vec<Measured> {
    let ids = contenders(section, |figure| figure.metric == metric);
    let measure = |id: &str| {
        let figures = section.figures.iter();
        let figures = figures.filter(|figure| figure.metric == metric && figure.contender == id);
        let largest = figures.max_by(|a, b| a.median().total_cmp(&b.median()))?;
        let value = format!("{} {}", short(largest.median()), largest.unit);
        let met = Some(largest.median() <= at_most);
        Some(Measured { way: id.to_owned(), value, met })
    };
    ids.into_iter().filter_map(measure).collect()
}

/// Each round that both have.
fn instructions(section: &Section) -> Vec<Measured> {
    let engines = section.figures.iter().filter(|figure| {
        figure.contender == "engine" && figure.metric.starts_with("instructions/")
    });
    let measure = |engine: &Figure| {
        let peer = section.figure(&engine.metric, "pgbouncer", engine.at)?.median();
        let own = engine.median();
        Some(Measured {
            way: engine.metric.trim_start_matches("instructions/").to_owned(),
            value: format!("{} to {}", short(own), short(peer)),
            met: Some(own <= peer),
        })
    };
    engines.filter_map(measure).collect()
}

/// A line for each metric of which a peer's figure is better than that of every way through Pierhead,
/// at one place or several.
fn others(results: &Results) -> Vec<String> {
    let mut lines = Vec::new();
    for chapter in CHAPTERS {
        let Some(section) = results.section(chapter.id) else { continue };
        let mut metrics: Vec<&str> = Vec::new();
        for figure in section.figures.iter().filter(|figure| is_contest(&figure.metric)) {
            if !metrics.contains(&figure.metric.as_str()) {
                metrics.push(&figure.metric);
            }
        }
        for metric in metrics {
            // Each path for itself: with a Worker in it, and with pgbench alone.
            for beside in ["direct-pg", "pgbench-direct"] {
                let places = places(section, metric).into_iter();
                let cells =
                    places.filter_map(|at| lost(section, metric, at, beside, chapter.axis.unit));
                let cells: Vec<String> = cells.collect();
                if !cells.is_empty() {
                    lines.push(format!("{}, `{metric}`: {}", chapter.id, cells.join("; ")));
                }
            }
        }
    }
    lines
}

/// What is lost to the best peer at one place, if it is.
fn lost(section: &Section, metric: &str, at: f64, beside: &str, unit: &str) -> Option<String> {
    let (peer, theirs) = best(section, metric, at, Kind::Peer, beside)?;
    let (way, ours) = best(section, metric, at, Kind::Pierhead, beside)?;
    let (a, b) = (theirs.median(), ours.median());
    let better = if more_is_better(metric) { a > b } else { a < b };
    let place = if unit.is_empty() || is(at, 0.0) && unit != " ms" {
        String::new()
    } else {
        format!(" at {}{unit}", short(at))
    };
    let (a, b) = (short(a), short(b));
    let measure = if theirs.unit.is_empty() { String::new() } else { format!(" {}", theirs.unit) };
    better.then(|| format!("`{peer}` {a}{measure}{place}, `{way}` {b}"))
}
