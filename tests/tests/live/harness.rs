//! The harness itself: each part does what the other tests rely on.

use std::time::{Duration, Instant};

use pierhead_tests::net::Limits;
use pierhead_tests::postgres::{DATABASE, PASSWORD, Postgres, PostgresConfig, ROLES};
use pierhead_tests::proxy::TcpProxy;
use pierhead_tests::websocket::{BINARY, Client, Message};
use pierhead_tests::workerd::{Worker, Workerd, WorkerdConfig};
use tokio_postgres::{Config, NoTls};

async fn login(postgres: &Postgres, user: &str, password: &str) -> Result<String, String> {
    let mut config = Config::new();
    config.host("127.0.0.1").port(postgres.addr().port()).dbname(DATABASE);
    config.user(user).password(password);
    let (client, connection) = config.connect(NoTls).await.map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    let row = client.query_one("select count(*)::text from ships", &[]).await.unwrap();
    Ok(row.get(0))
}

#[tokio::test]
async fn postgres_knows_every_role_and_comes_back() {
    let postgres = Postgres::start(PostgresConfig::default()).await.unwrap();
    for (role, method) in ROLES {
        assert_eq!(login(&postgres, role, PASSWORD).await, Ok("200".into()), "{role}");
        assert_eq!(login(&postgres, role, "wrong").await.is_ok(), method == "trust", "{role}");
    }
    let client = postgres.connect().await.unwrap();
    assert_eq!(postgres.sessions("control").await.unwrap(), 2);
    postgres.restart().await.unwrap();
    assert!(client.simple_query("select 1").await.is_err());
    postgres.wait_for_sessions("control", 1, Duration::from_secs(5)).await.unwrap();
    postgres.stop_hard().await.unwrap();
    assert!(login(&postgres, "trust_user", PASSWORD).await.is_err());
    postgres.start_again().await.unwrap();
    assert_eq!(login(&postgres, "scram_user", PASSWORD).await, Ok("200".into()));
}

const PROBE: &str = r#"
import { connect } from "cloudflare:sockets";
import { DurableObject } from "cloudflare:workers";
export class Counter extends DurableObject {
  count = 0;
  async add() {
    const stored = ((await this.ctx.storage.get("n")) ?? 0) + 1;
    await this.ctx.storage.put("n", stored);
    return [++this.count, stored];
  }
  hold(bytes) { this.held = new Uint8Array(bytes).fill(1); return this.held.length; }
}
// Starts TLS as PostgreSQL wants it and returns the first byte under TLS: `R` of the server.
async function starttls(port) {
  const plain = connect({ hostname: "localhost", port }, { secureTransport: "starttls" });
  const ask = plain.writable.getWriter();
  await ask.write(new Uint8Array([0, 0, 0, 8, 4, 210, 22, 47]));
  const answer = plain.readable.getReader();
  const { value } = await answer.read();
  if (String.fromCharCode(...value) !== "S") throw new Error("no TLS: " + value);
  ask.releaseLock(); answer.releaseLock();
  const socket = plain.startTls();
  const startup = new TextEncoder().encode("\0\0\0\0\0\x03\0\0user\0trust_user\0database\0sample\0\0");
  startup[3] = startup.length;
  await socket.writable.getWriter().write(startup);
  const first = await socket.readable.getReader().read();
  return String.fromCharCode(first.value[0]);
}
export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const stub = () => env.COUNTER.get(env.COUNTER.idFromName("main"));
    switch (url.pathname) {
      case "/text": return new Response(env.TEXT);
      case "/add": return Response.json(await stub().add());
      case "/hold": return Response.json(await stub().hold(50_000_000));
      case "/other": return env.OTHER.fetch("http://other/text");
      case "/tls": return new Response(await starttls(Number(url.searchParams.get("port"))));
      case "/log": console.log("a line of the Worker"); return new Response("ok");
    }
    return new Response("?", { status: 404 });
  },
};
"#;

