//! Every call ends.

use std::time::{Duration, Instant};

use crate::app::App;
use crate::world::{Setup, live};

#[test]
fn a_query_that_takes_too_long_is_ended_at_the_database() {
    live(async {
        let world = Setup::new().keys("pool_size=2").start().await;
        // One more for the cancel.
        world.limit_streams(3);
        let app = world.app().timeout(Duration::from_millis(700));
        app.echo("quick ones are").await.unwrap();
        let report = app.get("/deadline", &[("seconds", "30")]).await.unwrap();
        let elapsed = report["elapsed_ms"].as_u64().unwrap();
        assert!((600..4000).contains(&elapsed), "{report}");
        let error = &report["error"];
        assert_eq!(
            (&error["timeout"], &error["unknown"], &error["status"]),
            (&true.into(), &true.into(), &504.into()),
            "{report}"
        );
        world.until_busy(0).await;
        app.echo("again").await.unwrap();
    });
}

#[test]
fn a_database_that_stops_to_answer_costs_no_more_than_the_deadline() {
    live(async {
        let world = Setup::new().keys("pool_size=1").start().await;
        world.limit_streams(2);
        let app = world.app();
        app.echo("warm").await.unwrap();
        world.tunnel.knobs().pause();
        let began = Instant::now();
        let failure = app.timeout(Duration::from_millis(600)).echo("lost").await.unwrap_err();
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
        assert_eq!(failure.status, 504, "{failure:?}");
        assert!(failure.is("unknown") && failure.is("timeout"), "{failure:?}");
        world.tunnel.knobs().resume();
        assert_eq!(app.echo("not the lost one").await.unwrap(), "not the lost one");
    });
}

#[test]
fn a_coordinator_that_never_answers_costs_no_more_than_the_deadline() {
    live(async {
        let world = Setup::new().silent_coordinator().start().await;
        let app: App = world.app().binding("SILENT").timeout(Duration::from_millis(500));
        let began = Instant::now();
        let failure = app.echo("x").await.unwrap_err();
        let elapsed = began.elapsed();
        assert!(elapsed >= Duration::from_millis(500), "{elapsed:?}");
        assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
        assert_eq!((failure.sqlstate(), failure.status), ("08007", 504), "{failure:?}");
        assert!(failure.is("unknown") && !failure.is("retryable"), "{failure:?}");
        // It is told, in case it hears after all.
        let aborted = world.http("silent").get("/").await.unwrap().text();
        assert_eq!(aborted, "1");
    });
}

#[test]
fn what_is_abandoned_is_ended_at_the_database() {
    live(async {
        let world = Setup::new().keys("pool_size=1").start().await;
        // One more for the cancel.
        world.limit_streams(2);
        let app = world.app();
        app.echo("warm").await.unwrap();
        // Dropped by a caller that goes on: aborted by the client. By one that ends: found out.
        for (how, within) in [("drop", 2), ("return", 12)] {
            let began = Instant::now();
            app.get("/abandon", &[("how", how), ("sql", "select pg_sleep(60)")]).await.unwrap();
            app.echo("next").await.unwrap();
            world.until_busy(0).await;
            eprintln!("{how}: the session was free after {:?}", began.elapsed());
            assert!(began.elapsed() < Duration::from_secs(within), "{:?}", began.elapsed());
        }
        let status = world.until_status("at rest", |status| status["clients"] == 0).await;
        assert_eq!(status["cancels"], 2, "{status}");
    });
}
