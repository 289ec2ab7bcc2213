//! The data of an answer: backend messages into rows.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use pierhead_wire::envelope::{Outcome, Status};
use postgres_protocol::message::backend::{Header, Message};

use crate::error::Kind;
use crate::row::Column;
use crate::{DbError, Error, Row, Rows};

/// Bytes of one message, and of a result that is collected in memory: half of what an isolate has,
/// because rows are read into other values beside it.
pub(crate) const RESULT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What one statement gave.
#[derive(Clone, Debug)]
pub struct BatchResult {
    /// Its rows; none for a statement that returns none.
    pub rows: Rows,
    /// Rows inserted, updated, deleted, selected or copied, as the database counts them.
    pub affected: u64,
}

/// Reads backend messages as they arrive, cut anywhere.
#[derive(Debug, Default)]
pub(crate) struct ResultReader {
    input: BytesMut,
    columns: Option<Arc<[Column]>>,
    /// Results to come that answer none of the caller's statements.
    ahead: usize,
}

#[derive(Debug)]
pub(crate) enum Event {
    Columns(Arc<[Column]>),
    Row(Row),
    Complete {
        affected: u64,
        rolled_back: bool,
    },
    /// The statement waits for data, or was given it.
    CopyIn,
    /// Data of `COPY … TO STDOUT`.
    Copied(Bytes),
    Error(Box<DbError>),
    /// The answer's end, and what became of the transaction.
    Ready(Ready),
}

/// Whether a transaction is open where an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ready {
    None,
    Open,
    Failed,
}

impl ResultReader {
    /// A reader of an answer in which so many results come ahead of those that count.
    pub(crate) fn behind(ahead: usize) -> Self {
        Self { ahead, ..Self::default() }
    }

    /// Whether the caller's own statements have begun to be answered.
    pub(crate) const fn is_past_ahead(&self) -> bool {
        self.ahead == 0
    }

    pub(crate) fn push(&mut self, data: &[u8]) {
        self.input.extend_from_slice(data);
    }

    /// The next event, or nothing until more is pushed.
    pub(crate) fn next(&mut self) -> Result<Option<Event>, Error> {
        loop {
            let Some(message) = self.next_message()? else { return Ok(None) };
            if let Some(event) = self.handle(message)?
                && !self.is_ahead(&event)
            {
                return Ok(Some(event));
            }
        }
    }

    fn next_message(&mut self) -> Result<Option<Message>, Error> {
        // Before Message::parse, which reserves whatever the length says.
        if let Some(header) = Header::parse(&self.input).map_err(protocol)?
            && usize::try_from(header.len()).is_ok_and(|length| length > RESULT_BYTES_MAX)
        {
            return Err(Error::new(Kind::TooLarge { limit: RESULT_BYTES_MAX }));
        }
        Message::parse(&mut self.input).map_err(protocol)
    }

