//! The SQL that does in PostgreSQL what a command does in the scripted server.

use std::sync::atomic::{AtomicU32, Ordering};

/// Each `alter` makes the column longer, in all scripts.
static ALTERS: AtomicU32 = AtomicU32::new(10);

/// The twin of a query of one or more statements.
pub(crate) fn query(text: &str) -> String {
    let statements: Vec<String> = text.split(';').map(|text| statement(text.trim())).collect();
    statements.join(";")
}

fn statement(text: &str) -> String {
    for (first, middle) in [("prepare ", " as "), ("declare ", " for ")] {
        if text.starts_with(first)
            && let Some((head, inner)) = text.split_once(middle)
        {
            return format!("{head}{middle}{}", statement(inner));
        }
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        ["echo", "$1"] => "select $1".to_owned(),
        ["echo", value] => format!("select '{}'", value.trim_matches('\'')),
        ["rows", count, size, v] => {
            let text = format!("'{v}:' || i || ':'");
            let text = format!("rpad({text}, greatest({size}, length({text})), '.')");
            format!("select {text} from generate_series(0, {count} - 1) i")
        }
        ["partial", count, sqlstate, v] => format!(
            "select case when i < {count} then '{v}:' || i || ':' else fail('{sqlstate}') end \
                 from generate_series(0, {count}) i"
        ),
        ["insert", id] => format!("insert into ids values ({id})"),
        ["deferred", id] => format!("insert into children values ({id})"),
        ["slow", ms, v] => format!("select '{v}' from pg_sleep({ms} / 1000.0)"),
        ["notice", v] => format!("select say('{}')", v.trim_matches('\'')),
        ["fail", sqlstate] => {
            format!("do $$begin raise exception using errcode = '{sqlstate}'; end$$")
        }
        ["die"] => "do $$begin perform pg_terminate_backend(pg_backend_pid()); end$$".to_owned(),
        ["star", _] => "select * from plan".to_owned(),
        ["alter"] => {
            let length = ALTERS.fetch_add(1, Ordering::Relaxed) + 1;
            format!("alter table plan alter v type varchar({length})")
        }
        ["copy", "stdout", count, v] => {
            let rows = format!("generate_series(0, {count} - 1) i");
            format!("copy (select '{v}:' || i from {rows}) to stdout")
        }
        _ => text.to_owned(),
    }
}
