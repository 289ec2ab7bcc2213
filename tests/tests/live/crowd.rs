//! More callers than sessions.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::world::{Setup, live};

const CALLERS: usize = 500;

#[test]
fn five_hundred_callers_share_ten_sessions() {
    live(async {
        let world = Setup::new().keys("pool_size=10").start().await;
        world.limit_streams(10);
        let app = world.app();
        for round in 0..2 {
            let began = Instant::now();
            let callers: Vec<_> = (0..CALLERS)
                .map(|n| {
                    let (app, value) = (app.clone(), format!("{round}-{n}"));
                    tokio::spawn(async move {
                        let sql =
                            "select $1::text, repeat($1, 100), pg_backend_pid(), pg_sleep(0.005)";
                        let answer = app.query(sql, &[json!(value)]).await.unwrap();
                        let row = &answer["rows"][0];
                        assert_eq!(row[0], value.as_str());
                        assert_eq!(row[1], value.repeat(100));
                        row[2].as_str().unwrap().to_owned()
                    })
                })
                .collect();
            let mut most = 0;
            while !callers.iter().all(|caller| caller.is_finished()) {
                most = most.max(world.sessions().await);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let mut pids = BTreeSet::new();
            for caller in callers {
                pids.insert(caller.await.unwrap());
            }
            eprintln!("{CALLERS} callers in {:?}, {} sessions", began.elapsed(), pids.len());
            assert!(most <= 10 && pids.len() <= 10, "{most} sessions, {} pids", pids.len());
        }
        let stats = world.stats();
        assert!(stats.streams_peak <= 10 && stats.handshakes_peak <= 6, "{stats:?}");
        assert_eq!(stats.streams_total, 10);
        let status = world.status().await;
        assert_eq!((&status["completed"], &status["waiting"]), (&json!(2 * CALLERS), &json!(0)));
    });
}

#[test]
fn those_who_wait_in_vain_are_told_why() {
    live(async {
        let keys = "pool_size=1&max_waiters=2&wait_timeout=1500ms";
        let world = Setup::new().keys(keys).start().await;
        world.limit_streams(1);
        let app = world.app();
        let holder = app.spawn("select pg_sleep(3)");
        world.until_busy(1).await;
        let began = Instant::now();
        let waiters = [app.spawn("select 1"), app.spawn("select 1")];
        world.until_status("two waiting", |status| status["waiting"] == 2).await;

        let full = app.query("select 1", &[]).await.unwrap_err();
        let public = app.raw("/response", &[("sql", "select 1")]).await;
        assert_eq!((public.status, &public.headers["retry-after"]), (503, &"1".parse().unwrap()));
        assert!(began.elapsed() < Duration::from_millis(1500), "the queue was full, yet it waited");
        assert_eq!((full.sqlstate(), full.status), ("53300", 503));

        let mut late = Vec::new();
        for waiter in waiters {
            late.push(waiter.await.unwrap().unwrap_err());
        }
        assert!(began.elapsed() >= Duration::from_millis(1400), "{:?}", began.elapsed());
        for failure in late.iter().chain([&full]) {
            assert!(failure.is("refused") && failure.is("retryable"), "{failure:?}");
            assert!(!failure.is("unknown"), "{failure:?}");
            assert_eq!(failure.retry_after.as_deref(), Some("1"), "{failure:?}");
        }
        for failure in &late {
            assert_eq!((failure.sqlstate(), failure.status), ("53400", 503));
        }
        holder.await.unwrap().unwrap();
        app.echo("free again").await.unwrap();
    });
}

#[test]
fn waiters_are_served_in_their_order() {
    live(async {
        let world = Setup::new().keys("pool_size=1").start().await;
        let app = world.app();
        let call = |sql: &'static str| {
            let app = app.clone();
            tokio::spawn(async move { app.value(sql, &[]).await.unwrap() })
        };
        let holder = call("select pg_sleep(1)");
        world.until_busy(1).await;
        let mut waiters = Vec::new();
        for n in 1..=5 {
            waiters.push(call("select clock_timestamp()"));
            world.until_status("one more waiting", |status| status["waiting"] == n).await;
        }
        holder.await.unwrap();
        let mut times = Vec::new();
        for waiter in waiters {
            times.push(waiter.await.unwrap());
        }
        assert!(times.is_sorted(), "{times:?}");
    });
}
