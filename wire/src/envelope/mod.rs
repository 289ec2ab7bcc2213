//! The exchange envelope (`docs/protocol.md`, section 1): what a caller sends to a coordinator with
//! `exchange(request, alive)`, and what comes back.
//!
//! [`Request`] and [`Outcome`] are encoded and parsed whole. An answer may be large, so its writer
//! has only headers to put between data ([`data_header`], [`put_outcome`]) and its reader,
//! [`AnswerReader`], passes data on as it arrives.

mod answer;
mod outcome;
mod request;

pub use answer::{
    AnswerError, AnswerReader, Record, data_header, outcome_record_len, put_outcome, put_version,
};
pub use outcome::{Blame, Outcome, OutcomeError, Retry, SqlState, Status};
pub use request::{Options, Request, RequestError, RequestId, put_request_head};

/// The version that both request and answer begin with.
pub const VERSION: u8 = 1;

/// The longest prefix of `text` that has at most `max` bytes and ends at a character.
pub(crate) fn cut(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn cuts_at_a_character() {
        assert_eq!(cut("abc", 5), "abc");
        assert_eq!(cut("abc", 2), "ab");
        assert_eq!(cut("aä", 2), "a");
        assert_eq!(cut("ä", 1), "");
    }
}
