//! SQL cut into tokens, the way PostgreSQL's own scanner cuts it.
//!
//! Tokens borrow the text and together are the text. What is not terminated ends with the text. A
//! token whose end depends on a setting of the session, on the server's version or on the client's
//! encoding is marked: whoever needs certainty stops there.

use super::scan::{Scan, is_space, scan};

/// What a token is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// White space.
    Space,
    /// `-- …` or `/* … */`.
    Comment,
    /// An identifier without quotes, or a keyword.
    Word,
    /// `"…"`.
    Quoted,
    /// `U&"…"`, whose characters may be written as escapes.
    UnicodeQuoted,
    /// A number without a sign.
    Number,
    /// `$1`.
    Parameter,
    /// `'…'`, in which a backslash means what the session's settings say.
    Plain,
    /// `E'…'`.
    Escape,
    /// `U&'…'`, `N'…'`, `B'…'`, `X'…'`.
    Prefixed,
    /// `$tag$…$tag$`.
    Dollar,
    /// `;`
    Semicolon,
    /// `,`
    Comma,
    /// `(`
    Open,
    /// `)`
    Close,
    /// `.`
    Dot,
    /// `::`
    Cast,
    /// A run of operator characters.
    Operator,
    /// Any other byte.
    Other,
}

/// A piece of the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    /// Its bytes, quotes and prefixes included.
    pub(crate) text: &'a [u8],
    /// Where it begins.
    pub(crate) at: usize,
    /// False if the text ended before it did.
    pub(crate) ended: bool,
    /// Another reading of the text gives it another end.
    pub(crate) unclear: bool,
    /// A string that goes on behind a line's end: `'a'` and `'b'` on the next line.
    pub(crate) continued: bool,
}

impl Token<'_> {
    /// True for this word, given in lower case, not in quotes.
    #[inline]
    pub(crate) fn is(&self, lower: &str) -> bool {
        self.kind == Kind::Word
            && self.text.len() == lower.len()
            && self.text.eq_ignore_ascii_case(lower.as_bytes())
    }

    /// True for one of these words.
    pub(crate) fn is_any(&self, lower: &[&str]) -> bool {
        lower.iter().any(|word| self.is(word))
    }

    /// True for this operator.
    pub(crate) fn is_operator(&self, operator: &str) -> bool {
        self.kind == Kind::Operator && self.text == operator.as_bytes()
    }

    /// True for what holds a value: a string, a number, a parameter.
    pub(crate) fn is_constant(&self) -> bool {
        match self.kind {
            Kind::Number
            | Kind::Parameter
            | Kind::Plain
            | Kind::Escape
            | Kind::Prefixed
            | Kind::Dollar => true,
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
            | Kind::Other => false,
        }
    }
}

/// Every token, white space and comments too.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lexer<'a> {
    sql: &'a [u8],
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(sql: &'a [u8]) -> Self {
        Self { sql, at: 0 }
    }

    fn skip_space(&mut self) {
        while self.sql.get(self.at).is_some_and(|&b| is_space(b)) {
            self.at += 1;
        }
    }
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let rest = self.sql.get(self.at..)?;
        let scan = scan(rest)?;
        let text = rest.get(..scan.length).unwrap_or(rest);
        let at = self.at;
        self.at += text.len();
        let Scan { kind, ended, unclear, continued, .. } = scan;
        Some(Token { kind, text, at, ended, unclear, continued })
    }
}

/// The tokens that mean something: no white space, no comments. Copied to look ahead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tokens<'a>(Lexer<'a>);

impl<'a> Tokens<'a> {
    pub(crate) fn new(sql: &'a [u8]) -> Self {
        Self(Lexer::new(sql))
    }

