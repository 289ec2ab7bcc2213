//! The outcome record, which ends every answer (`docs/protocol.md`, 1.4).

use std::fmt;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::cut;
use crate::limits::OUTCOME_TEXT_BYTES_MAX;

/// How an exchange ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What became of the request.
    pub status: Status,
    /// `00000` when completed.
    pub sqlstate: SqlState,
    /// Who caused it.
    pub blame: Blame,
    /// Whether the caller may send the request again.
    pub retry: Retry,
    /// Milliseconds to wait before a retry; `0` if there is no advice.
    pub retry_after_ms: u32,
    /// Milliseconds from arrival to the grant of a session.
    pub waited_ms: u32,
    /// Milliseconds from the grant to the outcome.
    pub ran_ms: u32,
    /// May be shown to the caller; no SQL, parameters or secrets. At most
    /// [`OUTCOME_TEXT_BYTES_MAX`] bytes, longer text is cut.
    pub message: String,
    /// What to do about it; may be empty. Same limit.
    pub hint: String,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Every statement ran without error; what it did is committed.
    Completed,
    /// The exchange ended inside a transaction block, which was rolled back.
    RolledBack,
    /// Nothing of the request was executed.
    Refused,
    /// The session was lost after bytes of the request were sent.
    OutcomeUnknown,
    /// The database reported an error, which is in the data.
    Error,
}

/// Who caused an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// Nothing went wrong.
    Nobody,
    /// The request is wrong or the caller gave up.
    Caller,
    /// A limit of the pool.
    Pierhead,
    /// What carries bytes to the database.
    Tunnel,
    /// The database.
    Database,
}

/// Whether a caller may send a request again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It completed.
    NotNeeded,
    /// Nothing was executed.
    Safe,
    /// It would fail again.
    DoNot,
    /// It may have been executed: only a request that can run twice without harm.
    IfIdempotent,
}

impl Outcome {
    /// Bytes of an outcome without its texts.
    pub(super) const FIXED_BYTES: usize = 24;

    /// The outcome of a request that completed.
    #[must_use]
    pub const fn completed(waited_ms: u32, ran_ms: u32) -> Self {
        Self {
            status: Status::Completed,
            sqlstate: SqlState::COMPLETED,
            blame: Blame::Nobody,
            retry: Retry::NotNeeded,
            retry_after_ms: 0,
            waited_ms,
            ran_ms,
            message: String::new(),
            hint: String::new(),
        }
    }

    /// The payload of an outcome record.
    #[must_use]
    pub fn encode(&self) -> BytesMut {
        let mut out = BytesMut::with_capacity(self.encoded_len());
        self.put(&mut out);
        out
    }

    /// Bytes of the payload.
    pub(super) fn encoded_len(&self) -> usize {
        let texts = [&self.message, &self.hint];
        Self::FIXED_BYTES
            + texts.map(|text| cut(text, OUTCOME_TEXT_BYTES_MAX).len()).iter().sum::<usize>()
    }

    /// Puts the payload.
    pub(super) fn put(&self, out: &mut BytesMut) {
        let [a, b, c, d, e] = self.sqlstate.0;
        let codes = [self.status.code(), a, b, c, d, e, self.blame.code(), self.retry.code()];
        let times = [self.retry_after_ms, self.waited_ms, self.ran_ms].map(u32::to_be_bytes);
        out.put_slice(&codes);
        out.put_slice(times.as_flattened());
        if self.message.is_empty() && self.hint.is_empty() {
            return out.put_slice(&[0; 4]);
        }
        put_text(out, cut(&self.message, OUTCOME_TEXT_BYTES_MAX));
        put_text(out, cut(&self.hint, OUTCOME_TEXT_BYTES_MAX));
    }

    /// Reads the payload of an outcome record. What follows the hint is ignored.
    ///
    /// # Errors
    /// Names the field that is missing or outside its range.
    pub fn parse(mut input: Bytes) -> Result<Self, OutcomeError> {
        let input = &mut input;
        Ok(Self {
            status: Status::from_code(take_u8(input, "status")?).ok_or(OutcomeError("status"))?,
            sqlstate: take_sqlstate(input)?,
            blame: Blame::from_code(take_u8(input, "blame")?).ok_or(OutcomeError("blame"))?,
            retry: Retry::from_code(take_u8(input, "retry")?).ok_or(OutcomeError("retry"))?,
            retry_after_ms: take_u32(input, "retry after")?,
            waited_ms: take_u32(input, "waited")?,
            ran_ms: take_u32(input, "ran")?,
            message: take_text(input, "message")?,
            hint: take_text(input, "hint")?,
        })
    }
}

