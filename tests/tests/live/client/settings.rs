//! Settings of one transaction, and row-level security on top of them.

use serde_json::json;

use crate::world::{Setup, World, live};

/// A table of which each tenant sees its own rows, as the documentation shows it.
async fn tenants(world: &World, table: &str) {
    let sql = format!(
        "create table {table} (id int, tenant text);
         insert into {table} values (1, 'ada'), (2, 'bob'), (3, 'ada');
         alter table {table} enable row level security;
         create policy own on {table}
             using (tenant = nullif(current_setting('app.tenant', true), ''));
         grant all on {table} to scram_user"
    );
    world.postgres.run(&sql).await.unwrap();
}

#[test]
fn a_setting_decides_which_rows_are_seen_and_its_absence_denies() {
    live(async {
        let world = Setup::new().keys("pool_size=1").start().await;
        tenants(&world, "rls_calls").await;
        let app = world.app();
        let count = "select count(*), coalesce(string_agg(tenant, ','), '') from rls_calls";
        let seen =
            async |app: &crate::app::App| app.query(count, &[]).await.unwrap()["rows"].clone();
        assert_eq!(seen(&app).await, json!([["0", ""]]), "nobody sees nothing");
        for (tenant, rows) in [("ada", "2"), ("bob", "1")] {
            let own = app.set("app.tenant", tenant);
            assert_eq!(seen(&own).await[0][0], rows, "{tenant}");
            // On the same session, which has seen the setting by now.
            assert_eq!(seen(&app).await, json!([["0", ""]]), "after {tenant}");
        }
        let injected = app.set("app.tenant", "ada'), set_config('role', 'postgres");
        assert_eq!(seen(&injected).await[0][0], "0");
    });
}

#[test]
fn settings_cost_no_trip_and_no_reset_and_end_with_their_call() {
    live(async {
        let world = Setup::new().keys("pool_size=1").start().await;
        let app = world.app();
        let pid = app.pid().await.unwrap();
        let before = world.status().await;
        let both = app.set("app.tenant", "ada").set("statement_timeout", "1234s");
        let show =
            "select current_setting('app.tenant', true), current_setting('statement_timeout')";
        let rows = both.query(show, &[]).await.unwrap()["rows"].clone();
        assert_eq!(rows, json!([["ada", "1234s"]]));
        let results = both.batch(&[(show, json!([])), ("select 2", json!([]))]).await.unwrap();
        assert_eq!(results[0]["rows"], json!([["ada", "1234s"]]));
        assert_eq!(results[1]["rows"], json!([["2"]]));
        let after = world.status().await;
        assert_eq!(
            after["requests"].as_u64().unwrap() - before["requests"].as_u64().unwrap(),
            2,
            "a call with settings is one request"
        );
        assert_eq!(after["resets"], before["resets"], "{after}");
        let rows = app.query(show, &[]).await.unwrap()["rows"].clone();
        assert_ne!(rows[0][0], "ada");
        assert_ne!(rows[0][1], "1234s");
        assert_eq!(app.pid().await.unwrap(), pid);
    });
}

#[test]
fn a_handle_that_requires_settings_runs_nothing_without_them() {
    live(async {
        let world = Setup::new().start().await;
        let app = world.app().with("require", "app.tenant".into());
        let before = world.status().await["requests"].clone();
        let error = app.query("select 1", &[]).await.unwrap_err();
        assert!(error.text().contains("requires the setting app.tenant"), "{error:?}");
        let story = json!({"steps": [], "end": "commit"});
        assert!(app.transaction(&story).await.is_err());
        assert_eq!(world.status().await["requests"], before, "something was sent");
        app.set("app.tenant", "ada").query("select 1", &[]).await.unwrap();
    });
}

#[test]
fn a_setting_that_does_not_exist_is_an_error_about_no_statement() {
    live(async {
        let world = Setup::new().start().await;
        let error = world.app().set("no_such", "1").query("select 1", &[]).await.unwrap_err();
        assert_eq!((error.sqlstate(), &error.error["statement"]), ("42704", &json!(null)));
    });
}

#[test]
fn settings_of_a_transaction_hold_for_all_of_it_and_no_savepoint_undoes_them() {
    live(async {
        let world = Setup::new().keys("pool_size=1").start().await;
        tenants(&world, "rls_transaction").await;
        let count = json!({"query": {"sql": "select count(*) from rls_transaction"}});
        let story = json!({
            "settings": [["app.tenant", "ada"]],
            "steps": [
                {"savepoint": "first", "steps": [count, {"query": {"sql": "select 1 / 0"}}], "end": "drop"},
                count,
            ],
            "end": {"commit_with": {"sql": "select count(*) from rls_transaction"}},
        });
        let told = world.app().transaction(&story).await.unwrap();
        assert_eq!(told["steps"][0]["steps"][0]["rows"], json!([["2"]]), "{told}");
        assert_eq!(told["steps"][1]["rows"], json!([["2"]]), "{told}");
        assert_eq!(told["end"][0]["rows"], json!([["2"]]), "{told}");
        let after = world.app().value("select count(*) from rls_transaction", &[]).await;
        assert_eq!(after.unwrap(), "0");
    });
}
