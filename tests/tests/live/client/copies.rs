//! COPY in both directions.

use std::time::Duration;

use serde_json::json;

use crate::world::{Setup, World, live};

async fn table(world: &World, name: &str) {
    let sql = format!("create table {name} (id int, note text); grant all on {name} to scram_user");
    world.postgres.run(&sql).await.unwrap();
}

#[test]
fn rows_are_copied_in_and_out() {
    live(async {
        let world = Setup::new().keys("pool_size=1").start().await;
        table(&world, "copied").await;
        let app = world.app();
        let pid = app.pid().await.unwrap();
        // Cut anywhere.
        let data = json!(["1\tone\n2\tt", "wo\n3\t", "\\N\n"]);
        assert_eq!(app.copy_in("copy copied from stdin", &data, 1).await.unwrap(), 3);
        let rows = app.query("select * from copied order by id", &[]).await.unwrap();
        assert_eq!(rows["rows"], json!([["1", "one"], ["2", "two"], ["3", null]]));
        let sql = "copy (select * from copied order by id) to stdout (format csv)";
        let out = app.get("/copy_out", &[("sql", sql)]).await.unwrap();
        assert_eq!(out, json!({"bytes": 15, "pieces": 3, "affected": 3}));
        assert_eq!(app.copy_in("copy copied from stdin", &json!([]), 1).await.unwrap(), 0);
        assert_eq!(app.pid().await.unwrap(), pid);
    });
}

#[test]
fn data_that_does_not_fit_is_the_databases_error_and_copies_nothing() {
    live(async {
        let world = Setup::new().keys("pool_size=1").start().await;
        table(&world, "copied_badly").await;
        let app = world.app();
        let pid = app.pid().await.unwrap();
        let data = json!(["1\tone\nx\ttwo\n"]);
        let error = app.copy_in("copy copied_badly from stdin", &data, 1).await.unwrap_err();
        assert_eq!((error.sqlstate(), error.status), ("22P02", 400), "{error:?}");
        assert_eq!(app.value("select count(*) from copied_badly", &[]).await.unwrap(), "0");
        for (sql, text) in [
            ("insert into copied_badly values (1, '')", "COPY … FROM STDIN"),
            ("copy copied_badly to stdout", "took no data"),
        ] {
            let error = app.copy_in(sql, &data, 1).await.unwrap_err();
            assert!(error.text().contains(text), "{error:?}");
        }
        assert_eq!(app.pid().await.unwrap(), pid);
    });
}

/// What a mebibyte of rows is.
fn mebibyte() -> serde_json::Value {
    json!([format!("7\t{}\n", "x".repeat(1_021)).repeat(1_024)])
}

#[test]
fn one_request_carries_sixteen_mebibytes_and_says_so() {
    live(async {
        let world = Setup::new().direct("off").start().await;
        table(&world, "copied_much").await;
        let app = world.app().patient(Duration::from_secs(60));
        let sql = "copy copied_much from stdin";
        assert_eq!(app.copy_in(sql, &mebibyte(), 15).await.unwrap(), 15 * 1_024);
        let error = app.copy_in(sql, &mebibyte(), 17).await.unwrap_err();
        assert!(error.text().contains("more than 16777216 bytes"), "{error:?}");
        assert!(error.text().contains("several times in one transaction"), "{error:?}");
        let count = app.value("select count(*) from copied_much", &[]).await.unwrap();
        assert_eq!(count, (15 * 1_024).to_string());
    });
}

#[test]
fn a_transaction_copies_more_than_one_request_carries() {
    live(async {
        let world = Setup::new().direct("off").start().await;
        table(&world, "copied_in_parts").await;
        let part = json!({"copy_in": {
            "sql": "copy copied_in_parts from stdin", "data": mebibyte(), "times": 12,
        }});
        let app = world.app().patient(Duration::from_secs(60));
        let story = |end: &str| json!({"steps": [part, part], "end": end});
        let told = app.transaction(&story("drop")).await.unwrap();
        assert_eq!(told["steps"][1]["affected"], 12 * 1_024, "{told}");
        let told = app.transaction(&story("commit")).await.unwrap();
        assert_eq!(told["end"], "committed", "{told}");
        let count = app.value("select count(*) from copied_in_parts", &[]).await.unwrap();
        assert_eq!(count, (24 * 1_024).to_string(), "the first of the two was dropped");
    });
}

#[test]
fn what_is_copied_out_in_a_transaction_leaves_it_open() {
    live(async {
        let world = Setup::new().start().await;
        table(&world, "copied_out").await;
        let story = json!({
            "steps": [
                {"copy_in": {"sql": "copy copied_out from stdin", "data": ["1\tone\n"]}},
                {"copy_out": "copy copied_out to stdout"},
                {"query": {"sql": "select count(*) from copied_out"}},
            ],
            "end": "rollback",
        });
        let told = world.app().transaction(&story).await.unwrap();
        assert_eq!(told["steps"][1], json!({"text": "1\tone\n", "affected": 1}), "{told}");
        assert_eq!(told["steps"][2]["rows"], json!([["1"]]), "{told}");
        assert_eq!(told["end"], "rolled back", "{told}");
        let count = world.app().value("select count(*) from copied_out", &[]).await.unwrap();
        assert_eq!(count, "0");
    });
}
