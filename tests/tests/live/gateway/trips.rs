//! What distance costs between a Worker and the gateway.
//!
//! In workerd all Workers of a file are next to each other; here calls leave it by a wire and come in
//! again. The namespace of an object cannot be put behind one, but the gateway's `begin` is the
//! object's own, called in the same way.

use std::time::{Duration, Instant};

use pierhead_tests::http::path_with_query;
use pierhead_tests::show::Samples;

use crate::world::{Setup, World, live};

/// Milliseconds of a round trip: many times what a call takes without.
const ROUND_TRIP_MS: u64 = 100;
/// Enough for a steady median.
const CALLS: usize = 5;
/// A busy machine spoils a measurement now and then; not every time.
const ATTEMPTS: usize = 4;

async fn asked(world: &World, path: &str) -> Duration {
    let began = Instant::now();
    let path = path_with_query(path, &[("db", "main"), ("sql", "begin; select 40 + 2; commit")]);
    let heard = world.http("far").get(&path).await.unwrap().ok().unwrap().text();
    assert!(heard.contains("42") && heard.contains("COMMIT"), "{heard}");
    began.elapsed()
}

/// Round trips of a call, to the nearest.
async fn trips(world: &World, path: &str) -> u64 {
    let (mut near, mut far) = (Samples::default(), Samples::default());
    for _ in 0..CALLS {
        world.wire.knobs().set_round_trip_ms(0);
        near.push(asked(world, path).await);
        world.wire.knobs().set_round_trip_ms(ROUND_TRIP_MS);
        far.push(asked(world, path).await);
    }
    let added = far.median().saturating_sub(near.median());
    (added.as_millis() as u64 + ROUND_TRIP_MS / 2) / ROUND_TRIP_MS
}

#[test]
fn a_transaction_that_begins_with_its_first_request_is_one_trip() {
    live(async {
        let world = Setup::new().far_gateway_caller().start().await;
        // Opens the wire, which is kept, and a session.
        asked(&world, "/rpc").await;
        let mut measured = Vec::new();
        for _ in 0..ATTEMPTS {
            let mut counted = Vec::new();
            for path in ["/rpc", "/lease", "/awaited"] {
                counted.push(trips(&world, path).await);
            }
            measured.push(counted);
            if measured.last().unwrap() == &[1, 1, 2] {
                break;
            }
        }
        eprintln!(
            "trips of an exchange, of begin with its first exchange, and awaited: {measured:?}"
        );
        assert_eq!(measured.last().unwrap(), &[1, 1, 2], "{measured:?}");
    });
}
