//! Pools at rest.

use std::time::Duration;

use crate::world::{Setup, live};

/// Longer than twice what local workerd lets an object live that has only outgoing connections.
const REST: Duration = Duration::from_secs(155);

/// Takes its time, so it is the first in the alphabet: the others run beside it.
#[test]
fn a_pool_in_use_outlives_long_pauses() {
    live(async {
        let world = Setup::new().keys("idle_timeout=10m").start().await;
        let app = world.app();
        let pid = app.pid().await.unwrap();
        tokio::time::sleep(REST).await;
        assert_eq!(world.sessions().await, 1, "the session was lost while it was not looked at");
        assert_eq!(app.pid().await.unwrap(), pid);
        assert_eq!(world.stats().handshakes_total, 1);
    });
}

#[test]
fn an_idle_pool_is_let_go() {
    live(async {
        let world = Setup::new().keys("idle_timeout=2s&pool_size=3").start().await;
        let app = world.app();
        let calls: Vec<_> = (0..3)
            .map(|_| {
                let app = app.clone();
                tokio::spawn(async move { app.query("select pg_sleep(0.5)", &[]).await.unwrap() })
            })
            .collect();
        for call in calls {
            call.await.unwrap();
        }
        assert_eq!(world.sessions().await, 3);
        world.until_sessions(0).await;
        world.until_streams(0).await;
        app.echo("a new session").await.unwrap();
        assert_eq!(world.stats().handshakes_total, 4);
        assert_eq!(world.sessions().await, 1);
    });
}
