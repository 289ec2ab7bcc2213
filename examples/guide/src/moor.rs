//! A transaction over several trips.

use pierhead_client::{Database, Error, Isolation};
use worker::{Env, Response};

use crate::database;

/// Tries again when another transaction was in the way: nothing of the failed one is left.
pub(crate) async fn moor(
    env: &Env,
    ship: &str,
    berth: &str,
    tries: u32,
) -> Result<worker::Result<Response>, Error> {
    let database = database(env)?;
    let mut tried = 1;
    loop {
        match moor_once(&database, ship, berth).await {
            Ok(Some(berth)) => return Ok(Response::ok(berth)),
            Ok(None) => return Ok(Response::error("no berth is free", 409)),
            Err(error) if error.is_retryable() && tried < tries => tried += 1,
            Err(error) => return Err(error),
        }
    }
}

async fn moor_once(db: &Database, ship: &str, berth: &str) -> Result<Option<String>, Error> {
    // Nothing is sent yet: BEGIN rides with the first statement.
    let mut tx = db.transaction().isolation(Isolation::RepeatableRead).begin()?;
    let free = "select name from berths where state = 'free' and name >= $1 order by id limit 1";
    let Some(row) = tx.query_opt(free, &[&berth]).await? else {
        // Dropped: rolled back, with nothing to wait for.
        return Ok(None);
    };
    let berth: String = row.get("name")?;

    // What may fail without the rest. A savepoint costs no trip of its own.
    let mut counted = tx.savepoint("counted")?;
    let count = "insert into counters (name, value) values ($1, 1)";
    match counted.execute(count, &[&berth]).await {
        Ok(_) => counted.release()?,
        // Counted before. Dropping the savepoint undoes the failure.
        Err(error) if error.sqlstate() == Some("23505") => drop(counted),
        Err(error) => return Err(error),
    }

    tx.execute("update berths set state = 'taken' where name = $1", &[&berth]).await?;
    // COMMIT rides with the last statement.
    tx.commit_with("update ships set berth = $1 where name = $2", &[&berth, &ship]).await?;
    Ok(Some(berth))
}
