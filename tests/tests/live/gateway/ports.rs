//! psql and drivers on the two ports.

use std::pin::pin;
use std::process::Stdio;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::SinkExt as _;

use super::{command, complaint, config, connect, printed, psql, run};
use crate::native::raw::Raw;
use crate::native::say::Say;
use crate::world::{PATIENCE, Setup, live};

#[test]
fn psql_comes_through_the_port_and_looks_around() {
    live(async {
        let Some(psql) = psql() else { return };
        let world = Setup::new().gateway_ports().start().await;
        let ports = world.workerd.gateway_ports().unwrap();
        let script = [
            "\\d berths",
            "begin; select count(*) from ships; commit",
            "\\copy (select id, name from berths order by id limit 2) to stdout",
        ];
        let out = printed(&run(command(psql, ports.transaction, "", &script)).await);
        for wanted in ["berth_state", "200", "1\tPier 1\n2\tPier 2", "COMMIT"] {
            assert!(out.contains(wanted), "{wanted} is not in:\n{out}");
        }
        assert_eq!(world.status().await["sockets"], 0);
    });
}

#[test]
fn a_session_of_its_own_keeps_a_temporary_table_and_one_for_a_transaction_does_not_have_to() {
    live(async {
        let world = Setup::new().keys("pool_size=3").gateway_ports().start().await;
        let ports = world.workerd.gateway_ports().unwrap();
        let keeps = "create temporary table t as select 7 as n";
        for (address, options) in
            [(ports.session, ""), (ports.transaction, "-c pierhead.mode=session")]
        {
            let mut config = config(address);
            let own = connect(config.options(options)).await.unwrap();
            assert_eq!(world.status().await["pinned"], 1, "from its start");
            own.batch_execute(keeps).await.unwrap();
            let mut seen = Vec::new();
            for _ in 0..3 {
                let row = own.query_one("select n, pg_backend_pid() from t", &[]).await.unwrap();
                assert_eq!(row.get::<_, i32>(0), 7);
                seen.push(row.get::<_, i32>(1));
            }
            assert!(seen.iter().all(|pid| *pid == seen[0]), "{seen:?}");
            drop(own);
            world.until_status("let go", |status| status["pinned"] == 0).await;
        }
        let other = connect(&config(ports.transaction)).await.unwrap();
        assert_eq!(world.status().await["pinned"], 0);
        assert!(other.batch_execute("select * from t").await.is_err(), "nothing is left of it");
        // What cannot be followed pins here, too, but only once it is there.
        other.batch_execute(keeps).await.unwrap();
        assert_eq!(world.status().await["pinned"], 1);
    });
}

#[test]
fn a_mode_that_the_port_fixed_is_not_the_clients_to_choose() {
    live(async {
        let world = Setup::new().gateway_ports().start().await;
        let ports = world.workerd.gateway_ports().unwrap();
        let mut wants = config(ports.session);
        let told = connect(wants.options("-c pierhead.mode=transaction")).await.unwrap_err();
        assert!(told.starts_with("22023 pierhead.mode is session"), "{told}");
        let mut wants = config(ports.transaction);
        let told = connect(wants.options("-c pierhead.mode=statement")).await.unwrap_err();
        assert!(told.starts_with("22023") && told.contains("transaction or session"), "{told}");
    });
}

#[test]
fn a_statement_is_cancelled_through_the_gateway_and_the_socket_goes_on() {
    live(async {
        let world = Setup::new().database("other").gateway_ports().start().await;
        let ports = world.workerd.gateway_ports().unwrap();
        for address in [ports.transaction, ports.session] {
            let client = connect(&config(address)).await.unwrap();
            let cancel = client.cancel_token();
            let slow = tokio::spawn(async move {
                let slow = client.batch_execute("select pg_sleep(60)").await;
                (slow, client)
            });
            world.until_busy(1).await;
            cancel.cancel_query(tokio_postgres::NoTls).await.unwrap();
            let (slow, client) = tokio::time::timeout(PATIENCE, slow).await.unwrap().unwrap();
            let error = slow.unwrap_err();
            assert_eq!(error.code().unwrap().code(), "57014");
            client.batch_execute("select 1").await.unwrap();
        }
    });
}

#[test]
fn psql_is_interrupted_at_its_prompt() {
    live(async {
        let Some(psql) = psql() else { return };
        let world = Setup::new().gateway_ports().start().await;
        let ports = world.workerd.gateway_ports().unwrap();
        // By this name the world knows its sessions.
        let named = format!("application_name={}", world.application);
        let mut slow = command(psql, ports.transaction, &named, &["select pg_sleep(60)"]);
        slow.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = slow.spawn().unwrap();
        let id = child.id().to_string();
        world.until_busy(1).await;
        // Ctrl-C.
        std::process::Command::new("kill").args(["-INT", &id]).status().unwrap();
        let over = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
        let over = tokio::time::timeout(PATIENCE, over).await.unwrap().unwrap();
        assert!(complaint(&over).contains("canceling statement due to user request"));
        world.until_busy(0).await;
    });
}

