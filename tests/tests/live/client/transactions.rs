//! Transactions over several calls.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::world::{Setup, World, live};

async fn table(world: &World, name: &str) {
    let sql = format!(
        "create table {name} (id int primary key, note text); grant all on {name} to scram_user"
    );
    world.postgres.run(&sql).await.unwrap();
}

fn query(sql: &str) -> Value {
    json!({"query": {"sql": sql}})
}

fn insert(table: &str, id: i32) -> Value {
    json!({"query": {"sql": format!("insert into {table} values ($1, '')"), "params": [id]}})
}

async fn ids(world: &World, table: &str) -> String {
    let sql = format!("select coalesce(string_agg(id::text, ',' order by id), '') from {table}");
    world.app().value(&sql, &[]).await.unwrap()
}

#[test]
fn a_transaction_has_an_effect_as_a_whole_or_none() {
    live(async {
        let world = Setup::new().keys("pool_size=2").start().await;
        table(&world, "whole").await;
        let app = world.app();
        let steps = |from: i32| {
            json!([
                insert("whole", from),
                query("select count(*) from whole"),
                insert("whole", from + 1)
            ])
        };
        let ends = [
            (1, json!("commit"), json!("committed"), "1,2"),
            (3, json!("rollback"), json!("rolled back"), "1,2"),
            (3, json!("drop"), json!("dropped"), "1,2"),
        ];
        for (from, end, ended, left) in ends {
            let story = json!({"steps": steps(from), "end": end});
            let told = app.transaction(&story).await.unwrap();
            assert_eq!(told["end"], ended, "{told}");
            assert_eq!(told["steps"][0]["error"], json!(null), "{told}");
            assert_eq!(ids(&world, "whole").await, left);
        }
        let last = json!({"commit_with": {"sql": "insert into whole values (9, '') returning id"}});
        let told = app.transaction(&json!({"steps": steps(3), "end": last})).await.unwrap();
        assert_eq!(told["end"][0]["rows"], json!([["9"]]), "{told}");
        assert_eq!(ids(&world, "whole").await, "1,2,3,4,9");
        world.until_status("at rest", |status| status["clients"] == 0).await;
    });
}

#[test]
fn nothing_is_sent_for_a_transaction_in_which_nothing_is_run() {
    live(async {
        let world = Setup::new().start().await;
        for end in ["commit", "rollback", "drop"] {
            let story = json!({
                "steps": [{"savepoint": "empty", "steps": [], "end": "release"}], "end": end,
            });
            world.app().transaction(&story).await.unwrap();
        }
        assert_eq!(world.status().await["requests"], 0);
        assert_eq!(world.sessions().await, 0);
    });
}

#[test]
fn modes_are_what_the_database_is_told() {
    live(async {
        let world = Setup::new().start().await;
        let show = query(
            "select current_setting('transaction_isolation'), \
             current_setting('transaction_read_only'), current_setting('transaction_deferrable')",
        );
        let story = json!({
            "isolation": "serializable", "read_only": true, "deferrable": true,
            "steps": [show, query("create table not_here (n int)")], "end": "commit",
        });
        let told = world.app().transaction(&story).await.unwrap();
        assert_eq!(told["steps"][0]["rows"], json!([["serializable", "on", "on"]]), "{told}");
        assert_eq!(told["steps"][1]["error"]["sqlstate"], "25006", "{told}");
        assert_eq!(told["end"]["error"]["sqlstate"], "25P02", "{told}");
        let story = json!({"isolation": "repeatable read", "steps": [show], "end": "commit"});
        let told = world.app().transaction(&story).await.unwrap();
        assert_eq!(told["steps"][0]["rows"], json!([["repeatable read", "off", "off"]]), "{told}");
    });
}

#[test]
fn after_a_failure_the_first_error_is_told_and_nothing_is_sent() {
    live(async {
        let world = Setup::new().keys("pool_size=1").start().await;
        table(&world, "failed").await;
        let app = world.app();
        let pid = app.pid().await.unwrap();
        let story = json!({
            "steps": [insert("failed", 1), insert("failed", 1), insert("failed", 2), query("commit")],
            "end": "commit",
        });
        let before = world.status().await["requests"].as_u64().unwrap();
        let told = app.transaction(&story).await.unwrap();
        assert_eq!(told["steps"][1]["error"]["sqlstate"], "23505", "{told}");
        for later in [&told["steps"][2], &told["steps"][3], &told["end"]] {
            let error = &later["error"];
            assert_eq!((&error["sqlstate"], &error["status"]), (&json!("25P02"), &json!(409)));
            let text = error["text"].as_str().unwrap();
            assert!(text.contains("failed_pkey") && text.contains("savepoint"), "{text}");
        }
        let after = world.status().await["requests"].as_u64().unwrap();
        assert_eq!(after - before, 2, "only two of them were sent");
        assert_eq!(ids(&world, "failed").await, "");
        assert_eq!(app.pid().await.unwrap(), pid, "the session was lost");
    });
}

