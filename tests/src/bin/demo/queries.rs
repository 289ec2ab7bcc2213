//! The example queries and their rows.

use std::time::Instant;

use anyhow::{Context as _, Result};
use pierhead_tests::http::Response;
use pierhead_tests::show::{Align, QUESTION, Stage, Table, Way, ms};
use serde_json::{Value, json};

/// Rows shown of each result.
const SHOWN: usize = 5;

/// Statements and parameters for the Worker `app`, which takes any.
fn examples() -> [(&'static str, Value); 3] {
    let big = "select name, length_m, flags, details->>'built' as built from ships\n\
               where flags @> $1 and length_m > $2 order by length_m desc limit 3";
    let busy = "select b.name as berth, b.state, count(*) as calls,\n\
                count(*) filter (where departed is null) as still_there, max(arrived) as last\n\
                from berths b join calls c on c.berth = b.id where b.state = $1\n\
                group by b.id order by last desc limit 3";
    let count = "update counters set value = value + 1 where name = $1 returning name, value";
    [
        (big, json!([{ "type": "text[]", "value": ["ice", "tug"] }, 250])),
        (busy, json!(["taken"])),
        (count, json!(["visits"])),
    ]
}

/// Runs the README's Worker and some more; fails if any query fails.
pub(crate) async fn run(stage: &Stage) -> Result<()> {
    println!("\nExample queries: Worker → coordinator → tunnel → PostgreSQL");
    let (first, _) = timed(stage.try_ask(Way::Coordinator)).await?;
    let (warm, answer) = timed(stage.try_ask(Way::Coordinator)).await?;
    println!("\n{}", indented(QUESTION));
    let rows = answer.json()?;
    let rows = rows.as_array().context("the README's Worker answers with a list")?;
    println!("\n{}", objects(rows, &["id", "name", "berth"]));
    println!("  the first {SHOWN} of {} rows, as examples/bound got them", rows.len());
    println!("  {first} with everything to open first, {warm} the second time");
    for (sql, params) in examples() {
        println!("\n{}", indented(sql));
        let request = json!({ "sql": sql, "params": params });
        let (took, answer) = timed(stage.app().post_json("/query", &request)).await?;
        println!("\n{}  {took}", lists(&answer.json()?)?);
    }
    println!();
    Ok(())
}

async fn timed(answer: impl Future<Output = Result<Response>>) -> Result<(String, Response)> {
    let began = Instant::now();
    let answer = answer.await.and_then(Response::ok).context("an example query failed")?;
    Ok((ms(began.elapsed()), answer))
}

/// A table of rows that are objects.
fn objects(rows: &[Value], columns: &[&str]) -> Table {
    let mut table = Table::new(columns.iter().map(|name| (*name, align(rows.first(), name))));
    for row in rows.iter().take(SHOWN) {
        table.row(columns.iter().map(|name| cell(row.get(name))));
    }
    table
}

fn align(row: Option<&Value>, column: &str) -> Align {
    match row.and_then(|row| row.get(column)) {
        Some(Value::Number(_)) => Align::Right,
        _ => Align::Left,
    }
}

/// A table of `{columns: [{name, type}], rows: [[text]]}`.
fn lists(answer: &Value) -> Result<Table> {
    let columns = answer["columns"].as_array().context("the answer has no columns")?;
    let rows = answer["rows"].as_array().context("the answer has no rows")?;
    let mut table = Table::new(columns.iter().map(|column| {
        let number = matches!(
            column["type"].as_str(),
            Some("int2" | "int4" | "int8" | "numeric" | "smallint" | "integer" | "bigint")
        );
        let align = if number { Align::Right } else { Align::Left };
        (column["name"].as_str().unwrap_or("?"), align)
    }));
    for row in rows.iter().take(SHOWN) {
        table.row(row.as_array().into_iter().flatten().map(|value| cell(Some(value))));
    }
    Ok(table)
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "–".into(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn indented(sql: &str) -> String {
    let lines: Vec<String> = sql.lines().map(|line| format!("    {line}")).collect();
    lines.join("\n")
}
