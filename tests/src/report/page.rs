//! The page and its charts, made from the figures alone.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::figures::Section;
use super::layout::CHAPTERS;
use super::{charts, markdown, verdict};

/// Below the folder of documents: the page.
const PAGE: &str = "benchmarks.md";
/// Below the folder of documents: figures and charts.
const FOLDER: &str = "benchmarks";

/// The documents of the project that this is built in.
pub fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("docs")
}

/// The folder of figures and charts.
pub fn folder() -> PathBuf {
    docs().join(FOLDER)
}

/// What each section measured last.
#[derive(Debug, Default)]
pub struct Results(BTreeMap<String, Section>);

impl Results {
    /// Reads the files of all sections that there are.
    ///
    /// # Errors
    /// If one of them cannot be read.
    pub fn read(folder: &Path) -> Result<Self> {
        let mut results = Self::default();
        for chapter in CHAPTERS {
            results.extend(Section::read(folder, chapter.id)?);
        }
        Ok(results)
    }

    pub(super) fn section(&self, id: &str) -> Option<&Section> {
        self.0.get(id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Extend<Section> for Results {
    fn extend<T: IntoIterator<Item = Section>>(&mut self, sections: T) {
        let sections = sections.into_iter().map(markdown::with_sums);
        self.0.extend(sections.map(|section| (section.id.clone(), section)));
    }
}

/// What is made from figures.
#[derive(Debug)]
pub struct Page {
    /// The page with new blocks between the old words.
    pub text: String,
    /// Files of charts, by name.
    pub charts: BTreeMap<String, String>,
}

/// Makes the blocks of `page` anew, and the charts.
///
/// # Errors
/// If a block's marks are missing.
pub fn render(results: &Results, page: &str) -> Result<Page> {
    let mut text = replaced(page, "verdicts", &verdict::block(results))?;
    let mut files = BTreeMap::new();
    for chapter in CHAPTERS {
        let section = results.section(chapter.id);
        text = replaced(&text, chapter.id, &markdown::block(chapter, section))?;
        for chart in chapter.charts {
            let svg = section.and_then(|section| charts::draw(chapter, chart, section));
            files.extend(svg.map(|svg| (format!("{}.svg", chart.file), svg)));
        }
    }
    Ok(Page { text, charts: files })
}

fn replaced(page: &str, id: &str, block: &str) -> Result<String> {
    let [begin, end] = [format!("<!-- {id} -->\n"), format!("<!-- /{id} -->")];
    let parts = page
        .split_once(&begin)
        .and_then(|(before, rest)| rest.split_once(&end).map(|(_, behind)| (before, behind)));
    let (before, behind) = parts.with_context(|| {
        format!("the page has no line `{}` with `{end}` behind it", begin.trim_end())
    })?;
    Ok(format!("{before}{begin}{block}{end}{behind}"))
}

/// Files below `docs` that are not what the figures make of them, each with its right text; `None`
/// for a chart that nothing is left of.
///
/// # Errors
/// If figures or page cannot be read.
pub fn stale(docs: &Path) -> Result<Vec<(PathBuf, Option<String>)>> {
    let (page, folder) = (docs.join(PAGE), docs.join(FOLDER));
    let old = fs::read_to_string(&page).with_context(|| page.display().to_string())?;
    let Page { text, charts } = render(&Results::read(&folder)?, &old)?;
    let mut stale = Vec::new();
    if text != old {
        stale.push((page, Some(text)));
    }
    for path in drawn(&folder)? {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !charts.contains_key(name) {
            stale.push((path, None));
        }
    }
    for (name, svg) in charts {
        let path = folder.join(name);
        if fs::read_to_string(&path).ok().as_ref() != Some(&svg) {
            stale.push((path, Some(svg)));
        }
    }
    Ok(stale)
}

/// The charts that are there; none without the folder.
fn drawn(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut charts = Vec::new();
    for entry in folder.read_dir().into_iter().flatten() {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "svg") {
            charts.push(path);
        }
    }
    charts.sort();
    Ok(charts)
}

/// Brings page and charts below `docs` up to date; gives what has changed.
///
/// # Errors
/// If figures or page cannot be read, or a file cannot be written.
pub fn rewrite(docs: &Path) -> Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    for (path, text) in stale(docs)? {
        let done = match text {
            Some(text) => fs::write(&path, text),
            None => fs::remove_file(&path),
        };
        done.with_context(|| path.display().to_string())?;
        written.push(path);
    }
    Ok(written)
}