#[test]
fn savepoints_undo_a_part_and_heal_a_failure() {
    live(async {
        let world = Setup::new().keys("pool_size=1").start().await;
        table(&world, "parts").await;
        let inner = json!({
            "savepoint": "same", "steps": [insert("parts", 3), insert("parts", 3)], "end": "drop",
        });
        let story = json!({
            "steps": [
                insert("parts", 1),
                {"savepoint": "same", "steps": [insert("parts", 2), inner, insert("parts", 4)], "end": "release"},
                {"savepoint": "undone", "steps": [insert("parts", 5)], "end": "drop"},
                {"savepoint": "failed", "steps": [insert("parts", 1)], "end": "release"},
                insert("parts", 6),
            ],
            "end": "commit",
        });
        let before = world.status().await["requests"].as_u64().unwrap();
        let told = world.app().transaction(&story).await.unwrap();
        assert_eq!(told["end"], "committed", "{told}");
        assert_eq!(told["steps"][1]["end"], "released", "{told}");
        assert_eq!(told["steps"][3]["end"]["error"]["sqlstate"], "25P02", "{told}");
        let after = world.status().await["requests"].as_u64().unwrap();
        assert_eq!(after - before, 9, "savepoints cost trips: {told}");
        assert_eq!(ids(&world, "parts").await, "1,2,4,6");
    });
}

#[test]
fn a_constraint_that_is_checked_at_commit_fails_it() {
    live(async {
        let world = Setup::new().start().await;
        let sql = "create table late (id int, unique (id) deferrable initially deferred); \
                   grant all on late to scram_user";
        world.postgres.run(sql).await.unwrap();
        let twice = query("insert into late values (1), (1)");
        let told =
            world.app().transaction(&json!({"steps": [twice], "end": "commit"})).await.unwrap();
        assert_eq!(told["end"]["error"]["sqlstate"], "23505", "{told}");
        let last = json!({"commit_with": {"sql": "insert into late values (1), (1)"}});
        let told = world.app().transaction(&json!({"steps": [], "end": last})).await.unwrap();
        assert_eq!(told["end"]["error"]["sqlstate"], "23505", "{told}");
        assert_eq!(ids(&world, "late").await, "");
    });
}

#[test]
fn what_would_end_the_transaction_is_refused_and_it_goes_on() {
    live(async {
        let world = Setup::new().start().await;
        table(&world, "controlled").await;
        let story = json!({
            "steps": [
                insert("controlled", 1), query("commit"), query("/* x */ rollback"),
                {"batch": [{"sql": "select 1"}, {"sql": "savepoint a"}]}, insert("controlled", 2),
            ],
            "end": "commit",
        });
        let told = world.app().transaction(&story).await.unwrap();
        for step in [1, 2, 3] {
            let text = told["steps"][step]["error"]["text"].as_str().unwrap();
            assert!(text.contains("commit()") && text.contains("savepoint()"), "{text}");
        }
        assert_eq!(ids(&world, "controlled").await, "1,2", "{told}");
    });
}

#[test]
fn a_call_that_is_dropped_ends_its_transaction_and_no_other() {
    live(async {
        let world = Setup::new().keys("pool_size=3").start().await;
        table(&world, "dropped").await;
        let app = world.app();
        let other = tokio::spawn({
            let app = app.clone();
            let story = json!({
                "steps": [insert("dropped", 1), query("select pg_sleep(1.5)"), insert("dropped", 2)],
                "end": "commit",
            });
            async move { app.transaction(&story).await.unwrap() }
        });
        world.until_busy(1).await;
        let story = json!({
            "steps": [insert("dropped", 3), {"abandon": "select pg_sleep(60)"}, insert("dropped", 4)],
            "end": "commit",
        });
        let began = Instant::now();
        let told = app.transaction(&story).await.unwrap();
        for later in [&told["steps"][2], &told["end"]] {
            assert_eq!(later["error"]["sqlstate"], "25P01", "{told}");
            let text = later["error"]["text"].as_str().unwrap();
            assert!(text.contains("a call was dropped"), "{text}");
        }
        world.until_status("free", |s| s["clients"].as_u64() <= Some(2)).await;
        let other = other.await.unwrap();
        assert_eq!(other["end"], "committed", "{other}");
        assert_eq!(ids(&world, "dropped").await, "1,2");
        world.until_busy(0).await;
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    });
}