fn put_text(out: &mut BytesMut, text: &str) {
    out.put_u16(u16::try_from(text.len()).unwrap_or(u16::MAX));
    out.put_slice(text.as_bytes());
}

fn take_u8(input: &mut Bytes, field: &'static str) -> Result<u8, OutcomeError> {
    input.try_get_u8().map_err(|_| OutcomeError(field))
}

fn take_u32(input: &mut Bytes, field: &'static str) -> Result<u32, OutcomeError> {
    input.try_get_u32().map_err(|_| OutcomeError(field))
}

fn take_sqlstate(input: &mut Bytes) -> Result<SqlState, OutcomeError> {
    let mut code = [0; 5];
    input.try_copy_to_slice(&mut code).map_err(|_| OutcomeError("sqlstate"))?;
    SqlState::from_ascii(&code).ok_or(OutcomeError("sqlstate"))
}

fn take_text(input: &mut Bytes, field: &'static str) -> Result<String, OutcomeError> {
    let length = usize::from(input.try_get_u16().map_err(|_| OutcomeError(field))?);
    if length > OUTCOME_TEXT_BYTES_MAX || length > input.len() {
        return Err(OutcomeError(field));
    }
    String::from_utf8(input.split_to(length).into()).map_err(|_| OutcomeError(field))
}

/// The field of an outcome that is missing or outside its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutcomeError(pub &'static str);

impl fmt::Display for OutcomeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the outcome's {} is missing or malformed", self.0)
    }
}

impl std::error::Error for OutcomeError {}

/// A five-character code as the SQL standard and PostgreSQL define them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SqlState([u8; 5]);

impl SqlState {
    /// Completed.
    pub const COMPLETED: Self = Self::literal(b"00000");
    /// The queue of waiters is full.
    pub const QUEUE_FULL: Self = Self::literal(b"53300");
    /// Waited too long for a session; never started.
    pub const WAITED_TOO_LONG: Self = Self::literal(b"53400");
    /// No session can be opened.
    pub const CANNOT_CONNECT: Self = Self::literal(b"08001");
    /// The session was lost before anything was sent.
    pub const LOST: Self = Self::literal(b"08006");
    /// Whether the request was executed is unknown.
    pub const OUTCOME_UNKNOWN: Self = Self::literal(b"08007");
    /// The request is malformed.
    pub const MALFORMED: Self = Self::literal(b"08P01");
    /// An option or message is not supported.
    pub const NOT_SUPPORTED: Self = Self::literal(b"0A000");
    /// A memory budget was exceeded.
    pub const OUT_OF_MEMORY: Self = Self::literal(b"53200");
    /// The caller gave up.
    pub const GAVE_UP: Self = Self::literal(b"57014");
    /// The request is too large.
    pub const TOO_LARGE: Self = Self::literal(b"54000");

    /// A code known when the program is written; meant for constants.
    ///
    /// # Panics
    /// Unless every byte is a digit or an upper-case letter.
    #[must_use]
    pub const fn literal(code: &[u8; 5]) -> Self {
        let [a, b, c, d, e] = *code;
        assert!(valid(a) && valid(b) && valid(c) && valid(d) && valid(e), "not a SQLSTATE");
        Self(*code)
    }

    /// Five digits or upper-case letters, or nothing.
    #[must_use]
    pub fn from_ascii(code: &[u8]) -> Option<Self> {
        let code: [u8; 5] = code.try_into().ok()?;
        code.iter().all(|&byte| valid(byte)).then_some(Self(code))
    }

    /// The five characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Construction admits ASCII only.
        std::str::from_utf8(&self.0).unwrap_or("XX000")
    }

    /// The first two characters, which tell the class.
    #[must_use]
    pub fn class(&self) -> &str {
        self.as_str().get(..2).unwrap_or_default()
    }
}

const fn valid(byte: u8) -> bool {
    byte.is_ascii_digit() || byte.is_ascii_uppercase()
}

impl fmt::Display for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SqlState({self})")
    }
}

