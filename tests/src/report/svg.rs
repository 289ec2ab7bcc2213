//! Charts of lines as SVG, without a library: text is left to who shows it, so no font is needed
//! here, and colours are classes, so that a dark page gets others.

use std::fmt::Write as _;

use super::contenders::{self, Kind};
use super::number::{linear_ticks, log_ticks, short};

/// Lines over a plane.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) title: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    /// Where the x axis has a tick.
    pub(super) places: Vec<f64>,
    pub(super) lines: Vec<Line>,
    /// A level across the chart, and what it says.
    pub(super) mark: Option<(f64, String)>,
}

#[derive(Debug)]
pub(super) struct Axis {
    pub(super) label: String,
    pub(super) log: bool,
}

#[derive(Debug)]
pub(super) struct Line {
    pub(super) contender: String,
    pub(super) points: Vec<Point>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
    /// The smallest and the largest round.
    pub(super) spread: (f64, f64),
}

const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 412.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 535.0;
const TOP: f64 = 62.0;
const BOTTOM: f64 = 358.0;
/// Places that each have a tick; more of them are a course, not points.
const PLACES_MAX: usize = 8;
/// Between the lines of the legend.
const LEADING: f64 = 20.0;

/// The whole file; `None` where there is no point to show.
pub(super) fn lines(chart: &Lines) -> Option<String> {
    let points = || chart.lines.iter().flat_map(|line| &line.points);
    points().next()?;
    let mark = chart.mark.as_ref().map(|(level, _)| *level);
    let ys = points().flat_map(|point| [point.spread.0, point.spread.1, point.y]).chain(mark);
    let x =
        Scale::of(chart.places.iter().copied(), chart.x.log, [LEFT + 12.0, RIGHT - 12.0], false);
    let y = Scale::of(ys, chart.y.log, [BOTTOM, TOP], true);
    let classes: Vec<&str> = chart.lines.iter().map(|line| line.contender.as_str()).collect();
    let mut svg = open(&chart.title, HEIGHT, &classes);
    grid(&mut svg, chart, &x, &y);
    for line in &chart.lines {
        draw(&mut svg, line, &x, &y);
    }
    legend(&mut svg, &classes);
    Some(svg + "</svg>\n")
}

/// From figures to places on the sheet.
struct Scale {
    log: bool,
    ticks: Vec<f64>,
    from: f64,
    to: f64,
    sheet: [f64; 2],
}

impl Scale {
    /// `even`: its ends are round numbers, and without logarithms it begins at nought.
    fn of(values: impl Iterator<Item = f64>, log: bool, sheet: [f64; 2], even: bool) -> Self {
        let mut values: Vec<f64> = values.filter(|value| !log || *value > 0.0).collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        let smallest = values.first().copied().unwrap_or(1.0);
        let largest = values.last().copied().unwrap_or(1.0);
        let ticks = match (even, log) {
            (true, true) => log_ticks(smallest, largest),
            (true, false) => linear_ticks(largest),
            (false, false) if values.len() > PLACES_MAX => linear_ticks(largest),
            (false, _) => values,
        };
        let ends = (ticks.first().copied(), ticks.last().copied());
        let (from, to) = (ends.0.unwrap_or(0.0), ends.1.unwrap_or(1.0));
        Self { log, ticks, from, to, sheet }
    }

    fn at(&self, value: f64) -> f64 {
        let share = |value: f64| {
            if self.log { value.max(self.from).log10() } else { value }
        };
        let (from, to) = (share(self.from), share(self.to));
        let share = if to > from { (share(value) - from) / (to - from) } else { 0.5 };
        self.sheet[0] + share * (self.sheet[1] - self.sheet[0])
    }
}

