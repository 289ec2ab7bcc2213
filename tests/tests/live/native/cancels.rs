//! CancelRequest: it ends what its client runs, and nothing else.

use std::time::{Duration, Instant};

use super::raw::cancel;
use super::say::Say;
use super::scene::Scene;
use crate::world::live;

#[test]
fn a_cancel_ends_its_own_clients_query_only() {
    live(async {
        let scene = Scene::of(4).await;
        let (mut one, mut other) = (scene.raw().await, scene.raw().await);
        one.send(&Say::new().query("select pg_sleep(20)")).await;
        other.send(&Say::new().query("select pg_sleep(1), 'slept'")).await;
        scene.until_sessions_are("active", 2).await;
        let began = Instant::now();
        one.cancel().await;
        assert_eq!(one.until_ready().await, "T E(57014) Z(I)");
        assert!(began.elapsed() < Duration::from_secs(10));
        assert_eq!(other.until_ready().await, "T D(,slept) C(SELECT 1) Z(I)");
        assert_eq!(one.value("select 'goes on'").await, "goes on");
    });
}

#[test]
fn a_driver_cancels_by_its_token() {
    live(async {
        let scene = Scene::of(2).await;
        let client = scene.client().await;
        let token = client.cancel_token();
        let (slept, cancelled) = tokio::join!(client.batch_execute("select pg_sleep(20)"), async {
            scene.until_sessions_are("active", 1).await;
            token.cancel_query(tokio_postgres::NoTls).await
        });
        cancelled.unwrap();
        let error = slept.unwrap_err();
        assert_eq!(error.code(), Some(&tokio_postgres::error::SqlState::QUERY_CANCELED));
        let row = client.query_one("select 1", &[]).await.unwrap();
        assert_eq!(row.get::<_, i32>(0), 1);
    });
}

#[test]
fn in_session_mode_a_cancel_works_as_well() {
    live(async {
        let scene = Scene::of(2).await;
        let mut raw = scene.raw_session().await;
        raw.send(&Say::new().query("select pg_sleep(20)")).await;
        scene.until_sessions_are("active", 1).await;
        raw.cancel().await;
        assert_eq!(raw.until_ready().await, "T E(57014) Z(I)");
    });
}

#[test]
fn a_wrong_key_ends_nothing() {
    live(async {
        let scene = Scene::of(2).await;
        let mut raw = scene.raw().await;
        raw.send(&Say::new().query("select pg_sleep(1), 'slept'")).await;
        scene.until_sessions_are("active", 1).await;
        let mut wrong = raw.key.to_vec();
        *wrong.last_mut().unwrap() ^= 1;
        for key in [wrong.as_slice(), &[0; 8], &[0xff; 8]] {
            cancel(scene.native.transaction, key).await;
        }
        assert_eq!(raw.until_ready().await, "T D(,slept) C(SELECT 1) Z(I)");
        assert_eq!(scene.native.status().await.counters.cancels, 0);
    });
}

#[test]
fn the_database_does_not_know_the_key_that_a_client_was_given() {
    live(async {
        let scene = Scene::of(2).await;
        let mut raw = scene.raw().await;
        raw.send(&Say::new().query("select pg_sleep(0.5), 'slept'")).await;
        scene.until_sessions_are("active", 1).await;
        cancel(scene.postgres.addr(), &raw.key).await;
        assert_eq!(raw.until_ready().await, "T D(,slept) C(SELECT 1) Z(I)");
    });
}

#[test]
fn who_waits_for_a_session_can_be_cancelled_too() {
    live(async {
        let scene = Scene::of(1).await;
        let (mut holder, mut waiter) = (scene.raw().await, scene.raw().await);
        holder.query("begin").await;
        waiter.send(&Say::new().query("select 'never'")).await;
        scene.until("waiting", |status| status.waiting == 1).await;
        waiter.cancel().await;
        assert_eq!(waiter.until_ready().await, "E(57014) Z(I)");
        assert_eq!(holder.query("commit").await, "C(COMMIT) Z(I)");
        assert_eq!(waiter.value("select 'now'").await, "now");
    });
}

#[test]
fn a_cancel_inside_a_transaction_breaks_it_and_keeps_it() {
    live(async {
        let scene = Scene::of(2).await;
        let mut raw = scene.raw().await;
        raw.query("begin").await;
        let pid = raw.value("select pg_backend_pid()").await;
        raw.send(&Say::new().query("select pg_sleep(20)")).await;
        scene.until_sessions_are("active", 1).await;
        raw.cancel().await;
        assert_eq!(raw.until_ready().await, "T E(57014) Z(E)");
        assert_eq!(raw.query("rollback").await, "C(ROLLBACK) Z(I)");
        assert_eq!(raw.value("select pg_backend_pid()").await, pid);
    });
}

#[test]
fn a_cancel_of_an_idle_client_hits_nobody() {
    live(async {
        let scene = Scene::of(1).await;
        let (mut idle, mut busy) = (scene.raw().await, scene.raw().await);
        idle.query("select 1").await;
        for _ in 0..20 {
            busy.send(&Say::new().query("select pg_sleep(0.02), 'slept'")).await;
            idle.cancel().await;
            assert_eq!(busy.until_ready().await, "T D(,slept) C(SELECT 1) Z(I)");
        }
        assert_eq!(idle.value("select 1").await, "1");
    });
}

/// Two sessions, four clients that must not fail, and one whose cancels cross the ends of its own
/// queries, which run on the same sessions as theirs.
#[test]
fn a_cancel_that_crosses_the_end_of_its_query_hits_nobody_else() {
    live(async {
        let scene = Scene::of(2).await;
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let mut others = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let (mut raw, stopped) = (scene.raw().await, stopped.clone());
            others.spawn(async move {
                let mut rounds = 0;
                while !*stopped.borrow() {
                    let reply = raw.query("select pg_sleep(0.001)").await;
                    assert_eq!(reply, "T D() C(SELECT 1) Z(I)", "after {rounds} rounds");
                    rounds += 1;
                }
                rounds
            });
        }
        let (mut raw, mut cancelled) = (scene.raw().await, 0);
        let key = raw.key.clone();
        for round in 0..200 {
            raw.send(&Say::new().query("select pg_sleep(0.003)")).await;
            // From before its grant until after its end.
            tokio::time::sleep(Duration::from_micros(round * 60)).await;
            let ((), reply) =
                tokio::join!(cancel(scene.native.transaction, &key), raw.until_ready());
            cancelled += usize::from(reply.contains("57014"));
            assert!(reply.ends_with("Z(I)"), "{reply}");
        }
        stop.send(true).unwrap();
        let mut rounds = 0;
        while let Some(ended) = others.join_next().await {
            rounds += ended.unwrap();
        }
        eprintln!("{cancelled} of 200 were cancelled; the others ran {rounds} queries");
        assert!(cancelled > 0 && cancelled < 200, "{cancelled} of 200 were cancelled");
    });
}
