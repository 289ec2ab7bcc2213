//! sqlx, unmodified: it prepares everything it runs, and takes an advisory lock to migrate.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures_util::TryStreamExt as _;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{
    AssertSqlSafe, Column as _, Connection as _, Executor as _, PgConnection, Row as _,
    SqlSafeStr as _, Statement as _,
};

fn chapter(name: &str) {
    println!("== {name}");
}

/// The error that must come, in the driver's words.
fn refused<T>(what: &str, result: Result<T, sqlx::Error>) {
    match result {
        Ok(_) => println!("{what}: NOT refused"),
        Err(error) => {
            let code = error.as_database_error().and_then(|e| e.code().map(|c| c.into_owned()));
            println!("{what}: {code:?} {error}");
        }
    }
}

#[derive(Debug, sqlx::Type)]
#[sqlx(type_name = "mood", rename_all = "lowercase")]
enum Mood {
    Sad,
    Happy,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    // From the usual variables.
    let options = PgConnectOptions::new();
    match std::env::args().nth(1).as_deref() {
        Some("migrate") => return migrate(options).await,
        Some("die with a lock") => return die(options).await,
        _ => {}
    }
    let mut a = PgConnection::connect_with(&options).await?;
    let mut b = PgConnection::connect_with(&options).await?;
    types(&mut a).await?;
    prepared(&mut a).await?;
    transactions(&mut a).await?;
    big(&mut a).await?;
    cancel(&options, &mut a).await?;
    two(&options, &mut a, &mut b).await?;
    a.close().await?;
    b.close().await?;
    println!("done");
    Ok(())
}

async fn types(a: &mut PgConnection) -> Result<()> {
    chapter("types");
    a.execute("create type mood as enum ('sad', 'happy')").await?;
    let row = sqlx::query(
        "select $1::int2, $2::int4, $3::int8, $4::float8, $5::numeric, $6::bool, $7::text, $8::bytea, \
         $9::timestamptz, $10::date, $11::jsonb, $12::uuid, $13::int[], $14::mood, $15::mood",
    )
    .bind(-7_i16)
    .bind(i32::MAX)
    .bind(i64::MIN)
    .bind(0.1)
    .bind("12345678901234567890.123".parse::<rust_decimal::Decimal>()?)
    .bind(true)
    .bind("ü\n'\\")
    .bind(vec![0_u8, 255])
    .bind("2026-11-22T10:00:00.123456Z".parse::<chrono::DateTime<chrono::Utc>>()?)
    .bind("2026-02-28".parse::<chrono::NaiveDate>()?)
    .bind(serde_json::json!({ "a": [1, null] }))
    .bind("5f0c1d7e-0000-4000-8000-0123456789ab".parse::<uuid::Uuid>()?)
    .bind(vec![Some(1), None, Some(3)])
    .bind(Mood::Happy)
    .bind(None::<Mood>)
    .fetch_one(&mut *a)
    .await?;
    println!(
        "{} {} {} {} {} {} {:?} {:?}",
        row.get::<i16, _>(0),
        row.get::<i32, _>(1),
        row.get::<i64, _>(2),
        row.get::<f64, _>(3),
        row.get::<rust_decimal::Decimal, _>(4),
        row.get::<bool, _>(5),
        row.get::<&str, _>(6),
        row.get::<&[u8], _>(7),
    );
    println!(
        "{} {} {} {} {:?} {:?} {:?}",
        row.get::<chrono::DateTime<chrono::Utc>, _>(8),
        row.get::<chrono::NaiveDate, _>(9),
        row.get::<serde_json::Value, _>(10),
        row.get::<uuid::Uuid, _>(11),
        row.get::<Vec<Option<i32>>, _>(12),
        row.get::<Mood, _>(13),
        row.get::<Option<Mood>, _>(14),
    );
    refused("decode", sqlx::query_scalar::<_, i32>("select 'x'").fetch_one(&mut *a).await);
    println!("{:?}", Mood::Sad);
    Ok(())
}

