//! `docs/limits.md`, made from the constants themselves.

use std::fmt::Write;

use pierhead_config::{KEYS, Values};
use pierhead_wire::limit::Limit;

const INTRODUCTION: &str = "\
# Limits

Whatever Pierhead holds, tries or waits for has a bound. This page lists them all; it is made from the
constants in the sources, and a test compares the two.

What a caller sees when a limit is reached is given as the error's code, where there is one. What each
code says about retrying is in [protocol.md](protocol.md).

## What you set

Parameters of a database's URL. Everything else about them is in [configuration.md](configuration.md),
as are the variables of the agent.
";

const COORDINATOR: &str = "
## In the coordinator

Fixed, and the same for every database.
";

const WIRE: &str = "
## Of the bytes between two sides

Fixed by a format: both sides refuse what is larger.
";

const AGENT: &str = "
## In the agent

For each database that it serves.
";

/// The whole page.
pub(super) fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    page += "\n| key | unless set | values | what it bounds, and why |\n|---|---|---|---|\n";
    for key in KEYS.iter().filter(|key| is_bound(&key.values)) {
        let why = format!("{} {}", key.meaning, key.reason);
        let _ =
            writeln!(page, "| `{}` | {} | {} | {} |", key.key, key.default, key.values, why.trim());
    }
    page += COORDINATOR;
    tables(&mut page, pierhead_engine::limits::ALL);
    page += "\nAround the engine, in the object itself:\n";
    tables(&mut page, super::coordinator::ALL);
    page += WIRE;
    tables(&mut page, pierhead_wire::limits::ALL);
    page += AGENT;
    tables(&mut page, pierhead_agent::core::limits::ALL);
    page += "\nAround the core, in the program itself:\n";
    tables(&mut page, pierhead_agent::limits::ALL);
    page
}

/// True for a parameter that is a number or a time.
fn is_bound(values: &Values) -> bool {
    match values {
        Values::Number(_) | Values::Share(..) | Values::Duration(_) | Values::DurationOrOff(_) => {
            true
        }
        Values::Words(_) | Values::Text(_) => false,
    }
}

/// One table for each topic.
fn tables(page: &mut String, limits: &[Limit]) {
    let mut topic = "";
    for limit in limits {
        if limit.topic != topic {
            topic = limit.topic;
            let _ = write!(page, "\n### {topic}\n\n");
            *page += "| limit | value | what it bounds, and why | seen as |\n|---|---|---|---|\n";
        }
        let (text, hit) = (limit.text.trim(), if limit.hit.is_empty() { "–" } else { limit.hit });
        let _ = writeln!(page, "| `{}` | {} | {text} | {hit} |", limit.name, limit.measure());
    }
}
