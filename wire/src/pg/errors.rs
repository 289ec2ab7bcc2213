//! The fields of `ErrorResponse` and `NoticeResponse` that Pierhead reads.

use std::borrow::Cow;

use super::c_string;
use super::scan::Message;
use super::tag::backend as tag;

/// Fields of an `ErrorResponse`; absent ones are empty. What is not UTF-8 in them is replaced.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ErrorFields<'a> {
    /// `V`: the severity that is never translated (`ERROR`, `FATAL`, `PANIC`), or `S` from servers
    /// before 9.6.
    pub severity: Cow<'a, str>,
    /// `C`: the SQLSTATE.
    pub code: Cow<'a, str>,
    /// `M`: the primary message.
    pub message: Cow<'a, str>,
    /// `R`: the routine in the server that reported it.
    pub routine: Cow<'a, str>,
}

impl<'a> ErrorFields<'a> {
    /// Reads an `ErrorResponse`; `None` if it is not one or is malformed.
    #[must_use]
    pub fn parse<B: AsRef<[u8]>>(message: &'a Message<B>) -> Option<Self> {
        if message.tag != tag::ERROR_RESPONSE {
            return None;
        }
        let mut found = Self::default();
        let mut local_severity = Cow::default();
        let mut rest = message.body();
        loop {
            let (field, behind) = rest.split_first()?;
            if *field == 0 && behind.is_empty() {
                break;
            }
            let value;
            (value, rest) = c_string(behind)?;
            let slot = match field {
                b'V' => &mut found.severity,
                b'S' => &mut local_severity,
                b'C' => &mut found.code,
                b'M' => &mut found.message,
                b'R' => &mut found.routine,
                0 => return None,
                _ => continue,
            };
            *slot = String::from_utf8_lossy(value);
        }
        if found.severity.is_empty() {
            found.severity = local_severity;
        }
        Some(found)
    }

    /// True when the server ends the connection after this error.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        matches!(self.severity.as_ref(), "FATAL" | "PANIC")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg::scan::{Direction, Piece, Scanner};
    use bytes::Bytes;

    fn message(raw: &'static [u8]) -> Message {
        let mut scanner = Scanner::new(Direction::Backend);
        match scanner.next_piece(&mut Bytes::from_static(raw)).unwrap().unwrap() {
            Piece::Message(message) => message,
            Piece::Bulk { .. } => panic!("bulk"),
        }
    }

    const BYE: &[u8] = b"E\0\0\0\x1fSFATAL\0VFATAL\0C57P01\0Mbye\0\0";

    #[test]
    fn fields_are_read_and_absent_ones_are_empty() {
        let bye = message(BYE);
        let fields = ErrorFields::parse(&bye).unwrap();
        assert_eq!((fields.code.as_ref(), fields.message.as_ref()), ("57P01", "bye"));
        assert!(fields.is_fatal());
        assert_eq!(fields.routine, "");
    }

    #[test]
    fn a_server_that_translates_says_how_grave_it_is_in_english_too() {
        let fatal = message(b"E\0\0\0\x14SFATALE\0VFATAL\0\0");
        assert_eq!(ErrorFields::parse(&fatal).unwrap().severity, "FATAL");
        let old = message(b"E\0\0\0\x0cSPANIC\0\0");
        assert!(ErrorFields::parse(&old).unwrap().is_fatal());
    }

    #[test]
    fn fields_are_not_copied() {
        let bye = message(BYE);
        let Cow::Borrowed(text) = ErrorFields::parse(&bye).unwrap().message else {
            panic!("a copy")
        };
        assert!(bye.raw.as_ptr_range().contains(&text.as_ptr()));
    }

    #[test]
    fn a_malformed_error_is_none() {
        assert_eq!(ErrorFields::parse(&message(b"E\0\0\0\x07Sxy")), None);
        assert_eq!(ErrorFields::parse(&message(b"E\0\0\0\x06\0x")), None);
        assert_eq!(ErrorFields::parse(&message(b"Z\0\0\0\x05I")), None);
        for end in 5..BYE.len() {
            let cut = Message { tag: b'E', raw: Bytes::from_static(&BYE[..end]) };
            assert_eq!(ErrorFields::parse(&cut), None, "cut at {end}");
        }
    }
}
