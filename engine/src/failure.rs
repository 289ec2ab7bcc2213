//! Every way in which a request or an open can fail: who is to blame, whether to retry, and what a
//! caller may see.

use pierhead_wire::envelope::{Blame, Outcome, Retry, SqlState, Status};
use pierhead_wire::pg::errors::ErrorFields;

use crate::io::{Refusal, RefusalKind};
use crate::pool::client::Over;
use crate::time::Millis;

/// Why a session could not be opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ConnectFailure {
    pub(crate) sqlstate: SqlState,
    pub(crate) blame: Blame,
    /// True if trying again soon is pointless: somebody must change something first.
    pub(crate) lasting: bool,
    /// True if the database said nothing: it, or the way to it, may be down.
    pub(crate) unreachable: bool,
    pub(crate) message: String,
    pub(crate) hint: String,
}

impl ConnectFailure {
    /// Somebody must change a setting.
    pub(crate) fn refused(sqlstate: SqlState, message: &str, hint: &str) -> Self {
        Self {
            sqlstate,
            blame: Blame::Database,
            lasting: true,
            unreachable: false,
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// The database answered the start-up with an error.
    pub(crate) fn reported(fields: &ErrorFields<'_>) -> Self {
        let (lasting, hint) = verdict_of_startup(&fields.code);
        // Codes that name a setting to change pass through. Others would be taken for what they
        // mean elsewhere: 53300 is also Pierhead's own "queue full".
        let sqlstate = SqlState::from_ascii(fields.code.as_bytes())
            .filter(|s| matches!(s.class(), "28" | "3D"))
            .unwrap_or(SqlState::CANNOT_CONNECT);
        Self {
            sqlstate,
            blame: Blame::Database,
            lasting,
            unreachable: false,
            message: format!(
                "the database refused the session: {} ({})",
                fields.message, fields.code
            ),
            hint: hint.into(),
        }
    }

    /// The stream could not be opened.
    pub(crate) fn stream(refusal: &Refusal) -> Self {
        let (lasting, message, hint) = match refusal.kind {
            RefusalKind::Denied => (
                true,
                "the tunnel refused our credentials",
                "check PIERHEAD_DB_<NAME>_ACCESS_CLIENT_ID and _ACCESS_CLIENT_SECRET, and the \
                 Access policy",
            ),
            RefusalKind::Unreachable => {
                (false, "the tunnel cannot reach the database", "check that the database is up")
            }
            RefusalKind::Full => (
                false,
                "there is no room for another session yet",
                "connections count until the database has let go of them",
            ),
            RefusalKind::Failed => {
                (false, "the database cannot be reached", "check host, port and network")
            }
        };
        Self {
            sqlstate: SqlState::CANNOT_CONNECT,
            blame: Blame::Tunnel,
            lasting,
            unreachable: matches!(refusal.kind, RefusalKind::Unreachable | RefusalKind::Failed),
            message: format!("{message}: {}", refusal.detail),
            hint: hint.into(),
        }
    }

    /// The stream ended before the session was open.
    pub(crate) fn ended(detail: &str) -> Self {
        Self {
            sqlstate: SqlState::CANNOT_CONNECT,
            blame: Blame::Tunnel,
            lasting: false,
            unreachable: true,
            message: format!("the stream ended while a session was being opened: {detail}"),
            hint: "check that the database is up, and that tls= in PIERHEAD_DB_<NAME> is what it expects".into(),
        }
    }

    /// Opening took longer than `connect_timeout`.
    pub(crate) fn timed_out(after: Millis) -> Self {
        Self {
            sqlstate: SqlState::CANNOT_CONNECT,
            blame: Blame::Tunnel,
            lasting: false,
            unreachable: true,
            message: format!("opening a session took longer than {} ms", after.0),
            hint: "check the way to the database, or raise connect_timeout= in PIERHEAD_DB_<NAME>"
                .into(),
        }
    }
}

/// What a SQLSTATE in answer to a start-up means: whether somebody must change something before
/// another try can succeed, and what. A code that is not known here is taken for a lasting one: who
/// waits then hears the database's own words at once.
fn verdict_of_startup(code: &str) -> (bool, &'static str) {
    match code {
        "3D000" => (true, "check the database's name in PIERHEAD_DB_<NAME>"),
        "42501" => (true, "GRANT CONNECT ON DATABASE to the user in PIERHEAD_DB_<NAME>"),
        "55000" => (true, "check that the database allows connections (pg_database)"),
        "0A000" | "08P01" => (true, "check that host and port are those of a PostgreSQL server"),
        "53300" => (
            false,
            "lower pool_size= in PIERHEAD_DB_<NAME>, or raise the server's max_connections or the \
             role's CONNECTION LIMIT",
        ),
        "57P03" => (false, "the database is starting up, shutting down or in recovery"),
        // `authentication_timeout`, and what passes with another client's lock.
        "57014" | "55006" | "55P03" => (false, ""),
        _ if code.starts_with("28") => (
            true,
            "check the user in PIERHEAD_DB_<NAME> and the secret PIERHEAD_DB_<NAME>_PASSWORD, and \
             pg_hba.conf",
        ),
        _ if code.starts_with("53") => (false, "the database server has run out of a resource"),
        _ if code.starts_with("58") => (false, "look into the database server's log"),
        // A lost connection, a conflict with another client, a server that is shut down.
        _ => (!["080", "40", "57P"].iter().any(|passing| code.starts_with(passing)), ""),
    }
}

/// Why a request failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Failure {
    /// The request cannot be understood or is not allowed.
    Invalid { sqlstate: SqlState, message: String },
    /// A socket's start-up asks for what it may not have.
    StartUpRefused { sqlstate: SqlState, message: String, hint: String },
    /// As many clients wait as may.
    QueueFull { waiters: usize, holders: String },
    /// The bytes of waiting requests use up their budget.
    RequestsTooLarge,
    /// The time in the queue is over.
    WaitedTooLong { after: Millis, holders: String },
    /// No session can be opened.
    CannotConnect { failure: ConnectFailure, retry_after: Millis },
    /// The session was lost before anything was sent, as often as is tried.
    LostBeforeSent { detail: String },
    /// The session was lost after something was sent.
    Lost { detail: String },
    /// The session was lost while nothing of a client was on its way: what it began is rolled back.
    LostAtRest { detail: String },
    /// The request's time is over while it runs.
    OutOfTime { after: Millis },
    /// The caller ended it; `sent` tells whether anything was sent.
    GaveUp { sent: bool },
    /// The reader of a large answer does not keep up.
    ReaderTooSlow { held: usize },
    /// The answers held for slow readers use up their budget.
    AnswersTooLarge { held: usize },
    /// As many sockets are open as may be.
    TooManySockets { sockets: usize },
    /// As many sockets keep a session of their own as may.
    TooManyPinned { most: usize },
    /// The transaction of a lease is over, or never began.
    LeaseOver { how: Over },
    /// A client was silent in a transaction.
    IdleInTransaction { after: Millis },
    /// A transaction took too long.
    TransactionTooLong { after: Millis },
    /// A client was silent outside a transaction.
    ClientIdle { after: Millis },
    /// A client did not finish its start-up.
    StartUpTooSlow { after: Millis },
}

impl Failure {
    /// No agent has dialled in, and there is no other tunnel.
    pub(crate) fn no_agent() -> Self {
        let failure = ConnectFailure {
            sqlstate: SqlState::CANNOT_CONNECT,
            blame: Blame::Tunnel,
            lasting: false,
            unreachable: true,
            message: "no agent is connected to the coordinator".into(),
            hint: "start `pierhead agent` beside the database and look at its log, or add a \
                   second tunnel to PIERHEAD_DB_<NAME>, as in tunnel=agent,direct"
                .into(),
        };
        Self::CannotConnect { failure, retry_after: Millis(0) }
    }

