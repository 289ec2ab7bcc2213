//! COPY in both directions: large, failing, abandoned.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::AsyncWriteExt as _;

use super::say::Say;
use super::scene::{Scene, both};
use crate::world::{PATIENCE, live};

/// What an engine may hold of one client's COPY, either way, far below what the stories send.
const HELD_MAX: usize = 4 << 20;

impl Scene {
    async fn table(&self, name: &str) {
        let sql =
            format!("create table {name} (n int, filler text); grant all on {name} to public");
        self.postgres.run(&sql).await.unwrap();
    }

    async fn rows(&self, table: &str) -> String {
        self.control(&format!("select count(*) from {table}")).await
    }
}

#[test]
fn copy_in_is_complete_or_refused() {
    live(async {
        let replies = both(async |raw| {
            let mut replies = raw.query("create temp table t (n int primary key)").await;
            let copy = || Say::new().query("copy t from stdin");
            for say in [
                copy().copy_data(b"1\n2\n").copy_data(b"3\n").copy_done(),
                copy().copy_data(b"no number\n").copy_done(),
                copy().copy_data(b"4\n1\n").copy_data(b"5\n").copy_done(),
                copy().copy_data(b"6\n").copy_fail("changed my mind"),
                copy().copy_done(),
                Say::new().query("copy t from stdin; select count(*) from t").copy_done(),
            ] {
                replies = format!("{replies} | {}", raw.ask(&say).await);
            }
            format!("{replies} | {}", raw.value("select count(*) from t").await)
        });
        let wanted = "C(CREATE TABLE) Z(I) | G C(COPY 3) Z(I) | G E(22P02) Z(I) | G E(23505) Z(I) \
                      | G E(57014) Z(I) | G C(COPY 0) Z(I) | G C(COPY 0) T D(3) C(SELECT 1) Z(I) | 3";
        assert_eq!(replies.await, wanted);
    });
}

#[test]
fn copy_in_by_the_extended_protocol() {
    live(async {
        let replies = both(async |raw| {
            raw.query("create temp table t (n int)").await;
            let copy =
                || Say::new().parse("", "copy t from stdin").bind("", "", &[]).execute("", 0);
            let whole = copy().copy_data(b"1\n").copy_done().sync();
            let whole = raw.ask(&whole).await;
            // Sync and Flush inside COPY are not answered.
            raw.send(&copy().sync()).await;
            let begun = raw.next(3).await;
            let rest = Say::new().copy_data(b"2\n").flush().copy_data(b"3\n").copy_done().sync();
            let rest = raw.ask(&rest).await;
            let failed = raw.ask(&copy().copy_fail("no").sync()).await;
            let count = raw.value("select count(*) from t").await;
            format!("{whole} | {begun} | {rest} | {failed} | {count}")
        });
        let wanted = "1 2 G C(COPY 1) Z(I) | 1 2 G | C(COPY 2) Z(I) | 1 2 G E(57014) Z(I) | 3";
        assert_eq!(replies.await, wanted);
    });
}

#[test]
fn copy_data_where_none_is_wanted_is_thrown_away() {
    live(async {
        let replies = both(async |raw| {
            let stray = Say::new().copy_data(b"stray\n").copy_done().query("select 1");
            let stray = raw.ask(&stray).await;
            let refused = Say::new().query("copy nowhere from stdin").copy_data(b"1\n").copy_done();
            let refused = raw.ask(&refused.query("select 2")).await;
            format!("{stray} | {refused} | {}", raw.until_ready().await)
        });
        let wanted = "T D(1) C(SELECT 1) Z(I) | E(42P01) Z(I) | T D(2) C(SELECT 1) Z(I)";
        assert_eq!(replies.await, wanted);
    });
}

#[test]
fn copy_out_in_both_protocols() {
    live(async {
        let replies = both(async |raw| {
            let copy = "copy (select generate_series(1, 3)) to stdout";
            let simple = raw.query(copy).await;
            let extended = Say::new().parse("", copy).bind("", "", &[]).execute("", 0).sync();
            let extended = raw.ask(&extended).await;
            let failing = "copy (select 1 / (3 - n) from generate_series(1, 5) as n) to stdout";
            format!("{simple} | {extended} | {}", raw.query(failing).await)
        });
        let wanted =
            "H d d d c C(COPY 3) Z(I) | 1 2 H d d d c C(COPY 3) Z(I) | H d d E(22012) Z(I)";
        assert_eq!(replies.await, wanted);
    });
}

