//! Callers that come while no agent is there.

use std::time::{Duration, Instant};

use pierhead_tests::net::Answer;

use crate::agent::scene::use_sessions;
use crate::world::{Setup, live};

#[test]
fn a_caller_waits_for_the_agent() {
    live(async {
        let mut world = Setup::new().agent().keys("tunnel_wait=20s").start().await;
        world.until_links(1).await;
        world.agents[0].kill().unwrap();
        world.until_links(0).await;
        let app = world.app();
        let waiting = tokio::spawn(async move { app.echo("worth the wait").await });
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert!(!waiting.is_finished());
        world.agents[0].restart().unwrap();
        assert_eq!(waiting.await.unwrap().unwrap(), "worth the wait");
    });
}

#[test]
fn without_an_agent_the_error_names_it() {
    live(async {
        let world = Setup::new().agent().agents(&[]).keys("tunnel_wait=500ms").start().await;
        let began = Instant::now();
        let failure = world.app().echo("x").await.unwrap_err();
        eprintln!("after {:?}: {}", began.elapsed(), failure.text());
        assert!(began.elapsed() >= Duration::from_millis(500), "it did not wait");
        assert_eq!(failure.sqlstate(), "08001", "{failure:?}");
        assert!(failure.is("refused") && failure.is("retryable"), "{failure:?}");
        assert!(failure.text().contains("agent"), "{failure:?}");
    });
}

#[test]
fn without_an_agent_the_next_way_is_taken() {
    live(async {
        let mut world = Setup::new()
            .agent_and(",direct&tls=off")
            .keys("tunnel_wait=300ms&pool_size=2")
            .start()
            .await;
        world.until_links(1).await;
        let app = world.app();
        app.echo("through the agent").await.unwrap();
        assert_eq!((world.origin.stats().streams_total, world.proxy.stats().streams_total), (1, 0));
        world.agents[0].kill().unwrap();
        app.echo("around it").await.unwrap();
        app.echo("around it").await.unwrap();
        assert_eq!(world.proxy.stats().streams_total, 1);
        world.agents[0].restart().unwrap();
        world.until_links(1).await;
        app.echo("either way").await.unwrap();
    });
}

#[test]
fn a_coordinator_that_stays_away_loses_its_sessions() {
    live(async {
        let setup = Setup::new().agent().keys("pool_size=3&tunnel_wait=20s");
        let world = setup.agent_variable("PIERHEAD_PARK_TTL", "1s").start().await;
        world.until_links(1).await;
        let app = world.app();
        let before = use_sessions(&app, 3).await;
        world.until_parked(3).await;
        world.link.knobs().answer(Answer::Drop);
        world.link.knobs().cut_all();
        world.until_sessions(0).await;
        let waiting = app.spawn("select 'answered'");
        world.link.knobs().answer(Answer::Accept);
        assert_eq!(waiting.await.unwrap().unwrap()["rows"][0][0], "answered");
        assert!(use_sessions(&app, 3).await.is_disjoint(&before));
    });
}
