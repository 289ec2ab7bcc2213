//! What callgrind leaves in its file, as instructions by function. Of its format only what callgrind
//! writes without further flags is read.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Instructions that each function has spent itself, without those that it called, by the file that
/// it is linked into and its name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Profile(BTreeMap<(String, String), u64>);

impl Profile {
    /// Reads callgrind's file.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path);
        let text = text.with_context(|| format!("callgrind left no {}", path.display()))?;
        Ok(Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let (mut objects, mut functions) = (Names::default(), Names::default());
        let (mut object, mut function) = (String::new(), String::new());
        let mut costs = BTreeMap::new();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            match line.split_once('=') {
                Some(("ob", name)) => object = objects.resolve(name),
                Some(("fn", name)) => function = functions.resolve(name),
                Some(("cob", name)) => drop(objects.resolve(name)),
                Some(("cfn", name)) => drop(functions.resolve(name)),
                // The next line is what the called function cost, which is told where it is.
                Some(("calls", _)) => drop(lines.next()),
                Some(_) => {}
                None => {
                    if let Some(cost) = own_cost(line) {
                        *costs.entry((object.clone(), function.clone())).or_insert(0) += cost;
                    }
                }
            }
        }
        Self(costs)
    }

    /// The instructions of all functions of which `counted`, given the file's name without its
    /// directory and the function's.
    pub(super) fn sum(&self, counted: impl Fn(&str, &str) -> bool) -> u64 {
        let costs = self.0.iter().filter(|((object, function), _)| {
            counted(object.rsplit('/').next().unwrap_or_default(), function)
        });
        costs.map(|(_, cost)| cost).sum()
    }
}

/// The cost in a line like `+3 17`; none in a header's line.
fn own_cost(line: &str) -> Option<u64> {
    if !line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
        return None;
    }
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Names are told once: `(4) recv`, and by their number from then on: `(4)`.
#[derive(Default)]
struct Names(BTreeMap<String, String>);

impl Names {
    fn resolve(&mut self, text: &str) -> String {
        match text.split_once(' ') {
            Some((number, name)) => {
                self.0.insert(number.to_owned(), name.to_owned());
                name.to_owned()
            }
            None => self.0.get(text).cloned().unwrap_or_else(|| text.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# callgrind format
version: 1
cmd: /tmp/pgbouncer /tmp/pgbouncer.ini
positions: line
events: Ir
summary: 122

ob=(1) /tmp/x/pgbouncer
fl=(1) ???
fn=(1) 0x000000000000ba30
0 12
cob=(2) /lib/libc.so.6
cfi=(2) recv.c
cfn=(2) recv
calls=2 +28
0 999
+1 3

ob=(2)
fl=(2)
fn=(2)
* 7
fn=(3) memcpy
-4 100

totals: 122
";

    #[test]
    fn each_function_counts_what_it_spent_itself() {
        let profile = Profile::parse(TEXT);
        assert_eq!(profile.sum(|_, _| true), 122);
        assert_eq!(profile.sum(|object, _| object == "pgbouncer"), 15);
        assert_eq!(profile.sum(|object, function| object == "libc.so.6" && function == "recv"), 7);
        assert_eq!(profile.sum(|_, function| function == "memcpy"), 100);
    }
}
