//! Where a token ends, by PostgreSQL's rules.

use super::lexer::Kind;

/// One token's kind and length.
pub(super) struct Scan {
    pub(super) kind: Kind,
    pub(super) length: usize,
    pub(super) ended: bool,
    pub(super) unclear: bool,
    pub(super) continued: bool,
}

impl Scan {
    fn of(kind: Kind, length: usize) -> Self {
        Self { kind, length, ended: true, unclear: false, continued: false }
    }

    fn unended(kind: Kind, length: usize) -> Self {
        Self { ended: false, ..Self::of(kind, length) }
    }
}

/// The token at the beginning, which is never empty.
pub(super) fn scan(rest: &[u8]) -> Option<Scan> {
    let first = *rest.first()?;
    if is_word_start(first) {
        let prefixes = matches!(rest.get(1), Some(b'\'' | b'&'));
        let prefixed = if prefixes { prefixed(rest) } else { None };
        return prefixed.or_else(|| Some(Scan::of(Kind::Word, run(rest, is_word))));
    }
    if is_space(first) {
        return Some(Scan::of(Kind::Space, run(rest, is_space)));
    }
    Some(match *rest {
        [b',', ..] => Scan::of(Kind::Comma, 1),
        [b'(', ..] => Scan::of(Kind::Open, 1),
        [b')', ..] => Scan::of(Kind::Close, 1),
        [b';', ..] => Scan::of(Kind::Semicolon, 1),
        [b'\'', ..] => string(rest, 1, Kind::Plain, Backslash::Unknown),
        [b'"', ..] => quoted(rest, 1, Kind::Quoted),
        [b'$', ..] => dollar(rest),
        [b'0'..=b'9', ..] | [b'.', b'0'..=b'9', ..] => number(rest),
        [b'.', ..] => Scan::of(Kind::Dot, 1),
        [b':', b':', ..] => Scan::of(Kind::Cast, 2),
        [b'-', b'-', ..] => Scan::of(Kind::Comment, line_comment(rest)),
        [b'/', b'*', ..] => block_comment(rest),
        _ if is_operator(first) => Scan::of(Kind::Operator, operator(rest)),
        _ => Scan::of(Kind::Other, 1),
    })
}

/// A string or name behind a letter that says how to read it.
fn prefixed(rest: &[u8]) -> Option<Scan> {
    Some(match *rest {
        [b'e' | b'E', b'\'', ..] => string(rest, 2, Kind::Escape, Backslash::Escapes),
        [b'n' | b'N', b'\'', ..] => string(rest, 2, Kind::Prefixed, Backslash::Unknown),
        [b'b' | b'B' | b'x' | b'X', b'\'', ..] => {
            string(rest, 2, Kind::Prefixed, Backslash::Itself)
        }
        // Refused by the server wherever a backslash could end it differently.
        [b'u' | b'U', b'&', b'\'', ..] => string(rest, 3, Kind::Prefixed, Backslash::Itself),
        [b'u' | b'U', b'&', b'"', ..] => quoted(rest, 3, Kind::UnicodeQuoted),
        _ => return None,
    })
}

const SPACE: u8 = 1;
const WORD_START: u8 = 2;
const WORD: u8 = 4;
const OPERATOR: u8 = 8;

/// What each byte may be.
static CLASSES: [u8; 256] = classes();

#[allow(clippy::indexing_slicing, reason = "the compiler runs it, and would refuse")]
const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut b = 0;
    while b < 256 {
        classes[b] = match b as u8 {
            b' ' | b'\t' | b'\n' | b'\r' | b'\x0b' | b'\x0c' => SPACE,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => WORD_START | WORD,
            b'0'..=b'9' | b'$' => WORD,
            b'~' | b'!' | b'@' | b'#' | b'^' | b'&' | b'|' | b'`' | b'?' => OPERATOR,
            b'+' | b'-' | b'*' | b'/' | b'%' | b'<' | b'>' | b'=' => OPERATOR,
            _ => 0,
        };
        b += 1;
    }
    classes
}

