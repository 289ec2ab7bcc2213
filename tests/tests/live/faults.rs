//! Things break under load, and everything recovers by itself.

use std::time::{Duration, Instant};

use pierhead_tests::net::{Answer, Knobs};
use pierhead_tests::postgres::{PASSWORD, PostgresConfig};
use serde_json::json;

use crate::load::{Load, Told};
use crate::world::{PATIENCE, Setup, World, live};

/// A server that keeps what it has confirmed through a crash of its processes.
fn durable() -> PostgresConfig {
    let settings = vec!["synchronous_commit=on".into()];
    PostgresConfig { settings, ..PostgresConfig::default() }
}

#[test]
fn postgres_restarts_under_load() {
    live(async {
        let keys = "pool_size=5&wait_timeout=500ms";
        let world = Setup::new().keys(keys).own_postgres(durable()).start().await;
        world.limit_streams(5);
        let load = Load::start(&world, 8).await;
        world.postgres.restart().await.unwrap();
        load.until_done(50).await;
        world.postgres.stop_hard().await.unwrap();
        // Down for a while: callers are turned away.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        world.postgres.start_again().await.unwrap();
        load.until_done(50).await;
        let told = load.finish(&world).await;
        let turned_away = told.iter().filter(|(_, told)| matches!(told, Told::NotDone(_)));
        assert!(turned_away.count() > 0, "nobody noticed that the server was down");
        let failures = told.iter().filter_map(|(_, told)| match told {
            Told::Done => None,
            Told::NotDone(failure) | Told::Unknown(failure) => Some(failure),
        });
        for failure in failures {
            // 57P01: the server's goodbye to a session that was running something.
            let known = ["08001", "08006", "08007", "53400", "57P01", "57P03"];
            assert!(known.contains(&failure.sqlstate()), "{failure:?}");
        }
    });
}

#[test]
fn a_database_that_is_down_is_reported_as_down() {
    live(async {
        let keys = "pool_size=2&wait_timeout=3s";
        let world = Setup::new().keys(keys).own_postgres(durable()).start().await;
        let app = world.app();
        app.echo("before").await.unwrap();
        world.postgres.stop().await.unwrap();
        let began = Instant::now();
        let failure = app.echo("down").await.unwrap_err();
        eprintln!("after {:?}: {}", began.elapsed(), failure.text());
        assert_eq!((failure.sqlstate(), failure.status), ("08001", 503));
        assert!(failure.is("refused") && failure.is("retryable"), "{failure:?}");
        assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
        world.postgres.start_again().await.unwrap();
        until_ok(&world).await;
    });
}

#[test]
fn the_tunnel_is_cut_under_load() {
    live(async {
        let world = Setup::new().keys("pool_size=5").start().await;
        cuts_under_load(&world, world.tunnel.knobs()).await;
        assert!(world.stats().cuts >= 8, "{:?}", world.stats());
    });
}

#[test]
fn tcp_is_cut_under_load() {
    live(async {
        let world = Setup::new().keys("pool_size=5").direct("off").start().await;
        cuts_under_load(&world, world.proxy.knobs()).await;
        assert!(world.proxy.stats().cuts >= 8, "{:?}", world.proxy.stats());
    });
}

async fn cuts_under_load(world: &World, knobs: &Knobs) {
    world.limit_streams(5);
    let load = Load::start(world, 8).await;
    for _ in 0..4 {
        knobs.cut_all();
        load.until_done(40).await;
    }
    // In the middle of a message, whichever it is.
    for bytes in [1, 17, 40, 333] {
        knobs.cut_after(bytes);
        load.until_done(40).await;
    }
    for (_, told) in &load.finish(world).await {
        let (Told::NotDone(failure) | Told::Unknown(failure)) = told else { continue };
        assert!(["08001", "08006", "08007"].contains(&failure.sqlstate()), "{failure:?}");
        assert_eq!(failure.is("retryable"), failure.is("refused"), "{failure:?}");
    }
}

#[test]
fn a_cut_while_a_query_runs_leaves_its_outcome_unknown() {
    live(async {
        let world = Setup::new().keys("pool_size=1").start().await;
        let app = world.app();
        let running = {
            let app = app.clone();
            tokio::spawn(async move { app.query("select pg_sleep(30)", &[]).await })
        };
        world.until_busy(1).await;
        let began = Instant::now();
        world.tunnel.knobs().cut_all();
        let failure = running.await.unwrap().unwrap_err();
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        assert_eq!((failure.sqlstate(), failure.status), ("08007", 500));
        assert!(failure.is("unknown") && !failure.is("retryable"), "{failure:?}");
        app.echo("again").await.unwrap();
    });
}

#[test]
fn idle_sessions_that_died_are_replaced_unnoticed() {
    live(async {
        let world = Setup::new().keys("pool_size=3").start().await;
        let app = world.app();
        for round in 0..3 {
            app.echo("warm").await.unwrap();
            if round == 1 {
                world.postgres.terminate_sessions(&world.application).await.unwrap();
            } else {
                world.tunnel.knobs().cut_all();
            }
            world.until_sessions(0).await;
            world.until_status("no session", |status| status["idle"] == 0).await;
        }
        app.echo("as if nothing had been").await.unwrap();
    });
}

