//! The npm package in workerd: what is its own. Drivers and ORMs on it, and the chapters that it shares
//! with them, are in `entries`. The stories themselves are in `worker-client/js/test/worker`, written
//! as users write; here they are called, and the database and the pool are looked at afterwards.

use std::time::Instant;

use crate::world::{Setup, World, live};

/// Tells the stories of a module, and fails with all that went wrong.
async fn tell(world: &World, module: &str, stories: &[&str]) {
    let worker = world.http("typescript");
    let mut failed = String::new();
    for story in stories {
        let answer = worker.get(&format!("/{module}/{story}")).await.unwrap();
        if answer.text() != "ok" {
            let text = answer.text();
            failed.push_str(&format!("--- {module}/{story}: {} {text}\n", answer.status));
        }
    }
    assert!(failed.is_empty(), "\n{failed}");
}

/// Tables are made in the stories, so each world has its own server.
async fn world() -> World {
    let setup = Setup::new().own_postgres(pierhead_tests::postgres::PostgresConfig::default());
    // Through a tunnel that cannot wait, a slow reader of a stream would lose the rest.
    let world = setup.direct("off").keys("pool_size=3").typescript().start().await;
    world.limit_streams(3);
    world
}

#[test]
fn statements_batches_streams_and_errors() {
    live(async {
        let world = world().await;
        let stories = ["statements", "types", "batches", "errors", "streams", "settings", "shared"];
        tell(&world, "core", &stories).await;
        world.until_busy(0).await;
    });
}

#[test]
fn an_abort_reaches_the_database() {
    live(async {
        let world = world().await;
        tell(&world, "core", &["aborts"]).await;
        tell(&world, "transactions", &["an_abort_ends_it"]).await;
        world.until_busy(0).await;
    });
}

/// A call gives the coordinator a callback when it has waited for a while.
#[test]
fn what_runs_for_a_caller_that_is_gone_is_ended() {
    live(async {
        let world = world().await;
        tell(&world, "core", &["leaves_what_runs"]).await;
        let began = Instant::now();
        world.until_busy(0).await;
        eprintln!("the session was free after {:?}", began.elapsed());
        let status = world.until_status("at rest", |status| status["clients"] == 0).await;
        assert_eq!(status["cancels"], 1, "{status}");
    });
}

#[test]
fn transactions_over_several_calls() {
    live(async {
        let world = world().await;
        let stories = [
            "commits",
            "rolls_back",
            "commit_rides_with_the_last_statement",
            "a_swallowed_error_does_not_look_like_success",
            "savepoints",
            "options",
            "several_at_once",
            "statements_of_one_tick_keep_their_order",
            "streams",
        ];
        tell(&world, "transactions", &stories).await;
        world.until_status("let go of all leases", |status| status["leases"] == 0).await;
    });
}

#[test]
fn what_asks_for_pg_over_calls() {
    live(async {
        tell(&world().await, "pg", &["queries", "transactions"]).await;
    });
}

#[test]
fn what_drivers_are_told_of_the_gateway() {
    live(async {
        let stories =
            ["calls_through_the_gateway", "looks_like_hyperdrive", "the_example_of_the_page"];
        tell(&world().await, "sockets", &stories).await;
    });
}

/// The code of `docs/guides/`, which is these stories' own.
#[test]
fn the_workers_of_the_guides() {
    live(async {
        let world = world().await;
        let stories = ["from_hyperdrive", "from_neon", "typescript_drizzle", "typescript_pg"];
        tell(&world, "guides", &stories).await;
        world.until_status("let go of all leases", |status| status["leases"] == 0).await;
    });
}
