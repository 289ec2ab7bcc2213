use bytes::BytesMut;
use pierhead_wire::envelope::{Options, RequestId, put_request_head};
use pierhead_wire::limits::PROTOCOL_BYTES_MAX;
use postgres_protocol::IsNull as PgIsNull;
use postgres_protocol::message::frontend::{self, BindError};

use crate::error::Kind;
use crate::keyword::transaction_control;
use crate::types::IsNull;
use crate::{Error, ToParam};

/// Parameters of one statement: a Bind message counts them in 16 bits.
const PARAMS_MAX: usize = u16::MAX as usize;

/// One statement of a batch.
#[derive(Clone, Copy)]
pub struct Statement<'a> {
    sql: &'a str,
    params: &'a [&'a dyn ToParam],
}

impl<'a> Statement<'a> {
    /// A statement with its parameters, `$1` first.
    #[must_use]
    pub fn new(sql: &'a str, params: &'a [&'a dyn ToParam]) -> Self {
        Self { sql, params }
    }
}

/// Shows the statement, never its parameters.
impl std::fmt::Debug for Statement<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Statement").field("sql", &self.sql).finish_non_exhaustive()
    }
}

/// Refuses statements that would end the transaction of their batch.
pub(crate) fn check_batch(statements: &[Statement<'_>]) -> Result<(), Error> {
    for (index, statement) in statements.iter().enumerate() {
        if let Some(keyword) = transaction_control(statement.sql) {
            return Err(Error::request(format!(
                "statement {index} of the batch begins with {keyword}; a batch is one transaction \
                 by itself, remove the statement"
            )));
        }
    }
    Ok(())
}

/// The whole request: envelope, then Parse, Bind, Describe and Execute of each statement, then one
/// Sync, which makes them one transaction.
pub(crate) fn request(
    remaining_ms: u32,
    id: RequestId,
    options: &Options,
    statements: &[Statement<'_>],
) -> Result<BytesMut, Error> {
    let mut out = BytesMut::with_capacity(256);
    put_request_head(&mut out, remaining_ms, id, options);
    let head = out.len();
    for statement in statements {
        put_statement(&mut out, statement)?;
    }
    frontend::sync(&mut out);
    let protocol = out.len() - head;
    if protocol > PROTOCOL_BYTES_MAX {
        return Err(Error::request(format!(
            "the statements and parameters have {protocol} bytes, at most {PROTOCOL_BYTES_MAX}; \
             send them in several calls"
        )));
    }
    Ok(out)
}

fn put_statement(out: &mut BytesMut, statement: &Statement<'_>) -> Result<(), Error> {
    let count = statement.params.len();
    if count > PARAMS_MAX {
        return Err(Error::request(format!(
            "the statement has {count} parameters, at most {PARAMS_MAX}; pass arrays and unnest them"
        )));
    }
    // The only thing that can fail here besides a parameter is a NUL in the statement.
    let nul = |_| Error::request("the statement contains a NUL character");
    frontend::parse("", statement.sql, [], out).map_err(nul)?;
    put_bind(out, statement.params)?;
    frontend::describe(b'P', "", out).map_err(nul)?;
    frontend::execute("", 0, out).map_err(nul)
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
        request(7, RequestId([3; 16]), &Options::default(), statements)
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
        let error = check_batch(&[Statement::new("select 1", &[]), Statement::new("COMMIT", &[])]);
        assert!(
            error.unwrap_err().to_string().contains("statement 1 of the batch begins with commit")
        );
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
