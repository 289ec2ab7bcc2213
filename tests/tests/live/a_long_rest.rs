//! Pools at rest. The longest story is here, so the file is the first in the alphabet: the others
//! run beside it.

use std::time::Duration;

use crate::agent::scene::use_sessions;
use crate::world::{Setup, live};

/// Longer than twice what local workerd lets an object live that has only outgoing connections.
const REST: Duration = Duration::from_secs(155);

/// From the last request to the sleep of an object that only agents are connected to, at most.
const ASLEEP: Duration = Duration::from_secs(15);
/// How long it must stay asleep by itself.
const SLEEP: Duration = Duration::from_secs(180);

/// Takes more than three minutes; so the two that rest do it together.
#[test]
fn pools_rest() {
    live(async {
        tokio::join!(
            a_pool_in_use_outlives_long_pauses(),
            with_an_agent_the_object_sleeps(),
            idle_sessions_end_without_waking_the_object(),
        );
    });
}

async fn a_pool_in_use_outlives_long_pauses() {
    let world = Setup::new().keys("idle_timeout=10m").start().await;
    let app = world.app();
    let pid = app.pid().await.unwrap();
    tokio::time::sleep(REST).await;
    assert_eq!(world.sessions().await, 1, "the session was lost while it was not looked at");
    assert_eq!(app.pid().await.unwrap(), pid);
    assert_eq!(world.stats().handshakes_total, 1);
}

/// Two agents, pings and all: nothing wakes the object, and the first query after it finds its
/// session.
async fn with_an_agent_the_object_sleeps() {
    let world = Setup::new().agent().agents(&["one", "two"]).keys("pool_size=2").start().await;
    world.until_links(2).await;
    let app = world.app();
    let pids = use_sessions(&app, 2).await;
    assert_eq!(world.births("main"), 1);
    tokio::time::sleep(ASLEEP).await;
    assert!(pids.contains(&app.pid().await.unwrap().parse().unwrap()));
    assert_eq!(world.births("main"), 2, "it was not asleep after {ASLEEP:?}");

    tokio::time::sleep(ASLEEP).await;
    for _ in 0..SLEEP.as_secs() {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(world.births("main"), 2, "something woke it");
    }
    assert_eq!(use_sessions(&app, 2).await, pids);
    assert_eq!(world.births("main"), 3, "it was not asleep all the time");
    assert_eq!((world.link.stats().streams_total, world.origin.stats().streams_total), (2, 2));
}

/// The agent ends them; the object hears of it when it wakes for something else.
async fn idle_sessions_end_without_waking_the_object() {
    let world = Setup::new().agent().keys("pool_size=2&idle_timeout=20s").start().await;
    world.until_links(1).await;
    let app = world.app();
    let pids = use_sessions(&app, 2).await;
    tokio::time::sleep(ASLEEP).await;
    assert_eq!(world.sessions().await, 2);
    world.until_sessions(0).await;
    assert_eq!(world.births("main"), 1, "an end woke it");
    assert!(use_sessions(&app, 2).await.is_disjoint(&pids));
    assert_eq!(world.births("main"), 2, "it was not asleep");
}

#[test]
fn an_idle_pool_is_let_go() {
    live(async {
        let world = Setup::new().keys("idle_timeout=2s&pool_size=3").start().await;
        let app = world.app();
        use_sessions(&app, 3).await;
        world.until_sessions(0).await;
        world.until_streams(0).await;
        app.echo("a new session").await.unwrap();
        assert_eq!(world.stats().handshakes_total, 4);
        assert_eq!(world.sessions().await, 1);
    });
}