#[inline]
fn is(b: u8, class: u8) -> bool {
    CLASSES.get(usize::from(b)).is_some_and(|classes| classes & class != 0)
}

pub(super) fn is_space(b: u8) -> bool {
    is(b, SPACE)
}

fn is_word_start(b: u8) -> bool {
    is(b, WORD_START)
}

pub(super) fn is_word(b: u8) -> bool {
    is(b, WORD)
}

fn is_operator(b: u8) -> bool {
    is(b, OPERATOR)
}

/// Length of the run of such bytes at the beginning.
fn run(rest: &[u8], is: impl Fn(u8) -> bool) -> usize {
    rest.iter().position(|&b| !is(b)).unwrap_or(rest.len())
}

fn line_comment(rest: &[u8]) -> usize {
    run(rest, |b| b != b'\n' && b != b'\r')
}

/// Comments nest.
fn block_comment(rest: &[u8]) -> Scan {
    let (mut at, mut depth) = (0, 0_usize);
    loop {
        match rest.get(at..) {
            Some([b'/', b'*', ..]) => (at, depth) = (at + 2, depth + 1),
            Some([b'*', b'/', ..]) => (at, depth) = (at + 2, depth - 1),
            Some([_, ..]) => at += 1,
            Some([]) | None => return Scan::unended(Kind::Comment, rest.len()),
        }
        if depth == 0 {
            return Scan::of(Kind::Comment, at);
        }
    }
}

/// What a backslash does in a string.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Backslash {
    /// Nothing.
    Itself,
    /// It takes the byte behind it along.
    Escapes,
    /// One or the other: `standard_conforming_strings` decides, which a session may change.
    Unknown,
}

/// A string whose first `open` bytes are its prefix and quote.
fn string(rest: &[u8], open: usize, kind: Kind, backslash: Backslash) -> Scan {
    let mut scan = Scan::unended(kind, rest.len());
    let mut from = open;
    loop {
        let (end, unclear) = segment(rest, from, backslash);
        scan.unclear |= unclear;
        let Some(end) = end else { return scan };
        let Some(next) = continuation(rest, end + 1) else {
            return Scan { length: end + 1, ended: true, ..scan };
        };
        scan.continued = true;
        from = next;
    }
}

/// Where the quote stands that ends a string's content, and whether that is in doubt.
fn segment(rest: &[u8], from: usize, backslash: Backslash) -> (Option<usize>, bool) {
    let escapes = backslash == Backslash::Escapes;
    let (mut at, mut backslashes, mut half) = (from, false, false);
    let end = loop {
        match rest.get(at..) {
            Some([b'\'', b'\'', ..]) => at += 2,
            Some([b'\'', ..]) => break Some(at),
            Some([b'\\', ..]) => {
                backslashes = true;
                // In some encodings a backslash may be the second byte of a character.
                half |= at.checked_sub(1).and_then(|i| rest.get(i)).is_some_and(|&b| b >= 0x80);
                at += if escapes { 2 } else { 1 };
            }
            Some([_, ..]) => at += 1,
            Some([]) | None => break None,
        }
    };
    let unclear = match backslash {
        Backslash::Itself => false,
        Backslash::Escapes => half,
        Backslash::Unknown => backslashes && (half || !ends_alike(rest, from, end)),
    };
    (end, unclear)
}

/// Whether a string without escapes ends in the same place with them.
fn ends_alike(rest: &[u8], from: usize, end: Option<usize>) -> bool {
    let Some(upto) = end.and_then(|end| rest.get(..=end)) else { return false };
    segment(upto, from, Backslash::Escapes).0 == end
}

/// Where a string goes on: behind white space and comments with a line's end, and a quote.
fn continuation(rest: &[u8], from: usize) -> Option<usize> {
    let (mut at, mut line_ended) = (from, false);
    loop {
        match rest.get(at..)? {
            [b'\'', ..] => return line_ended.then_some(at + 1),
            [b'-', b'-', ..] => at += line_comment(rest.get(at..)?),
            [b, ..] if is_space(*b) => {
                line_ended |= matches!(b, b'\n' | b'\r');
                at += 1;
            }
            _ => return None,
        }
    }
}

