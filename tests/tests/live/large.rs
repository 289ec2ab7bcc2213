//! Results that do not fit into an isolate.

use std::time::{Duration, Instant};

use pierhead_tests::postgres::Postgres;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::app::App;
use crate::world::{Setup, World, live};

const MIB: u64 = 50;
/// What an isolate may hold before the platform ends it.
pub(crate) const ISOLATE_MAX: u64 = 128 * 1024 * 1024;
/// What the object may hold, at its worst moment, where it can hold the database back.
const MEMORY_MAX: u64 = 64 * 1024 * 1024;

/// The checksum of `/big`, computed from what a native client reads.
async fn expected_checksum(postgres: &Postgres) -> String {
    let sql = "select repeat(md5(i::text), 32) from generate_series(1, $1::int8) i";
    let client = postgres.connect().await.unwrap();
    let rows = client.query(sql, &[&(MIB as i64 * 1024)]).await.unwrap();
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    for row in rows {
        for byte in row.get::<_, &str>(0).bytes() {
            sum = (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{sum:016x}")
}

fn big(app: &App, rate: u32) -> JoinHandle<Value> {
    big_of(app, MIB, rate)
}

pub(crate) fn big_of(app: &App, mib: u64, rate: u32) -> JoinHandle<Value> {
    let seconds = mib.checked_div(rate.into()).unwrap_or_default();
    let app = app.patient(Duration::from_secs(90 + 2 * seconds));
    tokio::spawn(async move {
        let query = [("mb", mib.to_string()), ("rate", rate.to_string())];
        let query = query.each_ref().map(|(name, value)| (*name, value.as_str()));
        app.get("/big", &query).await.unwrap()
    })
}

/// The most that the coordinator held while `job` ran, in bytes.
pub(crate) struct Peak {
    /// JavaScript heap, runtime objects, buffers and wasm memory together.
    pub(crate) sum: u64,
    pub(crate) wasm: u64,
}

/// The inspector counts everything but wasm memory, which the object's own status tells.
pub(crate) async fn peak_while<T>(world: &World, job: &JoinHandle<T>) -> Peak {
    let mut peak = Peak { sum: 0, wasm: 0 };
    let mut samples = 0;
    while !job.is_finished() {
        let heap = world.workerd.heap("coordinator").await.unwrap();
        let wasm = world.status().await["wasm_memory_bytes"].as_u64().unwrap();
        peak.wasm = peak.wasm.max(wasm);
        peak.sum = peak.sum.max(heap.sum() + wasm);
        samples += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(samples >= 2, "only {samples} samples");
    eprintln!("{samples} samples of the memory");
    peak
}

#[test]
fn tcp_holds_back_what_the_reader_does_not_take() {
    live(async {
        let world = Setup::new().direct("off").inspector().start().await;
        let app = world.app();
        app.echo("warm").await.unwrap();
        let expected = expected_checksum(&world.postgres).await;
        let job = big(&app, 10);
        let peak = peak_while(&world, &job).await;
        let report = job.await.unwrap();
        assert_eq!((&report["error"], &report["checksum"]), (&Value::Null, &expected.into()));
        assert_eq!(report["bytes"], MIB * 1024 * 1024);
        let elapsed = report["elapsed_ms"].as_u64().unwrap();
        eprintln!(
            "{MIB} MiB over TCP at 10 MB/s: {elapsed} ms; at most {} KiB, of that wasm {} KiB",
            peak.sum / 1024,
            peak.wasm / 1024,
        );
        assert!(peak.sum < MEMORY_MAX, "{} bytes", peak.sum);
        assert!(elapsed > 4500, "{elapsed} ms: that was no slow reader");
        app.echo("after").await.unwrap();
    });
}

#[test]
fn over_a_websocket_a_slow_reader_loses_its_answer_and_disturbs_nobody() {
    live(async {
        let world = Setup::new().keys("pool_size=3").inspector().start().await;
        let app = world.app();
        app.echo("warm").await.unwrap();
        let slow = big(&app, 1);
        let others = tokio::spawn({
            let app = app.clone();
            async move {
                let (mut asked, mut slowest) = (0, Duration::ZERO);
                for n in 0..100 {
                    let began = Instant::now();
                    let value = format!("undisturbed {n}");
                    assert_eq!(app.echo(&value).await.unwrap(), value);
                    slowest = slowest.max(began.elapsed());
                    asked += 1;
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                (asked, slowest)
            }
        });
        let peak = peak_while(&world, &slow).await;
        let report = slow.await.unwrap();
        let (asked, slowest) = others.await.unwrap();
        eprintln!(
            "slow reader: {}; {asked} others meanwhile, slowest {slowest:?}; at most {} KiB, \
             of that wasm {} KiB",
            report["error"]["text"],
            peak.sum / 1024,
            peak.wasm / 1024
        );
        assert_eq!(report["error"]["sqlstate"], "53200", "{report}");
        assert_eq!(
            (&report["error"]["unknown"], &report["error"]["retryable"]),
            (&true.into(), &false.into())
        );
        assert!(report["bytes"].as_u64().unwrap() < MIB * 1024 * 1024);
        assert!(peak.sum < ISOLATE_MAX, "{} bytes", peak.sum);
        let status = world.until_status("at rest", |s| s["clients"] == 0 && s["ending"] == 0).await;
        assert_eq!(status["readers_behind"], 1, "{status}");
        world.until_busy(0).await;
        app.echo("after").await.unwrap();
    });
}

#[test]
fn over_a_websocket_a_quick_reader_gets_it_all() {
    live(async {
        let world = Setup::new().start().await;
        // 40 Mbit/s, as a database at an office has; loopback would outrun any reader.
        world.tunnel.knobs().set(|s| s.bytes_per_second = Some(5_000_000));
        let app = world.app();
        let expected = expected_checksum(&world.postgres).await;
        let report = big(&app, 0).await.unwrap();
        eprintln!("quick reader: {report}");
        assert_eq!((&report["error"], &report["checksum"]), (&Value::Null, &expected.into()));
    });
}

#[test]
fn a_reader_that_goes_away_frees_its_session() {
    live(async {
        for direct in [true, false] {
            let setup = Setup::new().keys("pool_size=1");
            let world = if direct { setup.direct("off") } else { setup }.start().await;
            let app = world.app();
            let reader = app.doomed("/big", &[("mb", "50"), ("rate", "2")]).await;
            world.until_status("streaming", |status| status["streamed"] == 1).await;
            drop(reader);
            let began = Instant::now();
            app.echo("next").await.unwrap();
            eprintln!("direct: {direct}: free after {:?}", began.elapsed());
            world.until_status("at rest", |s| s["clients"] == 0 && s["answer_bytes"] == 0).await;
        }
    });
}

#[test]
fn many_large_results_share_one_memory() {
    live(async {
        let world = Setup::new().direct("off").keys("pool_size=8").inspector().start().await;
        world.limit_streams(8);
        let app = world.app();
        let readers: Vec<_> = (0..8).map(|_| big_of(&app, 12, 3)).collect();
        let all = tokio::spawn(async move {
            let mut reports = Vec::new();
            for reader in readers {
                reports.push(reader.await.unwrap());
            }
            reports
        });
        let peak = peak_while(&world, &all).await;
        let reports = all.await.unwrap();
        eprintln!(
            "8 times 12 MiB over TCP at 3 MB/s: at most {} KiB, of that wasm {} KiB",
            peak.sum / 1024,
            peak.wasm / 1024
        );
        for report in &reports {
            assert_eq!((&report["error"], &report["bytes"]), (&Value::Null, &(12 << 20).into()));
            assert_eq!(report["checksum"], reports[0]["checksum"]);
        }
        holds_little(&world, &peak).await;
    });
}

/// The peak's sum includes garbage that nobody made the runtime collect, so it says little here:
/// what counts is what the core held, and what is left after a collection.
pub(crate) async fn holds_little(world: &World, peak: &Peak) {
    assert!(peak.wasm < 32 * 1024 * 1024, "{} bytes of wasm memory", peak.wasm);
    let left = world.workerd.heap_collected("coordinator").await.unwrap();
    assert!(left.sum() < 8 * 1024 * 1024, "{left:?}");
    eprintln!("after a collection: {} KiB and the wasm memory", left.sum() / 1024);
}

#[test]
fn a_crowd_with_answers_of_almost_a_mebibyte_fits() {
    live(async {
        let world = Setup::new().keys("wait_timeout=60s").inspector().start().await;
        world.limit_streams(10);
        let app = world.app();
        let callers: Vec<_> = (0..200)
            .map(|n| {
                let app = app.clone();
                tokio::spawn(async move {
                    let sql = "select repeat($1, 225000)";
                    let value = format!("{n:04}");
                    let text = app.value(sql, &[value.clone().into()]).await.unwrap();
                    assert!(text == value.repeat(225_000), "{n} was given another answer");
                })
            })
            .collect();
        let all = tokio::spawn(async move {
            for caller in callers {
                caller.await.unwrap();
            }
        });
        let peak = peak_while(&world, &all).await;
        all.await.unwrap();
        eprintln!(
            "200 answers of 900 kB: at most {} KiB, of that wasm {} KiB",
            peak.sum / 1024,
            peak.wasm / 1024
        );
        holds_little(&world, &peak).await;
    });
}
