//! The database restarts under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::raw::Raw;
use super::scene::{Scene, own_server, pool};
use crate::world::{PATIENCE, live};

/// What a writer was told about the numbers that it inserted.
#[derive(Default)]
struct Told {
    done: Vec<u32>,
    refused: Vec<u32>,
    /// Lost connections on the way.
    lost: u32,
}

/// Inserts number after number, and connects again when it is sent away.
async fn write(
    address: std::net::SocketAddr,
    numbers: Arc<AtomicU32>,
    stop: Arc<AtomicBool>,
) -> Told {
    let mut told = Told::default();
    let mut connection: Option<Raw> = None;
    while !stop.load(Ordering::Relaxed) {
        let Some(raw) = &mut connection else {
            connection = Raw::connect_with(address, &[("user", "scram_user")]).await.ok();
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let reply = raw.query(&format!("insert into written values ({number})")).await;
        if reply == "C(INSERT 0 1) Z(I)" {
            told.done.push(number);
        } else if reply.starts_with("E(08001)") || reply.starts_with("E(53400)") {
            assert!(reply.ends_with(" Z(I)"), "{reply}");
            told.refused.push(number);
        } else {
            assert!(!reply.contains("C(") && !reply.contains("D("), "{reply}");
            if reply.ends_with("end") {
                told.lost += 1;
                connection = None;
            }
        }
    }
    told
}

async fn through_a_restart(hard: bool) {
    let postgres = Arc::new(own_server().await);
    let address = postgres.addr();
    let scene = Scene::before(postgres.clone(), pool(5), address);
    let table = "create table written (n int primary key); grant all on written to public";
    postgres.run(table).await.unwrap();
    let (mut idle, mut inside) = (Vec::new(), Vec::new());
    for number in 0..5 {
        let mut raw = scene.raw().await;
        assert_eq!(raw.query(&format!("set my.own = 'idle {number}'")).await, "C(SET) Z(I)");
        idle.push(raw);
    }
    for number in 1..=2 {
        let mut raw = scene.raw().await;
        raw.query("begin").await;
        raw.query(&format!("insert into written values (-{number})")).await;
        inside.push(raw);
    }
    let (numbers, stop) = (Arc::new(AtomicU32::new(1)), Arc::new(AtomicBool::new(false)));
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..20 {
        writers.spawn(write(scene.native.transaction, numbers.clone(), stop.clone()));
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    if hard {
        postgres.stop_hard().await.unwrap()
    } else {
        postgres.stop().await.unwrap()
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    postgres.start_again().await.unwrap();
    let back = Instant::now();
    for (number, raw) in idle.iter_mut().enumerate() {
        // While the database starts, it may be told so; it stays connected and keeps its settings.
        loop {
            let reply = raw.query("show my.own").await;
            if reply == format!("T D(idle {number}) C(SHOW) Z(I)") {
                break;
            }
            assert!(reply.starts_with("E(08001)") && reply.ends_with("Z(I)"), "{reply}");
            assert!(back.elapsed() < PATIENCE, "{reply}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    eprintln!("idle clients work {:?} after the database does", back.elapsed());
    for raw in &mut inside {
        let error = raw.error().await;
        let code = &error[..error.find(':').unwrap_or(error.len())];
        assert!(code.starts_with("FATAL 57P0") || code.starts_with("FATAL 08006"), "{error}");
        assert_eq!(raw.until_ready().await, "end");
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    stop.store(true, Ordering::Relaxed);
    let (mut done, mut refused, mut lost) = (Vec::new(), Vec::new(), 0);
    while let Some(told) = writers.join_next().await {
        let told = told.unwrap();
        done.extend(told.done);
        refused.extend(told.refused);
        lost += told.lost;
    }
    let mut raw = scene.raw().await;
    let rows = raw.value("select coalesce(string_agg(n::text, ' '), '') from written").await;
    let rows: std::collections::BTreeSet<u32> =
        rows.split(' ').filter_map(|n| n.parse().ok()).collect();
    eprintln!(
        "{} done, {} refused, {lost} connections lost, {} rows",
        done.len(),
        refused.len(),
        rows.len()
    );
    let missing: Vec<_> = done.iter().filter(|n| !rows.contains(n)).collect();
    // A server that stops hard may lose what it had not written down: it does not sync here.
    assert!(missing.is_empty() || hard, "told done, but not there: {missing:?}");
    let surprising: Vec<_> = refused.iter().filter(|n| rows.contains(n)).collect();
    assert!(surprising.is_empty(), "told not started, but there: {surprising:?}");
    assert!(done.len() > 50);
}

#[test]
fn a_restart_under_load_costs_running_work_only() {
    live(through_a_restart(false));
}

#[test]
fn a_crash_under_load_costs_running_work_only() {
    live(through_a_restart(true));
}
