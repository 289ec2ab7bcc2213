//! Clients that leave without a word.

use std::time::{Duration, Instant};

use super::say::Say;
use super::scene::Scene;
use crate::world::live;

#[test]
fn who_dies_in_a_query_leaves_no_query_behind() {
    live(async {
        let scene = Scene::of(1).await;
        let mut raw = scene.raw().await;
        let pid = raw.value("select pg_backend_pid()").await;
        raw.send(&Say::new().query("select pg_sleep(60)")).await;
        scene.until_sessions_are("active", 1).await;
        let died = Instant::now();
        raw.die();
        let mut next = scene.raw().await;
        assert_eq!(next.value("select pg_backend_pid()").await, pid, "the session was lost");
        assert!(died.elapsed() < Duration::from_secs(5), "{:?}", died.elapsed());
    });
}

#[test]
fn who_dies_in_a_large_result_leaves_the_session_clean() {
    live(async {
        let scene = Scene::of(1).await;
        for _ in 0..3 {
            let mut raw = scene.raw().await;
            raw.send(&Say::new().query("select * from bulk(1000000)")).await;
            for _ in 0..50 {
                raw.message().await.unwrap();
            }
            let died = Instant::now();
            raw.die();
            let mut next = scene.raw().await;
            assert_eq!(next.query("select 'clean'").await, "T D(clean) C(SELECT 1) Z(I)");
            assert!(died.elapsed() < Duration::from_secs(6), "{:?}", died.elapsed());
        }
        let opened = scene.native.status().await.counters.opened;
        assert!(opened <= 4, "{opened} sessions for three that died");
    });
}

#[test]
fn who_dies_in_a_transaction_frees_its_locks_at_once() {
    live(async {
        let scene = Scene::of(2).await;
        let mut raw = scene.raw().await;
        raw.query("begin").await;
        raw.query("update counters set value = value + 1000000").await;
        let mut waiter = scene.raw().await;
        waiter.send(&Say::new().query("update counters set value = value")).await;
        scene.until_sessions_are("active", 1).await;
        let died = Instant::now();
        raw.die();
        assert_eq!(waiter.until_ready().await, "C(UPDATE 1) Z(I)");
        assert!(died.elapsed() < Duration::from_secs(1), "{:?}", died.elapsed());
        let value: i64 = waiter.value("select value from counters").await.parse().unwrap();
        assert!(value < 1_000_000);
        assert_eq!(scene.until_at_rest().await.counters.opened, 2);
    });
}

#[test]
fn who_dies_while_waiting_is_never_served() {
    live(async {
        let scene = Scene::of(1).await;
        scene
            .postgres
            .run("create table served (n int); grant all on served to public")
            .await
            .unwrap();
        let mut holder = scene.raw().await;
        holder.query("begin").await;
        for _ in 0..5 {
            let mut raw = scene.raw().await;
            raw.send(&Say::new().query("insert into served values (1)")).await;
            scene.until("waiting", |status| status.waiting == 1).await;
            raw.die();
            scene.until("gone", |status| status.waiting == 0).await;
        }
        holder.query("commit").await;
        assert_eq!(scene.raw().await.value("select count(*) from served").await, "0");
    });
}

#[test]
fn who_leaves_with_a_half_message_harms_nobody() {
    live(async {
        let scene = Scene::of(1).await;
        let whole = Say::new().run("select 1", &[]).sync().query("select 2").terminate();
        for end in 0..whole.bytes().len() {
            let mut raw = scene.raw().await;
            raw.send_bytes(&whole.bytes()[..end]).await;
            raw.die();
        }
        assert_eq!(scene.raw().await.value("select 'unharmed'").await, "unharmed");
    });
}

#[test]
fn two_hundred_that_die_together_cost_few_new_sessions() {
    live(async {
        let scene = Scene::of(10).await;
        let mut crowd = Vec::new();
        for number in 0..200 {
            let mut raw = scene.raw().await;
            let sql = match number % 4 {
                0 => "select pg_sleep(30)",
                1 => "begin; select pg_sleep(30)",
                2 => "select * from bulk(1000000)",
                _ => "select pg_sleep(0.2)",
            };
            raw.send(&Say::new().query(sql)).await;
            crowd.push(raw);
        }
        scene.until("full", |status| status.leased == 10 && status.waiting > 100).await;
        let before = scene.native.status().await.counters;
        let died = Instant::now();
        crowd.into_iter().for_each(super::raw::Raw::die);
        let mut next = scene.raw().await;
        assert_eq!(next.value("select 'next'").await, "next");
        let first = died.elapsed();
        let after = scene.until_at_rest().await.counters;
        let opened = after.opened - before.opened;
        eprintln!(
            "after 200 deaths: next served after {first:?}, {opened} sessions opened, {} cancels",
            after.cancels - before.cancels
        );
        assert!(opened <= 10, "{opened} sessions were opened after a mass disconnect");
        assert!(first < Duration::from_secs(5), "{first:?}");
        scene.until_sessions_are("active", 0).await;
    });
}
