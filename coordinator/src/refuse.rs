//! Answers that need no engine.

use bytes::{Bytes, BytesMut};
use pierhead_wire::envelope::{Blame, Outcome, Retry, SqlState, Status, put_outcome, put_version};
use pierhead_wire::pg::backend::{Report, Severity, error_response};

/// PostgreSQL's own code for a configuration file that cannot be used.
const CONFIG_ERROR: SqlState = SqlState::literal(b"F0000");

const MISCONFIGURED_HINT: &str = "change the configuration and deploy again";

/// The whole answer to any exchange with a database that is not configured properly.
pub(crate) fn misconfigured(problem: &str) -> Bytes {
    answer(CONFIG_ERROR, Blame::Pierhead, problem, MISCONFIGURED_HINT)
}

/// The whole answer to a request envelope longer than any valid one.
pub(crate) fn too_large(bytes: u32) -> Bytes {
    let message = format!("the request has {bytes} bytes, at most 16 MiB are accepted");
    let hint = "send smaller parameters or fewer statements";
    answer(SqlState::TOO_LARGE, Blame::Caller, &message, hint)
}

/// The message to a client that speaks PostgreSQL's protocol with a database that is not configured
/// properly.
pub(crate) fn socket(problem: &str) -> Bytes {
    let mut out = BytesMut::new();
    let report = Report {
        severity: Severity::Fatal,
        sqlstate: CONFIG_ERROR,
        message: problem,
        detail: "",
        hint: MISCONFIGURED_HINT,
    };
    error_response(&report, &mut out);
    out.freeze()
}

/// The whole answer to a request of which nothing was executed, and that is refused again if it is
/// sent again.
pub(crate) fn answer(sqlstate: SqlState, blame: Blame, message: &str, hint: &str) -> Bytes {
    let mut out = BytesMut::new();
    put_version(&mut out);
    let outcome = Outcome {
        status: Status::Refused,
        sqlstate,
        blame,
        retry: Retry::DoNot,
        retry_after_ms: 0,
        waited_ms: 0,
        ran_ms: 0,
        message: message.to_owned(),
        hint: hint.to_owned(),
    };
    put_outcome(&mut out, &outcome);
    out.freeze()
}

#[cfg(test)]
mod tests {
    use pierhead_wire::envelope::{AnswerReader, Record};

    use super::*;

    #[test]
    fn an_unusable_configuration_is_a_refusal_that_names_it() {
        let mut reader = AnswerReader::new();
        reader.push(misconfigured("PIERHEAD_DB_MAIN: not set"));
        let Ok(Some(Record::Outcome(outcome))) = reader.next() else { panic!("no outcome") };
        assert_eq!((outcome.status, outcome.sqlstate.as_str()), (Status::Refused, "F0000"));
        assert!(outcome.message.contains("PIERHEAD_DB_MAIN"));
        assert_eq!(reader.finish(), Ok(()));
    }
}
