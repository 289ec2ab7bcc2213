//! Writing what a server sends: the messages that a pooler says itself.

use bytes::{BufMut, BytesMut};

use super::tag::backend as tag;
use super::write::{message, put_c_string};
use crate::envelope::SqlState;
use crate::limits::REPORT_TEXT_BYTES_MAX;

/// How grave a report is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Severity {
    /// The session ends.
    Fatal,
    /// The statement failed.
    Error,
    /// Something to look at.
    Warning,
    /// Something to know.
    Notice,
}

impl Severity {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Fatal => "FATAL",
            Self::Error => "ERROR",
            Self::Warning => "WARNING",
            Self::Notice => "NOTICE",
        }
    }
}

/// What an `ErrorResponse` or a `NoticeResponse` says. Texts are cut at
/// [`REPORT_TEXT_BYTES_MAX`] bytes, and before their first zero byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Report<'a> {
    /// How grave it is.
    pub severity: Severity,
    /// What it is, for programs.
    pub sqlstate: SqlState,
    /// What it is, in one line for people.
    pub message: &'a str,
    /// More about it; may be empty.
    pub detail: &'a str,
    /// What to do about it; may be empty.
    pub hint: &'a str,
}

/// Writes an `ErrorResponse`.
pub fn error_response(report: &Report<'_>, out: &mut BytesMut) {
    write_report(tag::ERROR_RESPONSE, report, out);
}

/// Writes a `NoticeResponse`.
pub fn notice_response(report: &Report<'_>, out: &mut BytesMut) {
    write_report(tag::NOTICE_RESPONSE, report, out);
}

fn write_report(tag: u8, report: &Report<'_>, out: &mut BytesMut) {
    message(tag, out, |out| {
        // `S` may be translated, `V` never is; drivers want both.
        for (field, value) in [
            (b'S', report.severity.as_str()),
            (b'V', report.severity.as_str()),
            (b'C', report.sqlstate.as_str()),
            (b'M', report.message),
        ] {
            out.put_u8(field);
            put_text(value, out);
        }
        for (field, value) in [(b'D', report.detail), (b'H', report.hint)] {
            if !value.is_empty() {
                out.put_u8(field);
                put_text(value, out);
            }
        }
        out.put_u8(0);
    });
}

/// Writes an `AuthenticationOk`.
pub fn authentication_ok(out: &mut BytesMut) {
    message(tag::AUTHENTICATION, out, |out| out.put_u32(0));
}

/// Writes an `AuthenticationSASL`, which offers these mechanisms.
pub fn authentication_sasl(mechanisms: &[&str], out: &mut BytesMut) {
    message(tag::AUTHENTICATION, out, |out| {
        out.put_u32(10);
        for mechanism in mechanisms {
            put_text(mechanism, out);
        }
        out.put_u8(0);
    });
}

/// Writes an `AuthenticationSASLContinue` with the mechanism's own data.
pub fn authentication_sasl_continue(data: &[u8], out: &mut BytesMut) {
    message(tag::AUTHENTICATION, out, |out| {
        out.put_u32(11);
        out.put_slice(data);
    });
}

/// Writes an `AuthenticationSASLFinal` with the mechanism's own data.
pub fn authentication_sasl_final(data: &[u8], out: &mut BytesMut) {
    message(tag::AUTHENTICATION, out, |out| {
        out.put_u32(12);
        out.put_slice(data);
    });
}

/// Writes a `ParameterStatus`.
pub fn parameter_status(name: &str, value: &str, out: &mut BytesMut) {
    message(tag::PARAMETER_STATUS, out, |out| {
        put_text(name, out);
        put_text(value, out);
    });
}

/// Writes a `BackendKeyData`. Before protocol 3.2 the secret has 4 bytes.
pub fn backend_key_data(pid: u32, secret: &[u8], out: &mut BytesMut) {
    message(tag::BACKEND_KEY_DATA, out, |out| {
        out.put_u32(pid);
        out.put_slice(secret);
    });
}

/// Writes a `NegotiateProtocolVersion`: protocol 3 is spoken up to this minor version, and these
/// options are not known.
pub fn negotiate_protocol_version(minor: u16, unknown: &[&str], out: &mut BytesMut) {
    message(tag::NEGOTIATE_PROTOCOL_VERSION, out, |out| {
        // PostgreSQL says the major version, too, and libpq insists on it.
        out.put_u16(3);
        out.put_u16(minor);
        out.put_u32(u32::try_from(unknown.len()).unwrap_or(u32::MAX));
        for option in unknown {
            put_text(option, out);
        }
    });
}

/// Writes a `ReadyForQuery`. The status is `I`, `T` or `E`.
pub fn ready_for_query(status: u8, out: &mut BytesMut) {
    message(tag::READY_FOR_QUERY, out, |out| out.put_u8(status));
}

/// Writes a `CommandComplete` with its command tag.
pub fn command_complete(command: &str, out: &mut BytesMut) {
    message(tag::COMMAND_COMPLETE, out, |out| put_text(command, out));
}

/// Writes an `EmptyQueryResponse`.
pub fn empty_query_response(out: &mut BytesMut) {
    message(tag::EMPTY_QUERY_RESPONSE, out, |_| {});
}