fn probes() -> WorkerdConfig {
    let tricky = "a \"quoted\" \\ ü\nline";
    let home = Worker::from_script("home", PROBE)
        .durable_object("Counter")
        .namespace("COUNTER", "Counter", "home")
        .text("TEXT", tricky);
    let guest = Worker::from_script("guest", PROBE)
        .namespace("COUNTER", "Counter", "home")
        .service("OTHER", "home");
    WorkerdConfig::new().worker(home).worker(guest).inspector().crash_control()
}

#[tokio::test]
async fn workerd_binds_workers_and_objects_and_survives_crashes() {
    let mut workerd = Workerd::start(probes()).await.unwrap();
    let (home, guest) = (workerd.http("home").unwrap(), workerd.http("guest").unwrap());
    assert_eq!(guest.get("/other").await.unwrap().text(), "a \"quoted\" \\ ü\nline");
    assert_eq!(home.get("/add").await.unwrap().text(), "[1,1]");
    assert_eq!(guest.get("/add").await.unwrap().text(), "[2,2]");
    workerd.abort_all_objects().await.unwrap();
    assert_eq!(guest.get("/add").await.unwrap().text(), "[1,3]");

    home.get("/log").await.unwrap().ok().unwrap();
    let deadline = Instant::now() + Duration::from_secs(5);
    while !workerd.log().text().contains("a line of the Worker") {
        assert!(Instant::now() < deadline, "not in the log: {}", workerd.log().text());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    workerd.restart().await.unwrap();
    let guest = workerd.http("guest").unwrap();
    assert_eq!(guest.get("/add").await.unwrap().text(), "[1,4]");
}

/// A WebSocket into an object that tells how often it was asked in this life of it.
const SLEEPER: &str = r#"
import { DurableObject } from "cloudflare:workers";
export class Sleeper extends DurableObject {
  count = 0;
  fetch() {
    const [client, server] = Object.values(new WebSocketPair());
    this.ctx.acceptWebSocket(server);
    return new Response(null, { status: 101, webSocket: client });
  }
  webSocketMessage(socket) { socket.send(new Uint8Array([++this.count])); }
}
export default { fetch: (request, env) => env.SLEEPER.getByName("main").fetch(request) };
"#;

const AROUND: &str = r#"
import entry, { Sleeper as Base } from "./index.js";
export class Sleeper extends Base {
  constructor(ctx, env) { super(ctx, env); console.log("born"); }
}
export default entry;
"#;

#[tokio::test]
async fn objects_sleep_on_demand_and_links_break_as_networks_do() {
    let sleeper = Worker::from_script("sleeper", SLEEPER)
        .around(AROUND)
        .durable_object("Sleeper")
        .namespace("SLEEPER", "Sleeper", "sleeper");
    let config = WorkerdConfig::new().worker(sleeper).crash_control();
    let mut workerd = Workerd::start(config).await.unwrap();
    let proxy = TcpProxy::start(workerd.addr("sleeper").unwrap(), Limits::default()).unwrap();
    let log = workerd.log().clone();

    let mut link = Client::connect(proxy.addr(), "/", &[]).await.unwrap();
    assert_eq!(ask(&mut link).await, Some(1));
    assert_eq!(ask(&mut link).await, Some(2));
    workerd.hibernate_all_objects().await.unwrap();
    assert_eq!(ask(&mut link).await, Some(1), "the socket is kept, the memory is not");
    log.wait_for_more("born", 1, Duration::from_secs(5)).await.unwrap();

    proxy.knobs().set(|s| s.silent = true);
    let unheard = tokio::time::timeout(Duration::from_millis(200), ask(&mut link)).await;
    assert!(unheard.is_err(), "{unheard:?}");
    proxy.knobs().reset_all();
    proxy.knobs().set(|s| s.silent = false);
    let end = link.receive().await;
    assert!(end.is_err(), "a reset is no orderly end: {end:?}");

    let mut link = Client::connect(proxy.addr(), "/", &[]).await.unwrap();
    assert_eq!(ask(&mut link).await, Some(2));
    workerd.restart().await.unwrap();
    assert_eq!(ask(&mut link).await, None);
    proxy.set_targets([workerd.addr("sleeper").unwrap()]);
    let mut link = Client::connect(proxy.addr(), "/", &[]).await.unwrap();
    assert_eq!(ask(&mut link).await, Some(1));
    assert_eq!(log.count("born"), 3);
}

async fn ask(link: &mut Client) -> Option<u8> {
    link.send(BINARY, b"?").await.ok()?;
    match link.receive().await {
        Ok(Some(Message::Binary { payload, .. })) => payload.first().copied(),
        _ => None,
    }
}

#[tokio::test]
async fn the_inspector_sees_the_buffers_of_an_object() {
    let workerd = Workerd::start(probes()).await.unwrap();
    let home = workerd.http("home").unwrap();
    home.get("/add").await.unwrap().ok().unwrap();
    let before = workerd.heap_collected("home").await.unwrap();
    home.get("/hold").await.unwrap().ok().unwrap();
    let after = workerd.heap("home").await.unwrap();
    assert!(after.backing >= before.backing + 50_000_000, "{before:?} {after:?}");
    assert!(workerd.resident_bytes().unwrap() > 50_000_000);
}

#[tokio::test]
async fn workers_trust_the_test_servers_certificate() {
    let config = PostgresConfig { tls: true, ..PostgresConfig::default() };
    let postgres = Postgres::start(config).await.unwrap();
    let workerd = Workerd::start(probes().trust(postgres.ca().unwrap())).await.unwrap();
    let path = format!("/tls?port={}", postgres.addr().port());
    let answer = workerd.http("home").unwrap().get(&path).await.unwrap();
    assert_eq!(answer.text(), "R", "{}", workerd.log().text());
}

#[tokio::test]
async fn five_hundred_requests_at_once() {
    let workerd = Workerd::start(probes()).await.unwrap();
    let http = workerd.http("home").unwrap();
    let all: Vec<_> = (0..500)
        .map(|_| {
            let http = http.clone();
            tokio::spawn(async move { http.get("/add").await.unwrap().json().unwrap() })
        })
        .collect();
    let mut seen = Vec::new();
    for one in all {
        seen.push(one.await.unwrap()[0].as_u64().unwrap());
    }
    seen.sort_unstable();
    assert_eq!(seen, (1..=500).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_direct_worker_asks_by_itself() {
    let config = PostgresConfig { max_connections: 300, ..PostgresConfig::default() };
    let postgres = Postgres::start(config).await.unwrap();
    let limits = Limits { handshakes: None, streams: None };
    let proxy = TcpProxy::start(postgres.addr(), limits).unwrap();
    let workerd = Workerd::start(WorkerdConfig::new().worker(direct(&proxy))).await.unwrap();
    let http = workerd.http("direct").unwrap();
    let query = [("sql", "select name, $1::int + 1 as n from berths where id = 3"), ("p", "41")];
    let answer = http.get_query("/query", &query).await.unwrap().ok().unwrap();
    assert_eq!(answer.text(), r#"{"rows":[{"name":"Pier 3","n":42}]}"#);

    proxy.knobs().set_round_trip_ms(40);
    let began = Instant::now();
    http.get_query("/query", &query).await.unwrap().ok().unwrap();
    assert!(began.elapsed() > Duration::from_millis(160), "{:?}", began.elapsed());
    let error = http.get_query("/query", &[("sql", "select 1/0")]).await.unwrap();
    assert_eq!((error.status, &error.json().unwrap()["sqlstate"]), (500, &"22012".into()));
    postgres.wait_for_sessions("direct", 0, Duration::from_secs(5)).await.unwrap();
}

fn direct(proxy: &TcpProxy) -> Worker {
    let directory = pierhead_tests::workerd::built("direct").unwrap();
    let password = pierhead_tests::http::encode(PASSWORD);
    let url =
        format!("postgres://scram_user:{password}@{}/{DATABASE}?sslmode=disable", proxy.addr());
    Worker::from_directory("direct", directory).flag("nodejs_compat").text("DATABASE_URL", url)
}