    /// Takes note of what answers this crate's own commands.
    fn is_ahead(&mut self, event: &Event) -> bool {
        let ahead = self.ahead > 0 && !matches!(event, Event::Error(_) | Event::Ready(_));
        if ahead && matches!(event, Event::Complete { .. }) {
            self.ahead -= 1;
        }
        ahead
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum; the rest is one error")]
    fn handle(&mut self, message: Message) -> Result<Option<Event>, Error> {
        Ok(Some(match message {
            Message::RowDescription(description) => {
                let columns = Column::read_all(&description).map_err(protocol)?;
                self.columns = Some(columns.clone());
                Event::Columns(columns)
            }
            Message::NoData => {
                self.columns = None;
                Event::Columns(Arc::from([]))
            }
            // Nobody asked for the columns of a command ahead.
            Message::DataRow(_) if self.ahead > 0 => return Ok(None),
            Message::DataRow(row) => {
                let columns = self.columns.clone().ok_or_else(|| protocol("a row came first"))?;
                Event::Row(Row::read(columns, &row).map_err(protocol)?)
            }
            Message::CommandComplete(command) => {
                let tag = command.tag().map_err(protocol)?;
                Event::Complete { affected: affected(tag), rolled_back: tag == "ROLLBACK" }
            }
            Message::EmptyQueryResponse => Event::Complete { affected: 0, rolled_back: false },
            Message::ErrorResponse(error) => {
                Event::Error(Box::new(DbError::read(error.fields()).map_err(protocol)?))
            }
            Message::CopyInResponse(_) => Event::CopyIn,
            Message::CopyData(data) => Event::Copied(data.into_bytes()),
            Message::ReadyForQuery(ready) => Event::Ready(match ready.status() {
                b'I' => Ready::None,
                b'T' => Ready::Open,
                b'E' => Ready::Failed,
                _ => return Err(protocol("a ready point of unknown state")),
            }),
            Message::ParseComplete
            | Message::BindComplete
            | Message::CloseComplete
            | Message::NoticeResponse(_)
            | Message::CopyOutResponse(_)
            | Message::CopyDone => return Ok(None),
            _ => return Err(protocol("a message that answers nothing")),
        }))
    }
}

fn protocol(problem: impl ToString) -> Error {
    Error::new(Kind::Protocol(problem.to_string()))
}

/// The number at the end of a command's tag, such as `INSERT 0 3`.
fn affected(tag: &str) -> u64 {
    tag.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Collects the results of all statements.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    reader: ResultReader,
    bytes: usize,
    too_large: bool,
    columns: Option<Arc<[Column]>>,
    rows: Vec<Row>,
    results: Vec<BatchResult>,
    copies: usize,
    rolled_back: bool,
    ready: Option<Ready>,
    error: Option<DbError>,
}

impl Collector {
    /// A collector of an answer in which so many results come ahead of those that count.
    pub(crate) fn behind(ahead: usize) -> Self {
        Self { reader: ResultReader::behind(ahead), ..Self::default() }
    }

    /// What the answer's last ready point said, if one came.
    pub(crate) const fn ready(&self) -> Option<Ready> {
        self.ready
    }

    /// Whether the last statement was a ROLLBACK, or a COMMIT that became one.
    pub(crate) const fn rolled_back(&self) -> bool {
        self.rolled_back
    }

    pub(crate) fn push(&mut self, data: &Bytes) -> Result<(), Error> {
        self.bytes += data.len();
        if self.bytes > RESULT_BYTES_MAX {
            // The rest is read to learn the outcome, not to keep it.
            self.too_large = true;
            self.rows = Vec::new();
            self.results = Vec::new();
        }
        self.reader.push(data);
        while let Some(event) = self.reader.next()? {
            self.handle(event);
        }
        Ok(())
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Columns(columns) => self.columns = Some(columns),
            Event::Row(_) if self.too_large => {}
            Event::Row(row) => self.rows.push(row),
            Event::Complete { affected, rolled_back } => {
                self.rolled_back = rolled_back;
                let columns = self.columns.take().unwrap_or_else(|| Arc::from([]));
                let rows = Rows::new(columns, std::mem::take(&mut self.rows));
                self.results.push(BatchResult { rows, affected });
            }
            // A second error tells of the end of the session; the first one of its reason.
            Event::Error(error) => self.error = self.error.take().or(Some(*error)),
            Event::CopyIn => self.copies += 1,
            // It has no place in rows; the statement's CommandComplete counts it.
            Event::Copied(_) => {}
            Event::Ready(ready) => self.ready = Some(ready),
        }
    }

