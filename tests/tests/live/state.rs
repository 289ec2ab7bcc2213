//! What one caller leaves behind does not reach the next.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::app::App;
use crate::world::{PATIENCE, Setup, World, live};

#[test]
fn state_is_cleared_with_detected_and_with_always() {
    live(async {
        let world = Setup::new()
            .keys("pool_size=1&reset=detected")
            .database("always")
            .keys("pool_size=1&reset=always")
            .start()
            .await;
        for database in ["main", "always"] {
            let app = world.app_of(database);
            let pid = app.pid().await.unwrap();
            leaves_no_setting(&app).await;
            leaves_no_temporary_table(&app).await;
            leaves_no_lock(&world, &app).await;
            assert_eq!(app.pid().await.unwrap(), pid, "{database}: a reset cost the session");
        }
    });
}

async fn leaves_no_setting(app: &App) {
    let show = "select current_setting('statement_timeout'), current_setting('my.own', true)";
    let before = app.query(show, &[]).await.unwrap()["rows"].clone();
    app.execute("set statement_timeout = '1234s'", &[]).await.unwrap();
    assert_eq!(app.query(show, &[]).await.unwrap()["rows"], before);
    let sql = "select set_config('my.own', 'left behind', false)";
    assert_eq!(app.value(sql, &[]).await.unwrap(), "left behind");
    let after = app.query(show, &[]).await.unwrap()["rows"].clone();
    // Once known, a setting of one's own is empty rather than null.
    assert_ne!(after[0][1], "left behind");
    assert_eq!(after[0][0], before[0][0]);
}

async fn leaves_no_temporary_table(app: &App) {
    app.execute("create temp table left_behind (n int)", &[]).await.unwrap();
    let error = app.query("select * from left_behind", &[]).await.unwrap_err();
    assert_eq!(error.sqlstate(), "42P01", "{error:?}");
}

async fn leaves_no_lock(world: &World, app: &App) {
    app.query("select pg_advisory_lock(42)", &[]).await.unwrap();
    // The answer may come a moment before the reset is done; the next client is served after it.
    app.pid().await.unwrap();
    let sql = "select count(*) from pg_locks l join pg_stat_activity a using (pid) \
               where l.locktype = 'advisory' and a.application_name = $1";
    let control = world.postgres.control().await.unwrap();
    let locks: i64 = control.query_one(sql, &[&world.application]).await.unwrap().get(0);
    assert_eq!(locks, 0);
}

#[test]
fn a_caller_can_ask_for_a_reset_of_its_own() {
    live(async {
        let world = Setup::new().keys("pool_size=1").start().await;
        let sql = "create function leave_state() returns text language sql as \
                   $$ select set_config('my.mark', 'here', false) $$";
        world.postgres.run(sql).await.unwrap();
        let app = world.app();
        let show = "select coalesce(nullif(current_setting('my.mark', true), ''), 'nothing')";
        // The documented residue of `detected`: nothing in the SQL shows it.
        app.query("select leave_state()", &[]).await.unwrap();
        assert_eq!(app.value(show, &[]).await.unwrap(), "here");
        app.reset().query("select leave_state()", &[]).await.unwrap();
        assert_eq!(app.value(show, &[]).await.unwrap(), "nothing");
    });
}

#[test]
fn copy_from_stdin_without_data_is_an_error_and_no_more() {
    live(async {
        let world = Setup::new().keys("pool_size=1").start().await;
        let app = world.app();
        let pid = app.pid().await.unwrap();
        let error = app.execute("copy berths (id, name) from stdin", &[]).await.unwrap_err();
        eprintln!("COPY without data: {}", error.text());
        assert!(!error.is("unknown"), "{error:?}");
        assert_eq!(app.pid().await.unwrap(), pid);
        assert_eq!(app.value("select count(*) from berths", &[]).await.unwrap(), "20");
    });
}

#[test]
fn a_transaction_left_open_is_rolled_back_and_told() {
    live(async {
        let world = Setup::new().keys("pool_size=1").start().await;
        let app = world.app();
        let pid = app.pid().await.unwrap();
        let error = app.query("begin", &[]).await.unwrap_err();
        eprintln!("left open: {}", error.text());
        assert!(error.is("rolled_back") && !error.is("unknown"), "{error:?}");
        // The caller need not wait for the rollback, of which nothing can come but an end.
        let state = "select state from pg_stat_activity where application_name = $1";
        let control = world.postgres.control().await.unwrap();
        let deadline = Instant::now() + PATIENCE;
        while control.query_one(state, &[&world.application]).await.unwrap().get::<_, &str>(0)
            != "idle"
        {
            assert!(Instant::now() < deadline, "the transaction is still open");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(app.pid().await.unwrap(), pid);
    });
}

#[test]
fn a_batch_has_an_effect_as_a_whole_or_none() {
    live(async {
        let world = Setup::new().keys("pool_size=1").start().await;
        world.postgres.run("create table batched (id int primary key, note text); grant all on batched to scram_user")
            .await
            .unwrap();
        let app = world.app();
        let insert = "insert into batched values ($1, $2)";
        let results = app
            .batch(&[
                (insert, json!([1, "one"])),
                (insert, json!([2, ""])),
                ("update batched set note = note || '!' where id < $1", json!([10])),
                ("select id, note from batched order by id", json!([])),
            ])
            .await
            .unwrap();
        let affected: Vec<_> =
            results.as_array().unwrap().iter().map(|r| r["affected"].as_u64().unwrap()).collect();
        assert_eq!(affected, [1, 1, 2, 2]);
        assert_eq!(results[3]["rows"], json!([["1", "one!"], ["2", "!"]]));
        let before = world.stats();

        let error = app
            .batch(&[
                (insert, json!([3, "three"])),
                (insert, json!([1, "again"])),
                (insert, json!([4, ""])),
            ])
            .await
            .unwrap_err();
        assert_eq!((error.sqlstate(), &error.error["statement"]), ("23505", &json!(1)));
        assert_eq!(app.value("select count(*) from batched", &[]).await.unwrap(), "2");

        for sql in
            ["commit", "begin", " /* x */ ROLLBACK", "savepoint a", "start transaction", "end"]
        {
            let frames = world.stats().frames_from_client;
            let error = app.batch(&[(insert, json!([5, ""])), (sql, json!([]))]).await.unwrap_err();
            assert_eq!(world.stats().frames_from_client, frames, "{sql} was sent: {error:?}");
        }
        assert_eq!(world.stats().handshakes_total, before.handshakes_total);
        assert_eq!(app.value("select count(*) from batched", &[]).await.unwrap(), "2");
    });
}
