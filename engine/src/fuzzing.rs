//! What fuzz targets reach of the parts that nothing outside may use.

use std::ops::Range;

use crate::sql::{Kind, Lexer};
use crate::state::Followed;

/// The tokens' places in the text, in order.
pub fn tokens(sql: &[u8]) -> Vec<Range<usize>> {
    Lexer::new(sql).map(|token| token.at..token.at + token.text.len()).collect()
}

/// The same text with other constants, as far as it can be read with certainty.
pub fn with_other_constants(sql: &[u8]) -> Vec<u8> {
    let mut other = Vec::new();
    let mut before = None;
    for token in Lexer::new(sql) {
        if token.unclear || !token.ended {
            other.extend_from_slice(sql.get(token.at..).unwrap_or_default());
            break;
        }
        if token.kind == Kind::Number && before == Some(Kind::Number) {
            other.push(b' ');
        }
        before = Some(token.kind);
        let quotes = |b: &&u8| **b != b'\'';
        match token.kind {
            Kind::Number => other.extend(other_number(token.text)),
            Kind::Parameter => other.extend_from_slice(b"$8"),
            Kind::Dollar => other.extend_from_slice(b"$z$ zzz $z$"),
            Kind::Plain | Kind::Escape | Kind::Prefixed => {
                other.extend(token.text.iter().take_while(quotes));
                other.extend_from_slice(b"'zzz'");
            }
            Kind::Space
            | Kind::Comment
            | Kind::Word
            | Kind::Quoted
            | Kind::UnicodeQuoted
            | Kind::Semicolon
            | Kind::Comma
            | Kind::Open
            | Kind::Close
            | Kind::Dot
            | Kind::Cast
            | Kind::Operator
            | Kind::Other => other.extend_from_slice(token.text),
        }
    }
    other
}

/// A number of the same form, so that it ends before the same bytes.
fn other_number(number: &[u8]) -> Vec<u8> {
    if let [b'0', b'x' | b'X' | b'o' | b'O' | b'b' | b'B', ..] = number {
        return number.to_vec();
    }
    let longer = number.first().filter(|b| b.is_ascii_digit()).map(|_| b'7');
    let digits = number.iter().map(|b| if b.is_ascii_digit() { b'7' } else { *b });
    longer.into_iter().chain(digits).collect()
}

/// The text's fingerprint and its line of `most` bytes.
pub fn normalised(sql: &[u8], most: usize) -> (u64, String) {
    (crate::sql::fingerprint(sql), crate::sql::normalised(sql, most))
}

/// What a text shows, for people.
pub fn read(sql: &[u8]) -> String {
    format!("{:?}", crate::sql::read(sql))
}

/// What brings a session with the first text's settings to those of the second, and whether its own
/// text, read again, does the same. None if a text cannot be followed, or nothing is to do.
pub fn replay(has: &[u8], wants: &[u8]) -> Option<(String, bool)> {
    let followed = |sql| Followed::default().after(&crate::sql::read(sql).changes).ok();
    let (has, wants) = (followed(has)?, followed(wants)?);
    let script = has.to(&wants)?;
    let again = has.after(&crate::sql::read(script.as_bytes()).changes);
    Some((script, again == Ok(wants)))
}