#[test]
fn a_missed_deadline_ends_its_transaction_and_no_other() {
    live(async {
        let world = Setup::new().keys("pool_size=3").start().await;
        table(&world, "late_call").await;
        let app = world.app();
        app.echo("warm").await.unwrap();
        let slow = json!({
            "steps": [insert("late_call", 1), query("select pg_sleep(2.5)"), insert("late_call", 2)],
            "end": "commit",
        });
        let other = tokio::spawn({
            let app = app.clone();
            async move { app.transaction(&slow).await.unwrap() }
        });
        let story = json!({
            "steps": [insert("late_call", 3), query("select pg_sleep(60)"), insert("late_call", 4)],
            "end": "commit",
        });
        let told = app.timeout(Duration::from_millis(500)).transaction(&story).await.unwrap();
        assert_eq!(told["steps"][1]["error"]["timeout"], true, "{told}");
        assert_eq!(told["end"]["error"]["sqlstate"], "25P01", "{told}");
        assert_eq!(told["end"]["error"]["status"], 504, "{told}");
        let other = other.await.unwrap();
        assert_eq!(other["end"], "committed", "{other}");
        assert_eq!(ids(&world, "late_call").await, "1,2");
        world.until_busy(0).await;
    });
}

#[test]
fn a_stream_in_a_transaction_is_read_to_its_end_or_ends_it() {
    live(async {
        let world = Setup::new().direct("off").keys("pool_size=1").start().await;
        table(&world, "streamed").await;
        let stream = |rows: u64| json!({"stream": {"sql": "select repeat('x', 1000) from generate_series(1, 5000)", "rows": rows}});
        let story = |rows| json!({"steps": [insert("streamed", 1), stream(rows), insert("streamed", 2)], "end": "commit"});
        let told = world.app().transaction(&story(100)).await.unwrap();
        assert_eq!(told["end"]["error"]["sqlstate"], "25P01", "{told}");
        assert_eq!(ids(&world, "streamed").await, "");
        let told = world.app().transaction(&story(1_000_000)).await.unwrap();
        assert_eq!(told["steps"][1], json!({"rows": 5_000}));
        assert_eq!(told["end"], "committed", "{told}");
        assert_eq!(ids(&world, "streamed").await, "1,2");
    });
}

#[test]
fn silence_in_a_transaction_is_explained() {
    live(async {
        let world = Setup::new().keys("idle_in_transaction_timeout=300ms").start().await;
        table(&world, "silent").await;
        let story = json!({
            "steps": [insert("silent", 1), {"sleep": 1_500}, insert("silent", 2)], "end": "commit",
        });
        let told = world.app().transaction(&story).await.unwrap();
        assert_eq!(told["steps"][2]["error"]["sqlstate"], "25P03", "{told}");
        let text = told["end"]["error"]["text"].as_str().unwrap();
        assert!(text.contains("nothing was sent for too long"), "{text}");
        assert_eq!(ids(&world, "silent").await, "");
    });
}

#[test]
fn a_full_pool_turns_the_first_call_away_and_it_can_be_made_again() {
    live(async {
        let world = Setup::new().keys("pool_size=1&max_waiters=0").start().await;
        table(&world, "turned_away").await;
        let app = world.app();
        let busy = app.spawn("select pg_sleep(1.5)");
        world.until_busy(1).await;
        let story = json!({
            "steps": [insert("turned_away", 1), {"sleep": 3_000}, insert("turned_away", 1)],
            "end": "commit",
        });
        let told = app.transaction(&story).await.unwrap();
        assert_eq!(told["steps"][0]["error"]["sqlstate"], "53300", "{told}");
        assert_eq!(told["end"], "committed", "{told}");
        busy.await.unwrap().unwrap();
        assert_eq!(ids(&world, "turned_away").await, "1");
    });
}
