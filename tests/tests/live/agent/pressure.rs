//! A slow reader through an agent: it holds back its own session and nothing else.

use std::time::{Duration, Instant};

use pierhead_tests::show::Samples;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::large::{ISOLATE_MAX, Peak, big_of, holds_little, peak_while};
use crate::world::{Setup, World, live};

const MIB: u64 = 1024 * 1024;
/// What the agent may hold: its own code, and a window for each stream.
const AGENT_MAX: u64 = 64 * MIB;
const CALLERS: usize = 50;
/// For how long the other callers are measured.
const MEASURE: Duration = Duration::from_secs(5);
/// A busy machine spoils a measurement now and then; not every time.
const ATTEMPTS: usize = 3;

/// How long the others' queries take, each asked now and then.
async fn others(world: &World) -> Samples {
    let began = Instant::now();
    let callers: Vec<_> = (0..CALLERS)
        .map(|n| {
            let app = world.app();
            tokio::spawn(async move {
                let mut samples = Vec::new();
                while began.elapsed() < MEASURE {
                    let asked = Instant::now();
                    let value = format!("{n}: {}", samples.len());
                    assert_eq!(app.echo(&value).await.unwrap(), value);
                    samples.push(asked.elapsed());
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                samples
            })
        })
        .collect();
    let mut all = Samples::default();
    for caller in callers {
        for sample in caller.await.unwrap() {
            all.push(sample);
        }
    }
    all
}

/// The most memory that the object and the agent hold until `job` is done.
async fn memory(world: &World, job: &JoinHandle<Value>) -> (Peak, u64) {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let agent = async {
        let mut peak = 0;
        let mut stopped = std::pin::pin!(stopped);
        loop {
            peak = world.agents[0].resident_bytes().unwrap().max(peak);
            let pause = tokio::time::sleep(Duration::from_millis(50));
            tokio::select! {
                _ = &mut stopped => return peak,
                () = pause => {}
            }
        }
    };
    let object = async {
        let peak = peak_while(world, job).await;
        drop(stop);
        peak
    };
    tokio::join!(object, agent)
}

async fn slow_reader(mib: u64, rate: u32) {
    let world = Setup::new().agent().keys("pool_size=20").agent_cap(20).inspector().start().await;
    world.until_links(1).await;
    let app = world.app();
    crate::agent::scene::use_sessions(&app, 20).await;
    let mut ratios = Vec::new();
    for _ in 0..ATTEMPTS {
        let alone = others(&world).await;
        let reader = big_of(&app, mib, rate);
        world.until_status("streaming", |status| status["leased"] != 0).await;
        let beside = others(&world).await;
        assert!(!reader.is_finished(), "that was no slow reader");
        let (object, agent) = memory(&world, &reader).await;
        let report = reader.await.unwrap();
        assert_eq!((&report["error"], &report["bytes"]), (&Value::Null, &(mib * MIB).into()));
        let [calm, busy] = [&alone, &beside].map(|samples| samples.percentile(99));
        let ratio = busy.as_secs_f64() / calm.as_secs_f64();
        eprintln!(
            "{mib} MiB at {rate} MB/s, {} ms: object at most {} KiB (of that wasm {} KiB), agent \
             {} KiB; p99 of {CALLERS} others {calm:?} without, {busy:?} with it: {ratio:.2}x",
            report["elapsed_ms"],
            object.sum / 1024,
            object.wasm / 1024,
            agent / 1024,
        );
        // With the garbage that nobody made the runtime collect; without it hardly anything is left.
        assert!(object.sum < ISOLATE_MAX, "{} bytes in the object", object.sum);
        holds_little(&world, &object).await;
        assert!(agent < AGENT_MAX, "{agent} bytes in the agent");
        ratios.push(ratio);
        if ratio <= 2.0 {
            break;
        }
    }
    assert!(*ratios.last().unwrap() <= 2.0, "{ratios:.2?}");
}

#[test]
fn a_slow_reader_disturbs_nobody() {
    live(slow_reader(64, 4));
}

/// For a person: `-- --ignored a_very_large_result --nocapture`.
#[test]
#[ignore = "takes minutes"]
fn a_very_large_result_needs_no_more_memory() {
    live(slow_reader(1024, 4));
}
