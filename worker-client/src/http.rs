//! What a Worker tells its own HTTP client about an error.

use worker::{Response, ResponseBuilder};

use crate::Error;
use crate::error::Kind;

/// Seconds in `Retry-After` when the coordinator gives no advice: longer than a burst.
const RETRY_AFTER_DEFAULT_SECONDS: u64 = 1;

impl Error {
    /// The HTTP status that tells a Worker's own client what to do:
    ///
    /// | status | when |
    /// |---|---|
    /// | 503 | turned away before anything was executed, and worth another try; with `Retry-After` |
    /// | 504 | the time was over |
    /// | 409 | a conflict with other data or with another transaction: `23505`, `23P01`, `40001`, `40P01` |
    /// | 400 | the data does not fit: classes `22` and `23` |
    /// | 500 | everything else: a mistake in the program or its configuration, or an unknown outcome |
    #[must_use]
    pub fn http_status(&self) -> u16 {
        if let Some(first) = self.first() {
            return first.http_status();
        }
        if self.is_timeout() {
            return 504;
        }
        if self.is_overloaded() || self.is_refused() && self.is_retryable() {
            return 503;
        }
        match self.db_error().map(|error| error.code.as_str()) {
            Some("23505" | "23P01" | "40001" | "40P01") => 409,
            Some(code) if code.starts_with("22") || code.starts_with("23") => 400,
            _ => 500,
        }
    }

    /// The header `Retry-After` in seconds, with status 503 only.
    #[must_use]
    pub fn http_retry_after(&self) -> Option<u64> {
        let advice = self.retry_after().map(|wait| wait.as_millis().div_ceil(1_000));
        let seconds = advice.and_then(|seconds| u64::try_from(seconds).ok());
        (self.http_status() == 503).then(|| seconds.unwrap_or(RETRY_AFTER_DEFAULT_SECONDS).max(1))
    }

    /// A response with [`http_status`](Self::http_status), `Retry-After` where it helps, and a JSON
    /// body of the form `{"error":"conflict","sqlstate":"23505"}`. The body holds no SQL, no data
    /// and no message of the database: log the error itself.
    ///
    /// # Errors
    /// Never in practice: when the platform refuses its own headers.
    pub fn to_response(&self) -> worker::Result<Response> {
        let mut builder = ResponseBuilder::new()
            .with_status(self.http_status())
            .with_header("content-type", "application/json")?;
        if let Some(seconds) = self.http_retry_after() {
            builder = builder.with_header("retry-after", &seconds.to_string())?;
        }
        Ok(builder.fixed(self.http_body().into_bytes()))
    }

    fn http_body(&self) -> String {
        let reason = match (self.http_status(), self.kind()) {
            (503, _) => "the database is busy",
            (504, _) => "the database did not answer in time",
            (409, _) => "conflict",
            (400, _) => "invalid data",
            (_, Kind::Config(_)) => "the database is not configured",
            _ if self.is_outcome_unknown() => "the outcome is unknown",
            _ => "the database reported an error",
        };
        let sqlstate =
            self.sqlstate().filter(|code| code.bytes().all(|b| b.is_ascii_alphanumeric()));
        sqlstate.map_or_else(
            || format!(r#"{{"error":"{reason}"}}"#),
            |code| format!(r#"{{"error":"{reason}","sqlstate":"{code}"}}"#),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pierhead_wire::envelope::{Blame, Outcome, Retry, SqlState, Status};

    use super::*;
    use crate::DbError;
    use crate::error::PlatformError;

    fn refused(sqlstate: SqlState, retry: Retry, retry_after_ms: u32) -> Error {
        let outcome = Outcome {
            status: Status::Refused,
            sqlstate,
            blame: if sqlstate == SqlState::GAVE_UP { Blame::Caller } else { Blame::Pierhead },
            retry,
            retry_after_ms,
            ..Outcome::completed(0, 0)
        };
        Error::new(Kind::Outcome { outcome, error: None, statement: None })
    }

    fn database(code: &str) -> Error {
        let outcome = Outcome {
            status: Status::Error,
            sqlstate: SqlState::from_ascii(code.as_bytes()).unwrap(),
            blame: Blame::Database,
            retry: Retry::DoNot,
            ..Outcome::completed(0, 0)
        };
        let error = DbError { code: code.into(), message: "secret".into(), ..DbError::default() };
        Error::new(Kind::Outcome { outcome, error: Some(error), statement: Some(0) })
    }

    #[test]
    fn every_error_has_a_status() {
        let platform = |overloaded| {
            Error::new(Kind::Platform(PlatformError { overloaded, ..PlatformError::default() }))
        };
        let cases = [
            (refused(SqlState::QUEUE_FULL, Retry::Safe, 1_500), 503, Some(2)),
            (refused(SqlState::WAITED_TOO_LONG, Retry::Safe, 0), 503, Some(1)),
            (refused(SqlState::MALFORMED, Retry::DoNot, 0), 500, None),
            (refused(SqlState::GAVE_UP, Retry::Safe, 0), 504, None),
            (Error::new(Kind::Deadline { after: Duration::from_secs(1) }), 504, None),
            (platform(true), 503, Some(1)),
            (platform(false), 500, None),
            (database("23505"), 409, None),
            (database("40001"), 409, None),
            (database("22P02"), 400, None),
            (database("23502"), 400, None),
            (database("42P01"), 500, None),
            (Error::request("x"), 500, None),
        ];
        for (error, status, retry_after) in cases {
            assert_eq!(error.http_status(), status, "{error}");
            assert_eq!(error.http_retry_after(), retry_after, "{error}");
        }
    }

    #[test]
    fn bodies_say_nothing_of_the_database() {
        assert_eq!(database("23505").http_body(), r#"{"error":"conflict","sqlstate":"23505"}"#);
        assert_eq!(
            Error::request("x").http_body(),
            r#"{"error":"the database reported an error"}"#
        );
    }

    #[test]
    fn predicates() {
        assert!(refused(SqlState::QUEUE_FULL, Retry::Safe, 0).is_retryable());
        assert!(database("40P01").is_retryable());
        assert!(!database("23505").is_retryable());
        let deadline = Error::new(Kind::Deadline { after: Duration::from_secs(1) });
        assert!(deadline.is_outcome_unknown() && !deadline.is_retryable());
        assert_eq!(deadline.sqlstate(), Some("08007"));
        assert_eq!(
            refused(SqlState::QUEUE_FULL, Retry::Safe, 20).retry_after(),
            Some(Duration::from_millis(20))
        );
    }
}