    /// The results of `statements` statements, if the outcome says that they completed, and that
    /// `copies` of them took data.
    pub(crate) fn finish(
        self,
        outcome: Outcome,
        statements: usize,
        copies: usize,
    ) -> Result<Vec<BatchResult>, Error> {
        let done = self.reader.is_past_ahead().then_some(self.results.len());
        check(outcome, self.error, done)?;
        if self.too_large {
            return Err(Error::new(Kind::TooLarge { limit: RESULT_BYTES_MAX }));
        }
        if self.results.len() != statements {
            return Err(protocol(format!(
                "{} of {statements} statements were answered",
                self.results.len()
            )));
        }
        if self.copies < copies {
            return Err(Error::request(
                "the statement was executed, but took no data: copy_in is for COPY … FROM STDIN",
            ));
        }
        Ok(self.results)
    }
}

/// Whether the exchange completed; `done` statements did before an error, if it came to them.
pub(crate) fn check(
    outcome: Outcome,
    error: Option<DbError>,
    done: Option<usize>,
) -> Result<(), Error> {
    if outcome.status == Status::Completed && error.is_none() {
        return Ok(());
    }
    let statement = error.as_ref().and(done);
    Err(Error::new(Kind::Outcome { outcome, error, statement }))
}

#[cfg(test)]
mod tests {
    use pierhead_wire::envelope::{Blame, Retry, SqlState};

    use super::*;

    const COLUMNS: &[u8] = b"T\0\0\0\x1b\0\x01id\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0";
    const ROW: &[u8] = b"D\0\0\0\x0d\0\x01\0\0\0\x03-12";
    const NULL_ROW: &[u8] = b"D\0\0\0\x0a\0\x01\xff\xff\xff\xff";
    const SELECTED: &[u8] = b"C\0\0\0\x0dSELECT 2\0";
    const READY: &[u8] = b"Z\0\0\0\x05I";
    const ERROR: &[u8] = b"E\0\0\0\x34SFEHLER\0VERROR\0C42P01\0Mno such\0P15\0Dd\0Hh\0nc\0X?\0\0";

    fn data() -> Vec<u8> {
        [b"1\0\0\0\x04" as &[u8], b"2\0\0\0\x04", COLUMNS, ROW, NULL_ROW, SELECTED, READY].concat()
    }

    fn collect(data: &[u8], chunk: usize) -> Result<Collector, Error> {
        let mut collector = Collector::default();
        for chunk in data.chunks(chunk) {
            collector.push(&Bytes::copy_from_slice(chunk))?;
        }
        Ok(collector)
    }

    #[test]
    fn rows_arrive_in_pieces() {
        for chunk in [1, 3, 7, 1000] {
            let results = collect(&data(), chunk).unwrap();
            let results = results.finish(Outcome::completed(0, 0), 1, 0).unwrap();
            let [BatchResult { rows, affected: 2 }] = results.as_slice() else { panic!("results") };
            assert_eq!((rows.len(), rows.columns()[0].type_name()), (2, "integer".into()));
            assert_eq!(rows.first().unwrap().get::<i32>("id").unwrap(), -12);
            let last = rows.iter().next_back().unwrap();
            assert_eq!(last.get::<Option<i32>>(0).unwrap(), None);
            assert_eq!(last.text("id").unwrap(), None);
            let error = last.get::<i32>("id").unwrap_err().to_string();
            assert_eq!(error, "column `id`: the value is NULL; read it into an Option");
            let error = last.get::<i32>("ID").unwrap_err().to_string();
            assert_eq!(error, "column `ID`: does not exist; there are id");
        }
    }

    #[test]
    fn the_databases_error_has_its_fields() {
        let data = [COLUMNS, SELECTED, ERROR, READY].concat();
        let outcome = Outcome {
            status: Status::Error,
            sqlstate: SqlState::literal(b"42P01"),
            blame: Blame::Database,
            retry: Retry::DoNot,
            ..Outcome::completed(0, 0)
        };
        let error = collect(&data, 9).unwrap().finish(outcome, 2, 0).unwrap_err();
        assert_eq!(error.sqlstate(), Some("42P01"));
        assert_eq!(error.statement(), Some(1));
        assert_eq!(error.to_string(), "ERROR 42P01: no such");
        let error = error.db_error().unwrap();
        assert_eq!((error.severity.as_str(), error.position), ("ERROR", Some(15)));
        assert_eq!(error.detail.as_deref(), Some("d"));
        assert_eq!(error.hint.as_deref(), Some("h"));
        assert_eq!(error.constraint.as_deref(), Some("c"));
    }

