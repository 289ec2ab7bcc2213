//! Which texts are the same but for their constants.

use super::fold::{Piece, fold};
use super::lexer::Kind;

/// The same number for the same normalised text, on every machine.
pub(crate) fn fingerprint(sql: &[u8]) -> u64 {
    let mut hash = Hash::new();
    fold(sql, |piece| {
        hash.piece(piece);
        true
    });
    hash.finish()
}

/// FNV-1a over bytes, its last value stirred so that all bits depend on all.
struct Hash(u64);

impl Hash {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn byte(&mut self, b: u8) {
        self.0 = (self.0 ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3);
    }

    fn piece(&mut self, piece: Piece<'_>) {
        for b in piece.text {
            self.byte(if piece.kind == Kind::Word { b.to_ascii_lowercase() } else { *b });
        }
        self.byte(0);
    }

    fn finish(self) -> u64 {
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }
}

/// The text for people, `most` bytes at most. One that is cut ends in `…`.
pub(crate) fn normalised(sql: &[u8], most: usize) -> String {
    let mut line = Line { text: String::new(), most, before: None };
    fold(sql, |piece| line.push(piece));
    line.finish()
}

const CUT: &str = "…";

/// A line that is being written, as people space SQL.
struct Line<'a> {
    text: String,
    most: usize,
    before: Option<Piece<'a>>,
}

impl<'a> Line<'a> {
    /// False when it is full.
    fn push(&mut self, piece: Piece<'a>) -> bool {
        if self.before.is_some_and(|before| is_apart(before, piece)) {
            self.text.push(' ');
        }
        let text = String::from_utf8_lossy(piece.text.get(..self.most).unwrap_or(piece.text));
        if piece.kind == Kind::Word {
            self.text.push_str(&text.to_ascii_lowercase());
        } else {
            self.text.push_str(&text);
        }
        self.before = Some(piece);
        self.text.len() <= self.most
    }

    fn finish(mut self) -> String {
        if self.text.len() > self.most {
            let room = self.most.checked_sub(CUT.len());
            let kept = self.text.floor_char_boundary(room.unwrap_or(self.most));
            self.text.truncate(kept);
            self.text.push_str(if room.is_some() { CUT } else { "" });
        }
        self.text
    }
}

/// Words that are no function's name, so that a space stands between them and a parenthesis.
const SPACED: [&str; 25] = [
    "all",
    "and",
    "any",
    "as",
    "between",
    "by",
    "case",
    "except",
    "exists",
    "from",
    "in",
    "intersect",
    "into",
    "join",
    "not",
    "on",
    "or",
    "over",
    "returning",
    "select",
    "union",
    "using",
    "values",
    "when",
    "where",
];

