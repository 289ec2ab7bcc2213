//! The Rust client behind the gateway, and whose name its calls go by. The npm package's own stories
//! are told in `typescript.rs`.

use serde_json::{Value, json};

use crate::app::App;
use crate::world::{Setup, World, live};

/// A Worker that may use `main` and `stock`, of which only `main` is configured.
fn behind_the_gateway(world: &World, database: &str) -> App {
    world.app_of(database).with("gateway", "GATEWAY".into())
}

#[track_caller]
fn refused(error: &Value, database: &str, sqlstate: &str) {
    for (predicate, holds) in [("refused", true), ("unknown", false), ("retryable", false)] {
        assert_eq!(error[predicate], holds, "{predicate}: {error}");
    }
    assert_eq!(error["sqlstate"], sqlstate, "{error}");
    assert!(error["text"].as_str().unwrap().contains(database), "{error}");
}

#[test]
fn a_client_is_told_that_it_was_refused_and_that_nothing_ran() {
    live(async {
        let world = Setup::new().database("orders").start().await;
        let story = json!({ "steps": [{ "query": { "sql": "select 1" } }], "end": "commit" });
        let main = behind_the_gateway(&world, "main");
        assert_eq!(main.echo("there and back").await.unwrap(), "there and back");
        main.transaction(&story).await.unwrap();
        for (database, sqlstate) in [("orders", "28000"), ("stock", "3D000")] {
            let app = behind_the_gateway(&world, database);
            let failure = app.query("select 1", &[]).await.unwrap_err();
            refused(&failure.error, database, sqlstate);
            let told = app.transaction(&story).await.unwrap();
            refused(&told["steps"][0]["error"], database, sqlstate);
        }
        assert_eq!(world.status_of("orders").await["requests"], 0);
    });
}

#[test]
fn a_driver_of_rust_connects_with_and_without_the_gateway() {
    live(async {
        let world = Setup::new().database("orders").start().await;
        let ask = [("user", "scram_user"), ("sql", "select 40 + 2, current_user")];
        for app in [world.app(), behind_the_gateway(&world, "main")] {
            let told = app.get("/socket", &ask).await.unwrap();
            assert_eq!(told["values"], json!(["42", "scram_user"]));
        }
        let refused = behind_the_gateway(&world, "orders").get("/socket", &ask).await.unwrap_err();
        assert_eq!((refused.status, refused.sqlstate()), (502, "28000"), "{refused:?}");
        let nobody = [("user", "nobody"), ("sql", "select 1")];
        for app in [world.app(), behind_the_gateway(&world, "main")] {
            let refused = app.get("/socket", &nobody).await.unwrap_err();
            assert_eq!(refused.sqlstate(), "28000", "{refused:?}");
        }
        assert_eq!(world.status_of("orders").await["requests"], 0);
    });
}

#[test]
fn calls_go_by_the_bindings_name_whatever_they_call_themselves() {
    live(async {
        let world = Setup::new()
            .gateway_caller("shop", json!({ "caller": "checkout" }))
            .gateway_caller("free", json!({}))
            .start()
            .await;
        for (worker, name) in [("shop", "checkout"), ("free", "admin")] {
            for path in ["/rpc", "/lease"] {
                let asked = [("db", "main"), ("as", "admin"), ("sql", "select pg_sleep(600)")];
                let path = pierhead_tests::http::path_with_query(path, &asked);
                // Until it dies, which ends its statement.
                let asking = world.http(worker).doomed(&path).await.unwrap();
                let held = |status: &Value| status["holders"][0]["name"] == name;
                world.until_status(&format!("held by {name}"), held).await;
                drop(asking);
                world.until_busy(0).await;
            }
        }
    });
}
