//! How far a transaction has come, and what is to be said with its next request.

use crate::Error;
use crate::error::Kind;
use crate::result::Ready;

/// What is known of a transaction.
///
/// ```text
/// New ──asked──▶ Asked ──"open"──▶ Open ──asked──▶ Asked …
///  ▲               │ │ └─"failed"─▶ Failed ──back to a savepoint──▶ Open
///  └─nothing ran───┘ └─lost, ended, or never answered─▶ Over
/// ```
#[derive(Debug)]
pub(crate) struct Progress {
    state: State,
    begin: String,
    /// Commands of savepoints that ride with the next request.
    pending: Vec<String>,
    /// Requests that were sent: what tells if anything ran since a savepoint.
    asked: u64,
    /// Savepoints so far, for their names: two of the same name would hide each other.
    savepoints: u64,
}

#[derive(Debug)]
enum State {
    /// The database knows nothing of it.
    New,
    Open,
    /// A request was sent and not answered. One that is never answered was dropped.
    Asked {
        new: bool,
    },
    Failed {
        first: Error,
    },
    Over {
        first: Option<Error>,
    },
}

/// Where a savepoint begins; from [`Scope::mark`](crate::Scope::mark).
#[derive(Clone, Debug)]
pub struct Mark {
    /// As an SQL identifier.
    name: String,
    asked: u64,
    pending: usize,
}

impl Progress {
    pub(crate) fn new(begin: String) -> Self {
        Self { state: State::New, begin, pending: Vec::new(), asked: 0, savepoints: 0 }
    }

    /// Whether a statement may run.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match &self.state {
            State::New | State::Open => Ok(()),
            State::Asked { .. } => Err(Error::new(Kind::TransactionOver { first: None })),
            State::Failed { first } => {
                Err(Error::new(Kind::TransactionFailed { first: first.clone() }))
            }
            State::Over { first } => {
                Err(Error::new(Kind::TransactionOver { first: first.clone() }))
            }
        }
    }

    /// Whether the database knows nothing of the transaction.
    pub(crate) const fn is_new(&self) -> bool {
        matches!(self.state, State::New)
    }

    /// Whether there is something left to be undone.
    pub(crate) const fn is_open(&self) -> bool {
        matches!(self.state, State::Open | State::Failed { .. })
    }

    /// The command that begins the transaction.
    pub(crate) fn begin(&self) -> &str {
        &self.begin
    }

    /// What goes ahead of the next request's statements, behind `BEGIN` if that is to be said.
    pub(crate) fn ahead(&self) -> Vec<String> {
        self.pending.clone()
    }

    /// What savepoints left to be said need not be said: all is rolled back.
    pub(crate) fn forget_pending(&mut self) {
        self.pending.clear();
    }

    /// A request is about to be sent.
    pub(crate) fn asked(&mut self) {
        self.asked += 1;
        self.state = State::Asked { new: self.is_new() };
    }

    /// A request was answered: the last ready point in it, and its error.
    pub(crate) fn answered(&mut self, ready: Option<Ready>, error: Option<&Error>) {
        let new = matches!(self.state, State::Asked { new: true });
        if ready.is_none() && error.is_some_and(Error::left_no_trace) {
            self.asked -= 1;
            self.state = if new { State::New } else { State::Open };
            return;
        }
        self.pending.clear();
        self.state = match (ready, error) {
            (Some(Ready::Open), _) => State::Open,
            (Some(Ready::Failed), Some(error)) => State::Failed { first: error.clone() },
            (Some(Ready::None | Ready::Failed) | None, error) => {
                State::Over { first: error.cloned() }
            }
        };
    }

    pub(crate) fn mark(&mut self, name: &str) -> Result<Mark, Error> {
        self.check()?;
        if name.is_empty() || name.len() > NAME_BYTES_MAX || name.contains('\0') {
            return Err(Error::request(format!(
                "a savepoint's name has 1 to {NAME_BYTES_MAX} bytes, and no NUL character"
            )));
        }
        self.savepoints += 1;
        let name = format!("\"{}_{}\"", name.replace('"', "\"\""), self.savepoints);
        let mark = Mark { name, asked: self.asked, pending: self.pending.len() };
        self.pending.push(format!("SAVEPOINT {}", mark.name));
        Ok(mark)
    }

    pub(crate) fn release(&mut self, mark: &Mark) {
        if self.asked == mark.asked {
            return self.pending.truncate(mark.pending);
        }
        self.pending.push(format!("RELEASE SAVEPOINT {}", mark.name));
    }

    pub(crate) fn roll_back_to(&mut self, mark: &Mark) {
        if self.asked == mark.asked {
            return self.pending.truncate(mark.pending);
        }
        if !self.is_open() {
            return;
        }
        self.state = State::Open;
        self.pending.push(format!("ROLLBACK TO SAVEPOINT {}", mark.name));
        self.pending.push(format!("RELEASE SAVEPOINT {}", mark.name));
    }
}

/// Bytes of a savepoint's name as it is given: with a number behind it, it must not reach the 63
/// bytes by which PostgreSQL tells names apart.
const NAME_BYTES_MAX: usize = 40;

#[cfg(test)]
mod tests {
    use pierhead_wire::envelope::{Blame, Outcome, Retry, SqlState, Status};

    use super::*;

    fn outcome(status: Status, sqlstate: &[u8; 5]) -> Error {
        let outcome = Outcome {
            status,
            sqlstate: SqlState::from_ascii(sqlstate).unwrap(),
            blame: Blame::Pierhead,
            retry: Retry::DoNot,
            message: "why".into(),
            ..Outcome::completed(0, 0)
        };
        Error::new(Kind::Outcome { outcome, error: None, statement: None })
    }

