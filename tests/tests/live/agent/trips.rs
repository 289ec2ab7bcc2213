//! What distance costs through an agent that is far from the coordinator.

use std::time::{Duration, Instant};

use pierhead_tests::show::{FAR_MS, Samples};

use crate::app::App;
use crate::world::{Setup, World, live};

/// Enough for a steady median.
const REQUESTS: usize = 20;
/// A busy machine spoils a measurement now and then; not every time.
const ATTEMPTS: usize = 3;
/// Round trips of a query, at most: nearer to one than to two. What a busy machine adds far away and
/// not near counts too.
const ONE_MAX: f64 = 1.5;

async fn asked(app: &App) -> Duration {
    let began = Instant::now();
    app.echo("there and back").await.unwrap();
    began.elapsed()
}

fn trips(far: &Samples, near: &Samples) -> f64 {
    let added = far.median().as_secs_f64() - near.median().as_secs_f64();
    added * 1e3 / FAR_MS as f64
}

fn distance(world: &World, far: bool) {
    world.link.knobs().set_round_trip_ms(if far { FAR_MS } else { 0 });
}

#[test]
fn a_warm_query_is_one_round_trip() {
    live(async {
        let world = Setup::new().agent().start().await;
        world.until_links(1).await;
        let app = world.app();
        asked(&app).await;
        let mut measured = Vec::new();
        for _ in 0..ATTEMPTS {
            let (mut near, mut far) = (Samples::default(), Samples::default());
            for _ in 0..REQUESTS {
                distance(&world, false);
                near.push(asked(&app).await);
                distance(&world, true);
                far.push(asked(&app).await);
            }
            measured.push(trips(&far, &near));
            if trips(&far, &near) <= ONE_MAX {
                break;
            }
        }
        eprintln!("round trips of a warm query through the agent: {measured:.2?}");
        assert!(*measured.last().unwrap() <= ONE_MAX, "{measured:.2?}");
        assert_eq!(world.origin.stats().streams_total, 1);
    });
}

#[test]
fn the_first_query_after_a_sleep_is_one_round_trip() {
    live(async {
        let world = Setup::new().agent().keys("pool_size=2").crash_control().start().await;
        world.until_links(1).await;
        let app = world.app();
        let pid = app.pid().await.unwrap();
        let mut measured = Vec::new();
        for _ in 0..ATTEMPTS {
            let (mut near, mut far) = (Samples::default(), Samples::default());
            for _ in 0..5 {
                for (is_far, samples) in [(false, &mut near), (true, &mut far)] {
                    let took = world.woken(1, async || {
                        distance(&world, is_far);
                        let took = asked(&app).await;
                        distance(&world, false);
                        took
                    });
                    samples.push(took.await);
                }
            }
            measured.push(trips(&far, &near));
            if trips(&far, &near) <= ONE_MAX {
                break;
            }
        }
        eprintln!("round trips of the first query after a sleep: {measured:.2?}");
        assert!(*measured.last().unwrap() <= ONE_MAX, "{measured:.2?}");
        assert_eq!(app.pid().await.unwrap(), pid);
        assert_eq!(world.origin.stats().streams_total, 1);
    });
}

/// The database's own start-up is what a session costs when its TCP connection stands: start-up
/// and the password, which is two exchanges for SCRAM. `open` rides with the first of them.
#[test]
fn opening_a_session_costs_no_trip_beyond_the_databases_own() {
    live(async {
        let setup = Setup::new().user("trust_user").password(None);
        let world = setup.agent().keys("pool_size=20&idle_timeout=1s").start().await;
        world.until_links(1).await;
        let app = world.app();
        asked(&app).await;
        let mut measured = Vec::new();
        for _ in 0..ATTEMPTS {
            let mut fresh = [Samples::default(), Samples::default()];
            for _ in 0..4 {
                for (samples, is_far) in fresh.iter_mut().zip([false, true]) {
                    world.until_sessions(0).await;
                    distance(&world, is_far);
                    samples.push(asked(&app).await);
                    distance(&world, false);
                }
            }
            measured.push(trips(&fresh[1], &fresh[0]));
            if measured.last().is_some_and(|trips| *trips <= 1.0 + ONE_MAX) {
                break;
            }
        }
        eprintln!("round trips of start-up without a password, and one query: {measured:.2?}");
        assert!(*measured.last().unwrap() <= 1.0 + ONE_MAX, "{measured:.2?}");
    });
}