    /// The outcome that a caller gets, times not filled in.
    pub(crate) fn outcome(&self) -> Outcome {
        let (status, sqlstate, blame, retry, retry_after) = self.verdict();
        let (message, hint) = self.text();
        Outcome {
            status,
            sqlstate,
            blame,
            retry,
            retry_after_ms: retry_after.as_u32(),
            waited_ms: 0,
            ran_ms: 0,
            message,
            hint,
        }
    }

    fn verdict(&self) -> (Status, SqlState, Blame, Retry, Millis) {
        use {Blame as B, Retry as R, SqlState as S, Status as T};
        let soon = Millis::secs(1);
        match self {
            Self::Invalid { sqlstate, .. } | Self::StartUpRefused { sqlstate, .. } => {
                (T::Refused, *sqlstate, B::Caller, R::DoNot, Millis(0))
            }
            Self::QueueFull { .. } => (T::Refused, S::QUEUE_FULL, B::Pierhead, R::Safe, soon),
            Self::RequestsTooLarge => (T::Refused, S::OUT_OF_MEMORY, B::Pierhead, R::Safe, soon),
            Self::WaitedTooLong { .. } => {
                (T::Refused, S::WAITED_TOO_LONG, B::Pierhead, R::Safe, soon)
            }
            Self::CannotConnect { failure, retry_after } => {
                (T::Refused, failure.sqlstate, failure.blame, R::Safe, *retry_after)
            }
            Self::LostBeforeSent { .. } | Self::LostAtRest { .. } => {
                (T::Refused, S::LOST, B::Tunnel, R::Safe, Millis(0))
            }
            Self::Lost { .. } => {
                (T::OutcomeUnknown, S::OUTCOME_UNKNOWN, B::Tunnel, R::IfIdempotent, Millis(0))
            }
            Self::OutOfTime { .. } => {
                (T::OutcomeUnknown, S::OUTCOME_UNKNOWN, B::Caller, R::IfIdempotent, Millis(0))
            }
            Self::GaveUp { sent: false } => (T::Refused, S::GAVE_UP, B::Caller, R::Safe, Millis(0)),
            Self::GaveUp { sent: true } => {
                (T::OutcomeUnknown, S::GAVE_UP, B::Caller, R::IfIdempotent, Millis(0))
            }
            Self::ReaderTooSlow { .. } | Self::AnswersTooLarge { .. } => {
                (T::OutcomeUnknown, S::OUT_OF_MEMORY, B::Caller, R::IfIdempotent, Millis(0))
            }
            Self::TooManySockets { .. } => (T::Refused, S::QUEUE_FULL, B::Pierhead, R::Safe, soon),
            Self::TooManyPinned { .. } => {
                (T::Refused, S::literal(b"53000"), B::Pierhead, R::Safe, soon)
            }
            Self::LeaseOver { how } => {
                (T::Refused, S::literal(how.code()), B::Caller, R::DoNot, Millis(0))
            }
            Self::IdleInTransaction { .. } => {
                (T::RolledBack, S::literal(b"25P03"), B::Caller, R::DoNot, Millis(0))
            }
            Self::TransactionTooLong { .. } => {
                (T::RolledBack, S::literal(b"25P04"), B::Caller, R::DoNot, Millis(0))
            }
            Self::ClientIdle { .. } | Self::StartUpTooSlow { .. } => {
                (T::Refused, S::literal(b"57P05"), B::Caller, R::Safe, Millis(0))
            }
        }
    }

