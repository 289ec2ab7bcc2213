use std::fmt;
use std::time::Duration;

use pierhead_config::ConfigError;
use pierhead_wire::envelope::{AnswerError, Blame, Outcome, Retry, SqlState, Status};

use crate::DbError;
use crate::types::{DecodeError, ParamError};

/// Why a call failed. What to do about it is asked with predicates:
///
/// | question | answer |
/// |---|---|
/// | may I send it again? | [`is_retryable`](Self::is_retryable) |
/// | may it have been executed? | [`is_outcome_unknown`](Self::is_outcome_unknown) |
/// | was it turned away before it began? | [`is_refused`](Self::is_refused) |
/// | what did the database say? | [`db_error`](Self::db_error), [`sqlstate`](Self::sqlstate) |
/// | what do I tell my own client? | [`to_response`](Self::to_response) |
///
/// No error contains parameters, rows read or secrets; [`db_error`](Self::db_error) has what the
/// database chose to say.
#[derive(Clone)]
pub struct Error(Box<Kind>);

/// A failure, by where it came from.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "always in a box, and rarely made")]
pub(crate) enum Kind {
    /// The binding or variable is missing or malformed.
    Config(String),
    /// The call itself is wrong; nothing was sent.
    Request(String),
    /// A parameter has no text; nothing was sent.
    Param { index: usize, error: ParamError },
    /// The exchange ended with this outcome.
    Outcome { outcome: Outcome, error: Option<DbError>, statement: Option<usize> },
    /// No answer came in time.
    Deadline { after: Duration },
    /// The platform failed to deliver the call or the answer.
    Platform(PlatformError),
    /// The answer is none.
    Answer(AnswerError),
    /// The answer's data is not what the protocol allows.
    Protocol(String),
    /// The result exceeds what is kept in memory. The statements were executed.
    TooLarge { limit: usize },
    /// Another number of rows than asked for. The statements were executed.
    RowCount { expected: &'static str, found: usize },
    /// A column does not exist or cannot be read as asked.
    Column { column: String, error: DecodeError },
    /// A row does not fit a struct.
    Struct(String),
    /// A statement of the transaction failed before: nothing more runs in it.
    TransactionFailed { first: Error },
    /// COMMIT was said, and ROLLBACK was done.
    NotCommitted,
    /// The transaction is over before it was ended here.
    TransactionOver { first: Option<Error> },
}

/// An error thrown by the platform instead of an answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct PlatformError {
    pub(crate) message: String,
    pub(crate) overloaded: bool,
    pub(crate) retryable: bool,
}

impl Error {
    pub(crate) fn new(kind: Kind) -> Self {
        Self(Box::new(kind))
    }

    pub(crate) fn request(message: impl Into<String>) -> Self {
        Self::new(Kind::Request(message.into()))
    }

    pub(crate) fn kind(&self) -> &Kind {
        &self.0
    }

    /// The SQLSTATE, whether the database or the coordinator made it. A missed deadline and a broken
    /// answer are `08007`; failures before anything was sent have none.
    #[must_use]
    pub fn sqlstate(&self) -> Option<&str> {
        match self.kind() {
            Kind::Outcome { outcome, error, .. } => {
                Some(error.as_ref().map_or(outcome.sqlstate.as_str(), |error| error.code.as_str()))
            }
            Kind::Deadline { .. } | Kind::Answer(_) | Kind::Protocol(_) => Some("08007"),
            Kind::Platform(error) => (!error.overloaded).then_some("08007"),
            Kind::TransactionFailed { .. } => Some("25P02"),
            Kind::NotCommitted => Some("25P02"),
            Kind::TransactionOver { .. } => Some("25P01"),
            Kind::Config(_)
            | Kind::Request(_)
            | Kind::Param { .. }
            | Kind::TooLarge { .. }
            | Kind::RowCount { .. }
            | Kind::Column { .. }
            | Kind::Struct(_) => None,
        }
    }