fn is_apart(before: Piece<'_>, piece: Piece<'_>) -> bool {
    let joins_before = matches!(before.kind, Kind::Open | Kind::Dot | Kind::Cast);
    let joins_behind =
        matches!(piece.kind, Kind::Comma | Kind::Close | Kind::Semicolon | Kind::Dot | Kind::Cast);
    let spaced = SPACED.iter().any(|word| before.text.eq_ignore_ascii_case(word.as_bytes()));
    let names = before.kind == Kind::Quoted || (before.kind == Kind::Word && !spaced);
    let calls = piece.kind == Kind::Open && names;
    let indexes = piece.text == b"[" || piece.text == b"]" || before.text == b"[";
    !(joins_before || joins_behind || calls || indexes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(sql: &str) -> String {
        normalised(sql.as_bytes(), 1000)
    }

    #[test]
    fn texts_that_differ_only_in_constants_are_one() {
        for (a, b) in [
            ("select 1", "SELECT /* x */\n  'a';"),
            ("select * from t where a = 5", "Select * From T Where A=-7 -- x"),
            ("select $1, a", "select 1, 2, 3, a"),
            ("select a in (1)", "select a in ($1, $2, 'x', E'\\'')"),
            ("insert into t values (1, 2)", "insert into t values (1), (2), (3)"),
            ("insert into t (a) values (1, 2)", "insert into t (a) values (1, 2), (3, 4)"),
            ("select (a, b) in ((1, 2))", "select (a, b) in ((1, 2), (3, 4))"),
            ("select 0x1f, a", "select 1_000.5e-7, a"),
            ("select $$a$$ || B'1'", "select $x$ b $x$ || U&'x'"),
            ("set app.user = 'bob'; select 1;;", ";set app.user = \"Alice\" ; select 2"),
            ("set role bob", "set role alice"),
            ("savepoint a", "savepoint \"b\""),
            ("rollback to savepoint a", "rollback to savepoint b"),
            ("deallocate a1", "deallocate a2"),
            ("select '\\d+'", "select 'x'"),
        ] {
            assert_eq!(line(a), line(b));
            assert_eq!(fingerprint(a.as_bytes()), fingerprint(b.as_bytes()), "{a} | {b}");
        }
    }

    #[test]
    fn texts_that_differ_otherwise_are_two() {
        for (a, b) in [
            ("select a", "select b"),
            ("select ab", "select a b"),
            ("select \"A\"", "select a"),
            ("select 1", "select 1; select 1"),
            ("select f(1)", "select f(1), (2)"),
            ("select a - 1", "select a + 1"),
            ("select a, 1", "select 1, a"),
            ("values (1), (a)", "values (1)"),
            ("select a ? 'b'", "select a 'b'"),
            ("commit", "rollback"),
        ] {
            assert_ne!(line(a), line(b));
            assert_ne!(fingerprint(a.as_bytes()), fingerprint(b.as_bytes()), "{a} | {b}");
        }
    }

    #[test]
    fn a_line_reads_as_people_write_sql() {
        for (sql, expected) in [
            (
                "SELECT a.b , count( * )::INT FROM \"T\" WHERE x IN ( 1,2 ) AND c[ 1 ]=-3 ;",
                "select a.b, count(*)::int from \"T\" where x in (?) and c[?] = ?",
            ),
            (
                "insert into t(a,b) values(1,now()),(2,now())",
                "insert into t(a, b) values (?, now()), (?, now())",
            ),
            ("begin;commit", "begin; commit"),
            ("select 1 - - 2, -(3), +a", "select ? - ?, -(?), + a"),
            ("set time zone default", "set time zone default"),
            ("values (1), (2", "values (?), (?"),
            ("values (1), (2, a", "values (?), (?, a"),
        ] {
            assert_eq!(line(sql).replace("- (", "-("), expected, "{sql}");
        }
    }

    #[test]
    fn the_fingerprint_is_the_same_in_every_version() {
        assert_eq!(fingerprint(b""), 17_665_956_581_633_026_203);
        assert_eq!(fingerprint(b"select 1"), 12_623_355_183_328_114_054);
    }

    #[test]
    fn no_constant_is_shown() {
        const SECRET: &str = "s3cr3t";
        for sql in [
            "select 's3cr3t'",
            "select E'\\'s3cr3t'",
            "select E'\\\\', 's3cr3t'",
            "select ''' s3cr3t'",
            "select 'a'\n  's3cr3t'",
            "select 'a' -- s3cr3t\n, /* s3cr3t /* s3cr3t */ s3cr3t */ n's3cr3t'",
            "select $$s3cr3t$$, $a$ $b$ s3cr3t $a$, u&'s3cr3t', b's3cr3t', x's3cr3t'",
            "select 's3cr3t",
            "select E's3cr3t\\'",
            "select $a$ s3cr3t $b$",
            "select \"a, 's3cr3t'",
            "select /* a ' s3cr3t",
            // One reading ends the string where another does not.
            "select 'a\\' || 's3cr3t'",
            "select 'a\\', 's3cr3t'",
            "select 'a\\'', 's3cr3t', '",
            "select '\\' , s3cr3t , ' ;",
            "select E'\u{e9}\\' s3cr3t '",
            "select 0x1$a$ s3cr3t $a$",
            "select 1s3cr3t, $1s3cr3t",
            "set app.token = s3cr3t",
            "set session app.token to \"s3cr3t\", s3cr3t",
            "set session authorization s3cr3t",
            "set role s3cr3t",
            "alter role a password 's3cr3t'",
            "do $$ s3cr3t $$",
        ] {
            let shown = line(sql);
            assert!(!shown.contains(SECRET), "{sql}: {shown}");
        }
        assert!(!line("select 4111111111111111, 41.5e10, -411, 0x411, 4_11").contains('4'));
    }

    #[test]
    fn what_cannot_be_read_with_certainty_is_cut() {
        for sql in ["select a, 'x\\', b'", "select a, 'x", "select a, \"x", "select a, /* b"] {
            assert_eq!(line(sql), "select a, …", "{sql}");
        }
        let twin = b"select a, 'y\\', c'";
        assert_eq!(fingerprint(b"select a, 'x\\', b'"), fingerprint(twin));
        assert_ne!(fingerprint(b"select a, 1"), fingerprint(twin));
    }

    #[test]
    fn a_line_has_no_more_bytes_than_it_may() {
        let sql = "select \"\u{e9}\u{e9}\u{e9}\" from t, \u{e9}\u{fc} where \u{20ac} = 1";
        let whole = line(sql);
        for most in 0..whole.len() + 3 {
            let shown = normalised(sql.as_bytes(), most);
            assert!(shown.len() <= most, "{most}: {shown}");
            if most >= whole.len() {
                assert_eq!(shown, whole);
            } else if let Some(kept) = shown.strip_suffix('…') {
                assert!(whole.starts_with(kept), "{most}: {shown}");
            } else {
                assert!(most < 3, "{most}: {shown}");
            }
        }
        assert!(normalised(b"select \xff\xfe\xff\xff", 12).len() <= 12);
    }
}
