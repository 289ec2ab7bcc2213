//! The file of statements, read.

use crate::corpus::paths::Form;
use crate::stage::folder;

/// One statement, or several in one text.
pub(crate) struct Statement {
    pub(crate) sql: String,
    /// Where it begins in the file.
    pub(crate) line: usize,
    /// Rows for `COPY … FROM STDIN`, if it is one.
    pub(crate) data: Vec<String>,
    /// It goes into the same exchange as the statement before it.
    pub(crate) goes_on: bool,
    marks: Vec<Mark>,
}

/// A difference that must be.
pub(crate) struct Mark {
    /// Where: `exchange`, `transaction`, `session`.
    pub(crate) path: String,
    /// In which form only; both without.
    form: Option<Form>,
    pub(crate) reason: String,
}

impl Statement {
    /// Why the answer differs on this path, if it does.
    pub(crate) fn differs(&self, path: &str, form: Form) -> Option<&str> {
        let here = |mark: &&Mark| mark.path == path && mark.form.is_none_or(|only| only == form);
        self.marks.iter().find(here).map(|mark| mark.reason.as_str())
    }

    /// All differences.
    pub(crate) fn marks(&self) -> &[Mark] {
        &self.marks
    }
}

/// All statements of the file: paragraphs, with what is said about one in comments ahead of it. Those
/// between `-- together` and `-- apart` share an exchange.
pub(crate) fn statements() -> Vec<Statement> {
    let file = std::fs::read_to_string(folder("statements.sql")).unwrap();
    let (mut all, mut paragraph) = (Vec::<Statement>::new(), Vec::new());
    let (mut together, mut first) = (false, false);
    for (number, line) in file.lines().chain([""]).enumerate() {
        match line {
            "-- together" => (together, first) = (true, true),
            "-- apart" => together = false,
            "" => {
                if let Some(statement) = read(&std::mem::take(&mut paragraph)) {
                    let goes_on = together && !std::mem::take(&mut first);
                    all.push(Statement { goes_on, ..statement });
                }
            }
            line => paragraph.push((number + 1, line)),
        }
    }
    all
}

fn read(paragraph: &[(usize, &str)]) -> Option<Statement> {
    let (mut marks, mut data, mut sql, mut start) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for (line, text) in paragraph {
        if let Some(mark) = text.strip_prefix("-- differs ") {
            marks.push(mark_of(mark).unwrap_or_else(|| panic!("line {line}: {text}")));
        } else if let Some(row) = text.strip_prefix("-- data ") {
            data.push(row.replace("\\t", "\t"));
        } else if !text.starts_with("-- ") || !sql.is_empty() {
            if sql.is_empty() {
                start = *line;
            }
            sql.push(*text);
        }
    }
    // A heading of the file.
    if sql.is_empty() {
        return None;
    }
    Some(Statement { sql: sql.join("\n"), line: start, data, goes_on: false, marks })
}

/// `exchange: why`, `exchange binary: why`.
fn mark_of(text: &str) -> Option<Mark> {
    let (place, reason) = text.split_once(": ")?;
    let (path, form) = match place.split_once(' ') {
        None => (place, None),
        Some((path, "text")) => (path, Some(Form::Text)),
        Some((path, "binary")) => (path, Some(Form::Binary)),
        Some(_) => return None,
    };
    Some(Mark { path: path.to_owned(), form, reason: reason.to_owned() })
}
