//! From a section's figures to its charts.

use super::bars::{Bars, Row, bars};
use super::contenders;
use super::figures::{Figure, Section};
use super::layout::{Chapter, Chart, ChartKind};
use super::markdown::{contenders, places};
use super::svg::{Axis, Line, Lines, Point, lines};

/// The chart's file; `None` where it has nothing to show.
pub(super) fn draw(chapter: &Chapter, chart: &Chart, section: &Section) -> Option<String> {
    match chart.kind {
        ChartKind::Lines { metric, y, log, mark } => {
            let axes = [(chapter.axis.label, log[0]), (y, log[1])];
            let [x, y] = axes.map(|(label, log)| Axis { label: label.into(), log });
            lines(&Lines {
                title: chart.title.into(),
                x,
                y,
                places: places(section, metric),
                lines: of_contenders(section, metric),
                mark: mark.map(|(level, words)| (level, words.into())),
            })
        }
        ChartKind::Bars { parts, at, x, mark } => {
            let names = parts.iter().map(|(_, name)| (*name).to_owned());
            let names = names.filter(|_| parts.len() > 1).collect();
            let metrics: Vec<&str> = parts.iter().map(|(metric, _)| *metric).collect();
            bars(&Bars {
                title: chart.title.into(),
                x: x.into(),
                parts: names,
                rows: stacked(section, &metrics, at),
                mark: mark.map(|(level, words)| (level, words.into())),
            })
        }
        ChartKind::Groups { prefix, x } => bars(&Bars {
            title: chart.title.into(),
            x: x.into(),
            parts: Vec::new(),
            rows: grouped(section, prefix),
            mark: None,
        }),
    }
}

fn of_contenders(section: &Section, metric: &str) -> Vec<Line> {
    let ids = contenders(section, |figure| figure.metric == metric);
    let line = |id: &str| {
        let figures = section.figures.iter();
        let figures = figures.filter(|figure| figure.metric == metric && figure.contender == id);
        let point = |f: &Figure| Point { x: f.at, y: f.median(), spread: f.spread() };
        let mut points: Vec<Point> = figures.map(point).collect();
        points.sort_by(|a, b| a.x.total_cmp(&b.x));
        Line { contender: id.to_owned(), points }
    };
    ids.into_iter().map(line).collect()
}

fn stacked(section: &Section, metrics: &[&str], at: f64) -> Vec<Row> {
    let value = |metric: &str, id: &str| section.figure(metric, id, at).map(Figure::median);
    let ids = contenders(section, |figure| metrics.contains(&figure.metric.as_str()));
    let row = |id: &str| {
        metrics.iter().any(|metric| value(metric, id).is_some()).then(|| Row {
            label: contenders::name(id).to_owned(),
            contender: id.to_owned(),
            parts: metrics.iter().map(|metric| value(metric, id).unwrap_or(0.0)).collect(),
        })
    };
    ids.into_iter().filter_map(row).collect()
}

/// In the order of the figures: the same metric's contenders stand together.
fn grouped(section: &Section, prefix: &str) -> Vec<Row> {
    let mut metrics: Vec<&str> = Vec::new();
    for figure in section.figures.iter().filter(|figure| figure.metric.starts_with(prefix)) {
        if !metrics.contains(&figure.metric.as_str()) {
            metrics.push(&figure.metric);
        }
    }
    let mut rows = Vec::new();
    for metric in metrics {
        for id in contenders(section, |figure| figure.metric == metric) {
            let figures = section.figures.iter();
            let mut figures = figures.filter(|f| f.metric == metric && f.contender == id);
            rows.extend(figures.next().map(|figure| Row {
                label: format!("{}, {}", metric.trim_start_matches(prefix), contenders::name(id)),
                contender: id.to_owned(),
                parts: vec![figure.median()],
            }));
        }
    }
    rows
}
