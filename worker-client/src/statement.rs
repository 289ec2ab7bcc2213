use bytes::{Bytes, BytesMut};
use pierhead_wire::envelope::{Options, RequestId, put_request_head};
use pierhead_wire::limits::PROTOCOL_BYTES_MAX;
use postgres_protocol::IsNull as PgIsNull;
use postgres_protocol::message::frontend::{self, BindError};

use crate::error::Kind;
use crate::keyword::transaction_control;
use crate::types::IsNull;
use crate::{Error, ToParam, copy};

/// Parameters of one statement: a Bind message counts them in 16 bits.
const PARAMS_MAX: usize = u16::MAX as usize;

/// One statement of a batch.
#[derive(Clone, Copy)]
pub struct Statement<'a> {
    sql: &'a str,
    params: &'a [&'a dyn ToParam],
    /// What `COPY … FROM STDIN` reads.
    copied: Option<&'a [Bytes]>,
}

impl<'a> Statement<'a> {
    /// A statement with its parameters, `$1` first.
    #[must_use]
    pub fn new(sql: &'a str, params: &'a [&'a dyn ToParam]) -> Self {
        Self { sql, params, copied: None }
    }

    /// Whether it comes with data.
    pub(crate) const fn is_copy_in(&self) -> bool {
        self.copied.is_some()
    }

    /// `COPY … FROM STDIN` with its data.
    pub(crate) fn copy_in(sql: &'a str, data: &'a [Bytes]) -> Self {
        Self { sql, params: &[], copied: Some(data) }
    }
}

/// Shows the statement, never its parameters.
impl std::fmt::Debug for Statement<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Statement").field("sql", &self.sql).finish_non_exhaustive()
    }
}

/// Refuses statements that would end the transaction around them; `place` is what they are in.
pub(crate) fn check_control(statements: &[Statement<'_>], place: Place) -> Result<(), Error> {
    for (index, statement) in statements.iter().enumerate() {
        let Some(keyword) = transaction_control(statement.sql) else { continue };
        return Err(Error::request(match place {
            Place::Batch => format!(
                "statement {index} of the batch begins with {keyword}; a batch is one transaction \
                 by itself, remove the statement"
            ),
            Place::Transaction => format!(
                "the statement begins with {keyword}; end a transaction with commit() or \
                 rollback(), and use savepoint() for a part of it"
            ),
        }));
    }
    Ok(())
}

/// What statements are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Batch,
    Transaction,
}

/// What one request says: the caller's statements between some of this crate's.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Script<'a> {
    /// The command that begins a transaction.
    pub(crate) begin: Option<&'a str>,
    /// Made for the transaction that begins with this request: before any savepoint, so that none
    /// undoes them.
    pub(crate) settings: &'a [(String, String)],
    /// What savepoints left to be said.
    pub(crate) ahead: &'a [String],
    pub(crate) statements: &'a [Statement<'a>],
    /// A command behind everything else.
    pub(crate) behind: Option<&'a str>,
}

impl Script<'_> {
    /// How many results come ahead of those of the caller's statements.
    pub(crate) fn results_ahead(&self) -> usize {
        usize::from(self.begin.is_some())
            + usize::from(!self.settings.is_empty())
            + self.ahead.len()
    }
}

/// The whole request: envelope, then Parse, Bind, Describe and Execute of each statement, then one
/// Sync, which makes them one transaction.
pub(crate) fn request(
    remaining_ms: u32,
    id: RequestId,
    options: &Options,
    script: &Script<'_>,
) -> Result<BytesMut, Error> {
    let mut out = BytesMut::with_capacity(256);
    put_request_head(&mut out, remaining_ms, id, options);
    let head = out.len();
    if let Some(command) = script.begin {
        put_command(&mut out, command, &[])?;
    }
    put_settings(&mut out, script.settings)?;
    for command in script.ahead {
        put_command(&mut out, command, &[])?;
    }
    for statement in script.statements {
        put_statement(&mut out, statement)?;
        if out.len() - head > PROTOCOL_BYTES_MAX {
            break;
        }
    }
    if let Some(command) = script.behind {
        put_command(&mut out, command, &[])?;
    }
    frontend::sync(&mut out);
    let protocol = out.len() - head;
    if protocol <= PROTOCOL_BYTES_MAX {
        return Ok(out);
    }
    Err(Error::request(match script.statements {
        [Statement { copied: Some(_), .. }] => copy::too_large(),
        _ => format!(
            "the statements and parameters have {protocol} bytes, at most {PROTOCOL_BYTES_MAX}; \
             send them in several calls"
        ),
    }))
}

