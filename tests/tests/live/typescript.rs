//! The npm package in workerd. The stories themselves are in `worker-client/js/test/worker`, written
//! as users write; here they are called, and the database and the pool are looked at afterwards.

use crate::world::{Setup, World, live};

/// Tells stories, each by `module/name`, and fails with all that went wrong.
async fn tell(world: &World, stories: &[&str]) {
    let worker = world.http("typescript");
    let mut failed = String::new();
    for story in stories {
        let answer = worker.get(&format!("/{story}")).await.unwrap();
        if answer.text() != "ok" {
            failed.push_str(&format!("--- {story}: {} {}\n", answer.status, answer.text()));
        }
    }
    assert!(failed.is_empty(), "\n{failed}");
}

#[test]
fn statements_batches_streams_and_errors() {
    live(async {
        let world = Setup::new().keys("pool_size=3").typescript().start().await;
        world.limit_streams(3);
        let stories = ["statements", "types", "batches", "errors", "streams", "settings", "shared"];
        tell(&world, &stories.map(|story| format!("core/{story}")).each_ref().map(String::as_str))
            .await;
    });
}

#[test]
fn an_abort_reaches_the_database() {
    live(async {
        let world = Setup::new().keys("pool_size=2").typescript().start().await;
        tell(&world, &["core/aborts"]).await;
        world.until_busy(0).await;
    });
}
