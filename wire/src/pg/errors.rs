//! The fields of `ErrorResponse` and `NoticeResponse` that Pierhead reads.

use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::Message as Parsed;

use super::scan::Message;

/// Fields of an `ErrorResponse`; absent ones are empty.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ErrorFields {
    /// `V`: the severity that is never translated (`ERROR`, `FATAL`, `PANIC`), or `S` from servers
    /// before 9.6.
    pub severity: String,
    /// `C`: the SQLSTATE.
    pub code: String,
    /// `M`: the primary message.
    pub message: String,
    /// `R`: the routine in the server that reported it.
    pub routine: String,
}

impl ErrorFields {
    /// Reads an `ErrorResponse`; `None` if it is not one or is malformed.
    #[must_use]
    pub fn parse(message: &Message) -> Option<Self> {
        let mut bytes = bytes::BytesMut::from(message.raw.as_ref());
        let Ok(Some(Parsed::ErrorResponse(body))) = Parsed::parse(&mut bytes) else { return None };
        let mut found = Self::default();
        let mut local_severity = String::new();
        let mut fields = body.fields();
        while let Some(field) = fields.next().ok()? {
            let value = || String::from_utf8_lossy(field.value_bytes()).into_owned();
            match field.type_() {
                b'V' => found.severity = value(),
                b'S' => local_severity = value(),
                b'C' => found.code = value(),
                b'M' => found.message = value(),
                b'R' => found.routine = value(),
                _ => {}
            }
        }
        if found.severity.is_empty() {
            found.severity = local_severity;
        }
        Some(found)
    }

    /// True when the server ends the connection after this error.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        matches!(self.severity.as_str(), "FATAL" | "PANIC")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg::scan::{Direction, Piece, Scanner};
    use bytes::Bytes;

    fn message(raw: &'static [u8]) -> Message {
        let mut scanner = Scanner::new(Direction::Backend);
        scanner.push(Bytes::from_static(raw));
        match scanner.next_piece().unwrap().unwrap() {
            Piece::Message(message) => message,
            Piece::Bulk { .. } => panic!("bulk"),
        }
    }

    #[test]
    fn fields_are_read_and_absent_ones_are_empty() {
        let fields =
            ErrorFields::parse(&message(b"E\0\0\0\x1fSFATAL\0VFATAL\0C57P01\0Mbye\0\0")).unwrap();
        assert_eq!((fields.code.as_str(), fields.message.as_str()), ("57P01", "bye"));
        assert!(fields.is_fatal());
        assert_eq!(fields.routine, "");
    }

    #[test]
    fn a_malformed_error_is_none() {
        assert_eq!(ErrorFields::parse(&message(b"E\0\0\0\x07Sxy")), None);
        assert_eq!(ErrorFields::parse(&message(b"Z\0\0\0\x05I")), None);
    }
}
