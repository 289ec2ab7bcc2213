//! COPY, in and out.

use futures_util::stream::try_unfold;
use pierhead_client::Error;
use worker::{Env, Response};

use crate::database;

/// At most 16 MiB, in one trip.
pub(crate) async fn import(env: &Env, rows: Vec<u8>) -> Result<worker::Result<Response>, Error> {
    let mut copy = database(env)?.copy_in("copy counters (name, value) from stdin (format csv)")?;
    copy.send(rows)?;
    let count = copy.finish().await?;
    Ok(Response::ok(format!("{count} rows")))
}

/// Any number of rows: the client's own reading holds the database back.
pub(crate) async fn export(env: &Env) -> Result<worker::Result<Response>, Error> {
    let copy = database(env)?
        .copy_out("copy (select * from counters order by name) to stdout (format csv)")
        .await?;
    let rows = try_unfold(copy, |mut copy| async {
        Ok::<_, Error>(copy.next().await?.map(|row| (row.to_vec(), copy)))
    });
    Ok(Response::from_stream(rows))
}