/// Settings of one transaction, with names and values as parameters: nothing to escape, and one
/// text for each number of settings, which the database keeps prepared.
fn put_settings(out: &mut BytesMut, settings: &[(String, String)]) -> Result<(), Error> {
    if settings.is_empty() {
        return Ok(());
    }
    let mut sql = String::from("select ");
    let mut params: Vec<&dyn ToParam> = Vec::new();
    for (index, (name, value)) in settings.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        let first = 2 * index + 1;
        sql.push_str(&format!("{comma}set_config(${first}, ${}, true)", first + 1));
        params.push(name);
        params.push(value);
    }
    put_command(out, &sql, &params)
}

/// A statement of this crate's own: nobody asks for its columns.
fn put_command(out: &mut BytesMut, sql: &str, params: &[&dyn ToParam]) -> Result<(), Error> {
    put_bound(out, sql, params)?;
    frontend::execute("", 0, out).map_err(nul)
}

fn put_statement(out: &mut BytesMut, statement: &Statement<'_>) -> Result<(), Error> {
    put_bound(out, statement.sql, statement.params)?;
    frontend::describe(b'P', "", out).map_err(nul)?;
    frontend::execute("", 0, out).map_err(nul)?;
    let Some(data) = statement.copied else { return Ok(()) };
    if data.iter().map(Bytes::len).sum::<usize>() > PROTOCOL_BYTES_MAX {
        return Err(Error::request(copy::too_large()));
    }
    for bytes in data {
        // A message's length cannot fail to fit: it was just compared with much less.
        frontend::CopyData::new(bytes.as_ref()).map_err(nul)?.write(out);
    }
    frontend::copy_done(out);
    Ok(())
}

fn put_bound(out: &mut BytesMut, sql: &str, params: &[&dyn ToParam]) -> Result<(), Error> {
    let count = params.len();
    if count > PARAMS_MAX {
        return Err(Error::request(format!(
            "the statement has {count} parameters, at most {PARAMS_MAX}; pass arrays and unnest them"
        )));
    }
    frontend::parse("", sql, [], out).map_err(nul)?;
    put_bind(out, params)
}

/// The only thing that can fail here besides a parameter is a NUL in the statement.
fn nul<E>(_: E) -> Error {
    Error::request("the statement contains a NUL character")
}

fn put_bind(out: &mut BytesMut, params: &[&dyn ToParam]) -> Result<(), Error> {
    let mut failed = None;
    let bound = frontend::bind(
        "",
        "",
        [],
        params.iter().enumerate(),
        |(index, param), out| match param.to_text(out) {
            Ok(IsNull::Yes) => Ok(PgIsNull::Yes),
            Ok(IsNull::No) => Ok(PgIsNull::No),
            Err(error) => {
                failed = Some(Error::new(Kind::Param { index, error: error.clone() }));
                Err(error.into())
            }
        },
        [],
        out,
    );
    bound.map_err(|error| match error {
        BindError::Conversion(_) => failed.unwrap_or_else(|| Error::request("a parameter failed")),
        BindError::Serialization(_) => {
            Error::request("the parameters exceed what one message can carry; send less at once")
        }
    })
}

#[cfg(test)]
mod tests {
    use pierhead_wire::envelope::Request;

    use super::*;
    use crate::types::ParamError;