/// Gives a field-less enum its byte, both ways, from one table.
macro_rules! codes {
    ($type:ident { $($variant:ident = $code:literal),+ $(,)? }) => {
        impl $type {
            /// The byte that stands for this value.
            #[must_use]
            pub const fn code(self) -> u8 {
                match self { $(Self::$variant => $code),+ }
            }

            /// The value that a byte stands for.
            #[must_use]
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

codes!(Status { Completed = 0, RolledBack = 1, Refused = 2, OutcomeUnknown = 3, Error = 4 });
codes!(Blame { Nobody = 0, Caller = 1, Pierhead = 2, Tunnel = 3, Database = 4 });
codes!(Retry { NotNeeded = 0, Safe = 1, DoNot = 2, IfIdempotent = 3 });

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) const GOLDEN: &[u8] = b"\x0253300\x02\x01\
        \0\0\x01\xf4\0\0\0\x07\0\0\0\0\
        \0\x06f\xc3\xbcll!\0\x04wait";

    pub(in super::super) fn refused() -> Outcome {
        Outcome {
            status: Status::Refused,
            sqlstate: SqlState::QUEUE_FULL,
            blame: Blame::Pierhead,
            retry: Retry::Safe,
            retry_after_ms: 500,
            waited_ms: 7,
            ran_ms: 0,
            message: "füll!".into(),
            hint: "wait".into(),
        }
    }

    #[test]
    fn golden_outcomes() {
        assert_eq!(refused().encode().as_ref(), GOLDEN);
        assert_eq!(Outcome::parse(Bytes::from_static(GOLDEN)), Ok(refused()));

        let completed = Outcome::completed(3, 0x0102_0304);
        let bytes = b"\0\x30\x30\x30\x30\x30\0\0\0\0\0\0\0\0\0\x03\x01\x02\x03\x04\0\0\0\0";
        assert_eq!(completed.encode().as_ref(), bytes);
        assert_eq!(Outcome::parse(Bytes::from_static(bytes)), Ok(completed));
    }

    #[test]
    fn golden_codes() {
        let statuses = [0, 1, 2, 3, 4].map(|code| Status::from_code(code).unwrap());
        assert_eq!(
            statuses,
            [
                Status::Completed,
                Status::RolledBack,
                Status::Refused,
                Status::OutcomeUnknown,
                Status::Error
            ]
        );
        assert_eq!(Status::from_code(5), None);
        assert_eq!(Blame::from_code(4), Some(Blame::Database));
        assert_eq!(Blame::from_code(5), None);
        assert_eq!(Retry::from_code(3), Some(Retry::IfIdempotent));
        assert_eq!(Retry::from_code(4), None);
    }

    #[test]
    fn fields_appended_later_are_ignored() {
        let mut bytes = GOLDEN.to_vec();
        bytes.extend(b"more");
        assert_eq!(Outcome::parse(bytes.into()), Ok(refused()));
    }

    #[test]
    fn every_cut_is_an_error() {
        for length in 0..GOLDEN.len() {
            assert!(Outcome::parse(GOLDEN.slice_to(length)).is_err(), "{length}");
        }
    }

    #[test]
    fn values_out_of_range_are_named() {
        let parse = |offset: usize, value: u8| {
            let mut bytes = GOLDEN.to_vec();
            bytes[offset] = value;
            Outcome::parse(bytes.into()).map_err(|error| error.0)
        };
        assert_eq!(parse(0, 5), Err("status"));
        assert_eq!(parse(1, b'x'), Err("sqlstate"));
        assert_eq!(parse(6, 5), Err("blame"));
        assert_eq!(parse(7, 4), Err("retry"));
        assert_eq!(parse(20, 5), Err("message"), "a length above the limit");
        assert_eq!(parse(23, 0xff), Err("message"), "not UTF-8");
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let outcome = Outcome {
            message: format!("{}ä", "m".repeat(1023)),
            hint: "h".repeat(2000),
            ..refused()
        };
        let parsed = Outcome::parse(outcome.encode().freeze()).unwrap();
        assert_eq!(parsed.message, "m".repeat(1023));
        assert_eq!(parsed.hint, "h".repeat(1024));
    }

    #[test]
    fn sqlstates() {
        assert_eq!(SqlState::from_ascii(b"42P01").unwrap().as_str(), "42P01");
        assert_eq!(SqlState::from_ascii(b"42P01").unwrap().class(), "42");
        assert_eq!(SqlState::from_ascii(b"42p01"), None);
        assert_eq!(SqlState::from_ascii(b"42P0"), None);
    }

    trait SliceTo {
        fn slice_to(&self, length: usize) -> Bytes;
    }
    impl SliceTo for [u8] {
        fn slice_to(&self, length: usize) -> Bytes {
            Bytes::copy_from_slice(&self[..length])
        }
    }
}
