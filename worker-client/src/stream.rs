use std::sync::Arc;

use pierhead_wire::envelope::Record;

use crate::exchange::Exchange;
use crate::result::{Event, ResultReader, check};
use crate::row::Column;
use crate::{DbError, Error, Row};

/// Rows as they arrive. Dropped before its end, it stops the statement.
///
/// Rows are handed out before the statement has ended: only when [`next`](Self::next) returns
/// `Ok(None)` has it completed. A reader that is slower than the database holds it up, or, through
/// a tunnel that cannot wait, loses the rest with the error `53200`.
pub struct RowStream {
    /// Nothing after the end.
    exchange: Option<Exchange>,
    reader: ResultReader,
    columns: Arc<[Column]>,
    error: Option<DbError>,
}

impl RowStream {
    pub(crate) fn new(exchange: Exchange) -> Self {
        Self {
            exchange: Some(exchange),
            reader: ResultReader::default(),
            columns: Arc::from([]),
            error: None,
        }
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
        let result = self.advance().await;
        if !matches!(result, Ok(Some(_))) {
            self.exchange = None;
        }
        result
    }

    async fn advance(&mut self) -> Result<Option<Row>, Error> {
        let Some(exchange) = &mut self.exchange else { return Ok(None) };
        loop {
            match self.reader.next()? {
                Some(Event::Row(row)) => return Ok(Some(row)),
                Some(Event::Columns(columns)) => self.columns = columns,
                Some(Event::Complete { .. }) => {}
                Some(Event::Error(error)) => self.error = self.error.take().or(Some(*error)),
                None => match exchange.next().await? {
                    Record::Data(data) => self.reader.push(&data),
                    Record::Outcome(outcome) => {
                        return check(outcome, self.error.take(), 0).map(|()| None);
                    }
                },
            }
        }
    }
}

impl std::fmt::Debug for RowStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowStream").field("columns", &self.columns).finish_non_exhaustive()
    }
}