    fn build(statements: &[Statement<'_>]) -> Result<BytesMut, Error> {
        script(&Script { statements, ..Script::default() })
    }

    fn script(script: &Script<'_>) -> Result<BytesMut, Error> {
        request(7, RequestId([3; 16]), &Options::default(), script)
    }

    #[test]
    fn golden_request() {
        let statement = Statement::new("select $1,$2", &[&12, &None::<&str>]);
        let request = Request::parse(build(&[statement]).unwrap().freeze()).unwrap();
        assert_eq!((request.remaining_ms, request.id), (7, RequestId([3; 16])));
        let expected: &[u8] = b"P\0\0\0\x14\0select $1,$2\0\0\0\
            B\0\0\0\x16\0\0\0\0\0\x02\0\0\0\x0212\xff\xff\xff\xff\0\0\
            D\0\0\0\x06P\0\
            E\0\0\0\x09\0\0\0\0\0\
            S\0\0\0\x04";
        assert_eq!(request.protocol, expected);
    }

    #[test]
    fn a_batch_has_one_sync() {
        let statements = [Statement::new("a", &[]), Statement::new("b", &[])];
        let request = Request::parse(build(&statements).unwrap().freeze()).unwrap();
        let syncs = request.protocol.windows(5).filter(|bytes| bytes == b"S\0\0\0\x04");
        assert_eq!(syncs.count(), 1);
        assert!(request.protocol.ends_with(b"S\0\0\0\x04"));
    }

    #[test]
    fn batches_refuse_transaction_control() {
        let statements = [Statement::new("select 1", &[]), Statement::new("COMMIT", &[])];
        let refused = |place| check_control(&statements, place).unwrap_err().to_string();
        assert!(refused(Place::Batch).contains("statement 1 of the batch begins with commit"));
        assert!(refused(Place::Transaction).contains("end a transaction with commit()"));
    }

    #[test]
    fn a_transaction_begins_and_ends_around_its_statements() {
        let settings = [("app.a".to_owned(), "x".to_owned()), ("b".to_owned(), "'".to_owned())];
        let bytes = script(&Script {
            begin: Some("BEGIN READ ONLY"),
            settings: &settings,
            ahead: &["SAVEPOINT \"a_1\"".to_owned()],
            statements: &[Statement::new("select 1", &[])],
            behind: Some("COMMIT"),
        });
        let request = Request::parse(bytes.unwrap().freeze()).unwrap();
        let expected: &[u8] = b"P\0\0\0\x17\0BEGIN READ ONLY\0\0\0\
            B\0\0\0\x0c\0\0\0\0\0\0\0\0E\0\0\0\x09\0\0\0\0\0\
            P\0\0\0\x41\0select set_config($1, $2, true), set_config($3, $4, true)\0\0\0\
            B\0\0\0\x24\0\0\0\0\0\x04\
            \0\0\0\x05app.a\0\0\0\x01x\0\0\0\x01b\0\0\0\x01'\0\0E\0\0\0\x09\0\0\0\0\0\
            P\0\0\0\x17\0SAVEPOINT \"a_1\"\0\0\0\
            B\0\0\0\x0c\0\0\0\0\0\0\0\0E\0\0\0\x09\0\0\0\0\0\
            P\0\0\0\x10\0select 1\0\0\0B\0\0\0\x0c\0\0\0\0\0\0\0\0\
            D\0\0\0\x06P\0E\0\0\0\x09\0\0\0\0\0\
            P\0\0\0\x0e\0COMMIT\0\0\0B\0\0\0\x0c\0\0\0\0\0\0\0\0E\0\0\0\x09\0\0\0\0\0\
            S\0\0\0\x04";
        assert_eq!(request.protocol, expected);
    }

    #[test]
    fn copied_data_follows_its_statement() {
        let data = [Bytes::from_static(b"1\n"), Bytes::from_static(b"2\n")];
        let bytes = build(&[Statement::copy_in("copy t from stdin", &data)]).unwrap();
        let expected: &[u8] =
            b"E\0\0\0\x09\0\0\0\0\0d\0\0\0\x061\nd\0\0\0\x062\nc\0\0\0\x04S\0\0\0\x04";
        assert!(bytes.ends_with(expected), "{bytes:?}");
        let data = vec![Bytes::from(vec![b'x'; 1024 * 1024]); 17];
        let error = build(&[Statement::copy_in("copy t from stdin", &data)]).unwrap_err();
        assert!(error.to_string().contains("more than 16777216 bytes"), "{error}");
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        let refused = |statement| build(&[statement]).unwrap_err().to_string();
        assert!(refused(Statement::new("a\0b", &[])).contains("NUL"));
        let many = vec![&1 as &dyn ToParam; PARAMS_MAX + 1];
        assert!(refused(Statement::new("a", &many)).contains("65536 parameters, at most 65535"));
        let large = "x".repeat(PROTOCOL_BYTES_MAX);
        let large: &[&dyn ToParam] = &[&large];
        assert!(refused(Statement::new("a", large)).contains("send them in several calls"));

        struct Bad;
        impl ToParam for Bad {
            fn to_text(&self, _: &mut BytesMut) -> Result<IsNull, ParamError> {
                Err(ParamError::new("no text"))
            }
        }
        assert_eq!(refused(Statement::new("a", &[&1, &Bad])), "parameter $2: no text");
    }
}
