//! tokio-postgres, unmodified: it pipelines whatever is asked at once.

use std::time::Duration;

use anyhow::Result;
use futures_util::{SinkExt as _, StreamExt as _, TryStreamExt as _, future};
use tokio_postgres::error::Error;
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Config, NoTls, SimpleQueryMessage};

fn chapter(name: &str) {
    println!("== {name}");
}

/// The error that must come, in the server's words.
fn refused<T>(what: &str, result: Result<T, Error>) {
    match result {
        Ok(_) => println!("{what}: NOT refused"),
        Err(error) => match error.as_db_error() {
            Some(told) => println!("{what}: {} {told}", told.code().code()),
            None => println!("{what}: {error}"),
        },
    }
}

async fn connect() -> Result<Client> {
    let variable = |name| std::env::var(name);
    let mut config = Config::new();
    config
        .host(variable("PGHOST")?)
        .port(variable("PGPORT")?.parse()?)
        .user(variable("PGUSER")?)
        .password(variable("PGPASSWORD")?)
        .dbname(variable("PGDATABASE")?);
    let (client, mut connection) = config.connect(NoTls).await?;
    let mut messages =
        futures_util::stream::poll_fn(move |context| connection.poll_message(context));
    tokio::spawn(async move {
        while let Some(Ok(message)) = messages.next().await {
            match message {
                AsyncMessage::Notice(notice) => println!("notice {notice}"),
                AsyncMessage::Notification(heard) => {
                    println!("notification {} {}", heard.channel(), heard.payload());
                }
                _ => {}
            }
        }
    });
    Ok(client)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let (mut a, b) = (connect().await?, connect().await?);
    types(&a).await?;
    prepared(&a).await?;
    transactions(&mut a).await?;
    big(&a).await?;
    cancel(&a).await?;
    two(&a, &b).await?;
    println!("done");
    Ok(())
}

async fn types(a: &Client) -> Result<()> {
    chapter("types");
    let time: chrono::DateTime<chrono::Utc> = "2026-11-22T10:00:00.123456Z".parse()?;
    let (json, uuid) = (serde_json::json!({ "a": [1, null] }), uuid::Uuid::from_u128(7));
    let values: &[&(dyn ToSql + Sync)] = &[
        &-7_i16,
        &i32::MAX,
        &i64::MIN,
        &0.1_f64,
        &true,
        &"ü\n'\\",
        &vec![0_u8, 255],
        &time,
        &json,
        &uuid,
        &vec![Some(1), None],
        &None::<String>,
    ];
    let sql = "select $1::int2, $2::int4, $3::int8, $4::float8, $5::bool, $6::text, $7::bytea, \
               $8::timestamptz, $9::jsonb, $10::uuid, $11::int[], $12::text";
    let row = a.query_one(sql, values).await?;
    println!(
        "{} {} {} {} {}",
        row.get::<_, i16>(0),
        row.get::<_, i32>(1),
        row.get::<_, i64>(2),
        row.get::<_, f64>(3),
        row.get::<_, bool>(4)
    );
    println!(
        "{:?} {:?} {} {}",
        row.get::<_, &str>(5),
        row.get::<_, &[u8]>(6),
        row.get::<_, chrono::DateTime<chrono::Utc>>(7),
        row.get::<_, serde_json::Value>(8)
    );
    println!(
        "{} {:?} {:?}",
        row.get::<_, uuid::Uuid>(9),
        row.get::<_, Vec<Option<i32>>>(10),
        row.get::<_, Option<String>>(11)
    );
    a.batch_execute("create type mood as enum ('sad', 'happy'); create domain positive as int check (value > 0)").await?;
    // The driver asks the catalogue about types it does not know.
    let own =
        a.prepare("select 'happy'::mood, 5::positive, array['sad'::mood], row(1, 'x')").await?;
    for column in own.columns() {
        println!("{} {} {:?}", column.name(), column.type_().name(), column.type_().schema());
    }
    for message in a
        .simple_query("select 1 as one; create table w (n int primary key); select 'x' as two")
        .await?
    {
        match message {
            SimpleQueryMessage::Row(row) => println!("{:?}", row.get(0)),
            SimpleQueryMessage::CommandComplete(count) => println!("complete {count}"),
            SimpleQueryMessage::RowDescription(columns) => {
                println!("{:?}", columns.iter().map(|c| c.name()).collect::<Vec<_>>())
            }
            _ => {}
        }
    }
    a.batch_execute("do $$ begin raise notice 'seen'; end $$").await?;
    Ok(())
}

async fn prepared(a: &Client) -> Result<()> {
    chapter("prepared");
    let add = a.prepare("select $1::int4 + $2::int4").await?;
    let sums = future::try_join_all((0..100).map(async |n: i32| {
        let row = a.query_one(&add, &[&n, &1]).await?;
        Ok::<i32, Error>(row.get(0))
    }));
    println!("pipelined {:?}", sums.await?);
    let (good, bad, after) = tokio::join!(
        a.query_one("select 1", &[]),
        a.query_one("select 1 / $1::int4", &[&0]),
        a.query_one("select 3", &[])
    );
    println!("{} {}", good?.get::<_, i32>(0), after?.get::<_, i32>(0));
    refused("between them", bad);
    refused("syntax", a.prepare("selec 1").await);
    refused("table", a.query("select * from nowhere", &[]).await);
    drop(add);
    let typed =
        a.query_typed("select $1 || 'x'", &[(&"y", tokio_postgres::types::Type::TEXT)]).await?;
    println!("typed {}", typed[0].get::<_, String>(0));
    Ok(())
}

