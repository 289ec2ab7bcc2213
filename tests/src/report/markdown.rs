//! The generated blocks of the page: heads and tables.

use std::fmt::Write as _;

use super::contenders::{self, Kind};
use super::figures::{Figure, Section};
use super::layout::{CPU_SUM, Chapter, SOFT_LIMIT, Table, more_is_better};
use super::number::{ratio, short};

/// From here on the spread of a figure's rounds is shown: its width, divided by the median.
const WIDE: f64 = 0.2;

/// Everything below a section's hand-written words.
pub(super) fn block(chapter: &Chapter, section: Option<&Section>) -> String {
    let Some(section) = section else {
        return format!("Not measured yet: `cargo xtask bench {}`.\n", chapter.id);
    };
    let mut text = head(section);
    text += &against(chapter, section);
    for chart in chapter.charts {
        if super::charts::draw(chapter, chart, section).is_some() {
            let _ = writeln!(text, "\n![{}](benchmarks/{}.svg)", chart.title, chart.file);
        }
    }
    let mut local = false;
    for table in chapter.tables {
        let shown = show(chapter, table, section);
        local |= shown.contains(LOCAL);
        text += &shown;
    }
    if local {
        text += "\n*local*: more than the about 1,000 requests a second that one object is good for in \
                 production; the figure says what the path costs, not what a deployment would do.\n";
    }
    for (index, note) in section.notes.iter().enumerate() {
        let _ = writeln!(text, "{}- {note}", if index == 0 { "\n" } else { "" });
    }
    text
}

/// Marks a figure that one object does not reach in production.
const LOCAL: &str = " *local*";

/// When, how and where it was measured.
fn head(section: &Section) -> String {
    let Section { date, command, plan, took_s, machine, versions, .. } = section;
    let plan = match plan.as_str() {
        "full" => String::new(),
        "smoke" => ", **a smoke run, which measures nothing**".into(),
        other => format!(", plan `{other}`"),
    };
    let versions: Vec<String> = versions.iter().map(|(name, v)| format!("{name} {v}")).collect();
    let versions =
        if versions.is_empty() { String::new() } else { format!("; {}", versions.join(", ")) };
    format!(
        "{date}, `{command}`{plan}, {took}; {cpu}, {cores} cores, {memory} GB, {os}{versions}.\n",
        took = duration(*took_s),
        cpu = machine.cpu,
        cores = machine.cores,
        memory = short(machine.memory_gb),
        os = machine.os,
    )
}

fn duration(seconds: f64) -> String {
    if seconds < 99.5 { format!("{seconds:.0} s") } else { format!("{:.0} min", seconds / 60.0) }
}

/// Which floor ratios are to, and which peers; nothing where there is neither.
fn against(chapter: &Chapter, section: &Section) -> String {
    let mut words = Vec::new();
    if let Some((id, what)) = chapter.floor {
        let there = section.figures.iter().any(|figure| figure.contender == id);
        let missing = if there { "" } else { ", not measured in this run" };
        words.push(format!("The floor is `{id}`, {what}{missing}."));
    }
    if !chapter.peers.is_empty() {
        words.push(format!("Held against {}.", chapter.peers));
    }
    if words.is_empty() { String::new() } else { format!("\n{}\n", words.join(" ")) }
}

fn show(chapter: &Chapter, table: &Table, section: &Section) -> String {
    match table {
        Table::Over { title, metrics, ratios_at } => {
            over(title, metrics, *ratios_at, chapter, section)
        }
        Table::Beside { title, at, columns } => grid(title, &[*at], columns, chapter, section),
        Table::Grid { title, places, columns } => grid(title, places, columns, chapter, section),
        Table::Metrics { title, prefixes } => metrics(title, prefixes, section),
    }
}

/// Rows and columns of text under a title; nothing without rows.
fn table(title: &str, first: &str, columns: &[String], rows: &[(String, Vec<String>)]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut text = format!("\n**{title}**\n\n| {first} | {} |\n|---|", columns.join(" | "));
    text += &"---:|".repeat(columns.len());
    for (name, cells) in rows {
        let _ = write!(text, "\n| {name} | {} |", cells.join(" | "));
    }
    text + "\n"
}