#[test]
fn a_drivers_large_copy_comes_and_goes_whole() {
    live(async {
        let scene = Scene::of(1).await;
        scene.table("large_copy").await;
        let client = scene.client().await;
        let sink = client.copy_in::<_, Bytes>("copy large_copy from stdin").await.unwrap();
        let mut sink = std::pin::pin!(sink);
        let chunk: String = (0..200).map(|n| format!("{n}\t{}\n", "x".repeat(500))).collect();
        let chunk = Bytes::from(chunk);
        for _ in 0..200 {
            sink.send(chunk.clone()).await.unwrap();
        }
        assert_eq!(sink.finish().await.unwrap(), 40_000);
        let stream = client.copy_out("copy large_copy to stdout").await.unwrap();
        let stream = std::pin::pin!(stream);
        let bytes = stream.fold(0, async |sum, part| sum + part.unwrap().len()).await;
        assert_eq!(bytes, chunk.len() * 200);
        assert_eq!(scene.native.status().await.counters.opened, 1);
    });
}

#[test]
fn a_database_that_does_not_read_holds_the_sender_back() {
    live(async {
        let scene = Scene::of(1).await;
        scene.table("held_back").await;
        // Nobody may write to the table until this is over.
        let mut locker = scene.direct().await;
        locker.query("begin").await;
        locker.query("lock table held_back").await;

        let mut raw = scene.raw().await;
        raw.send(&Say::new().query("copy held_back from stdin")).await;
        let row = format!("1\t{}\n", "x".repeat(10_000));
        let data = Say::new().copy_data(row.repeat(100).as_bytes());
        let (mut sent, mut stuck) = (0, false);
        while !stuck && sent < 64 {
            let write = raw.socket.write_all(data.bytes());
            stuck = tokio::time::timeout(Duration::from_millis(500), write).await.is_err();
            sent += 1;
        }
        assert!(stuck, "64 MB went to a database that reads nothing");
        let held = scene.native.status().await.request_bytes;
        assert!(held <= HELD_MAX, "{held} bytes are held of a sender's COPY");
        raw.die();
        locker.query("rollback").await;
        scene.until_at_rest().await;
        assert_eq!(scene.rows("held_back").await, "0");
    });
}

#[test]
fn a_client_that_does_not_read_holds_the_database_back() {
    live(async {
        let scene = Scene::of(1).await;
        let mut raw = scene.raw().await;
        raw.send(&Say::new().query("copy (select * from bulk(60000)) to stdout")).await;
        scene.until("sending", |status| status.leased == 1).await;
        tokio::time::sleep(Duration::from_millis(700)).await;
        let held = scene.native.status().await.answer_bytes;
        assert!(held <= HELD_MAX, "{held} bytes are held for a reader that does not read");
        let mut rows = 0;
        while let Some((tag, _)) = raw.message().await {
            rows += usize::from(tag == b'd');
            if tag == b'Z' {
                break;
            }
        }
        assert_eq!(rows, 60_000);
    });
}

#[test]
fn who_leaves_in_the_middle_of_copy_in_leaves_nothing() {
    live(async {
        let scene = Scene::of(1).await;
        scene.table("left_in").await;
        for goodbye in [false, true] {
            let mut raw = scene.raw().await;
            raw.send(&Say::new().query("copy left_in from stdin").copy_data(b"1\tone\n")).await;
            assert_eq!(raw.next(1).await, "G");
            if goodbye {
                raw.send(&Say::new().terminate()).await;
            }
            raw.die();
            scene.until_at_rest().await;
            let mut next = scene.raw().await;
            assert_eq!(next.value("select count(*) from left_in").await, "0");
        }
        let opened = scene.native.status().await.counters.opened;
        assert!(opened <= 3, "{opened} sessions for two clients that left");
    });
}

#[test]
fn who_leaves_in_the_middle_of_copy_out_stops_it() {
    live(async {
        let scene = Scene::of(1).await;
        let mut raw = scene.raw().await;
        raw.send(&Say::new().query("copy (select * from bulk(1000000)) to stdout")).await;
        for _ in 0..100 {
            raw.message().await.unwrap();
        }
        let began = std::time::Instant::now();
        raw.die();
        let mut next = scene.raw().await;
        assert_eq!(next.value("select 'next'").await, "next");
        assert!(began.elapsed() < PATIENCE / 2, "it took {:?}", began.elapsed());
        scene.until_sessions_are("active", 0).await;
    });
}