async fn transactions(a: &mut Client) -> Result<()> {
    chapter("transactions");
    let mut tx = a.transaction().await?;
    tx.execute("insert into w values ($1)", &[&1]).await?;
    let inner = tx.savepoint("deeper").await?;
    refused("again", inner.execute("insert into w values (1)", &[]).await);
    refused("failed", inner.query("select 1", &[]).await);
    inner.rollback().await?;
    tx.execute("insert into w values (2)", &[]).await?;
    tx.commit().await?;
    let tx = a.transaction().await?;
    println!("deleted {}", tx.execute("delete from w", &[]).await?);
    // Rolled back by its drop.
    drop(tx);
    let tx = a
        .build_transaction()
        .isolation_level(tokio_postgres::IsolationLevel::Serializable)
        .read_only(true)
        .start()
        .await?;
    refused("read only", tx.execute("insert into w values (9)", &[]).await);
    tx.rollback().await?;
    let tx = a.transaction().await?;
    let portal = tx.bind("select g from generate_series(1, 10) g", &[]).await?;
    for _ in 0..3 {
        let rows = tx.query_portal(&portal, 4).await?;
        println!("{:?}", rows.iter().map(|row| row.get(0)).collect::<Vec<i32>>());
    }
    tx.commit().await?;
    println!("left {}", a.query_one("select count(*) from w", &[]).await?.get::<_, i64>(0));
    Ok(())
}

async fn big(a: &Client) -> Result<()> {
    chapter("big result");
    let all = "select g, repeat('x', 1000) from generate_series(1, $1::text::int) g";
    let rows = a.query_raw(all, [std::env::var("BIG_ROWS")?]).await?;
    let mut rows = std::pin::pin!(rows);
    let (mut count, mut sum) = (0, 0_i64);
    while let Some(row) = rows.try_next().await? {
        count += 1;
        sum += i64::from(row.get::<_, i32>(0)) + row.get::<_, &str>(1).len() as i64;
    }
    println!("{count} rows, {sum}");
    let sink = a.copy_in("copy w from stdin").await?;
    let mut sink = std::pin::pin!(sink);
    sink.send(&b"10\n11\n"[..]).await?;
    println!("copied {}", sink.finish().await?);
    let sink = a.copy_in::<_, &[u8]>("copy w from stdin").await?;
    // Dropped without an end: it fails.
    drop(sink);
    let out = a.copy_out("copy (select * from w order by n) to stdout").await?;
    let out: Vec<_> = out.try_collect().await?;
    println!("{:?}", String::from_utf8(out.concat())?);
    Ok(())
}

async fn cancel(a: &Client) -> Result<()> {
    chapter("cancel");
    let token = a.cancel_token();
    let slow = a.batch_execute("select pg_sleep(60)");
    let mut slow = std::pin::pin!(slow);
    // Again, in case it comes before the statement runs.
    let end = loop {
        tokio::select! {
            end = &mut slow => break end,
            () = tokio::time::sleep(Duration::from_millis(300)) => token.cancel_query(NoTls).await?,
        }
    };
    refused("cancelled", end);
    println!("goes on {}", a.query_one("select 1", &[]).await?.get::<_, i32>(0));
    Ok(())
}

async fn two(a: &Client, b: &Client) -> Result<()> {
    chapter("two clients");
    a.batch_execute("set timezone = 'Asia/Tokyo'; set application_name = 'first'").await?;
    for client in [a, b] {
        println!("{}", client.query_one("show timezone", &[]).await?.get::<_, String>(0));
    }
    let (of_a, of_b) = (a.prepare("select 'a'").await?, b.prepare("select 'b'").await?);
    for (client, statement) in [(a, &of_a), (b, &of_b), (a, &of_a)] {
        println!("{}", client.query_one(statement, &[]).await?.get::<_, String>(0));
    }
    a.batch_execute("create temp table mine (n int)").await?;
    refused("b does not see it", b.query("select * from mine", &[]).await);
    let clients = future::try_join_all((0..20).map(|_| connect())).await?;
    let seen =
        future::try_join_all(clients.into_iter().enumerate().map(async |(n, mut client)| {
            let mut own = true;
            for _ in 0..10 {
                let tx = client.transaction().await?;
                tx.query("select set_config('app.n', $1, true)", &[&n.to_string()]).await?;
                let row = tx.query_one("select current_setting('app.n')", &[]).await?;
                own &= row.get::<_, String>(0) == n.to_string();
                tx.commit().await?;
            }
            Ok::<_, Error>(own)
        }));
    println!("each its own {}", seen.await?.iter().all(|own| *own));
    b.batch_execute("listen channel").await?;
    a.batch_execute("notify channel, 'payload'").await?;
    b.query_one("select 1", &[]).await?;
    Ok(())
}