    #[test]
    fn what_answers_commands_ahead_is_left_out() {
        let begun = b"1\0\0\0\x042\0\0\0\x04C\0\0\0\x0aBEGIN\0";
        let set = [b"1\0\0\0\x042\0\0\0\x04" as &[u8], ROW, b"C\0\0\0\x0dSELECT 1\0"].concat();
        let rest = [COLUMNS, ROW, SELECTED, b"C\0\0\0\x0dROLLBACK\0", b"Z\0\0\0\x05T"].concat();
        for chunk in [1, 1000] {
            let mut collector = Collector::behind(2);
            for chunk in [begun as &[u8], &set, &rest].concat().chunks(chunk) {
                collector.push(&Bytes::copy_from_slice(chunk)).unwrap();
            }
            assert_eq!(collector.ready(), Some(Ready::Open));
            assert!(collector.rolled_back());
            let results = collector.finish(Outcome::completed(0, 0), 2, 0).unwrap();
            assert_eq!((results[0].rows.len(), results[1].rows.len()), (1, 0));
        }
    }

    #[test]
    fn an_error_of_a_command_ahead_is_about_no_statement() {
        let mut collector = Collector::behind(1);
        collector.push(&Bytes::from_static(ERROR)).unwrap();
        let outcome = Outcome { status: Status::Error, ..Outcome::completed(0, 0) };
        let error = collector.finish(outcome, 1, 0).unwrap_err();
        assert_eq!((error.statement(), error.sqlstate()), (None, Some("42P01")));
    }

    #[test]
    fn an_answer_with_too_few_results_is_of_unknown_outcome() {
        let error =
            collect(&data(), 99).unwrap().finish(Outcome::completed(0, 0), 2, 0).unwrap_err();
        assert!(error.is_outcome_unknown(), "{error}");
    }

    #[test]
    fn what_is_malformed_is_an_error() {
        let bad: [&[u8]; 6] = [
            ROW,
            b"R\0\0\0\x08\0\0\0\0",
            b"?\0\0\0\x04",
            b"D\0\0\0\x03",
            b"T\0\0\0\x06\0\x01",
            &[COLUMNS, b"D\0\0\0\x06\0\0"].concat(),
        ];
        for data in bad {
            assert!(collect(data, 99).unwrap_err().is_outcome_unknown(), "{data:?}");
        }
        for length in [b"\x7f\xff\xff\xff", b"\x04\0\0\x01"] {
            let error = collect(&[b"D" as &[u8], length].concat(), 99).unwrap_err();
            assert!(matches!(error.kind(), Kind::TooLarge { .. }), "{error}");
        }
    }

    #[test]
    fn a_result_that_is_too_large_keeps_no_rows_but_its_outcome() {
        let mut body = vec![0, 1];
        body.extend((1_u32 << 20).to_be_bytes());
        body.resize(6 + (1 << 20), b'x');
        let mut row = vec![b'D'];
        row.extend((u32::try_from(body.len()).unwrap() + 4).to_be_bytes());
        row.extend(body);
        let row = Bytes::from(row);
        let mut collector = collect(COLUMNS, 99).unwrap();
        for _ in 0..70 {
            collector.push(&row).unwrap();
        }
        assert!(collector.rows.is_empty());
        collector.push(&Bytes::from_static(SELECTED)).unwrap();
        let error = collector.finish(Outcome::completed(0, 0), 1, 0).unwrap_err();
        assert!(matches!(error.kind(), Kind::TooLarge { .. }), "{error}");
        assert!(!error.is_outcome_unknown());
    }
}