/// Writes a `ParseComplete`.
pub fn parse_complete(out: &mut BytesMut) {
    message(tag::PARSE_COMPLETE, out, |_| {});
}

/// Writes a `BindComplete`.
pub fn bind_complete(out: &mut BytesMut) {
    message(tag::BIND_COMPLETE, out, |_| {});
}

/// Writes a `CloseComplete`.
pub fn close_complete(out: &mut BytesMut) {
    message(tag::CLOSE_COMPLETE, out, |_| {});
}

/// Writes a `NoData`.
pub fn no_data(out: &mut BytesMut) {
    message(tag::NO_DATA, out, |_| {});
}

fn put_text(text: &str, out: &mut BytesMut) {
    let end = text.floor_char_boundary(REPORT_TEXT_BYTES_MAX);
    put_c_string(text.get(..end).unwrap_or_default().as_bytes(), out);
}

#[cfg(test)]
mod tests {
    use fallible_iterator::FallibleIterator;
    use postgres_protocol::message::backend::Message;

    use super::*;

    /// What a driver reads of it, which is the whole of it.
    fn read(write: impl FnOnce(&mut BytesMut)) -> Message {
        let mut out = BytesMut::new();
        write(&mut out);
        let message = Message::parse(&mut out).unwrap().unwrap();
        assert!(out.is_empty(), "one message");
        message
    }

    fn fields(write: impl FnOnce(&mut BytesMut)) -> Vec<(char, String)> {
        let Message::ErrorResponse(body) = read(write) else { panic!("an error") };
        let text = |field: &[u8]| String::from_utf8(field.to_vec()).unwrap();
        body.fields().map(|f| Ok((char::from(f.type_()), text(f.value_bytes())))).collect().unwrap()
    }

    const REPORT: Report<'_> = Report {
        severity: Severity::Fatal,
        sqlstate: SqlState::CANNOT_CONNECT,
        message: "no",
        detail: "",
        hint: "",
    };

    fn of(pairs: &[(char, &str)]) -> Vec<(char, String)> {
        pairs.iter().map(|(field, text)| (*field, (*text).to_owned())).collect()
    }

    #[test]
    fn an_error_says_what_and_what_to_do() {
        let short = fields(|out| error_response(&REPORT, out));
        assert_eq!(short, of(&[('S', "FATAL"), ('V', "FATAL"), ('C', "08001"), ('M', "no")]));
        let whole = Report { detail: "because", hint: "do", ..REPORT };
        let whole = fields(|out| error_response(&whole, out));
        assert_eq!(whole[4..], of(&[('D', "because"), ('H', "do")]));
    }

    #[test]
    fn a_notice_is_no_error() {
        let warning = Report { severity: Severity::Warning, ..REPORT };
        let Message::NoticeResponse(body) = read(|out| notice_response(&warning, out)) else {
            panic!("a notice")
        };
        assert_eq!(body.fields().next().unwrap().unwrap().value_bytes(), b"WARNING");
    }

    #[test]
    fn a_text_is_cut_where_a_message_would_break() {
        let message = |text: &str| {
            fields(|out| error_response(&Report { message: text, ..REPORT }, out))[3].1.clone()
        };
        assert_eq!(message("a\0Mb"), "a");
        assert_eq!(message("\0"), "");
        let long = "\u{e4}".repeat(REPORT_TEXT_BYTES_MAX);
        assert_eq!(message(&long).len(), REPORT_TEXT_BYTES_MAX);
        assert_eq!(message(&format!("x{long}")).len(), REPORT_TEXT_BYTES_MAX - 1);
    }

    #[test]
    fn a_driver_reads_a_greeting() {
        assert!(matches!(read(authentication_ok), Message::AuthenticationOk));
        let Message::ParameterStatus(status) = read(|out| parameter_status("a", "b\0c", out))
        else {
            panic!("a parameter")
        };
        assert_eq!((status.name().unwrap(), status.value().unwrap()), ("a", "b"));
        let Message::BackendKeyData(key) = read(|out| backend_key_data(7, &[0, 0, 1, 0], out))
        else {
            panic!("a key")
        };
        assert_eq!((key.process_id(), key.secret_key()), (7, 256));
        let Message::ReadyForQuery(ready) = read(|out| ready_for_query(b'T', out)) else {
            panic!("a ready point")
        };
        assert_eq!(ready.status(), b'T');
    }

    #[test]
    fn a_driver_reads_completions() {
        let Message::CommandComplete(done) = read(|out| command_complete("SELECT 1", out)) else {
            panic!("a completion")
        };
        assert_eq!(done.tag().unwrap(), "SELECT 1");
        assert!(matches!(read(parse_complete), Message::ParseComplete));
        assert!(matches!(read(bind_complete), Message::BindComplete));
        assert!(matches!(read(close_complete), Message::CloseComplete));
        assert!(matches!(read(no_data), Message::NoData));
        assert!(matches!(read(empty_query_response), Message::EmptyQueryResponse));
    }

    #[test]
    fn what_is_not_known_is_negotiated_away() {
        let mut out = BytesMut::new();
        negotiate_protocol_version(2, &["_pq_.a", "_pq_.b"], &mut out);
        assert_eq!(&out[..], b"v\0\0\0\x1a\0\x03\0\x02\0\0\0\x02_pq_.a\0_pq_.b\0");
    }
}