fn over(
    title: &str,
    metrics: &[&str],
    ratios_at: Option<f64>,
    chapter: &Chapter,
    section: &Section,
) -> String {
    let Some((metric, more)) = metrics.split_first() else { return String::new() };
    let places = places(section, metric);
    // A ratio where neither the floor nor a peer was measured would say nothing.
    let bases = ratios_at.filter(|at| places.contains(at));
    let bases = bases.map(|at| Bases::of(chapter, section, metric, at));
    let mut columns: Vec<String> = places.iter().map(|at| short(*at)).collect();
    columns.extend(bases.iter().flat_map(|bases| bases.headings(chapter)));
    let rows = contenders(section, |figure| figure.metric == *metric).into_iter().map(|id| {
        let mut cells: Vec<String> = Vec::new();
        for at in &places {
            let more = more.iter().filter_map(|metric| section.figure(metric, id, *at));
            let more = more.map(|figure| format!(" / {}", short(figure.median())));
            cells.push(cell(section.figure(metric, id, *at)) + &more.collect::<String>());
        }
        if let Some(bases) = &bases {
            cells.extend(bases.cells(section.figure(metric, id, bases.at)));
        }
        (contenders::name(id).to_owned(), cells)
    });
    let first = match chapter.axis.label {
        "" => "way".into(),
        label => format!("by {label}"),
    };
    table(title, &first, &columns, &rows.collect::<Vec<_>>())
}

/// What ratios are to, at one place.
struct Bases {
    at: f64,
    floor: Option<f64>,
    peer: Option<(String, f64)>,
}

impl Bases {
    fn of(chapter: &Chapter, section: &Section, metric: &str, at: f64) -> Self {
        let median = |id: &str| section.figure(metric, id, at).map(Figure::median);
        let floor = chapter.floor.and_then(|(id, _)| median(id));
        let best = best(section, metric, at, Kind::Peer, "exchange-agent");
        let peer = best.map(|(id, figure)| (id.to_owned(), figure.median()));
        Self { at, floor, peer }
    }

    fn headings(&self, chapter: &Chapter) -> Vec<String> {
        let floor = self.floor.and(chapter.floor).map(|(id, _)| id);
        let peer = self.peer.as_ref().map(|(id, _)| id.as_str());
        let bases = floor.into_iter().chain(peer);
        bases.map(|id| format!("to `{id}` at {}", short(self.at))).collect()
    }

    fn cells(&self, figure: Option<&Figure>) -> Vec<String> {
        let bases = self.floor.into_iter().chain(self.peer.as_ref().map(|(_, median)| *median));
        let cell = |base: f64| match figure {
            Some(figure) if base > 0.0 => ratio(figure.median() / base),
            _ => NONE.into(),
        };
        bases.map(cell).collect()
    }
}

/// A cell without a figure.
const NONE: &str = "–";

fn grid(
    title: &str,
    places: &[f64],
    metrics: &[(&str, &str)],
    chapter: &Chapter,
    section: &Section,
) -> String {
    let there =
        |metric: &str, at: f64| section.figures.iter().any(|f| f.metric == metric && is(f.at, at));
    let mut columns = Vec::new();
    for (metric, heading) in metrics {
        for at in places.iter().filter(|at| there(metric, **at)) {
            let place = format!(", {}{}", short(*at), chapter.axis.unit);
            let place = if places.len() > 1 { place } else { String::new() };
            columns.push((*metric, *at, format!("{heading}{place}")));
        }
    }
    let shown = |figure: &Figure| {
        columns.iter().any(|(m, at, _)| figure.metric == *m && is(figure.at, *at))
    };
    let rows = contenders(section, shown).into_iter().map(|id| {
        let cells = columns.iter().map(|(metric, at, _)| cell(section.figure(metric, id, *at)));
        (contenders::name(id).to_owned(), cells.collect())
    });
    let rows: Vec<_> = rows.collect();
    let headings: Vec<String> = columns.iter().map(|(_, _, heading)| heading.clone()).collect();
    table(title, "way", &headings, &rows)
}

