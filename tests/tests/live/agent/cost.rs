//! What is billed: messages that the object receives.

use std::time::Duration;

use serde_json::Value;

use crate::world::{Setup, World, live};

async fn received(world: &World) -> (u64, u64) {
    let status = world.status().await;
    let count = |name: &str| status[name].as_u64().unwrap();
    (count("link_messages_in"), count("completed"))
}

/// Asks `per_second` times a second for `seconds`; messages received per query.
async fn messages_per_query(world: &World, per_second: u32, seconds: u32) -> f64 {
    let (messages, queries) = received(world).await;
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / per_second);
    let mut calls = Vec::new();
    for n in 0..per_second * seconds {
        ticks.tick().await;
        let app = world.app();
        calls.push(tokio::spawn(async move { app.echo(&n.to_string()).await.unwrap() }));
    }
    for call in calls {
        call.await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(600)).await;
    let (messages_after, queries_after) = received(world).await;
    let asked = queries_after - queries;
    assert_eq!(asked, u64::from(per_second * seconds));
    (messages_after - messages) as f64 / asked as f64
}

#[test]
fn a_query_is_about_one_message() {
    live(async {
        let world = Setup::new().agent().crash_control().start().await;
        world.until_links(1).await;
        world.app().echo("warm").await.unwrap();
        for (per_second, seconds) in [(1, 6), (10, 4), (100, 4)] {
            let messages = messages_per_query(&world, per_second, seconds).await;
            eprintln!("{per_second} queries/s: {messages:.2} incoming messages per query");
            assert!(messages <= 2.0, "{messages} at {per_second}/s");
        }
        let before = received(&world).await.0;
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(received(&world).await.0, before, "an idle link sends messages");

        // The counter begins with the object's life.
        let at_rest = |s: &Value| s["parked"] != 0 && s["idle"] == 0 && s["opening"] == 0;
        world.until_status("at rest", at_rest).await;
        world.workerd.hibernate_all_objects().await.unwrap();
        world.app().echo("first").await.unwrap();
        let waking = received(&world).await.0;
        eprintln!("the first query after a sleep: {waking} incoming messages");
        assert!(waking <= 6, "{waking}");
    });
}

/// Messages received for one round of callers who come together, and the answers they wait for.
async fn messages_of_a_crowd(world: &World, callers: u32) -> f64 {
    let (messages, queries) = received(world).await;
    let calls: Vec<_> = (0..callers)
        .map(|n| {
            let app = world.app();
            tokio::spawn(async move { app.echo(&n.to_string()).await.unwrap() })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    let (messages_after, queries_after) = received(world).await;
    assert_eq!(queries_after - queries, u64::from(callers));
    (messages_after - messages) as f64 / f64::from(callers)
}

#[test]
fn callers_who_come_together_share_messages_and_large_answers_take_some() {
    live(async {
        let world = Setup::new().agent().start().await;
        world.until_links(1).await;
        for callers in [10, 100] {
            // The first time, sessions are opened.
            messages_of_a_crowd(&world, callers).await;
            let messages = messages_of_a_crowd(&world, callers).await;
            eprintln!("{callers} callers at once: {messages:.2} incoming messages per query");
            assert!(messages <= 2.0, "{messages}");
        }
        let before = received(&world).await.0;
        let sql = "select repeat('x', 1024) as line from generate_series(1, 1024)";
        world.app().query(sql, &[]).await.unwrap();
        let messages = received(&world).await.0 - before;
        eprintln!("an answer of 1 MiB: {messages} incoming messages");
        assert!(messages <= 150, "{messages}");
    });
}
