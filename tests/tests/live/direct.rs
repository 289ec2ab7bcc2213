//! The direct tunnel: TCP, with and without TLS.

use std::time::Duration;

use pierhead_tests::postgres::PostgresConfig;

use crate::agent::scene::use_sessions_for;
use crate::world::{Setup, World, live};

#[test]
fn plain_tcp_works_and_keeps_its_sessions() {
    live(async {
        let world = Setup::new().direct("off").keys("pool_size=3").start().await;
        world.limit_streams(3);
        let app = world.app();
        let pid = app.pid().await.unwrap();
        for n in 0..20 {
            assert_eq!(app.echo(&n.to_string()).await.unwrap(), n.to_string());
        }
        assert_eq!(app.pid().await.unwrap(), pid);
        let stats = world.proxy.stats();
        // Nothing went through the tunnel.
        assert_eq!((stats.streams_total, world.stats().handshakes_total), (1, 0));
        world.limit_streams(4);
        deadline_ends_the_query(&world).await;
        world.proxy.knobs().cut_all();
        world.until_sessions(0).await;
        // The object hears of it in its own time; until then a request would be lost with them.
        world.until_status("forgotten", |status| status["idle"] == 0).await;
        app.echo("a new one").await.unwrap();
    });
}

async fn deadline_ends_the_query(world: &World) {
    let app = world.app().timeout(Duration::from_millis(500));
    let failure = app.query("select pg_sleep(30)", &[]).await.unwrap_err();
    assert_eq!(failure.status, 504, "{failure:?}");
    world.until_busy(0).await;
}

#[test]
fn an_idle_session_costs_little() {
    const FIRST: usize = 10;
    const SESSIONS: usize = 60;
    live(async {
        let world = Setup::new().inspector().direct("off").keys("pool_size=60").start().await;
        // All at once, and each with a result that fills large buffers.
        let busy = async |count: usize| {
            use_sessions_for(&world.app(), count, "repeat('x', 200000)").await;
            assert_eq!(world.sessions().await, count);
        };
        // The engine's own memory is not looked at: it grows with the answers, and stays.
        let held = async || world.workerd.heap_collected("coordinator").await.unwrap().sum();
        busy(FIRST).await;
        let before = held().await;
        busy(SESSIONS).await;
        let each = held().await.saturating_sub(before) / (SESSIONS - FIRST) as u64;
        eprintln!("an idle session: {each} bytes of JavaScript's");
        assert!(each <= 12_000, "{each} bytes");
    });
}

#[test]
fn large_parameters_leave_in_pieces() {
    live(async {
        let world = Setup::new().direct("off").start().await;
        let text = "Ω€".repeat(400_000);
        let sql = "select octet_length($1), md5($1) = md5(repeat('Ω€', 400000))";
        let answer = world.app().query(sql, &[text.into()]).await.unwrap();
        assert_eq!(answer["rows"], serde_json::json!([["2000000", "t"]]));
    });
}

#[test]
fn starttls_encrypts() {
    live(async {
        let config = PostgresConfig { tls: true, ..PostgresConfig::default() };
        let setup = Setup::new().own_postgres(config).trust();
        let world = setup.direct_localhost("starttls").start().await;
        let app = world.app();
        let ssl = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
        assert_eq!(app.value(ssl, &[]).await.unwrap(), "t");
        let answer = app.query("select * from bulk(3000)", &[]).await.unwrap();
        assert_eq!(answer["rows"].as_array().unwrap().len(), 3000);
        deadline_ends_the_query(&world).await;
    });
}

#[test]
fn tls_from_the_first_byte_works() {
    live(async {
        let config = PostgresConfig { tls: true, ..PostgresConfig::default() };
        let setup = Setup::new().own_postgres(config).trust().keys("pool_size=2");
        let world = setup.direct_tls_front().start().await;
        let app = world.app();
        let pid = app.pid().await.unwrap();
        let answer = app.query("select * from bulk(3000)", &[]).await.unwrap();
        assert_eq!(answer["rows"].as_array().unwrap().len(), 3000);
        assert_eq!(app.pid().await.unwrap(), pid);
        deadline_ends_the_query(&world).await;
    });
}

#[test]
fn an_untrusted_certificate_is_refused() {
    live(async {
        let config = PostgresConfig { tls: true, ..PostgresConfig::default() };
        let setup = Setup::new().own_postgres(config).keys("wait_timeout=3s");
        let world = setup.direct_localhost("starttls").start().await;
        let failure = world.app().echo("x").await.unwrap_err();
        eprintln!("untrusted: {}", failure.text());
        assert_eq!((failure.sqlstate(), failure.status), ("08001", 503), "{failure:?}");
        assert!(failure.is("refused"), "{failure:?}");
        assert!(failure.text().contains("certificate"), "{failure:?}");
    });
}

#[test]
fn a_server_without_tls_is_not_used_in_the_clear() {
    live(async {
        for tls in ["starttls", "on"] {
            let setup = Setup::new().direct_localhost(tls).keys("wait_timeout=3s");
            let world = setup.start().await;
            let failure = world.app().echo("x").await.unwrap_err();
            eprintln!("tls={tls}: {}", failure.text());
            assert_eq!(failure.sqlstate(), "08001", "{failure:?}");
            assert!(failure.is("refused"), "{failure:?}");
            assert_eq!(world.sessions().await, 0);
        }
    });
}