    fn text(&self) -> (String, String) {
        let (message, hint) = match self {
            Self::Invalid { message, .. } => (message.clone(), ""),
            Self::StartUpRefused { message, hint, .. } => return (message.clone(), hint.clone()),
            Self::QueueFull { waiters, holders } => (
                format!("{waiters} requests wait for a session already; {holders}"),
                "raise pool_size= or max_waiters= in PIERHEAD_DB_<NAME>, or make the holders \
                 quicker",
            ),
            Self::RequestsTooLarge => (
                "the requests that wait and run use up their memory".into(),
                "send large parameters in fewer requests at once",
            ),
            Self::WaitedTooLong { after, holders } => (
                format!("no session became free within {} ms; {holders}", after.0),
                "raise pool_size= or wait_timeout= in PIERHEAD_DB_<NAME>, or make the holders \
                 quicker",
            ),
            Self::CannotConnect { failure, .. } => {
                return (failure.message.clone(), failure.hint.clone());
            }
            Self::LostBeforeSent { detail } => {
                (format!("the session was lost before anything was sent: {detail}"), "")
            }
            Self::LostAtRest { detail } => (
                format!("the session was lost between two requests: {detail}"),
                "its transaction was rolled back: begin it again",
            ),
            Self::Lost { detail } => (
                format!("the session was lost while the request ran: {detail}"),
                "it may or may not have taken effect; retry only what is idempotent",
            ),
            Self::OutOfTime { after } => (
                format!("the request did not finish within {} ms", after.0),
                "it may or may not have taken effect; give it more time, or make it quicker",
            ),
            Self::GaveUp { .. } => ("the request was aborted by its caller".into(), ""),
            Self::ReaderTooSlow { held } => (
                format!("the answer outran its reader: {held} bytes were held for it"),
                "read faster, ask for less at once, or use a tunnel that can hold back",
            ),
            Self::AnswersTooLarge { held } => (
                format!("the answers held for slow readers use up their memory ({held} bytes)"),
                "read faster, or ask for less at once",
            ),
            Self::TooManySockets { sockets } => (
                format!("{sockets} sockets are open already, or their memory is used up"),
                "close those that are idle, or lower client_idle_timeout= in PIERHEAD_DB_<NAME>",
            ),
            Self::TooManyPinned { most } => (
                format!("as many clients keep a session of their own as may ({most})"),
                "raise pinned= or pool_size= in PIERHEAD_DB_<NAME>, or use transaction mode",
            ),
            Self::LeaseOver { how } => (how.text().into(), "begin another transaction"),
            Self::IdleInTransaction { after } => (
                format!("the client sent nothing in its transaction for {} ms", after.0),
                "end transactions sooner, or raise idle_in_transaction_timeout= in \
                 PIERHEAD_DB_<NAME>",
            ),
            Self::TransactionTooLong { after } => (
                format!("the transaction took longer than {} ms", after.0),
                "make it shorter, or raise transaction_timeout= in PIERHEAD_DB_<NAME>",
            ),
            Self::ClientIdle { after } => (
                format!("the client sent nothing for {} ms", after.0),
                "connect again when needed, or raise client_idle_timeout= in PIERHEAD_DB_<NAME>",
            ),
            Self::StartUpTooSlow { after } => {
                (format!("the start-up was not complete within {} ms", after.0), "")
            }
        };
        (message, hint.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_may_have_run_is_called_safe_to_retry() {
        for failure in [
            Failure::Lost { detail: String::new() },
            Failure::OutOfTime { after: Millis(1) },
            Failure::GaveUp { sent: true },
            Failure::ReaderTooSlow { held: 1 },
            Failure::AnswersTooLarge { held: 1 },
        ] {
            let outcome = failure.outcome();
            assert_eq!(outcome.status, Status::OutcomeUnknown, "{failure:?}");
            assert_eq!(outcome.retry, Retry::IfIdempotent, "{failure:?}");
        }
    }

    /// What a server answers a start-up with, and whether another try soon can succeed.
    #[test]
    fn only_what_somebody_must_change_is_lasting() {
        let table = [
            ("28P01", true, "28P01", "wrong password"),
            ("28000", true, "28000", "no such role, no line in pg_hba.conf, or may not log in"),
            ("3D000", true, "3D000", "no such database"),
            ("42501", true, "08001", "no CONNECT privilege on the database"),
            ("55000", true, "08001", "the database does not allow connections"),
            ("0A000", true, "08001", "a protocol that the server does not speak"),
            ("08P01", true, "08001", "a start-up packet that the server does not understand"),
            ("22023", true, "08001", "a parameter with a value that is not allowed"),
            ("42704", true, "08001", "a parameter that does not exist"),
            ("XX000", true, "08001", "a proxy's answer to anything"),
            ("53300", false, "08001", "all connections are in use, of server, database or role"),
            ("53100", false, "08001", "disk full"),
            ("53200", false, "08001", "out of memory"),
            ("53400", false, "08001", "a resource's limit is reached"),
            ("57P01", false, "08001", "shut down by its administrator"),
            ("57P02", false, "08001", "another process of the server crashed"),
            ("57P03", false, "08001", "starting up, shutting down, in recovery"),
            ("57P04", false, "08001", "the database was dropped in this moment"),
            ("57014", false, "08001", "authentication_timeout"),
            ("55006", false, "08001", "the database is being copied or dropped"),
            ("55P03", false, "08001", "a lock's timeout in a login trigger"),
            ("40001", false, "08001", "a serialization failure in a login trigger"),
            ("58000", false, "08001", "an error of the server's system"),
            ("58030", false, "08001", "the server cannot read a file"),
            ("58P01", false, "08001", "a file of the server's is missing"),
            ("08006", false, "08001", "a proxy lost its own connection"),
        ];
        for (code, lasting, seen, what) in table {
            let fields = ErrorFields { code: code.into(), ..ErrorFields::default() };
            let failure = ConnectFailure::reported(&fields);
            assert_eq!((failure.lasting, failure.sqlstate.as_str()), (lasting, seen), "{what}");
            assert!(failure.message.contains(code), "{what}");
        }
    }

    #[test]
    fn waiting_and_a_full_queue_have_codes_of_their_own() {
        let full = Failure::QueueFull { waiters: 1, holders: String::new() }.outcome();
        let late = Failure::WaitedTooLong { after: Millis(1), holders: String::new() }.outcome();
        assert_eq!((full.sqlstate.as_str(), late.sqlstate.as_str()), ("53300", "53400"));
        assert_eq!((full.status, late.status), (Status::Refused, Status::Refused));
        assert!(full.retry_after_ms > 0);
    }
}
