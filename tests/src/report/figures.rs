//! The data: what each section of the benchmark measured, in files that change little when a figure
//! does.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

use super::Machine;
use crate::show::median;

/// What one run of one section measured: `docs/benchmarks/<id>.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// `latency`, `throughput`, …: the file's name.
    pub id: String,
    /// The day of the run, as `2026-11-22`.
    pub date: String,
    /// What to type to measure it again.
    pub command: String,
    /// How much was measured: `full`, `quick` or `smoke`.
    pub plan: String,
    /// Seconds that the run took.
    pub took_s: f64,
    /// Where it ran.
    pub machine: Machine,
    /// Names of programs, and their versions.
    pub versions: BTreeMap<String, String>,
    /// What was measured.
    pub figures: Vec<Figure>,
    /// What a reader of these figures has to know.
    pub notes: Vec<String>,
}

/// One contender's figure at one point: the value of each round. What is shown is the median, and
/// the spread from the smallest to the largest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// What is measured: `rate`, `first/p50`.
    pub metric: String,
    /// Who is measured: `exchange-agent`, `direct-pg`.
    pub contender: String,
    /// The place on the section's x axis: callers, milliseconds, megabytes.
    pub at: f64,
    /// The unit of every round: `ms`, `queries/s`.
    pub unit: String,
    /// One value for each round, at least one.
    pub rounds: Vec<f64>,
}

impl Figure {
    /// The middle of the rounds; 0 without any.
    pub fn median(&self) -> f64 {
        median(self.rounds.clone())
    }

    /// The smallest and the largest round; zeros without any.
    pub fn spread(&self) -> (f64, f64) {
        let smallest = self.rounds.iter().copied().reduce(f64::min);
        let largest = self.rounds.iter().copied().reduce(f64::max);
        (smallest.unwrap_or(0.0), largest.unwrap_or(0.0))
    }
}

impl Section {
    /// The file of a section in a folder of results.
    pub fn path(folder: &Path, id: &str) -> PathBuf {
        folder.join(format!("{id}.json"))
    }

    /// Reads a section; `None` if there is no file of it.
    ///
    /// # Errors
    /// If the file cannot be read, is not of this shape, or belongs to another section.
    pub fn read(folder: &Path, id: &str) -> Result<Option<Self>> {
        let path = Self::path(folder, id);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        let section = Self::parse(&text).with_context(|| {
            format!("{}: measure again with `cargo xtask bench {id}`", path.display())
        })?;
        ensure!(section.id == id, "{}: holds section `{}`", path.display(), section.id);
        Ok(Some(section))
    }

    /// Writes the section's file, and the folder if it is missing.
    ///
    /// # Errors
    /// If a figure has no round or one that is no number, or if the file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let path = Self::path(folder, &self.id);
        let text = self.json()?;
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        fs::write(&path, text).with_context(|| path.display().to_string())
    }

    /// Reads what [`Section::json`] wrote.
    ///
    /// # Errors
    /// If the text is not of this shape, or a figure has no round.
    pub fn parse(text: &str) -> Result<Self> {
        let section: Self = serde_json::from_str(text)?;
        section.check()?;
        Ok(section)
    }

    /// The file's text: fields in their order, a line for each figure, four digits of each number.
    ///
    /// # Errors
    /// If a figure has no round or one that is no number.
    pub fn json(&self) -> Result<String> {
        self.check()?;
        let mut text = Vec::new();
        let formatter = LineByLine { depth: 0, pretty: PrettyFormatter::new() };
        self.rounded().serialize(&mut Serializer::with_formatter(&mut text, formatter))?;
        text.push(b'\n');
        Ok(String::from_utf8(text)?)
    }

    /// The one figure of that name and place.
    pub fn figure(&self, metric: &str, contender: &str, at: f64) -> Option<&Figure> {
        let mut figures = self.figures.iter();
        figures.find(|f| f.metric == metric && f.contender == contender && same(f.at, at))
    }

    fn check(&self) -> Result<()> {
        for (index, figure) in self.figures.iter().enumerate() {
            let Figure { metric, contender, at, rounds, .. } = figure;
            if rounds.is_empty() || !rounds.iter().chain([at]).all(|value| value.is_finite()) {
                bail!("{metric} of {contender} at {at} has no round, or one that is no number");
            }
            if self.figures.iter().take(index).any(|other| {
                other.metric == *metric && other.contender == *contender && same(other.at, *at)
            }) {
                bail!("{metric} of {contender} at {at} is there twice; put rounds into one figure");
            }
        }
        Ok(())
    }

    fn rounded(&self) -> Self {
        let mut section = self.clone();
        section.took_s = digits(self.took_s);
        for figure in &mut section.figures {
            figure.rounds = figure.rounds.iter().copied().map(digits).collect();
        }
        section
    }
}

/// Whether two figures stand at the same place of the x axis.
fn same(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9
}