fn metrics(title: &str, prefixes: &[&str], section: &Section) -> String {
    let prefix =
        |metric: &str| prefixes.iter().find(|prefix| metric.starts_with(**prefix)).copied();
    let ids = contenders(section, |figure| prefix(&figure.metric).is_some());
    let mut rows: Vec<(String, Vec<String>)> = Vec::new();
    let mut seen: Vec<(&str, f64)> = Vec::new();
    for figure in &section.figures {
        let Some(prefix) = prefix(&figure.metric) else { continue };
        if seen.iter().any(|(metric, at)| figure.metric == *metric && is(figure.at, *at)) {
            continue;
        }
        seen.push((&figure.metric, figure.at));
        let name = figure.metric.strip_prefix(prefix).filter(|_| prefix.ends_with('/'));
        let name = name.unwrap_or(&figure.metric);
        let at = if is(figure.at, 0.0) { String::new() } else { format!(", {}", short(figure.at)) };
        let cells = ids.iter().map(|id| cell(section.figure(&figure.metric, id, figure.at)));
        let unit = if figure.unit.is_empty() || prefix.ends_with('/') {
            String::new()
        } else {
            format!(", {}", figure.unit)
        };
        rows.push((format!("{name}{at}{unit}"), cells.collect()));
    }
    let columns: Vec<String> = ids.iter().map(|id| contenders::name(id).to_owned()).collect();
    table(title, "", &columns, &rows)
}

/// The median; its spread where that is wide; a mark where production does not reach it.
fn cell(figure: Option<&Figure>) -> String {
    let Some(figure) = figure else { return NONE.into() };
    let (median, (smallest, largest)) = (figure.median(), figure.spread());
    let quotient = figure.metric == "spread" || figure.metric.ends_with("/trips");
    let mut text = if quotient { ratio(median) } else { short(median) };
    if is_local(figure) {
        text += LOCAL;
    }
    if largest - smallest > WIDE * median.abs() {
        let _ = write!(text, " <sub>{}–{}</sub>", short(smallest), short(largest));
    }
    text
}

/// Whether it is a rate through one object that production does not reach.
pub(super) fn is_local(figure: &Figure) -> bool {
    let object = contenders::find(&figure.contender).is_some_and(|contender| contender.object);
    object && figure.metric == "rate" && figure.unit != "MB/s" && figure.median() > SOFT_LIMIT
}

/// The places at which somebody has a figure, from the smallest.
pub(super) fn places(section: &Section, metric: &str) -> Vec<f64> {
    let figures = section.figures.iter().filter(|figure| figure.metric == metric);
    let mut places: Vec<f64> = figures.map(|figure| figure.at).collect();
    places.sort_by(f64::total_cmp);
    places.dedup_by(|a, b| is(*a, *b));
    places
}

/// Who has such figures, in the page's order.
pub(super) fn contenders(section: &Section, of: impl Fn(&Figure) -> bool) -> Vec<&str> {
    let mut ids: Vec<&str> = Vec::new();
    for figure in section.figures.iter().filter(|figure| of(figure)) {
        if !ids.contains(&figure.contender.as_str()) {
            ids.push(&figure.contender);
        }
    }
    ids.sort_by_key(|id| contenders::rank(id));
    ids
}

/// Who of a kind does best at a place, of those that can be compared with `beside`.
pub(super) fn best<'a>(
    section: &'a Section,
    metric: &str,
    at: f64,
    kind: Kind,
    beside: &str,
) -> Option<(&'a str, &'a Figure)> {
    let figures = section.figures.iter().filter(|figure| {
        figure.metric == metric
            && is(figure.at, at)
            && contenders::is(&figure.contender, kind)
            && contenders::comparable(&figure.contender, beside)
    });
    let sign = if more_is_better(metric) { -1.0 } else { 1.0 };
    let best = figures.min_by(|a, b| (sign * a.median()).total_cmp(&(sign * b.median())));
    best.map(|figure| (figure.contender.as_str(), figure))
}

/// Whether two places are the same.
pub(super) fn is(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9
}

/// The section with what is computed from its figures: the sum of all CPU time of a contender.
pub(super) fn with_sums(mut section: Section) -> Section {
    let parts: Vec<Figure> = section
        .figures
        .iter()
        .filter(|figure| figure.metric.starts_with("cpu/"))
        .cloned()
        .collect();
    let mut sums: Vec<Figure> = Vec::new();
    for part in parts {
        let same = |sum: &&mut Figure| sum.contender == part.contender && is(sum.at, part.at);
        match sums.iter_mut().find(same) {
            // Rounds are of one time each: what is added was spent together.
            Some(sum) if sum.rounds.len() == part.rounds.len() => {
                for (sum, part) in sum.rounds.iter_mut().zip(&part.rounds) {
                    *sum += part;
                }
            }
            Some(sum) => sum.rounds = vec![sum.median() + part.median()],
            None => sums.push(Figure { metric: CPU_SUM.into(), ..part }),
        }
    }
    section.figures.extend(sums);
    section
}
