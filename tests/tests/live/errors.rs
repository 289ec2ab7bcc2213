//! What the database says reaches the caller.

use serde_json::json;

use crate::world::{Setup, live};

#[test]
fn errors_of_the_database_come_with_everything_it_said() {
    live(async {
        let world = Setup::new().keys("pool_size=1").start().await;
        let app = world.app();
        let pid = app.pid().await.unwrap();

        let error = app.query("select nam from berths", &[]).await.unwrap_err();
        assert_eq!((error.sqlstate(), error.status), ("42703", 500));
        assert_eq!(error.error["position"], 8);
        assert_eq!(error.error["severity"], "ERROR");
        let hint = error.error["hint"].as_str().unwrap();
        assert!(hint.contains("berths.name"), "{hint}");
        assert!(
            !error.is("retryable") && !error.is("unknown") && !error.is("refused"),
            "{error:?}"
        );

        let sql = "insert into berths (id, name) values ($1, 'twice')";
        let error = app.execute(sql, &[json!(1)]).await.unwrap_err();
        assert_eq!((error.sqlstate(), error.status), ("23505", 409));
        assert_eq!(error.error["detail"], "Key (id)=(1) already exists.");
        assert_eq!(error.error["constraint"], "berths_pkey");
        assert_eq!(
            (&error.error["schema"], &error.error["table"]),
            (&json!("public"), &json!("berths"))
        );

        let error = app.query("select 1 / $1::int", &[json!(0)]).await.unwrap_err();
        assert_eq!((error.sqlstate(), error.status), ("22012", 400));

        let sql = "do $$ begin raise exception 'no %', 'ü' using errcode = 'PH001', detail = 'd', \
                   hint = 'h'; end $$";
        let error = app.query(sql, &[]).await.unwrap_err();
        assert_eq!(error.sqlstate(), "PH001");
        assert_eq!(
            (&error.error["message"], &error.error["detail"], &error.error["hint"]),
            (&json!("no ü"), &json!("d"), &json!("h"))
        );

        let error = app.query("select $1::int", &[json!("x")]).await.unwrap_err();
        assert_eq!(error.sqlstate(), "22P02");
        assert_eq!(app.pid().await.unwrap(), pid, "an error cost the session");
    });
}

#[test]
fn an_error_after_rows_is_an_error() {
    live(async {
        let world = Setup::new().start().await;
        let app = world.app();
        // Small enough for one message, and large enough for a stream.
        for rows in [10, 5000] {
            let sql = "select filler, 1 / (n - $1::int) from bulk($1 + 1)";
            let error = app.query(sql, &[json!(rows)]).await.unwrap_err();
            assert_eq!(error.sqlstate(), "22012");
        }
        app.echo("after").await.unwrap();
    });
}

#[test]
fn a_public_answer_tells_no_sql_and_no_data() {
    live(async {
        let world = Setup::new().start().await;
        let app = world.app();
        let sql = "insert into berths (id, name) values (1, 'a secret name')";
        let answer = app.raw("/response", &[("sql", sql)]).await;
        assert_eq!(answer.status, 409);
        assert_eq!(answer.text(), r#"{"error":"conflict","sqlstate":"23505"}"#);
        let answer = app.raw("/response", &[("sql", "select nonsense")]).await;
        assert_eq!(answer.status, 500);
        assert!(!answer.text().contains("nonsense"), "{}", answer.text());
    });
}