    /// The next token, which stays the next one.
    pub(crate) fn peek(&self) -> Option<Token<'a>> {
        let mut ahead = *self;
        ahead.next()
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            self.0.skip_space();
            let token = self.0.next()?;
            if token.kind != Kind::Comment {
                return Some(token);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tokens as text, those without meaning left out.
    fn tokens(sql: &str) -> Vec<&str> {
        Tokens::new(sql.as_bytes()).map(|t| std::str::from_utf8(t.text).unwrap()).collect()
    }

    #[test]
    fn a_text_is_cut_as_the_server_cuts_it() {
        for (sql, expected) in [
            ("", &[][..]),
            ("select a.b", &["select", "a", ".", "b"]),
            ("a$b$c _x \u{e9}1", &["a$b$c", "_x", "\u{e9}1"]),
            ("'a''b' 'c'", &["'a''b'", "'c'"]),
            ("'a\\' 'b'", &["'a\\'", "'b'"]),
            ("E'a\\'b' e'\\\\'c", &["E'a\\'b'", "e'\\\\'", "c"]),
            ("'a' -- ' x\n 'b'c", &["'a' -- ' x\n 'b'", "c"]),
            ("E'a'\n'\\'b'c", &["E'a'\n'\\'b'", "c"]),
            ("'a' /* x */ 'b'", &["'a'", "'b'"]),
            (
                "u&'a\\'b U&\"c\" n'd' X'1' u & 'e'",
                &["u&'a\\'", "b", "U&\"c\"", "n'd'", "X'1'", "u", "&", "'e'"],
            ),
            ("ne'a'", &["ne", "'a'"]),
            ("\"a\"\"b\" \"--\"", &["\"a\"\"b\"", "\"--\""]),
            ("$$a'$b$ $$ $b$ $$ $b", &["$$a'$b$ $$", "$b$ $$ $b"]),
            ("$a$ $aa$ $a$a", &["$a$ $aa$ $a$", "a"]),
            ("$1$2 $ 3 $a", &["$1", "$2", "$", "3", "$", "a"]),
            (
                "1 1.5 .5 1. 1e5 1e-5 1e 1..2",
                &["1", "1.5", ".5", "1.", "1e5", "1e-5", "1", "e", "1", ".", ".2"],
            ),
            ("0x1F 1_000_ 1from 1E'\\''", &["0x1F", "1_000", "_", "1", "from", "1", "E'\\''"]),
            ("/* a /* b */ ' */ c */ d */* e */ f", &["c", "*/", "d", "*", "f"]),
            ("a--b\rc --d", &["a", "c"]),
            (
                "a=-1 @- 2 +-3 <>--x\n||/*y*/",
                &["a", "=", "-", "1", "@-", "2", "+", "-", "3", "<>", "||"],
            ),
            (
                "a::b:c:=[1];,()",
                &["a", "::", "b", ":", "c", ":", "=", "[", "1", "]", ";", ",", "(", ")"],
            ),
            ("'a", &["'a"]),
            ("E'a\\", &["E'a\\"]),
            ("$a$ $b$", &["$a$ $b$"]),
        ] {
            assert_eq!(tokens(sql), expected, "{sql}");
        }
    }

    #[test]
    fn what_the_text_ends_is_told() {
        for sql in ["'a", "'a'\n'b", "E'\\'", "\"a\"\"", "/* a /* */", "$$ $", "x'", "u&\""] {
            assert!(Lexer::new(sql.as_bytes()).any(|token| !token.ended), "{sql}");
        }
        assert!(Lexer::new(b"-- a").all(|token| token.ended));
    }

    #[test]
    fn a_token_whose_end_is_in_doubt_is_marked() {
        let unclear = |sql: &str| Lexer::new(sql.as_bytes()).any(|token| token.unclear);
        for sql in [
            "'a\\'",
            "'a\\''b'",
            "'a\\\\\\'",
            "'a'\n'b\\'",
            "n'a\\'",
            "'\u{e9}\\\\'",
            "E'\u{e9}\\n'",
            "0x1$a$ b $a$",
            "1_0$a$ b $a$",
        ] {
            assert!(unclear(sql), "{sql}");
        }
        for sql in [
            "'a\\b'",
            "'\\\\'",
            "'\\\\''b'",
            "'a\\n''\\d'",
            "E'\\''",
            "U&'\\'",
            "b'\\'",
            "$$\\$$",
            "\"\\\"",
            "1$a$ b $a$",
            "0x1f",
        ] {
            assert!(!unclear(sql), "{sql}");
        }
    }
}
