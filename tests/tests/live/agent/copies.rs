//! Two copies of the coordinator against one agent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pierhead_tests::workerd::Workerd;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::agent::scene::{until, use_sessions};
use crate::app::App;
use crate::load::Load;
use crate::world::{Setup, World, live};

fn app_of(workerd: &Workerd) -> App {
    App::new(workerd.http("app").unwrap(), "main")
}

fn targets(world: &World, twin: &Workerd) -> [std::net::SocketAddr; 2] {
    [&world.workerd, twin].map(|workerd| workerd.addr("coordinator").unwrap())
}

/// Counts this world's sessions at the database all the time.
struct Sampler {
    stop: Arc<AtomicBool>,
    peak: JoinHandle<(i64, usize)>,
}

impl Sampler {
    async fn start(world: &World) -> Self {
        let client = world.postgres.connect().await.unwrap();
        let sql = "select count(*) from pg_stat_activity where application_name = $1";
        let statement = client.prepare(sql).await.unwrap();
        let (stop, application) = (Arc::new(AtomicBool::new(false)), world.application.clone());
        let stopped = stop.clone();
        let peak = tokio::spawn(async move {
            let (mut peak, mut samples) = (0, 0);
            while !stopped.load(Ordering::Relaxed) {
                let row = client.query_one(&statement, &[&application]).await.unwrap();
                peak = row.get::<_, i64>(0).max(peak);
                samples += 1;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            (peak, samples)
        });
        Self { stop, peak }
    }

    async fn peak(self) -> i64 {
        self.stop.store(true, Ordering::Relaxed);
        let (peak, samples) = self.peak.await.unwrap();
        eprintln!("at most {peak} sessions at the database, {samples} samples");
        peak
    }
}

#[test]
fn the_newer_copy_wins_and_inherits_the_sessions() {
    live(async {
        let world = Setup::new()
            .agent()
            .keys("pool_size=3&tunnel_wait=500ms")
            .agent_variable("PIERHEAD_AGENT_LINKS", "2")
            .start()
            .await;
        world.until_links(2).await;
        let older = world.app();
        let pids = use_sessions(&older, 3).await;
        world.until_parked(3).await;

        // One of two links breaks, and comes back to another copy with a higher epoch.
        let twin = world.workerd.twin().await.unwrap();
        let newer = app_of(&twin);
        world.link.set_targets([targets(&world, &twin)[1]]);
        world.link.knobs().cut_after(0);
        older.echo("cut").await.ok();
        let without = async || world.status().await["links"] == 0;
        until("left by the agent", without).await;
        assert!(use_sessions(&newer, 3).await.is_subset(&{
            let mut known = pids.clone();
            known.extend(world.server_pids().await);
            known
        }));
        let failure = older.echo("x").await.unwrap_err();
        assert_eq!(failure.sqlstate(), "08001", "{failure:?}");
        let kept = use_sessions(&newer, 3).await.intersection(&pids).count();
        // The session of the link that was cut in a request was ended; the others were parked.
        eprintln!("{kept} of 3 sessions were inherited");
        assert!(kept >= 2, "{kept}");
    });
}

#[test]
fn no_session_is_used_by_two_copies() {
    // Fewer than a copy would like to have.
    const CAP: usize = 4;
    live(async {
        let world = Setup::new()
            .agent()
            .keys("pool_size=6&tunnel_wait=2s")
            .agent_cap(CAP)
            .agent_variable("PIERHEAD_AGENT_LINKS", "2")
            .crash_control()
            .start()
            .await;
        world.until_links(2).await;
        use_sessions(&world.app(), CAP).await;
        let sampler = Sampler::start(&world).await;
        let twin = world.workerd.twin().await.unwrap();
        let [one, other] = targets(&world, &twin);
        let apps = [world.app(), app_of(&twin)];
        let echoes = echo(&apps);
        let load = Load::start_with(&world, [&apps[0], &apps[0], &apps[1], &apps[1]]).await;
        world.link.set_targets([one, other]);
        for _ in 0..4 {
            world.link.knobs().reset_all();
            load.until_done(30).await;
            world.link.knobs().cut_after(5_000);
            load.until_done(30).await;
        }
        load.finish(&world).await;
        let answered = echoes.finish().await;
        eprintln!("answered by the copies: {answered:?}");
        assert!(answered.iter().all(|count| *count > 0), "a copy never had its turn");
        assert!(sampler.peak().await <= CAP as i64);
    });
}

#[test]
fn the_agents_cap_is_the_guarantee() {
    live(async {
        let world = Setup::new().agent().keys("pool_size=10").agent_cap(3).start().await;
        world.until_links(1).await;
        let sampler = Sampler::start(&world).await;
        let app = world.app();
        let callers: Vec<_> =
            (0..30).map(|_| app.spawn("select 'mine' from (select pg_sleep(0.05)) s")).collect();
        for caller in callers {
            assert_eq!(caller.await.unwrap().unwrap()["rows"][0][0], "mine");
        }
        assert_eq!(sampler.peak().await, 3);
    });
}

/// Callers of both copies; each answer must be the caller's own.
struct Echoes {
    stop: Arc<AtomicBool>,
    callers: Vec<(usize, JoinHandle<usize>)>,
}

fn echo(apps: &[App; 2]) -> Echoes {
    let stop = Arc::new(AtomicBool::new(false));
    let caller = |n: usize| {
        let (app, stop) = (apps[n % 2].clone(), stop.clone());
        let caller = tokio::spawn(async move {
            let mut answered = 0;
            for turn in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let tag = format!("caller {n}, turn {turn}");
                let sql = "select $1::text || (select '' from (select pg_sleep(0.005)) s)";
                match app.value(sql, &[json!(tag)]).await {
                    Ok(value) => {
                        assert_eq!(value, tag, "another caller's answer");
                        answered += 1;
                    }
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
            answered
        });
        (n % 2, caller)
    };
    let callers = (0..8).map(caller).collect();
    Echoes { stop, callers }
}

impl Echoes {
    async fn finish(self) -> [usize; 2] {
        self.stop.store(true, Ordering::Relaxed);
        let mut answered = [0; 2];
        for (copy, caller) in self.callers {
            answered[copy] += caller.await.unwrap();
        }
        answered
    }
}
