//! The first keyword of a statement.

/// The words that begin, end or split a transaction, which a batch does by itself.
const TRANSACTION_CONTROL: &[&str] =
    &["abort", "begin", "commit", "end", "release", "rollback", "savepoint", "start"];

/// The keyword with which `sql` would control the transaction, if it does.
pub(crate) fn transaction_control(sql: &str) -> Option<String> {
    let (first, rest) = word(sql);
    let first = first.to_ascii_lowercase();
    if TRANSACTION_CONTROL.contains(&first.as_str()) {
        return Some(first);
    }
    let second = word(rest).0;
    (first == "prepare" && second.eq_ignore_ascii_case("transaction"))
        .then(|| "prepare transaction".to_owned())
}

/// Whether `sql` is a COPY, as far as its first word tells.
pub(crate) fn is_copy(sql: &str) -> bool {
    word(sql).0.eq_ignore_ascii_case("copy")
}

/// The first word of `sql`, and what follows it. White space, comments and empty statements before
/// it are skipped.
fn word(sql: &str) -> (&str, &str) {
    let sql = skip(sql);
    let end = sql.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(sql.len());
    sql.split_at_checked(end).unwrap_or((sql, ""))
}

fn skip(mut sql: &str) -> &str {
    loop {
        sql = sql.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == ';' || c == '\x0b');
        if let Some(comment) = sql.strip_prefix("--") {
            sql = comment.find(['\n', '\r']).and_then(|end| comment.get(end..)).unwrap_or("");
        } else if sql.starts_with("/*") {
            sql = after_block_comment(sql);
        } else {
            return sql;
        }
    }
}

/// What follows the comment that `sql` begins with. Such comments nest.
fn after_block_comment(sql: &str) -> &str {
    let mut depth = 0_usize;
    let mut index = 0;
    while let Some(pair) = sql.as_bytes().get(index..index + 2) {
        match pair {
            b"/*" => {
                depth += 1;
                index += 2;
            }
            b"*/" => {
                depth -= 1;
                index += 2;
                if depth == 0 {
                    return sql.get(index..).unwrap_or("");
                }
            }
            _ => index += 1,
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::transaction_control;

    #[test]
    fn transaction_control_is_found_behind_comments() {
        let found = [
            "begin",
            "BEGIN;",
            "Start Transaction",
            " \t\n;; commit",
            "end",
            "-- x\nROLLBACK TO a",
            "/* a /* b */ c */abort",
            "--x\r--y\nsavepoint a",
            "release a",
            "prepare /**/ transaction 'x'",
        ];
        for sql in found {
            assert!(transaction_control(sql).is_some(), "{sql}");
        }
        let others = [
            "",
            "select 1",
            "beginning",
            "prepare x as select 1",
            "/* unfinished commit",
            "-- commit",
            "end_ of",
            "insert into t values ('commit')",
            "/*",
            "ü",
        ];
        for sql in others {
            assert_eq!(transaction_control(sql), None, "{sql}");
        }
    }
}