/// Bytes that may be on their way to one reader: a window of its stream, doubled.
const UNTAKEN_MAX: u64 = 4 * 1024 * 1024;
const ROWS: usize = 60_000;

#[test]
fn a_result_is_held_back_for_a_client_that_does_not_read_and_arrives_whole() {
    live(async {
        let world = Setup::new().direct("off").keys("pool_size=1").gateway_ports().start().await;
        let ports = world.workerd.gateway_ports().unwrap();
        let names = [("user", "scram_user"), ("database", "main")];
        let mut slow = Raw::connect_with(ports.transaction, &names).await.unwrap();
        let sql = format!("select repeat('x', 1000) from generate_series(1, {ROWS})");
        slow.send(&Say::new().query(&sql)).await;
        // The database itself waits until somebody reads.
        let waits = "select count(*) from pg_stat_activity where application_name = $1 \
                     and wait_event = 'ClientWrite'";
        let control = world.postgres.control().await.unwrap();
        let deadline = Instant::now() + PATIENCE;
        let held_back = async || {
            control.query_one(waits, &[&world.application]).await.unwrap().get::<_, i64>(0) == 1
        };
        while !held_back().await {
            assert!(Instant::now() < deadline, "the database was never held back");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let held = world.status().await["answer_bytes"].as_u64().unwrap();
        assert!(held <= UNTAKEN_MAX, "{held} bytes are held");
        let mut rows = 0;
        let end = loop {
            let (tag, body) = slow.message().await.unwrap();
            match tag {
                b'D' => rows += usize::from(body.len() == 1_006),
                b'T' | b'C' => {}
                tag => break tag,
            }
        };
        assert_eq!((rows, end), (ROWS, b'Z'));
    });
}

#[test]
fn a_client_that_sends_faster_than_the_database_takes_loses_nothing() {
    live(async {
        let world = Setup::new().gateway_ports().start().await;
        let ports = world.workerd.gateway_ports().unwrap();
        let client = connect(&config(ports.session)).await.unwrap();
        client.batch_execute("create temporary table t (x text)").await.unwrap();
        let mut sink = pin!(client.copy_in("copy t from stdin").await.unwrap());
        let line = Bytes::from([vec![b'y'; 999], vec![b'\n']].concat());
        for _ in 0..20_000 {
            sink.send(line.clone()).await.unwrap();
        }
        assert_eq!(sink.as_mut().finish().await.unwrap(), 20_000);
        let whole = "select count(*) from t where x = repeat('y', 999)";
        assert_eq!(client.query_one(whole, &[]).await.unwrap().get::<_, i64>(0), 20_000);
    });
}

#[test]
fn a_client_that_is_gone_leaves_nothing_behind() {
    live(async {
        let world = Setup::new().keys("pool_size=1").gateway_ports().start().await;
        let ports = world.workerd.gateway_ports().unwrap();
        for address in [ports.transaction, ports.session] {
            let names = [("user", "scram_user"), ("database", "main")];
            let mut raw = Raw::connect_with(address, &names).await.unwrap();
            raw.query("begin").await;
            raw.send(&Say::new().query("select pg_sleep(60)")).await;
            world.until_busy(1).await;
            drop(raw);
            world.until_busy(0).await;
            let gone = world.until_status("let go", |status| status["sockets"] == 0).await;
            assert_eq!(gone["pinned"], 0, "{gone}");
            let next = connect(&config(address)).await.unwrap();
            next.batch_execute("select 1").await.unwrap();
        }
    });
}

#[test]
fn a_silent_client_keeps_no_read_buffer() {
    const FIRST: usize = 20;
    const CLIENTS: usize = 200;
    live(async {
        let world = Setup::new().inspector().gateway_ports().start().await;
        let address = world.workerd.gateway_ports().unwrap().transaction;
        let mut clients = Vec::new();
        let mut buffers = async |count: usize| {
            for _ in 0..count {
                let names = [("user", "scram_user"), ("database", "main")];
                let mut client = Raw::connect_with(address, &names).await.unwrap();
                assert_eq!(client.value("select 1").await, "1");
                clients.push(client);
            }
            world.workerd.heap_collected("coordinator").await.unwrap().backing
        };
        let before = buffers(FIRST).await;
        let each = buffers(CLIENTS).await.saturating_sub(before) / CLIENTS as u64;
        eprintln!("a silent client of the gateway: {each} bytes of buffers, with its object's");
        assert!(each <= 4_000, "{each} bytes");
    });
}
