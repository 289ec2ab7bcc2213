//! Who reads slowly, sends fast, or says nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;

use crate::native::say::Say;
use crate::world::{Setup, World, live};

/// Bytes that may be on their way to one reader: the window of its stream, doubled.
const UNTAKEN_MAX: u64 = 4 * 1024 * 1024;

const ROWS: usize = 60_000;

/// A client asks for 60 MB and reads nothing for a while.
async fn a_slow_reader(world: &World) {
    let mut slow = world.raw().await;
    let sql = format!("select repeat('x', 1000) from generate_series(1, {ROWS})");
    slow.send(&Say::new().query(&sql)).await;
    // The database itself waits until somebody reads.
    let waits = "select count(*) from pg_stat_activity where application_name = $1 \
                 and wait_event = 'ClientWrite'";
    let control = world.postgres.control().await.unwrap();
    let deadline = std::time::Instant::now() + crate::world::PATIENCE;
    while control.query_one(waits, &[&world.application]).await.unwrap().get::<_, i64>(0) == 0 {
        assert!(std::time::Instant::now() < deadline, "the database was never held back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut most = 0;
    for _ in 0..20 {
        most = most.max(world.status().await["answer_bytes"].as_u64().unwrap());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(world.raw().await.value("select 'undisturbed'").await, "undisturbed");

    let mut rows = 0;
    let end = loop {
        let (tag, body) = slow.message().await.unwrap();
        match tag {
            b'D' => rows += usize::from(body.len() == 1_006),
            b'T' | b'C' => {}
            tag => break tag,
        }
    };
    let wasm = world.status().await["wasm_memory_bytes"].as_u64().unwrap();
    eprintln!("for the slow reader at most {most} bytes were held; wasm memory {wasm} bytes");
    assert_eq!((rows, end), (ROWS, b'Z'));
    assert!(most <= UNTAKEN_MAX, "{most} bytes were held");
}

#[test]
fn a_slow_reader_holds_back_a_direct_database() {
    live(async {
        a_slow_reader(&Setup::new().direct("off").stays().start().await).await;
    });
}

#[test]
fn a_slow_reader_holds_back_a_database_behind_an_agent() {
    live(async {
        let world = Setup::new().agent().stays().start().await;
        world.until_links(1).await;
        a_slow_reader(&world).await;
    });
}

#[test]
fn through_a_websocket_tunnel_a_slow_reader_is_closed() {
    live(async {
        let world = Setup::new().stays().start().await;
        let mut slow = world.raw().await;
        let sql = format!("select repeat('x', 1000) from generate_series(1, {ROWS})");
        slow.send(&Say::new().query(&sql)).await;
        let behind = |status: &serde_json::Value| status["readers_behind"] == 1;
        let status = world.until_status("a reader behind", behind).await;
        assert!(status["answer_bytes"].as_u64().unwrap() < 1024 * 1024, "{status}");
        // It gets what had come, and then the end; never a result that looks whole.
        let mut rows = 0;
        while let Some((tag, _)) = slow.message().await {
            assert!(matches!(tag, b'T' | b'D' | b'E'), "{}", tag as char);
            rows += usize::from(tag == b'D');
        }
        assert!(rows < ROWS);
        assert_eq!(world.raw().await.value("select 1").await, "1");
    });
}

/// A table into which nobody gets a row while somebody holds the lock.
const BARRED: &str = "create temp table barred (line text); \
    create function pg_temp.wait() returns trigger language plpgsql as \
    $$begin perform pg_advisory_xact_lock_shared(73911); return new; end$$; \
    create trigger wait before insert on barred for each row execute function pg_temp.wait()";

#[test]
fn a_client_that_sends_faster_than_the_database_takes_is_held_back() {
    const PIECES: usize = 2_000;
    live(async {
        let world = Setup::new().direct("off").stays().start().await;
        let mut client = world.raw().await;
        client.query(BARRED).await;
        let bar = world.postgres.connect().await.unwrap();
        bar.batch_execute("select pg_advisory_lock(73911)").await.unwrap();
        client.send(&Say::new().query("copy barred from stdin")).await;
        assert_eq!(client.next(1).await, "G");
        let piece = Say::new().copy_data(format!("{}\n", "x".repeat(31_999)).as_bytes());
        let sent = Arc::new(AtomicUsize::new(0));
        let sending = tokio::spawn({
            let sent = sent.clone();
            async move {
                for _ in 0..PIECES {
                    client.socket.write_all(piece.bytes()).await.unwrap();
                    sent.fetch_add(1, Ordering::Relaxed);
                }
                client
            }
        });
        // Until what lies between is full.
        let mut before = usize::MAX;
        while before != sent.load(Ordering::Relaxed) {
            before = sent.load(Ordering::Relaxed);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let status = world.status().await;
        let held = status["request_bytes"].as_u64().unwrap();
        let buffers = status["socket_buffer_bytes"].as_u64().unwrap();
        eprintln!("{before} of {PIECES} pieces were sent; {held} bytes wait in the object");
        assert!(before < PIECES, "nothing held it back");
        assert!(held <= 128 * 1024 && buffers <= 64 * 1024, "{held} and {buffers} bytes");

        bar.batch_execute("select pg_advisory_unlock(73911)").await.unwrap();
        let mut client = sending.await.unwrap();
        let done = client.ask(&Say::new().copy_done()).await;
        assert_eq!(done, format!("C(COPY {PIECES}) Z(I)"));
    });
}

#[test]
fn an_idle_client_costs_little() {
    const CLIENTS: usize = 300;
    live(async {
        let world = Setup::new().inspector().stays().start().await;
        let large = "x".repeat(200_000);
        let mut clients = vec![world.raw().await];
        let held = async || {
            let heap = world.workerd.heap_collected("coordinator").await.unwrap();
            let status = world.status().await;
            eprintln!("{heap:?}");
            (heap.sum(), status["wasm_memory_bytes"].as_u64().unwrap(), status)
        };
        let (heap_before, wasm_before, _) = held().await;
        for _ in 0..CLIENTS {
            let mut client = world.raw().await;
            // Each has been busy once, with a large buffer.
            assert_eq!(client.value(&format!("select length('{large}')")).await, "200000");
            clients.push(client);
        }
        let (heap, wasm, status) = held().await;
        let each = |after: u64, before: u64| after.saturating_sub(before) / CLIENTS as u64;
        let (heap, wasm) = (each(heap, heap_before), each(wasm, wasm_before));
        let buffers = status["socket_buffer_bytes"].as_u64().unwrap();
        eprintln!("an idle socket: {heap} bytes of JavaScript's, {wasm} bytes of wasm memory");
        assert_eq!(status["sockets"], CLIENTS + 1);
        assert_eq!(buffers, 4_000 * (CLIENTS as u64 + 1));
        assert!(heap + wasm <= 8_000, "{heap} and {wasm} bytes");
    });
}
