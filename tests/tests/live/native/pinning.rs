//! State that cannot be followed keeps its session; a part of the pool may be kept so.

use pierhead_engine::{Settings, StatePolicy};

use super::say::Say;
use super::scene::{Scene, pool};
use crate::world::live;

#[test]
fn a_temporary_table_is_still_there_in_the_next_transaction() {
    live(async {
        let scene = Scene::of(3).await;
        let mut keeper = scene.raw().await;
        keeper.query("create temp table kept (n int)").await;
        let pid = keeper.value("select pg_backend_pid()").await;
        for n in 1..=5 {
            keeper.query(&format!("insert into kept values ({n})")).await;
            let mut other = scene.raw().await;
            assert_ne!(other.value("select pg_backend_pid()").await, pid);
            assert_eq!(
                keeper.value("select sum(n) from kept").await,
                (n * (n + 1) / 2).to_string()
            );
        }
        assert_eq!(scene.native.status().await.leased, 1);
    });
}

#[test]
fn every_kind_of_state_that_cannot_be_followed_is_kept() {
    live(async {
        for (leave, look, seen) in [
            ("select pg_advisory_lock(4711)", "select pg_advisory_unlock(4711)", "t"),
            ("prepare mine as select 'mine'", "execute mine", "mine"),
            ("declare mine cursor with hold for select 'held'", "fetch mine", "held"),
            ("listen mine", "select pg_listening_channels()", "mine"),
            ("select set_config('my.own', 'kept', false)", "show my.own", "kept"),
            (
                "do $$ begin perform set_config('my.own', 'done', false); end $$",
                "show my.own",
                "done",
            ),
        ] {
            let scene = Scene::of(2).await;
            let mut keeper = scene.raw().await;
            let left = keeper.query(leave).await;
            assert!(left.ends_with("Z(I)") && !left.contains("E("), "{leave}: {left}");
            let mut other = scene.raw().await;
            other.query("select 1").await;
            assert_eq!(keeper.value(look).await, seen, "{leave}");
        }
    });
}

#[test]
fn who_leaves_gives_the_session_back() {
    live(async {
        let scene = Scene::of(1).await;
        for _ in 0..3 {
            let mut keeper = scene.raw().await;
            keeper.query("create temp table kept (n int)").await;
            assert_eq!(scene.native.status().await.leased, 1);
            keeper.send(&Say::new().terminate()).await;
            keeper.until_ready().await;
        }
        assert_eq!(scene.raw().await.value("select 'next'").await, "next");
        assert_eq!(scene.native.status().await.counters.opened, 1);
    });
}

#[test]
fn only_so_many_sessions_are_kept_and_the_error_says_why() {
    live(async {
        let scene = Scene::with(Settings { pinned_max: 1, ..pool(3) }).await;
        let mut keeper = scene.raw().await;
        keeper.query("create temp table kept (n int)").await;
        let mut second = scene.raw().await;
        second.send(&Say::new().query("create temp table kept (n int)")).await;
        let error = second.error().await;
        eprintln!("above the cap: {error}");
        assert!(error.starts_with("ERROR 53000 temporary table"), "{error}");
        assert!(error.contains("pinned"), "no hint: {error}");
        // Who keeps nothing is served, and who keeps something goes on.
        assert_eq!(scene.raw().await.value("select 'served'").await, "served");
        assert_eq!(keeper.value("select count(*) from kept").await, "0");
        keeper.die();
        scene
            .until("given back", |status| status.leased + status.resetting + status.ending == 0)
            .await;
        let mut third = scene.raw().await;
        assert_eq!(third.query("create temp table kept (n int)").await, "C(CREATE TABLE) Z(I)");
    });
}

#[test]
fn with_reject_what_changes_a_session_is_refused_unsent() {
    live(async {
        let scene = Scene::with(Settings { state: StatePolicy::Reject, ..pool(1) }).await;
        let mut raw = scene.raw().await;
        let seen = raw.value("select current_setting('TimeZone')").await;
        for sql in [
            "create temp table kept (n int)",
            "set timezone = 'Asia/Tokyo'",
            "listen kept",
            "prepare kept as select 1",
            "select pg_advisory_lock(1)",
            "load 'auto_explain'",
            "select 1; set timezone = 'Asia/Tokyo'",
        ] {
            let before = scene.postgres.log().count("kept");
            raw.send(&Say::new().query(sql)).await;
            let error = raw.error().await;
            raw.until_ready().await;
            assert!(error.starts_with("ERROR "), "{sql}: {error}");
            assert_eq!(scene.postgres.log().count("kept"), before, "{sql} was sent");
            eprintln!("{sql}: {error}");
        }
        raw.send(&Say::new().run("create temp table kept (n int)", &[]).sync()).await;
        raw.error().await;
        raw.until_ready().await;
        // What ends with its transaction changes nothing.
        assert_eq!(
            raw.query("begin; set local timezone = 'Asia/Tokyo'; commit").await,
            "C(BEGIN) C(SET) C(COMMIT) Z(I)"
        );
        assert_eq!(raw.value("select current_setting('TimeZone')").await, seen);
        assert_eq!(scene.native.status().await.leased, 0);
    });
}
