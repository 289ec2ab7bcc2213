//! COPY, in and out.

use bytes::{Bytes, BytesMut};
use pierhead_wire::limits::PROTOCOL_BYTES_MAX;

use crate::exchange::Exchange;
use crate::keyword::is_copy;
use crate::progress::Progress;
use crate::result::Event;
use crate::stream::Answer;
use crate::{Database, Error, Scope, Statement};

/// The data of `COPY … TO STDOUT` as it arrives. Dropped before its end, it stops the statement, and
/// ends the transaction that it is in.
///
/// Data is handed out before the statement has ended: only when [`next`](Self::next) returns
/// `Ok(None)` has it completed. A reader that is slower than the database holds it up, or, through
/// a tunnel that cannot wait, loses the rest with the error `53200`.
#[derive(Debug)]
pub struct CopyOut<'a> {
    answer: Answer<'a>,
}

impl<'a> CopyOut<'a> {
    pub(crate) fn new(exchange: Exchange, ahead: usize, tx: Option<&'a mut Progress>) -> Self {
        Self { answer: Answer::new(exchange, ahead, tx) }
    }

    /// The next piece: a whole row in the formats text and CSV. Nothing when the statement has
    /// completed.
    ///
    /// # Errors
    /// See [`Error`]; the stream is over then.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            match self.answer.next().await? {
                Some(Event::Copied(data)) => return Ok(Some(data)),
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }

    /// How many rows were copied, once all are read.
    #[must_use]
    pub fn affected(&self) -> u64 {
        self.answer.affected()
    }
}

/// Refuses what is no COPY: its data would be thrown away without a word.
pub(crate) fn check(sql: &str) -> Result<(), Error> {
    if is_copy(sql) {
        return Ok(());
    }
    Err(Error::request("copy_in and copy_out are for COPY … FROM STDIN and COPY … TO STDOUT"))
}

/// Bytes of one message of data: messages are counted, so a row is not to be one.
const PIECE_BYTES: usize = 64 * 1024;

/// Data on its way into `COPY … FROM STDIN`. It is kept here until [`finish`](Self::finish) sends it
/// in one trip; dropped before, nothing was sent.
#[derive(Debug)]
pub struct CopyIn<'a> {
    sql: String,
    target: Target<'a>,
    pieces: Vec<Bytes>,
    last: BytesMut,
    bytes: usize,
}

#[derive(Debug)]
enum Target<'a> {
    Database(Database),
    Scope(&'a mut Scope),
}

impl CopyIn<'static> {
    pub(crate) fn into_database(database: Database, sql: &str) -> Result<Self, Error> {
        Self::new(Target::Database(database), sql)
    }
}

impl<'a> CopyIn<'a> {
    pub(crate) fn into_scope(scope: &'a mut Scope, sql: &str) -> Result<Self, Error> {
        scope.check()?;
        Self::new(Target::Scope(scope), sql)
    }

    fn new(target: Target<'a>, sql: &str) -> Result<Self, Error> {
        check(sql)?;
        let last = BytesMut::new();
        Ok(Self { sql: sql.to_owned(), target, pieces: Vec::new(), last, bytes: 0 })
    }

    /// Adds data, cut anywhere: rows as the statement's format has them.
    ///
    /// # Errors
    /// When there are more than 16 MiB. Nothing was sent then.
    pub fn send(&mut self, data: impl AsRef<[u8]>) -> Result<(), Error> {
        let data = data.as_ref();
        self.bytes = self.bytes.saturating_add(data.len());
        if self.bytes > PROTOCOL_BYTES_MAX {
            return Err(Error::request(too_large()));
        }
        self.last.extend_from_slice(data);
        if self.last.len() >= PIECE_BYTES {
            self.pieces.push(self.last.split().freeze());
        }
        Ok(())
    }

    /// Bytes that were added so far.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes
    }

    /// Whether nothing was added.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Sends the data and returns how many rows were copied.
    ///
    /// # Errors
    /// See [`Error`]: of the database, when the data does not fit.
    pub async fn finish(mut self) -> Result<u64, Error> {
        if self.bytes > PROTOCOL_BYTES_MAX {
            return Err(Error::request(too_large()));
        }
        if !self.last.is_empty() {
            self.pieces.push(self.last.freeze());
        }
        let statement = Statement::copy_in(&self.sql, &self.pieces);
        match self.target {
            Target::Database(database) => database.run_one(statement).await,
            Target::Scope(scope) => scope.run_one(statement).await,
        }
        .map(|result| result.affected)
    }
}

pub(crate) fn too_large() -> String {
    format!(
        "the data of COPY has more than {PROTOCOL_BYTES_MAX} bytes, which is what one request \
         carries; nothing was sent. Call copy_in several times in one transaction, with whole rows \
         each time, or copy through connect()"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_copy_is_taken() {
        assert!(check("insert into t values (1)").is_err());
        check("-- rows\nCOPY t from stdin").unwrap();
    }
}
