//! Agents that end, and agents that carry on.

use std::time::{Duration, Instant};

use crate::agent::scene::{until, use_sessions};
use crate::load::{Load, Told};
use crate::world::{PATIENCE, Setup, live};

#[test]
fn sigterm_lets_running_queries_finish_and_loses_none() {
    live(async {
        let mut world =
            Setup::new().agent().agents(&["one", "two"]).keys("pool_size=6").start().await;
        world.until_links(2).await;
        let load = Load::start(&world, 8).await;
        for ended in [0, 1] {
            world.agents[ended].terminate().unwrap();
            load.until_done(50).await;
            let status = world.agents[ended].wait(Duration::from_secs(40)).await.unwrap();
            assert_eq!(status.code(), Some(0), "{}", world.agents[ended].log().text());
            load.until_done(50).await;
            if ended == 0 {
                world.agents[0].restart().unwrap();
                world.until_links(2).await;
            }
        }
        let told = load.finish(&world).await;
        assert!(told.iter().all(|(_, told)| matches!(told, Told::Done)), "a write was lost");
    });
}

#[test]
fn a_query_that_runs_when_sigterm_comes_is_answered() {
    live(async {
        let mut world = Setup::new().agent().keys("pool_size=2").start().await;
        world.until_links(1).await;
        let running = world.app().spawn("select 'finished' from (select pg_sleep(2)) s");
        world.until_busy(1).await;
        let began = Instant::now();
        world.agents[0].terminate().unwrap();
        let answer = running.await.unwrap().unwrap();
        assert_eq!(answer["rows"][0][0], "finished");
        let status = world.agents[0].wait(PATIENCE).await.unwrap();
        eprintln!("ended {:?} after SIGTERM", began.elapsed());
        assert_eq!(status.code(), Some(0));
        world.until_sessions(0).await;
    });
}

#[test]
fn when_one_agent_dies_the_other_carries_on() {
    live(async {
        let mut world =
            Setup::new().agent().agents(&["one", "two"]).keys("pool_size=6").start().await;
        world.until_links(2).await;
        let app = world.app();
        use_sessions(&app, 6).await;
        let load = Load::start(&world, 8).await;
        for killed in [0, 1, 0] {
            world.agents[killed].kill().unwrap();
            load.until_done(60).await;
            world.agents[killed].restart().unwrap();
            world.until_links(2).await;
            load.until_done(60).await;
        }
        let told = load.finish(&world).await;
        let failed = told.iter().filter(|(_, told)| !matches!(told, Told::Done)).count();
        eprintln!("3 times an agent was killed: {failed} of {} writes failed", told.len());
        assert!(failed <= 3 * 8 + 8, "{failed} writes failed");
    });
}

#[test]
fn the_database_behind_an_agent_restarts() {
    live(async {
        let world =
            Setup::new().own_postgres(Default::default()).agent().keys("pool_size=3").start().await;
        world.until_links(1).await;
        let app = world.app();
        let before = use_sessions(&app, 3).await;
        world.until_parked(3).await;
        world.postgres.restart().await.unwrap();
        let answered = async || app.echo("again").await.is_ok();
        until("answered again", answered).await;
        assert!(use_sessions(&app, 3).await.is_disjoint(&before));
        assert_eq!(world.link.stats().streams_total, 1, "the link has nothing to do with it");
    });
}

#[test]
fn an_agent_reaches_the_database_over_a_unix_socket() {
    live(async {
        let directory = tempfile::Builder::new().prefix("pierhead-sock-").tempdir().unwrap();
        let path = directory.path().to_str().unwrap().to_owned();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o777))
            .unwrap();
        let config = pierhead_tests::postgres::PostgresConfig {
            settings: vec![format!("unix_socket_directories={path}")],
            ..Default::default()
        };
        let world = Setup::new().own_postgres(config).agent().agent_socket(&path).start().await;
        world.until_links(1).await;
        let app = world.app();
        let client = "select coalesce(client_addr::text, 'unix socket') \
                      from pg_stat_activity where pid = pg_backend_pid()";
        assert_eq!(app.value(client, &[]).await.unwrap(), "unix socket");
    });
}

#[test]
fn a_query_that_runs_out_of_time_costs_no_session() {
    live(async {
        let world = Setup::new().agent().keys("pool_size=1").start().await;
        world.until_links(1).await;
        let pid = world.app().pid().await.unwrap();
        let hasty = world.app().timeout(Duration::from_secs(1));
        for _ in 0..3 {
            let failure = hasty.query("select pg_sleep(60)", &[]).await.unwrap_err();
            assert!(failure.is("unknown") && failure.is("timeout"), "{failure:?}");
            assert_eq!(world.app().pid().await.unwrap(), pid, "cancelled, cleared and handed on");
        }
        let status = world.status().await;
        assert_eq!((&status["drained"], &status["opened"]), (&3.into(), &1.into()), "{status}");
    });
}

#[test]
fn one_agent_serves_several_databases() {
    live(async {
        let setup = Setup::new().agent().keys("pool_size=1").database("other").agent();
        let world = setup.keys("pool_size=1").crash_control().start().await;
        let pids = async || {
            let main = world.app_of("main").pid().await.unwrap();
            (main, world.app_of("other").pid().await.unwrap())
        };
        let before = pids().await;
        assert_ne!(before.0, before.1, "each has a pool of its own");
        assert_eq!(world.link.stats().streams_total, 2, "and a link");
        tokio::time::sleep(Duration::from_millis(600)).await;
        world.workerd.abort_all_objects().await.unwrap();
        assert_eq!(pids().await, before, "both outlive their coordinators");
    });
}