async fn prepared(a: &mut PgConnection) -> Result<()> {
    chapter("prepared");
    for n in 0..8 {
        let sum: i32 = sqlx::query_scalar("select $1 + $1").bind(n).fetch_one(&mut *a).await?;
        println!("add {sum}");
    }
    // More than the driver keeps (100): it closes old ones.
    for n in 0..250 {
        let sql = format!("select {n} + $1");
        let got: i32 = sqlx::query_scalar(AssertSqlSafe(sql)).bind(1).fetch_one(&mut *a).await?;
        anyhow::ensure!(got == n + 1, "{n}: {got}");
    }
    println!("kept {}", a.cached_statements_size());
    a.clear_cached_statements().await?;
    refused("value", sqlx::query("select $1::int").bind("x").execute(&mut *a).await);
    refused("syntax", sqlx::query("selec 1").execute(&mut *a).await);
    refused("division", sqlx::query("select 1 / $1::int").bind(0).execute(&mut *a).await);
    let described = (&mut *a).prepare("select 1 as one, $1::text as two".into_sql_str()).await?;
    for column in described.columns() {
        println!("{} {}", column.name(), column.type_info());
    }
    a.execute("create table plan (n int); insert into plan values (1)").await?;
    let star = "select * from plan";
    println!("before {}", sqlx::query(star).fetch_one(&mut *a).await?.len());
    a.execute("alter table plan add column m int").await?;
    match sqlx::query(star).fetch_one(&mut *a).await {
        Ok(row) => println!("after {}", row.len()),
        Err(error) => println!("after: {error}"),
    }
    Ok(())
}

async fn transactions(a: &mut PgConnection) -> Result<()> {
    chapter("transactions");
    a.execute("create table w (n int primary key)").await?;
    let mut tx = a.begin().await?;
    sqlx::query("insert into w values ($1)").bind(1).execute(&mut *tx).await?;
    let mut inner = tx.begin().await?;
    sqlx::query("insert into w values (2)").execute(&mut *inner).await?;
    refused("again", sqlx::query("insert into w values (1)").execute(&mut *inner).await);
    refused("failed", sqlx::query("select 1").execute(&mut *inner).await);
    inner.rollback().await?;
    sqlx::query("insert into w values (3)").execute(&mut *tx).await?;
    tx.commit().await?;
    let mut tx = a.begin().await?;
    let deleted = sqlx::query("delete from w").execute(&mut *tx).await?;
    println!("deleted {}", deleted.rows_affected());
    // Rolled back by its drop, ahead of the next statement.
    drop(tx);
    let left: Vec<i32> =
        sqlx::query_scalar("select n from w order by n").fetch_all(&mut *a).await?;
    println!("left {left:?}");
    Ok(())
}

async fn big(a: &mut PgConnection) -> Result<()> {
    chapter("big result");
    let all = "select g, repeat('x', 1000) from generate_series(1, $1::text::int) g";
    let mut rows = sqlx::query(all).bind(std::env::var("BIG_ROWS")?).fetch(&mut *a);
    let (mut count, mut sum) = (0, 0_i64);
    while let Some(row) = rows.try_next().await? {
        count += 1;
        sum += i64::from(row.get::<i32, _>(0)) + row.get::<&str, _>(1).len() as i64;
    }
    drop(rows);
    println!("{count} rows, {sum}");
    let first =
        sqlx::query("select * from generate_series(1, 100000)").fetch_optional(&mut *a).await?;
    println!("only the first: {}", first.context("a row")?.get::<i32, _>(0));
    let mut copy = a.copy_in_raw("copy w from stdin").await?;
    copy.send("10\n11\n".as_bytes()).await?;
    println!("copied {}", copy.finish().await?);
    let mut copy = a.copy_in_raw("copy w from stdin").await?;
    copy.send("12\n".as_bytes()).await?;
    println!("{:?}", copy.abort("never mind").await);
    let out: Vec<_> = a.copy_out_raw("copy w to stdout").await?.try_collect().await?;
    println!("{:?}", String::from_utf8(out.concat())?);
    Ok(())
}