#[test]
fn sessions_are_replaced_at_the_end_of_their_life_unnoticed() {
    live(async {
        let world = Setup::new().keys("pool_size=3&max_lifetime=1s").start().await;
        world.limit_streams(3);
        let load = Load::start(&world, 5).await;
        tokio::time::sleep(Duration::from_secs(4)).await;
        let told = load.finish(&world).await;
        assert!(told.iter().all(|(_, told)| matches!(told, Told::Done)), "{told:?}");
        assert!(world.stats().streams_total >= 7, "{:?}", world.stats());
    });
}

#[test]
fn a_caller_that_dies_frees_its_session() {
    live(async {
        let world = Setup::new().keys("pool_size=1").start().await;
        // One more for the cancel.
        world.limit_streams(2);
        let app = world.app();
        let dying = app.doomed("/error", &[("sql", "select pg_sleep(60)")]).await;
        world.until_busy(1).await;
        let began = Instant::now();
        drop(dying);
        world.until_busy(0).await;
        eprintln!("the query of a dead caller ended after {:?}", began.elapsed());
        app.echo("next").await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
        let status = world.until_status("caller missed", |s| s["callers_gone"] == 1).await;
        assert_eq!(status["clients"], 0, "{status}");
    });
}

#[test]
fn a_waiter_that_died_is_never_served() {
    live(async {
        let world = Setup::new().keys("pool_size=1").start().await;
        world
            .postgres
            .run("create table last_wills (id int); grant all on last_wills to scram_user")
            .await
            .unwrap();
        let app = world.app();
        let holder = app.spawn("select pg_sleep(3)");
        world.until_busy(1).await;
        let dying = app.doomed("/error", &[("sql", "insert into last_wills values (1)")]).await;
        world.until_status("one waiting", |status| status["waiting"] == 1).await;
        drop(dying);
        holder.await.unwrap().unwrap();
        world.until_status("nobody waiting", |status| status["clients"] == 0).await;
        assert_eq!(app.value("select count(*) from last_wills", &[]).await.unwrap(), "0");
    });
}

#[test]
fn a_wrong_password_is_said_and_a_corrected_one_is_found() {
    live(async {
        let world = Setup::new()
            .password(Some("wrong-ä-password"))
            .keys("wait_timeout=4s")
            .own_postgres(PostgresConfig::default())
            .start()
            .await;
        let app = world.app();
        let failure = app.echo("x").await.unwrap_err();
        assert_eq!(failure.sqlstate(), "28P01", "{failure:?}");
        assert!(failure.is("refused") && !failure.is("unknown"), "{failure:?}");
        assert!(failure.text().contains("scram_user"), "{failure:?}");
        assert!(!failure.error.to_string().contains("wrong-ä"), "{failure:?}");
        // A known wrong password is not tried again by every caller.
        let tries = world.stats().handshakes_total;
        for _ in 0..20 {
            assert_eq!(app.echo("x").await.unwrap_err().sqlstate(), "28P01");
        }
        let tries = world.stats().handshakes_total - tries;
        assert!(tries <= 5, "{tries} logins for 20 requests");
        world.postgres.run("alter role scram_user password 'wrong-ä-password'").await.unwrap();
        until_ok(&world).await;
        world.postgres.run("alter role scram_user password 'changed again'").await.unwrap();
        app.echo("sessions outlive a change").await.unwrap();
        assert!(!world.postgres.log().text().contains(PASSWORD));
    });
}

#[test]
fn a_tunnel_that_refuses_is_quoted_and_forgiven() {
    live(async {
        let world = Setup::new()
            .keys("wait_timeout=3s")
            .access("client-7", "s3cret-of-tunnel")
            .service_token("client-7", "s3cret-of-tunnel")
            .start()
            .await;
        let app = world.app();
        for answer in [Answer::Status(502), Answer::Redirect, Answer::Drop] {
            world.tunnel.knobs().answer(answer);
            let failure = app.echo("x").await.unwrap_err();
            eprintln!("{answer:?}: {}", failure.text());
            assert_eq!((failure.sqlstate(), failure.status), ("08001", 503), "{failure:?}");
            assert!(failure.is("refused"), "{failure:?}");
            let says = match answer {
                Answer::Status(_) => "502",
                Answer::Redirect => "credentials",
                Answer::Accept | Answer::Drop => "",
            };
            assert!(failure.text().contains(says), "{failure:?}");
            world.tunnel.knobs().answer(Answer::Accept);
            until_ok(&world).await;
            world.tunnel.knobs().cut_all();
            world.until_status("no session", |status| status["idle"] == 0).await;
        }
    });
}

#[test]
fn a_wrong_service_token_is_denied_without_being_told() {
    live(async {
        let world = Setup::new()
            .keys("wait_timeout=3s")
            .access("client-7", "the-right-one")
            .service_token("client-7", "the-wr0ng-one")
            .start()
            .await;
        let failure = world.app().echo("x").await.unwrap_err();
        assert_eq!((failure.sqlstate(), failure.status), ("08001", 503), "{failure:?}");
        assert!(failure.text().contains("refused our credentials"), "{failure:?}");
        assert!(failure.text().contains("ACCESS_CLIENT_SECRET"), "{failure:?}");
        assert!(!failure.error.to_string().contains("the-wr0ng-one"), "{failure:?}");
        assert!(world.stats().refused > 0);
    });
}

/// Asks until it works.
async fn until_ok(world: &World) {
    let app = world.app();
    let deadline = Instant::now() + PATIENCE + Duration::from_secs(5);
    loop {
        match app.query("select $1", &[json!("ok")]).await {
            Ok(_) => return,
            Err(failure) => assert!(Instant::now() < deadline, "no recovery: {failure:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
