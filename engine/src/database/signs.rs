//! Signs that a statement changes a session beyond its transaction (`docs/reset.md`).
//!
//! Reading SQL this coarsely errs on the side of clearing too often. What no sign shows, such as a
//! function that sets something, is the documented residue of `reset=detected`.

/// What a look at one SQL text shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Signs {
    /// State may outlive the transaction: clear it.
    pub(crate) state: bool,
    /// Something that no command clears: close the session.
    pub(crate) indelible: bool,
    /// It may ask for COPY data, which would swallow a reset sent behind it.
    pub(crate) copy_in: bool,
}

impl Signs {
    /// Both.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            state: self.state | other.state,
            indelible: self.indelible | other.indelible,
            copy_in: self.copy_in | other.copy_in,
        }
    }

    /// The signs in a text that may hold several statements.
    pub(crate) fn of_sql(sql: &[u8]) -> Self {
        let mut signs = first_word(sql).map(Self::of_command).unwrap_or_default();
        let (mut copy, mut stdin) = (false, false);
        for word in words(sql) {
            copy |= is(word, "copy");
            stdin |= is(word, "stdin");
            signs.state |= STATE_WORDS.iter().any(|w| is(word, w))
                || STATE_PARTS.iter().any(|part| contains(word, part));
        }
        signs.copy_in = copy && stdin;
        signs
    }

    /// The signs in the tag of a `CommandComplete`, whose first word is the command.
    pub(crate) fn of_tag(tag: &[u8]) -> Self {
        first_word(tag).map(Self::of_command).unwrap_or_default()
    }

    fn of_command(word: &[u8]) -> Self {
        Self {
            state: STATE_COMMANDS.iter().any(|c| is(word, c)),
            indelible: is(word, "load"),
            copy_in: false,
        }
    }
}

/// Commands, by first word of a statement or of a tag.
const STATE_COMMANDS: [&str; 8] =
    ["set", "reset", "listen", "prepare", "declare", "do", "call", "execute"];

/// Words anywhere in a statement. `execute` because the tag of what it runs hides it.
const STATE_WORDS: [&str; 4] = ["temp", "temporary", "set_config", "execute"];

/// Parts of words: `pg_temp`, `pg_advisory_lock`, `dblink_connect`, and so on.
const STATE_PARTS: [&str; 3] = ["pg_temp", "advisory", "dblink"];

fn is(word: &[u8], lower: &str) -> bool {
    word.eq_ignore_ascii_case(lower.as_bytes())
}

fn contains(word: &[u8], lower: &str) -> bool {
    word.windows(lower.len()).any(|part| is(part, lower))
}

fn is_word_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_' || b == b'$' || b >= 0x80
}

/// Every run of letters, digits and underscores, in strings and comments too.
fn words(sql: &[u8]) -> impl Iterator<Item = &[u8]> {
    sql.split(|&b| !is_word_byte(b)).filter(|w| !w.is_empty())
}

/// The first word behind white space, comments and parentheses.
fn first_word(sql: &[u8]) -> Option<&[u8]> {
    let rest = skip_to_word(sql);
    let end = rest.iter().position(|&b| !is_word_byte(b)).unwrap_or(rest.len());
    rest.get(..end).filter(|w| !w.is_empty())
}

fn skip_to_word(mut sql: &[u8]) -> &[u8] {
    loop {
        sql = match sql {
            [b' ' | b'\t' | b'\r' | b'\n' | b'\x0b' | b'\x0c' | b'(' | b';', rest @ ..] => rest,
            [b'-', b'-', rest @ ..] => {
                let end = rest.iter().position(|&b| b == b'\n' || b == b'\r');
                end.and_then(|end| rest.get(end..)).unwrap_or_default()
            }
            [b'/', b'*', rest @ ..] => skip_block_comment(rest),
            _ => return sql,
        }
    }
}

/// Behind a block comment that has begun; they nest.
fn skip_block_comment(mut sql: &[u8]) -> &[u8] {
    let mut depth = 1u32;
    while depth > 0 {
        sql = match sql {
            [b'/', b'*', rest @ ..] => {
                depth += 1;
                rest
            }
            [b'*', b'/', rest @ ..] => {
                depth -= 1;
                rest
            }
            [_, rest @ ..] => rest,
            [] => return sql,
        };
    }
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(sql: &str) -> bool {
        Signs::of_sql(sql.as_bytes()).state
    }

    #[test]
    fn ordinary_statements_show_no_sign() {
        for sql in [
            "select 1",
            "update t set a = 1 where reset_at is null",
            "insert into templates values ('x') on conflict do nothing",
            "with x as (select 1) select * from x",
            "",
            "-- set\nselect 1",
        ] {
            assert_eq!(Signs::of_sql(sql.as_bytes()), Signs::default(), "{sql}");
        }
    }

    #[test]
    fn listed_constructs_show() {
        for sql in [
            "SET search_path = x",
            "  /* a /* nested */ comment */ set role bob",
            "-- first\n  reset all",
            "listen c",
            "prepare a as select 1",
            "declare c cursor with hold for select 1",
            "do $$ begin end $$",
            "call p()",
            "execute a",
            "select 1; execute a",
            "create temp table t (a int)",
            "CREATE TEMPORARY VIEW v AS SELECT 1",
            "create table pg_temp.t (a int)",
            "select set_config('a.b', 'c', false)",
            "select pg_advisory_lock(1)",
            "select pg_try_advisory_lock_shared(1)",
            "select dblink_connect('x')",
        ] {
            assert!(state(sql), "{sql}");
        }
    }

    #[test]
    fn load_can_not_be_cleared_and_copy_in_swallows() {
        assert!(Signs::of_sql(b"LOAD 'auto_explain'").indelible);
        assert!(Signs::of_sql(b"copy t (a) from stdin with csv").copy_in);
        assert!(!Signs::of_sql(b"copy t to stdout").copy_in);
    }

    #[test]
    fn tags_tell_what_the_text_hid() {
        assert!(Signs::of_tag(b"SET").state);
        assert!(Signs::of_tag(b"DECLARE CURSOR").state);
        assert!(Signs::of_tag(b"LOAD").indelible);
        assert!(!Signs::of_tag(b"SELECT 1").state);
    }
}