    /// Whether the same call may be made again without a second effect: nothing of it was executed,
    /// or the database rolled all of it back for a reason that passes (`40001`, `40P01`). Wait for
    /// [`retry_after`](Self::retry_after) first.
    ///
    /// An overloaded coordinator is not retryable: a retry would make it worse.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.outcome().is_some_and(|outcome| {
            outcome.retry == Retry::Safe
                || outcome.status == Status::Error
                    && matches!(self.sqlstate(), Some("40001" | "40P01"))
        })
    }

    /// Whether the statements may or may not have been executed: look before a retry, unless they
    /// can run twice without harm.
    #[must_use]
    pub fn is_outcome_unknown(&self) -> bool {
        self.has_status(Status::OutcomeUnknown)
            || matches!(self.kind(), Kind::Deadline { .. } | Kind::Answer(_) | Kind::Protocol(_))
            || matches!(self.kind(), Kind::Platform(error) if !error.overloaded)
    }

    /// Whether the call was turned away, by the pool or by the platform, before anything of it was
    /// executed.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.has_status(Status::Refused) || self.is_overloaded()
    }

    /// Whether the statements ended inside a transaction block, which was rolled back.
    #[must_use]
    pub fn is_rolled_back(&self) -> bool {
        self.has_status(Status::RolledBack)
    }

    /// Whether the platform turned the call away because the coordinator has more calls than it can
    /// take.
    #[must_use]
    pub fn is_overloaded(&self) -> bool {
        matches!(self.kind(), Kind::Platform(error) if error.overloaded)
    }

    /// Whether the call's time was over, seen from here or from the coordinator.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        // From the database itself 57014 is a cancel or its own statement_timeout; a session that
        // is lost is not the caller's doing.
        let out_of_time = |outcome: &Outcome| {
            outcome.blame == Blame::Caller
                && matches!(outcome.sqlstate, SqlState::OUTCOME_UNKNOWN | SqlState::GAVE_UP)
        };
        matches!(self.kind(), Kind::Deadline { .. })
            || self.db_error().is_none() && self.outcome().is_some_and(out_of_time)
    }

    /// How long to wait before a retry, if the coordinator has advice.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let millis = self.outcome()?.retry_after_ms;
        (millis > 0).then(|| Duration::from_millis(millis.into()))
    }

    /// What the database reported, if it was the database. Of a transaction that failed before, what
    /// it failed of.
    #[must_use]
    pub fn db_error(&self) -> Option<&DbError> {
        if let Some(first) = self.first() {
            return first.db_error();
        }
        let Kind::Outcome { error, .. } = self.kind() else { return None };
        error.as_ref()
    }

    /// What a transaction failed of, when this error only tells that it had failed before.
    #[must_use]
    #[expect(clippy::wildcard_enum_match_arm, reason = "two kinds of many")]
    pub fn first(&self) -> Option<&Self> {
        match self.kind() {
            Kind::TransactionFailed { first } => Some(first),
            Kind::TransactionOver { first } => first.as_ref(),
            _ => None,
        }
    }

    /// Which statement of a batch the database's error is about, from 0.
    #[must_use]
    pub fn statement(&self) -> Option<usize> {
        let Kind::Outcome { statement, .. } = self.kind() else { return None };
        *statement
    }

    /// Whether nothing of the request was executed, so that its transaction goes on as it was.
    pub(crate) fn left_no_trace(&self) -> bool {
        match self.kind() {
            Kind::Request(_) | Kind::Param { .. } => true,
            // Of classes 08 and 25 are those that say that the transaction is over.
            Kind::Outcome { outcome, .. } => {
                outcome.status == Status::Refused
                    && !matches!(outcome.sqlstate.class(), "08" | "25")
            }
            Kind::Config(_)
            | Kind::Deadline { .. }
            | Kind::Platform(_)
            | Kind::Answer(_)
            | Kind::Protocol(_)
            | Kind::TooLarge { .. }
            | Kind::RowCount { .. }
            | Kind::Column { .. }
            | Kind::Struct(_)
            | Kind::NotCommitted
            | Kind::TransactionFailed { .. }
            | Kind::TransactionOver { .. } => false,
        }
    }

    fn outcome(&self) -> Option<&Outcome> {
        let Kind::Outcome { outcome, .. } = self.kind() else { return None };
        Some(outcome)
    }

    fn has_status(&self, status: Status) -> bool {
        self.outcome().is_some_and(|outcome| outcome.status == status)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            Kind::Config(message) | Kind::Request(message) => f.write_str(message),
            Kind::Param { index, error } => write!(f, "parameter ${}: {error}", index + 1),
            Kind::Outcome { error: Some(error), .. } => error.fmt(f),
            Kind::Outcome { outcome, .. } => {
                write!(f, "{}: {}", outcome.sqlstate, outcome.message)?;
                if outcome.hint.is_empty() { Ok(()) } else { write!(f, " ({})", outcome.hint) }
            }
            Kind::Deadline { after } => {
                write!(f, "no answer after {} ms; the outcome is unknown", after.as_millis())
            }
            Kind::Platform(error) if error.overloaded => {
                write!(f, "the coordinator is overloaded, nothing was executed: {}", error.message)
            }
            Kind::Platform(error) => {
                let transient = if error.retryable { " (transient)" } else { "" };
                write!(
                    f,
                    "the call broke off{transient}, the outcome is unknown: {}",
                    error.message
                )
            }
            Kind::Answer(error) => write!(f, "{error}; the outcome is unknown"),
            Kind::Protocol(problem) => {
                write!(f, "the answer is malformed, the outcome is unknown: {problem}")
            }
            Kind::TooLarge { limit } => write!(
                f,
                "the statements were executed, but their result exceeds {limit} bytes; read it with \
                 query_stream, or select less"
            ),
            Kind::RowCount { expected, found } => {
                write!(f, "the statement returned {found} rows, expected {expected}")
            }
            Kind::Column { column, error } => write!(f, "column {column}: {error}"),
            Kind::Struct(problem) => write!(f, "the row does not fit the struct: {problem}"),
            Kind::TransactionFailed { first } => write!(
                f,
                "25P02: nothing more runs in this transaction, because a statement of it failed: \
                 {first} (roll it back and begin again; what may fail belongs in a savepoint)"
            ),
            Kind::NotCommitted => f.write_str(
                "25P02: the database answered COMMIT with ROLLBACK, because a statement had failed",
            ),
            Kind::TransactionOver { first: Some(first) } => {
                write!(f, "25P01: the transaction is over, and was not committed: {first}")
            }
            Kind::TransactionOver { first: None } => f.write_str(
                "25P01: the transaction is over, and was not committed: a call was dropped before \
                 its answer was read, which ends the transaction (begin another one)",
            ),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Error").field(self.kind()).finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self.kind() {
            Kind::Param { error, .. } => Some(error),
            Kind::Outcome { error, .. } => error.as_ref().map(|error| error as _),
            Kind::Answer(error) => Some(error),
            Kind::Column { error, .. } => Some(error),
            Kind::TransactionFailed { first } => Some(first),
            Kind::TransactionOver { first } => first.as_ref().map(|error| error as _),
            Kind::Config(_)
            | Kind::Request(_)
            | Kind::Deadline { .. }
            | Kind::Platform(_)
            | Kind::Protocol(_)
            | Kind::TooLarge { .. }
            | Kind::RowCount { .. }
            | Kind::NotCommitted
            | Kind::Struct(_) => None,
        }
    }
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Self::new(Kind::Config(error.to_string()))
    }
}

impl From<AnswerError> for Error {
    fn from(error: AnswerError) -> Self {
        Self::new(Kind::Answer(error))
    }
}

/// So that `?` works in a Worker's handler; for the right HTTP status use
/// [`to_response`](Error::to_response) instead.
impl From<Error> for worker::Error {
    fn from(error: Error) -> Self {
        Self::RustError(error.to_string())
    }
}
