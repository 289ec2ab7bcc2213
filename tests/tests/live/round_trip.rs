//! What distance costs: a warm query through the coordinator is one round trip.

use std::time::Duration;

use pierhead_tests::show::{Latency, Stage, StageConfig, Way, latency};

/// Requests of each way at each distance: enough for a steady median, done in ten seconds.
const REQUESTS: usize = 20;
/// A busy machine spoils a measurement now and then; not every time.
const ATTEMPTS: usize = 3;
/// Round trips of a warm query through the coordinator, at most: nearer to one than to two. What a
/// busy machine adds far away and not near counts too.
const POOLED_MAX: f64 = 1.5;
/// Round trips of a connection of one's own, at least: TCP, start-up, SCRAM, the query.
const DIRECT_MIN: f64 = 3.0;

#[test]
fn a_warm_query_is_one_round_trip() {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let stage = Stage::set(StageConfig::default(), |_| {}).await.unwrap();
        let mut measured = Vec::new();
        for _ in 0..ATTEMPTS {
            let latencies = latency(&stage, REQUESTS, |_| {}).await.unwrap();
            let trips = latencies.each_ref().map(Latency::round_trips);
            println!("round trips per query: direct {:.2}, coordinator {:.2}", trips[0], trips[1]);
            measured.push(trips);
            if trips[0] >= DIRECT_MIN && trips[1] <= POOLED_MAX {
                break;
            }
        }
        let [direct, pooled] = *measured.last().unwrap();
        assert!(pooled <= POOLED_MAX, "through the coordinator: {measured:.2?}");
        assert!(direct >= DIRECT_MIN, "direct: {measured:.2?}");

        // One session and one handshake served all of it.
        assert_eq!(stage.connections(Way::Coordinator), 1);
        stage.tunnel().assert_clean();
        let direct = Way::ByItself.application();
        stage.postgres().wait_for_sessions(direct, 0, Duration::from_secs(5)).await.unwrap();
    });
}
