//! Time limits: what ends, with which SQLSTATE, and what goes on.

use std::time::{Duration, Instant};

use pierhead_engine::Settings;
use pierhead_engine::time::Millis;

use super::say::Say;
use super::scene::{Scene, pool};
use crate::world::live;

const SHORT: Millis = Millis(400);

#[test]
fn who_waits_too_long_is_told_and_stays_connected() {
    live(async {
        let scene = Scene::with(Settings { wait_timeout: SHORT, ..pool(1) }).await;
        let (mut holder, mut waiter) = (scene.raw().await, scene.raw().await);
        holder.query("begin").await;
        let began = Instant::now();
        waiter.send(&Say::new().query("select 1").query("select 2")).await;
        assert_eq!(waiter.until_ready().await, "E(53400) Z(I)");
        let waited = began.elapsed();
        assert!(waited >= Duration::from_millis(SHORT.0), "{waited:?}");
        assert_eq!(waiter.until_ready().await, "E(53400) Z(I)");
        // By the extended protocol the segment is skipped up to its Sync.
        waiter.send(&Say::new().run("select 3", &[]).sync()).await;
        assert_eq!(waiter.until_ready().await, "E(53400) Z(I)");
        holder.query("commit").await;
        assert_eq!(waiter.value("select 4").await, "4");
    });
}

#[test]
fn the_error_of_an_exhausted_pool_names_who_holds_it() {
    live(async {
        let scene = Scene::with(Settings { wait_timeout: SHORT, ..pool(1) }).await;
        let (mut holder, mut waiter) = (scene.raw().await, scene.raw().await);
        holder.query("begin").await;
        waiter.send(&Say::new().query("select 1")).await;
        let error = waiter.error().await;
        eprintln!("exhausted: {error}");
        assert!(error.contains("1 of 1 sessions"), "{error}");
        assert!(error.contains("native"), "the holder's class is not named: {error}");
    });
}

#[test]
fn a_full_queue_is_told_at_once() {
    live(async {
        let scene = Scene::with(Settings { max_waiters: 1, ..pool(1) }).await;
        let mut holder = scene.raw().await;
        holder.query("begin").await;
        let mut first = scene.raw().await;
        first.send(&Say::new().query("select 1")).await;
        scene.until("waiting", |status| status.waiting == 1).await;
        let mut second = scene.raw().await;
        assert_eq!(second.query("select 2").await, "E(53300) Z(I)");
        holder.query("commit").await;
        assert_eq!(first.until_ready().await, "T D(1) C(SELECT 1) Z(I)");
        assert_eq!(second.value("select 3").await, "3");
    });
}

#[test]
fn a_query_that_takes_too_long_is_cancelled_and_its_client_stays() {
    live(async {
        let scene = Scene::with(Settings { query_timeout: SHORT, ..pool(1) }).await;
        let mut raw = scene.raw().await;
        let pid = raw.value("select pg_backend_pid()").await;
        let began = Instant::now();
        let reply = raw.query("select pg_sleep(30)").await;
        assert!(began.elapsed() < Duration::from_secs(5));
        assert_eq!(reply, "T E(57014) Z(I)");
        assert_eq!(raw.value("select pg_backend_pid()").await, pid);
        // In a transaction it is broken, not ended.
        raw.query("begin").await;
        assert_eq!(raw.query("select pg_sleep(30)").await, "T E(57014) Z(E)");
        assert_eq!(raw.query("rollback").await, "C(ROLLBACK) Z(I)");
        scene.until_sessions_are("active", 0).await;
    });
}

#[test]
fn an_idle_transaction_is_ended_and_its_locks_are_free() {
    live(async {
        let settings = Settings { idle_in_transaction_timeout: SHORT, ..pool(2) };
        let scene = Scene::with(settings).await;
        let mut sleeper = scene.raw().await;
        sleeper.query("begin").await;
        sleeper.query("select * from counters for update").await;
        let mut other = scene.raw().await;
        let updated = other.query("update counters set value = value").await;
        assert_eq!(updated, "C(UPDATE 1) Z(I)");
        let error = sleeper.error().await;
        eprintln!("idle in transaction: {error}");
        assert!(error.starts_with("FATAL 25P03"), "{error}");
        assert_eq!(sleeper.until_ready().await, "end");
    });
}

#[test]
fn a_transaction_that_is_worked_in_is_not_idle() {
    live(async {
        let settings = Settings { idle_in_transaction_timeout: SHORT, ..pool(1) };
        let scene = Scene::with(settings).await;
        let mut raw = scene.raw().await;
        raw.query("begin").await;
        for _ in 0..8 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert_eq!(raw.value("select 1").await, "1");
        }
        // A query that runs is no idleness.
        raw.query("select pg_sleep(0.8)").await;
        assert_eq!(raw.query("commit").await, "C(COMMIT) Z(I)");
    });
}

#[test]
fn a_transaction_that_takes_too_long_is_ended() {
    live(async {
        let scene = Scene::with(Settings { transaction_timeout: SHORT, ..pool(1) }).await;
        let mut raw = scene.raw().await;
        raw.query("begin").await;
        let mut error = String::new();
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            raw.send(&Say::new().query("select 1")).await;
            error = raw.next(1).await;
            if error.starts_with("E(") || error == "end" {
                break;
            }
            raw.until_ready().await;
        }
        assert_eq!(error, "E(25P04)");
        assert_eq!(scene.raw().await.value("select 'free'").await, "free");
    });
}

#[test]
fn a_silent_client_is_sent_away_and_one_in_a_transaction_is_not() {
    live(async {
        let scene = Scene::with(Settings { client_idle_timeout: SHORT, ..pool(2) }).await;
        let (mut silent, mut working) = (scene.raw().await, scene.raw().await);
        silent.query("select 1").await;
        working.query("begin").await;
        let error = silent.error().await;
        eprintln!("client idle: {error}");
        assert!(error.starts_with("FATAL 57P05"), "{error}");
        assert_eq!(silent.until_ready().await, "end");
        assert_eq!(working.query("commit").await, "C(COMMIT) Z(I)");
    });
}

#[test]
fn a_database_that_cannot_be_reached_is_told_to_who_starts_up() {
    live(async {
        let gone = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
        let settings = Settings { wait_timeout: SHORT, ..pool(1) };
        let native = pierhead_tests::native::Native::start(settings, gone).unwrap();
        let parameters = [("user", "scram_user")];
        let greeting = super::raw::Raw::connect_with(native.transaction, &parameters).await;
        let error = greeting.err().expect("a refusal");
        assert!(error.contains("E(08001)"), "{error}");
    });
}