/// Four significant digits: more are noise, and would change with every run.
fn digits(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

/// Indented JSON, but what lies inside a list or below the second level stays on one line.
struct LineByLine {
    depth: usize,
    pretty: PrettyFormatter<'static>,
}

impl LineByLine {
    fn open(&mut self) -> bool {
        self.depth += 1;
        self.depth <= INDENTED
    }

    fn close(&mut self) -> bool {
        self.depth -= 1;
        self.depth < INDENTED
    }
}

/// Levels with a line for each element: the section itself, and its fields.
const INDENTED: usize = 2;

impl Formatter for LineByLine {
    fn begin_array<W: ?Sized + io::Write>(&mut self, to: &mut W) -> io::Result<()> {
        if self.open() { self.pretty.begin_array(to) } else { to.write_all(b"[") }
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, to: &mut W) -> io::Result<()> {
        if self.close() { self.pretty.end_array(to) } else { to.write_all(b"]") }
    }

    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        to: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if self.depth <= INDENTED {
            self.pretty.begin_array_value(to, first)
        } else {
            to.write_all(if first { b"" } else { b", " })
        }
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, to: &mut W) -> io::Result<()> {
        if self.depth <= INDENTED { self.pretty.end_array_value(to) } else { Ok(()) }
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, to: &mut W) -> io::Result<()> {
        if self.open() { self.pretty.begin_object(to) } else { to.write_all(b"{") }
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, to: &mut W) -> io::Result<()> {
        if self.close() { self.pretty.end_object(to) } else { to.write_all(b"}") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        to: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if self.depth <= INDENTED {
            self.pretty.begin_object_key(to, first)
        } else {
            to.write_all(if first { b"" } else { b", " })
        }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, to: &mut W) -> io::Result<()> {
        to.write_all(b": ")
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, to: &mut W) -> io::Result<()> {
        if self.depth <= INDENTED { self.pretty.end_object_value(to) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(metric: &str, at: f64, rounds: &[f64]) -> Figure {
        Figure {
            metric: metric.into(),
            contender: "exchange-agent".into(),
            at,
            unit: "ms".into(),
            rounds: rounds.to_vec(),
        }
    }

    fn section(figures: impl Into<Vec<Figure>>) -> Section {
        Section {
            id: "latency".into(),
            date: "2026-11-22".into(),
            command: "cargo xtask bench latency".into(),
            plan: "quick".into(),
            took_s: 61.234_5,
            machine: Machine { cpu: "C".into(), cores: 2, memory_gb: 25.3, os: "Linux".into() },
            versions: BTreeMap::from([("workerd".into(), "1.0".into()), ("a".into(), "2".into())]),
            figures: figures.into(),
            notes: Vec::new(),
        }
    }

    #[test]
    fn a_figure_is_one_line_of_four_digits() {
        let section =
            section([figure("first/p50", 0.0, &[1.234_56, 98_765.4]), figure("p99", 2.5, &[0.0])]);
        let expected = r#"{
  "id": "latency",
  "date": "2026-11-22",
  "command": "cargo xtask bench latency",
  "plan": "quick",
  "took_s": 61.23,
  "machine": {
    "cpu": "C",
    "cores": 2,
    "memory_gb": 25.3,
    "os": "Linux"
  },
  "versions": {
    "a": "2",
    "workerd": "1.0"
  },
  "figures": [
    {"metric": "first/p50", "contender": "exchange-agent", "at": 0.0, "unit": "ms", "rounds": [1.235, 98770.0]},
    {"metric": "p99", "contender": "exchange-agent", "at": 2.5, "unit": "ms", "rounds": [0.0]}
  ],
  "notes": []
}
"#;
        assert_eq!(section.json().unwrap(), expected);
    }

    #[test]
    fn what_was_written_is_read_and_written_the_same_again() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("results");
        assert_eq!(Section::read(&folder, "latency").unwrap(), None);
        let section = section([figure("p50", 1e6, &[-0.123_45, 1e-7, 3.0])]);
        section.write(&folder).unwrap();
        let read = Section::read(&folder, "latency").unwrap().unwrap();
        assert_eq!(read, section.rounded());
        assert_eq!(read.json().unwrap(), section.json().unwrap());
    }

    #[test]
    fn a_file_that_is_not_of_this_shape_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |text: &str| {
            fs::write(folder.path().join("large.json"), text).unwrap();
            format!("{:#}", Section::read(folder.path(), "large").unwrap_err())
        };
        let error = refused("{\"id\": \"large\"}");
        assert!(error.contains("missing field `date`"), "{error}");
        assert!(error.contains("cargo xtask bench large"), "{error}");
        let error = refused(&section([]).json().unwrap());
        assert!(error.contains("holds section `latency`"), "{error}");
    }

    #[test]
    fn figures_without_a_number_and_figures_twice_are_refused() {
        for rounds in [&[][..], &[f64::NAN], &[1.0, f64::INFINITY]] {
            let error = section([figure("p50", 2.0, rounds)]).json().unwrap_err().to_string();
            assert!(error.contains("p50 of exchange-agent at 2 has no round"), "{error}");
        }
        let twice = section([figure("p50", 2.0, &[1.0]), figure("p50", 2.0, &[2.0])]);
        let error = twice.json().unwrap_err().to_string();
        assert!(error.contains("twice"), "{error}");
    }

    #[test]
    fn a_figure_is_found_by_name_and_place() {
        let section = section([figure("p50", 2.0, &[3.0, 1.0, 2.0]), figure("p50", 4.0, &[9.0])]);
        let found = section.figure("p50", "exchange-agent", 2.0).unwrap();
        assert_eq!((found.median(), found.spread()), (2.0, (1.0, 3.0)));
        assert!(section.figure("p50", "exchange-agent", 3.0).is_none());
        assert!(section.figure("p50", "direct-pg", 2.0).is_none());
    }
}