/// sqlx has no cancel of its own. A query that is dropped goes on at the database, and its pool keeps
/// the connection: the next query waits there for the end of the dropped one. What ends it early is a
/// timeout at the database.
async fn cancel(options: &PgConnectOptions, a: &mut PgConnection) -> Result<()> {
    chapter("cancel");
    let opened = Arc::new(AtomicUsize::new(0));
    let counted = opened.clone();
    let pool = PgPoolOptions::new().max_connections(1).after_connect(move |_, _| {
        counted.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { Ok(()) })
    });
    let pool = pool.connect_with(options.clone()).await?;
    let slow = sqlx::query("select pg_sleep(1)").execute(&pool);
    println!("in time: {}", tokio::time::timeout(Duration::from_millis(200), slow).await.is_ok());
    println!("goes on {}", sqlx::query_scalar::<_, i32>("select 1").fetch_one(&pool).await?);
    println!("connections {}", opened.load(Ordering::Relaxed));
    pool.close().await;
    a.execute("set statement_timeout = '100ms'").await?;
    refused("timeout", sqlx::query("select pg_sleep(60)").execute(&mut *a).await);
    a.execute("reset statement_timeout").await?;
    Ok(())
}

async fn two(options: &PgConnectOptions, a: &mut PgConnection, b: &mut PgConnection) -> Result<()> {
    chapter("two clients");
    a.execute("set timezone = 'Asia/Tokyo'; set application_name = 'first'").await?;
    for connection in [&mut *a, &mut *b] {
        let zone: String = sqlx::query_scalar("show timezone").fetch_one(connection).await?;
        println!("{zone}");
    }
    a.execute("create temp table mine (n int)").await?;
    refused("b does not see it", sqlx::query("select * from mine").execute(&mut *b).await);
    let pool = PgPoolOptions::new().max_connections(20).connect_with(options.clone()).await?;
    let seen = futures_util::future::try_join_all((0..100).map(async |n: i32| {
        let mut tx = pool.begin().await?;
        let set = "select set_config('app.n', $1, true)";
        sqlx::query(set).bind(n.to_string()).execute(&mut *tx).await?;
        let seen: String =
            sqlx::query_scalar("select current_setting('app.n')").fetch_one(&mut *tx).await?;
        tx.commit().await?;
        Ok::<_, sqlx::Error>(seen == n.to_string())
    }))
    .await?;
    println!("a hundred transactions {}", seen.iter().all(|own| *own));
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.listen("channel").await?;
    pool.execute("notify channel, 'payload'").await?;
    let heard = listener.recv().await?;
    println!("notification {} {}", heard.channel(), heard.payload());
    drop(listener);
    pool.close().await;
    Ok(())
}

/// Takes the lock of a migration, and ends as a killed tool does.
async fn die(options: PgConnectOptions) -> Result<()> {
    let mut connection = PgConnection::connect_with(&options).await?;
    sqlx::migrate::Migrate::lock(&mut connection).await?;
    println!("locked");
    std::process::abort();
}

/// Migrates twice at once: an advisory lock lets one wait for the other.
async fn migrate(options: PgConnectOptions) -> Result<()> {
    let migrator = Migrator::new(std::path::Path::new("migrations")).await?;
    chapter("migrations");
    let run = async || {
        let mut connection = PgConnection::connect_with(&options).await?;
        migrator.run(&mut connection).await?;
        connection.close().await?;
        Ok::<_, anyhow::Error>(())
    };
    tokio::try_join!(run(), run())?;
    let mut connection = PgConnection::connect_with(&options).await?;
    let done = "select description, success from _sqlx_migrations order by version";
    let done: BTreeMap<String, bool> =
        sqlx::query_as(done).fetch_all(&mut connection).await?.into_iter().collect();
    println!("{done:?}");
    let ships: Vec<String> =
        sqlx::query_scalar("select name from ships order by id").fetch_all(&mut connection).await?;
    println!("{ships:?}");
    let locks = "select count(*) from pg_locks where locktype = 'advisory'";
    println!(
        "locks left {}",
        sqlx::query_scalar::<_, i64>(locks).fetch_one(&mut connection).await?
    );
    migrator.undo(&mut connection, 1).await?;
    let columns = "select column_name::text from information_schema.columns where table_name = 'ships' order by 1";
    println!("{:?}", sqlx::query_scalar::<_, String>(columns).fetch_all(&mut connection).await?);
    connection.close().await?;
    println!("done");
    Ok(())
}
