//! Errors of ours that the database itself is made to report, so that a client's transaction fails
//! exactly as it does with an error of the database's own.

use bytes::BytesMut;
use pierhead_wire::envelope::SqlState;
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend;

/// A statement that is not sent, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Refused {
    pub(crate) sqlstate: SqlState,
    pub(crate) message: String,
    pub(crate) hint: String,
}

impl Refused {
    pub(crate) fn new(code: &[u8; 5], message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { sqlstate: SqlState::literal(code), message: message.into(), hint: hint.into() }
    }

    /// Writes messages that fail with this error, and leave a Sync to be sent.
    pub(crate) fn extended(&self, out: &mut BytesMut) {
        // These fail only for texts that contain a zero byte, and ours have none.
        let _ = frontend::parse("", &self.sql(), [], out);
        let none = std::iter::empty::<i16>;
        let values = std::iter::empty::<i32>();
        let _ = frontend::bind("", "", none(), values, |_, _| Ok(IsNull::Yes), none(), out);
        let _ = frontend::execute("", 0, out);
    }

    /// Writes a simple query that fails with this error.
    pub(crate) fn query(&self, out: &mut BytesMut) {
        let _ = frontend::query(&self.sql(), out);
    }

    /// The statement that fails.
    fn sql(&self) -> String {
        let body = format!(
            "BEGIN RAISE EXCEPTION USING ERRCODE = {}, MESSAGE = {}, HINT = {}; END",
            literal(self.sqlstate.as_str()),
            literal(&self.message),
            literal(&self.hint),
        );
        format!("DO {}", literal(&body))
    }
}

/// A string literal that means the same whatever `standard_conforming_strings` says.
fn literal(text: &str) -> String {
    let safe = text.replace('\0', "").replace('\\', "/").replace('\'', "''");
    format!("'{safe}'")
}

/// Writes a simple query.
pub(crate) fn write_query(sql: &[u8], out: &mut BytesMut) {
    let length = u32::try_from(sql.len() + 5).unwrap_or(u32::MAX);
    out.extend_from_slice(b"Q");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(sql);
    out.extend_from_slice(b"\0");
}

/// The name is taken.
pub(crate) fn duplicate_statement(name: &[u8]) -> Refused {
    let name = String::from_utf8_lossy(name);
    Refused::new(b"42P05", format!("prepared statement \"{name}\" already exists"), "")
}

/// `Bind` or `Describe` of the unnamed statement when there is none.
pub(crate) fn no_unnamed_statement() -> Refused {
    Refused::new(b"26000", "unnamed prepared statement does not exist", "")
}

/// More statements than may be held.
pub(crate) fn too_many_statements() -> Refused {
    Refused::new(
        b"54000",
        "too many prepared statements",
        "close those that are not used any more, or let fewer clients prepare",
    )
}

/// More portals than are kept track of.
pub(crate) fn too_many_portals() -> Refused {
    Refused::new(b"54000", "too many portals", "close those that are not used any more")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_can_not_end_the_literal_that_it_is_in() {
        let refused = Refused::new(b"0A000", "it's \\' not\0", "'; drop table t; --");
        let sql = refused.sql();
        let body = sql.strip_prefix("DO '").unwrap().strip_suffix('\'').unwrap();
        assert!(!body.replace("''", "").contains('\''), "{sql}");
        assert!(!sql.contains('\\') && !sql.contains('\0'));
    }
}
