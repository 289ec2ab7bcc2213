//! Words of the server's SQL: quotes and comments are respected, nothing else is understood.

/// One word.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Word {
    /// Without its quotes; in lower case unless it was quoted.
    pub(super) text: String,
    /// Whether it was in single quotes.
    pub(super) constant: bool,
}

/// The statements of a query, cut at its semicolons.
pub(super) fn split(text: &str) -> Vec<&str> {
    let mut statements = Vec::new();
    let mut start = 0;
    let mut at = 0;
    while at < text.len() {
        if text.as_bytes()[at] == b';' {
            statements.push(&text[start..at]);
            start = at + 1;
        }
        at = after(text, at);
    }
    statements.push(&text[start..]);
    statements
}

/// The words of one statement.
pub(super) fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let next = after(text, at);
        let piece = &text[at..next];
        match text.as_bytes()[at] {
            b'\'' => words.push(Word { text: unquoted(piece, "'"), constant: true }),
            b'"' => words.push(Word { text: unquoted(piece, "\""), constant: false }),
            b'/' | b'-' if is_comment(piece) => {}
            first if first.is_ascii_whitespace() => {}
            _ => words.push(Word { text: piece.to_ascii_lowercase(), constant: false }),
        }
        at = next;
        join_names(&mut words);
    }
    words
}

/// A quoted name of two parts is one word.
fn join_names(words: &mut Vec<Word>) {
    let [.., first, dot, last] = words.as_slice() else { return };
    if dot.text != "." || dot.constant || first.constant || last.constant {
        return;
    }
    let text = format!("{}.{}", first.text, last.text);
    words.truncate(words.len() - 3);
    words.push(Word { text, constant: false });
}

/// Where the word, the gap or the sign that begins at `at` ends.
fn after(text: &str, at: usize) -> usize {
    let rest = &text.as_bytes()[at..];
    let length = match rest[0] {
        quote @ (b'\'' | b'"') => quoted(rest, quote),
        b'-' if rest.starts_with(b"--") => {
            rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len())
        }
        b'/' if rest.starts_with(b"/*") => {
            let end = rest.windows(2).skip(2).position(|pair| pair == b"*/");
            end.map_or(rest.len(), |end| end + 4)
        }
        first if is_word(first) => rest.iter().position(|b| !is_word(*b)).unwrap_or(rest.len()),
        _ => 1,
    };
    at + length
}

/// Length of what is quoted; a doubled quote does not end it.
fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        if rest[at] == quote {
            if rest.get(at + 1) != Some(&quote) {
                return at + 1;
            }
            at += 1;
        }
        at += 1;
    }
    rest.len()
}

fn unquoted(piece: &str, quote: &str) -> String {
    let inner = piece.strip_prefix(quote).unwrap_or(piece);
    let inner = inner.strip_suffix(quote).unwrap_or(inner);
    inner.replace(&quote.repeat(2), quote)
}

fn is_comment(piece: &str) -> bool {
    piece.starts_with("/*") || piece.starts_with("--")
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_.:$+".contains(&byte) || byte >= 0x80
}
