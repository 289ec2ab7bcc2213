//! Charts of bars as SVG.

use std::fmt::Write as _;

use super::number::{linear_ticks, short};
use super::svg::{class, open, text};

/// A bar for each row, from nought to the right.
#[derive(Debug)]
pub(super) struct Bars {
    pub(super) title: String,
    pub(super) x: String,
    /// What the parts of each bar are; none where a bar has one part.
    pub(super) parts: Vec<String>,
    pub(super) rows: Vec<Row>,
    /// A level that is not to be passed, and what it says.
    pub(super) mark: Option<(f64, String)>,
}

#[derive(Debug)]
pub(super) struct Row {
    pub(super) label: String,
    pub(super) contender: String,
    /// One behind the other.
    pub(super) parts: Vec<f64>,
}

impl Row {
    fn sum(&self) -> f64 {
        self.parts.iter().sum()
    }
}

const LEFT: f64 = 250.0;
const RIGHT: f64 = 680.0;
const TOP: f64 = 66.0;
const ROW: f64 = 24.0;
const BAR: f64 = 16.0;
/// How much of its colour each part of a bar has.
const SHADES: [f64; 4] = [1.0, 0.6, 0.35, 0.15];

/// The whole file; `None` where there is no bar.
pub(super) fn bars(chart: &Bars) -> Option<String> {
    let mark = chart.mark.as_ref().map(|(level, _)| *level);
    let largest = chart.rows.iter().map(Row::sum).chain(mark).reduce(f64::max)?;
    if chart.rows.is_empty() {
        return None;
    }
    let ticks = linear_ticks(largest);
    let end = ticks.last().copied().unwrap_or(1.0);
    let x = |value: f64| LEFT + value / end * (RIGHT - LEFT);
    let bottom = TOP + ROW * chart.rows.len() as f64;

    let mut classes: Vec<&str> = chart.rows.iter().map(|row| row.contender.as_str()).collect();
    classes.sort_unstable();
    classes.dedup();
    let mut svg = open(&chart.title, bottom + 52.0, &classes);
    for tick in &ticks {
        let _ = writeln!(svg, r#"<path class="grid" d="M{:.1} {TOP}V{bottom}"/>"#, x(*tick));
        text(&mut svg, [x(*tick), bottom + 18.0], "middle", &short(*tick));
    }
    text(&mut svg, [f64::midpoint(LEFT, RIGHT), bottom + 38.0], "middle", &chart.x);
    for (index, row) in chart.rows.iter().enumerate() {
        draw(&mut svg, row, TOP + ROW * index as f64, x);
    }
    if let Some((level, words)) = &chart.mark {
        let at = x(*level);
        let _ = writeln!(svg, r#"<path class="mark" d="M{at:.1} {TOP}V{bottom}"/>"#);
        text(&mut svg, [at + 4.0, TOP - 6.0], "start", words);
    }
    legend(&mut svg, &chart.parts);
    Some(svg + "</svg>\n")
}

fn draw(svg: &mut String, row: &Row, top: f64, x: impl Fn(f64) -> f64) {
    let middle = top + ROW / 2.0;
    text(svg, [LEFT - 10.0, middle + 4.0], "end", &row.label);
    let _ = writeln!(svg, r#"<g class="{}">"#, class(&row.contender));
    let mut from = 0.0;
    for (part, shade) in row.parts.iter().zip(SHADES) {
        let (left, width) = (x(from), x(from + part) - x(from));
        let y = middle - BAR / 2.0;
        let _ = writeln!(
            svg,
            r#"<rect class="bar" x="{left:.1}" y="{y:.1}" width="{width:.1}" height="{BAR}" fill-opacity="{shade}"/>"#
        );
        from += part;
    }
    *svg += "</g>\n";
    text(svg, [x(from) + 6.0, middle + 4.0], "start", &short(from));
}

/// Which shade is which part.
fn legend(svg: &mut String, parts: &[String]) {
    let mut x = LEFT;
    for (part, shade) in parts.iter().zip(SHADES) {
        let y = TOP - 26.0;
        let _ = writeln!(
            svg,
            r#"<rect class="shade" x="{x:.1}" y="{y:.1}" width="12" height="12" fill-opacity="{shade}"/>"#
        );
        text(svg, [x + 17.0, y + 10.0], "start", part);
        x += 100.0;
    }
}