fn quoted(rest: &[u8], open: usize, kind: Kind) -> Scan {
    let mut at = open;
    loop {
        match rest.get(at..) {
            Some([b'"', b'"', ..]) => at += 2,
            Some([b'"', ..]) => return Scan::of(kind, at + 1),
            Some([_, ..]) => at += 1,
            Some([]) | None => return Scan::unended(kind, rest.len()),
        }
    }
}

/// A parameter, a dollar-quoted string, or a lone dollar sign.
fn dollar(rest: &[u8]) -> Scan {
    let behind = rest.get(1..).unwrap_or_default();
    if behind.first().is_some_and(u8::is_ascii_digit) {
        return Scan::of(Kind::Parameter, 1 + run(behind, |b| b.is_ascii_digit()));
    }
    let tag = run(behind, |b| is_word(b) && b != b'$');
    let (Some(b'$'), Some(delimiter)) = (behind.get(tag), rest.get(..tag + 2)) else {
        return Scan::of(Kind::Other, 1);
    };
    let mut at = delimiter.len();
    while let Some(tail) = rest.get(at..).filter(|tail| !tail.is_empty()) {
        at += run(tail, |b| b != b'$');
        if rest.get(at..).is_some_and(|tail| tail.starts_with(delimiter)) {
            return Scan::of(Kind::Dollar, at + delimiter.len());
        }
        at += 1;
    }
    Scan::unended(Kind::Dollar, rest.len())
}

/// A number as the newest servers read it. Older ones see a word in `0x1F` and `1_000`; the two
/// part ways where a dollar sign follows, which the word would take along.
fn number(rest: &[u8]) -> Scan {
    let digits = |from: usize| {
        let tail = rest.get(from..).unwrap_or_default();
        let length = run(tail, |b| b.is_ascii_digit() || b == b'_');
        // An underscore at the end belongs to what follows.
        let kept = tail.get(..length).and_then(|t| t.iter().rposition(u8::is_ascii_digit));
        from + kept.map_or(0, |last| last + 1)
    };
    let mut at = match rest {
        [b'0', b'x' | b'X' | b'o' | b'O' | b'b' | b'B', b, ..] if b.is_ascii_hexdigit() => {
            2 + run(rest.get(2..).unwrap_or_default(), |b| b.is_ascii_hexdigit() || b == b'_')
        }
        _ => digits(0),
    };
    if let Some([b'.', behind @ ..]) = rest.get(at..)
        && !behind.starts_with(b".")
    {
        at = digits(at + 1);
    }
    match rest.get(at..) {
        Some([b'e' | b'E', b'0'..=b'9', ..]) => at = digits(at + 1),
        Some([b'e' | b'E', b'+' | b'-', b'0'..=b'9', ..]) => at = digits(at + 2),
        _ => {}
    }
    let wordy = |b: &u8| b.is_ascii_alphabetic() || *b == b'_';
    let odd = rest.get(..at).is_some_and(|number| number.iter().any(wordy));
    Scan { unclear: odd && rest.get(at) == Some(&b'$'), ..Scan::of(Kind::Number, at) }
}

/// Length of an operator: a comment ends it, and a sign at its end belongs to what follows unless
/// the operator has one of the characters that SQL itself does not use.
fn operator(rest: &[u8]) -> usize {
    let mut length = run(rest, is_operator);
    let run = rest.get(..length).unwrap_or_default();
    if let Some(at) = run.windows(2).position(|two| two == b"--" || two == b"/*") {
        length = at;
    }
    let run = rest.get(..length).unwrap_or_default();
    if !run.iter().any(|b| b"~!@#^&|`?%".contains(b)) {
        let kept = run.iter().rposition(|b| !matches!(b, b'+' | b'-'));
        length = kept.map_or(1, |last| last + 1);
    }
    length.max(1)
}