    fn begun() -> Progress {
        let mut progress = Progress::new("BEGIN".into());
        run(&mut progress, Some(Ready::Open), None);
        progress
    }

    fn run(progress: &mut Progress, ready: Option<Ready>, error: Option<&Error>) -> Vec<String> {
        progress.check().unwrap();
        let mut ahead = progress.ahead();
        if progress.is_new() {
            ahead.insert(0, progress.begin().to_owned());
        }
        progress.asked();
        progress.answered(ready, error);
        ahead
    }

    #[test]
    fn begin_rides_with_the_first_request_and_no_other() {
        let mut progress = Progress::new("BEGIN".into());
        assert_eq!(run(&mut progress, Some(Ready::Open), None), ["BEGIN"]);
        assert!(run(&mut progress, Some(Ready::Open), None).is_empty());
    }

    #[test]
    fn what_was_turned_away_changes_nothing() {
        let mut progress = Progress::new("BEGIN".into());
        let full = outcome(Status::Refused, b"53300");
        run(&mut progress, None, Some(&full));
        assert_eq!(run(&mut progress, Some(Ready::Open), None), ["BEGIN"]);
        let _mark = progress.mark("a").unwrap();
        run(&mut progress, None, Some(&outcome(Status::Refused, b"53200")));
        assert_eq!(run(&mut progress, Some(Ready::Open), None), ["SAVEPOINT \"a_1\""]);
    }

    #[test]
    fn a_failure_is_told_again() {
        let mut progress = begun();
        run(&mut progress, Some(Ready::Failed), Some(&outcome(Status::Error, b"23505")));
        let error = progress.check().unwrap_err();
        assert_eq!(
            (error.sqlstate(), error.first().unwrap().sqlstate()),
            (Some("25P02"), Some("23505"))
        );
        assert!(!error.is_retryable() && !error.is_outcome_unknown());
        assert!(error.to_string().contains("23505: why"), "{error}");
        assert!(progress.is_open());
    }

    #[test]
    fn what_is_lost_is_over() {
        let lost = [
            (None, Some(outcome(Status::OutcomeUnknown, b"08007"))),
            (None, Some(outcome(Status::Refused, b"25P03"))),
            (None, Some(outcome(Status::Refused, b"08006"))),
            (Some(Ready::None), Some(outcome(Status::Error, b"25006"))),
            (Some(Ready::None), None),
        ];
        for (ready, error) in lost {
            let mut progress = begun();
            run(&mut progress, ready, error.as_ref());
            let told = progress.check().unwrap_err();
            assert_eq!(told.sqlstate(), Some("25P01"), "{told}");
            assert!(!progress.is_open());
            assert!(progress.mark("a").is_err());
        }
    }

    #[test]
    fn a_call_that_was_dropped_ends_the_transaction() {
        let mut progress = begun();
        progress.asked();
        let told = progress.check().unwrap_err();
        assert!(told.to_string().contains("a call was dropped"), "{told}");
    }

    #[test]
    fn savepoints_ride_along() {
        let mut progress = begun();
        let outer = progress.mark("a").unwrap();
        let inner = progress.mark("a").unwrap();
        let ahead = run(&mut progress, Some(Ready::Open), None);
        assert_eq!(ahead, ["SAVEPOINT \"a_1\"", "SAVEPOINT \"a_2\""]);
        progress.release(&inner);
        progress.roll_back_to(&outer);
        assert_eq!(
            run(&mut progress, Some(Ready::Open), None),
            [
                "RELEASE SAVEPOINT \"a_2\"",
                "ROLLBACK TO SAVEPOINT \"a_1\"",
                "RELEASE SAVEPOINT \"a_1\"",
            ]
        );
    }

    #[test]
    fn a_savepoint_in_which_nothing_ran_is_never_told_of() {
        let mut progress = Progress::new("BEGIN".into());
        let outer = progress.mark("a").unwrap();
        let inner = progress.mark("b\"c").unwrap();
        progress.roll_back_to(&inner);
        assert_eq!(progress.ahead(), ["SAVEPOINT \"a_1\""]);
        progress.release(&outer);
        assert!(progress.ahead().is_empty());
    }

    #[test]
    fn a_failure_in_a_savepoint_ends_with_it() {
        let mut progress = begun();
        let mark = progress.mark("a").unwrap();
        run(&mut progress, Some(Ready::Failed), Some(&outcome(Status::Error, b"23505")));
        assert!(progress.check().is_err());
        progress.roll_back_to(&mark);
        progress.check().unwrap();
        assert_eq!(progress.ahead().first().unwrap(), "ROLLBACK TO SAVEPOINT \"a_1\"");
    }

    #[test]
    fn what_is_over_stays_over() {
        let mut progress = begun();
        let mark = progress.mark("a").unwrap();
        run(&mut progress, None, Some(&outcome(Status::OutcomeUnknown, b"08007")));
        progress.roll_back_to(&mark);
        assert_eq!(progress.check().unwrap_err().sqlstate(), Some("25P01"));
    }

    #[test]
    fn a_name_is_one() {
        let mut progress = begun();
        for name in ["", "a\0b", &"x".repeat(41)] {
            assert!(progress.mark(name).is_err());
        }
        progress.mark("ü \"quoted\"").unwrap();
        assert_eq!(progress.ahead(), ["SAVEPOINT \"ü \"\"quoted\"\"_1\""]);
    }
}