fn grid(svg: &mut String, chart: &Lines, x: &Scale, y: &Scale) {
    for tick in &y.ticks {
        let at = y.at(*tick);
        let _ = writeln!(svg, r#"<path class="grid" d="M{LEFT} {at:.1}H{RIGHT}"/>"#);
        text(svg, [LEFT - 8.0, at + 4.0], "end", &short(*tick));
    }
    for tick in &x.ticks {
        let at = x.at(*tick);
        let _ = writeln!(svg, r#"<path class="axis" d="M{at:.1} {BOTTOM}v5"/>"#);
        text(svg, [at, BOTTOM + 20.0], "middle", &short(*tick));
    }
    let _ = writeln!(svg, r#"<path class="axis" d="M{LEFT} {TOP}V{BOTTOM}H{RIGHT}"/>"#);
    text(svg, [f64::midpoint(LEFT, RIGHT), BOTTOM + 42.0], "middle", &chart.x.label);
    text(svg, [16.0, TOP - 14.0], "start", &chart.y.label);
    if let Some((level, words)) = &chart.mark {
        let at = y.at(*level);
        let _ = writeln!(svg, r#"<path class="mark" d="M{LEFT} {at:.1}H{RIGHT}"/>"#);
        text(svg, [LEFT + 6.0, at - 5.0], "start", words);
    }
}

fn draw(svg: &mut String, line: &Line, x: &Scale, y: &Scale) {
    let mut path = String::new();
    for point in &line.points {
        let pen = if path.is_empty() { 'M' } else { 'L' };
        let _ = write!(path, "{pen}{:.1} {:.1}", x.at(point.x), y.at(point.y));
    }
    let class = class(&line.contender);
    let _ = writeln!(svg, r#"<g class="{class}"><path class="line" d="{path}"/>"#);
    for point in &line.points {
        let (low, high) = (y.at(point.spread.0), y.at(point.spread.1));
        let at = x.at(point.x);
        // Less than a dot is high would lie behind it.
        if low - high > 8.0 {
            let _ = writeln!(svg, r#"<path class="spread" d="M{at:.1} {low:.1}V{high:.1}"/>"#);
        }
        dot(svg, &line.contender, [at, y.at(point.y)]);
    }
    *svg += "</g>\n";
}

/// Round for Pierhead, square for its peers, nothing for floors: colour alone is not for everybody.
fn dot(svg: &mut String, contender: &str, [x, y]: [f64; 2]) {
    let _ = match contenders::find(contender).map(|contender| contender.kind) {
        Some(Kind::Floor) => Ok(()),
        Some(Kind::Peer) => {
            writeln!(svg, r#"<path class="dot" d="M{:.1} {:.1}h7v7h-7z"/>"#, x - 3.5, y - 3.5)
        }
        Some(Kind::Pierhead) | None => {
            writeln!(svg, r#"<circle class="dot" cx="{x:.1}" cy="{y:.1}" r="3.5"/>"#)
        }
    };
}

fn legend(svg: &mut String, contenders: &[&str]) {
    for (index, id) in contenders.iter().enumerate() {
        let (x, y) = (RIGHT + 22.0, TOP + 8.0 + LEADING * index as f64);
        let class = class(id);
        let _ = writeln!(svg, r#"<g class="{class}"><path class="line" d="M{x} {y}h26"/>"#);
        dot(svg, id, [x + 13.0, y]);
        *svg += "</g>\n";
        text(svg, [x + 34.0, y + 4.0], "start", contenders::name(id));
    }
}

/// The head of a chart: its size, the colours of those that are in it, its title.
pub(super) fn open(title: &str, height: f64, contenders: &[&str]) -> String {
    let title = escape(title);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         role=\"img\" aria-label=\"{title}\">\n<title>{title}</title>\n<style>\n{STYLE}"
    );
    let mut colours = [String::new(), String::new()];
    for id in contenders {
        let [light, dark] = contenders::find(id).map_or(UNKNOWN, |contender| contender.colours);
        let class = class(id);
        let floor = contenders::is(id, Kind::Floor);
        let dash = if floor { dash(id) } else { String::new() };
        let _ = writeln!(colours[0], ".{class}{{color:{light}{dash}}}");
        let _ = write!(colours[1], ".{class}{{color:{dark}}}");
    }
    svg += &colours[0];
    let _ = writeln!(svg, "@media (prefers-color-scheme:dark){{{DARK}{}}}", colours[1]);
    let _ = writeln!(
        svg,
        "</style>\n<rect class=\"sheet\" width=\"{WIDTH}\" height=\"{height}\" rx=\"6\"/>"
    );
    let _ = writeln!(svg, "<text class=\"title\" x=\"16\" y=\"24\">{title}</text>");
    svg
}

/// Floors are dashed, each in its own way: their greys are much alike.
fn dash(id: &str) -> String {
    let pattern = match id {
        "rpc" => "2 4",
        "forward" => "8 4",
        "native" => "8 3 2 3",
        _ => "4 4",
    };
    format!(";stroke-dasharray:{pattern}")
}

const UNKNOWN: [&str; 2] = ["#6e7781", "#afb8c1"];

/// The sheet has a colour of its own, so that the chart is readable on whatever page shows it.
const STYLE: &str = "\
.sheet{fill:#fff}
text{font:12px system-ui,sans-serif;fill:#1f2328}
.title{font-size:15px;font-weight:600}
.grid,.axis,.mark,.line,.spread{fill:none}
.grid{stroke:#d8dee4}
.axis{stroke:#6e7781}
.mark{stroke:#6e7781;stroke-dasharray:1 3}
.line{stroke:currentColor;stroke-width:2}
.spread{stroke:currentColor;stroke-width:1.5;stroke-opacity:.5;stroke-dasharray:none}
.dot,.bar{fill:currentColor}
.shade{fill:#424a53}
";

const DARK: &str = "\
.sheet{fill:#0d1117}text{fill:#e6edf3}.grid{stroke:#30363d}.axis,.mark{stroke:#8b949e}.shade{fill:#d0d7de}";

pub(super) fn text(svg: &mut String, [x, y]: [f64; 2], anchor: &str, words: &str) {
    let words = escape(words);
    let _ = writeln!(svg, r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{words}</text>"#);
}

/// A contender's class: names hold blanks and brackets.
pub(super) fn class(id: &str) -> String {
    let letters = id.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' });
    format!("c-{}", letters.collect::<String>())
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
