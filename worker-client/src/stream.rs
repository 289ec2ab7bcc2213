use std::sync::Arc;

use pierhead_wire::envelope::Record;

use crate::exchange::Exchange;
use crate::progress::Progress;
use crate::result::{Event, Ready, ResultReader, check};
use crate::row::Column;
use crate::{DbError, Error, Row};

/// Rows as they arrive. Dropped before its end, it stops the statement, and ends the transaction
/// that it is in.
///
/// Rows are handed out before the statement has ended: only when [`next`](Self::next) returns
/// `Ok(None)` has it completed. A reader that is slower than the database holds it up, or, through
/// a tunnel that cannot wait, loses the rest with the error `53200`.
#[derive(Debug)]
pub struct RowStream<'a> {
    answer: Answer<'a>,
    columns: Arc<[Column]>,
}

impl<'a> RowStream<'a> {
    pub(crate) fn new(exchange: Exchange, ahead: usize, tx: Option<&'a mut Progress>) -> Self {
        Self { answer: Answer::new(exchange, ahead, tx), columns: Arc::from([]) }
    }

    /// The columns, once the first row has arrived.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The next row, or nothing when the statement has completed.
    ///
    /// # Errors
    /// See [`Error`]; the stream is over then.
    pub async fn next(&mut self) -> Result<Option<Row>, Error> {
        loop {
            match self.answer.next().await? {
                Some(Event::Row(row)) => return Ok(Some(row)),
                Some(Event::Columns(columns)) => self.columns = columns,
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }
}

/// The answer to one statement, as it arrives.
pub(crate) struct Answer<'a> {
    /// Nothing after the end.
    exchange: Option<Exchange>,
    /// The transaction that the statement is in. Dropped before the end, it stays asked.
    tx: Option<&'a mut Progress>,
    reader: ResultReader,
    ready: Option<Ready>,
    affected: u64,
    error: Option<DbError>,
}

impl<'a> Answer<'a> {
    pub(crate) fn new(exchange: Exchange, ahead: usize, tx: Option<&'a mut Progress>) -> Self {
        let (exchange, reader) = (Some(exchange), ResultReader::behind(ahead));
        Self { exchange, tx, reader, ready: None, affected: 0, error: None }
    }

    /// Rows that the statement touched, once it has completed.
    pub(crate) const fn affected(&self) -> u64 {
        self.affected
    }

    /// The next of columns, rows and data, or nothing when the statement has completed.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>, Error> {
        let result = self.advance().await;
        if !matches!(result, Ok(Some(_))) {
            self.exchange = None;
            if let Some(tx) = self.tx.take() {
                tx.answered(self.ready, result.as_ref().err());
            }
        }
        result
    }

    async fn advance(&mut self) -> Result<Option<Event>, Error> {
        let Some(exchange) = &mut self.exchange else { return Ok(None) };
        loop {
            match self.reader.next()? {
                Some(Event::Complete { affected, .. }) => self.affected = affected,
                Some(Event::Error(error)) => self.error = self.error.take().or(Some(*error)),
                Some(Event::Ready(ready)) => self.ready = Some(ready),
                Some(event) => return Ok(Some(event)),
                None => match exchange.next().await? {
                    Record::Data(data) => self.reader.push(&data),
                    Record::Outcome(outcome) => {
                        let done = self.reader.is_past_ahead().then_some(0);
                        return check(outcome, self.error.take(), done).map(|()| None);
                    }
                },
            }
        }
    }
}

impl std::fmt::Debug for Answer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("over", &self.exchange.is_none()).finish_non_exhaustive()
    }
}
