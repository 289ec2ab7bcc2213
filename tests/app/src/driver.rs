//! tokio-postgres, unmodified, on a socket to the object: the chapters of the driver matrix.

use std::error::Error;
use std::pin::pin;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use futures_util::future::{join_all, select};
use pierhead_client::Database;
use tokio_postgres::{Client, NoTls};
use worker::Delay;

use crate::socket::connect;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Longer than anything is let run here.
const SLEEP: &str = "select pg_sleep(60)";

/// Tells one chapter; what is wrong is an error.
pub(crate) async fn tell(database: &Database, chapter: &str, user: &str) -> Result<()> {
    let mut a = connect(database, user).await?;
    match chapter {
        "types" => types(&a).await,
        "prepared" => prepared(&a).await,
        "transactions" => transactions(&mut a).await,
        "big result" => big_result(&a).await,
        "cancel" => cancel(database, &a).await,
        "two clients" => two_clients(&mut a, &mut connect(database, user).await?).await,
        other => Err(format!("no chapter {other}").into()),
    }
}

fn same<T: PartialEq + std::fmt::Debug>(found: T, wanted: T) -> Result<()> {
    if found == wanted { Ok(()) } else { Err(format!("{found:?}, not {wanted:?}").into()) }
}

/// The SQLSTATE of what must fail.
fn code<T>(result: std::result::Result<T, tokio_postgres::Error>) -> Result<String> {
    let error = result.err().ok_or("it is not refused")?;
    Ok(error.code().ok_or_else(|| error.to_string())?.code().to_owned())
}

async fn types(a: &Client) -> Result<()> {
    let sql = "select $1::int2, $2::int4, $3::int8, $4::float8, $5::bool, $6::text, $7::bytea, $8::int4[], \
               $9::text";
    let (bytes, ints, none) = (vec![0_u8, 255], vec![Some(1), None, Some(3)], None::<&str>);
    let row = a
        .query_one(
            sql,
            &[&-7_i16, &i32::MAX, &i64::MIN, &0.1_f64, &true, &"ü\n'\\", &bytes, &ints, &none],
        )
        .await?;
    same((row.get(0), row.get(1), row.get(2)), (-7_i16, i32::MAX, i64::MIN))?;
    same((row.get(3), row.get(4), row.get(5)), (0.1_f64, true, "ü\n'\\"))?;
    same((row.get::<_, Vec<u8>>(6), row.get::<_, Vec<Option<i32>>>(7)), (bytes, ints))?;
    same(row.get(8), none)
}

async fn prepared(a: &Client) -> Result<()> {
    let add = a.prepare("select $1::int4 + 10 / $1::int4").await?;
    for n in [1, 2, 5, 10] {
        same(a.query_one(&add, &[&n]).await?.get::<_, i32>(0), n + 10 / n)?;
    }
    same(code(a.query_one(&add, &[&0]).await)?, "22012".to_owned())?;
    let calls = join_all([1, 2, 5, 10].map(|n| {
        let add = &add;
        async move { a.query_one(add, &[&n]).await }
    }));
    for (row, n) in calls.await.into_iter().zip([1, 2, 5, 10]) {
        same(row?.get::<_, i32>(0), n + 10 / n)?;
    }
    Ok(())
}

async fn transactions(a: &mut Client) -> Result<()> {
    a.batch_execute("drop table if exists m_rust; create table m_rust (n int4 primary key)")
        .await?;
    let insert = a.prepare("insert into m_rust values ($1)").await?;
    let mut tx = a.transaction().await?;
    tx.execute(&insert, &[&1]).await?;
    let inner = tx.savepoint("s").await?;
    same(code(inner.execute(&insert, &[&1]).await)?, "23505".to_owned())?;
    same(code(inner.query("select 1", &[]).await)?, "25P02".to_owned())?;
    inner.rollback().await?;
    tx.execute(&insert, &[&2]).await?;
    tx.commit().await?;
    // Rolled back by its drop.
    let tx = a.transaction().await?;
    tx.execute("delete from m_rust", &[]).await?;
    drop(tx);
    same(a.query_one("select count(*) from m_rust", &[]).await?.get::<_, i64>(0), 2)
}

async fn big_result(a: &Client) -> Result<()> {
    let sql = "select g, repeat('x', 1000) from generate_series(1, 5000) g";
    let mut rows = pin!(a.query_raw(sql, Vec::<&str>::new()).await?);
    let (mut count, mut sum) = (0, 0);
    while let Some(row) = rows.try_next().await? {
        count += 1;
        sum += i64::from(row.get::<_, i32>(0)) + row.get::<_, &str>(1).len() as i64;
    }
    same((count, sum), (5_000, 17_502_500))
}

async fn cancel(database: &Database, a: &Client) -> Result<()> {
    let token = a.cancel_token();
    let mut slow = Box::pin(a.batch_execute(SLEEP));
    let cancelled = loop {
        // A cancel that comes before its statement runs is lost.
        let pause = pin!(Delay::from(Duration::from_millis(200)));
        match select(slow, pause).await {
            futures_util::future::Either::Left((ended, _)) => break ended,
            futures_util::future::Either::Right(((), still)) => slow = still,
        }
        token.cancel_query_raw(database.connect()?, NoTls).await?;
    };
    same(code(cancelled)?, "57014".to_owned())?;
    same(a.query_one("select 1", &[]).await?.get::<_, i32>(0), 1)
}

async fn two_clients(a: &mut Client, b: &mut Client) -> Result<()> {
    a.batch_execute("drop table if exists m_two; create table m_two (whose text)").await?;
    let (a, b) = (a.transaction().await?, b.transaction().await?);
    for (client, name) in [(&a, "a"), (&b, "b")] {
        client.execute("select set_config('app.own', $1, true)", &[&name]).await?;
        client.execute("insert into m_two values ($1)", &[&name]).await?;
    }
    for (client, name) in [(&a, "a"), (&b, "b"), (&a, "a")] {
        let own = "select current_setting('app.own'), string_agg(whose, ',') from m_two";
        let row = client.query_one(own, &[]).await?;
        same((row.get(0), row.get(1)), (name, name))?;
    }
    a.commit().await?;
    let row = b.query_one("select string_agg(whose, ',' order by whose) from m_two", &[]).await?;
    same(row.get(0), "a,b")?;
    Ok(b.rollback().await?)
}
