//! A text with more than one reading: every word counts, in strings and comments too, and a
//! statement may begin behind every semicolon.

use super::Facts;
use super::lexer::{Kind, Tokens};
use super::scan::{is_space, is_word};
use super::signs::{Sign, Signs, has_part, in_name};

/// Reads so that no reading shows more.
pub(super) fn read(sql: &[u8]) -> Facts {
    let mut signs = at_starts(sql).and(in_words(sql));
    if has_part(sql, "u&\"") {
        signs = signs.and(of(Sign::Unclear));
    }
    Facts { signs, statements: 2, shows_command: signs.state.is_some(), ..Facts::default() }
}

fn of(sign: Sign) -> Signs {
    Signs { state: Some(sign), ..Signs::default() }
}

/// By the first words of all statements that may be there.
fn at_starts(sql: &[u8]) -> Signs {
    let mut signs = first_word(sql);
    for (at, _) in sql.iter().enumerate().filter(|(_, b)| **b == b';') {
        let behind = sql.get(at + 1..).unwrap_or_default();
        let gap = behind.iter().position(|&b| !is_space(b) && b != b'(').unwrap_or(behind.len());
        let start = behind.get(gap..).unwrap_or_default();
        // Where a comment ends may be in doubt, too.
        let hidden = start.starts_with(b"--") || start.starts_with(b"/*");
        signs = signs.and(if hidden { of(Sign::Unclear) } else { first_word(start) });
    }
    signs
}

fn first_word(sql: &[u8]) -> Signs {
    let first = Tokens::new(sql).find(|t| !matches!(t.kind, Kind::Open | Kind::Semicolon));
    match first {
        Some(word) if word.is("deallocate") => of(Sign::Prepared),
        Some(word) => Signs::of_command(&word),
        None => Signs::default(),
    }
}

/// By every run of letters, digits and underscores.
fn in_words(sql: &[u8]) -> Signs {
    let mut signs = Signs::default();
    let (mut copy, mut standard) = (false, false);
    for word in sql.split(|&b| !is_word(b)).filter(|word| !word.is_empty()) {
        let is = |lower: &str| word.eq_ignore_ascii_case(lower.as_bytes());
        copy |= is("copy");
        standard |= is("stdin") || is("stdout");
        let sign = WORDS.iter().find(|(lower, _)| is(lower)).map(|(_, sign)| *sign);
        signs.state = signs.state.or(sign).or_else(|| in_name(word));
    }
    signs.copy_in = copy && standard;
    signs
}

/// Words that are a sign wherever they stand.
const WORDS: [(&str, Sign); 4] = [
    ("temp", Sign::TemporaryTable),
    ("temporary", Sign::TemporaryTable),
    ("set_config", Sign::SetConfig),
    ("execute", Sign::Execute),
];
