//! The emulated tunnel as workerd's own WebSocket client sees it.

use std::time::{Duration, Instant};

use pierhead_tests::net::Answer;
use pierhead_tests::postgres::{Postgres, PostgresConfig};
use pierhead_tests::tunnel::{Access, Tunnel, TunnelConfig};
use pierhead_tests::workerd::{Worker, Workerd, WorkerdConfig};

/// Opens the tunnel, logs in without a password, asks for a result of `n` kilobytes, then says
/// goodbye and waits for the end. Reports what it saw.
const PROBE: &str = r#"
const message = (type, body) => {
  const bytes = new TextEncoder().encode(type + "\0\0\0\0" + body);
  new DataView(bytes.buffer).setUint32(type.length, bytes.length - type.length);
  return bytes;
};
async function talk(url, headers, kilobytes) {
  const response = await fetch(url, {
    headers: { Upgrade: "websocket", ...headers },
    redirect: "manual",
  });
  const socket = response.webSocket;
  if (!socket) return { status: response.status, location: response.headers.get("Location") };
  socket.binaryType = "arraybuffer";
  socket.accept();
  const report = { status: response.status, bytes: 0, largest: 0, close: null, trips: [] };
  let wake = () => {};
  let last = "";
  let asked = 0;
  const ended = new Promise((resolve) => {
    socket.addEventListener("close", (event) => { report.close = event.code; resolve(); wake(); });
    socket.addEventListener("error", () => resolve());
  });
  socket.addEventListener("message", ({ data }) => {
    report.bytes += data.byteLength;
    report.largest = Math.max(report.largest, data.byteLength);
    const tail = new Uint8Array(data).slice(-6);
    last = tail.byteLength === 6 && tail[0] === 0x5a ? "ready" : "";
    if (last) { report.trips.push(Date.now() - asked); wake(); }
  });
  const ready = () => new Promise((resolve) => { wake = resolve; asked = Date.now(); });
  const first = ready();
  socket.send(message("", "\0\x03\0\0user\0trust_user\0database\0sample\0\0"));
  await first;
  const second = ready();
  socket.send(message("Q", `select filler from bulk(${kilobytes})\0`));
  await second;
  socket.send(message("X", ""));
  await ended;
  return report;
}
export default {
  async fetch(request, env) {
    const query = new URL(request.url).searchParams;
    const headers = { "Cf-Access-Client-Id": "id", "Cf-Access-Client-Secret": query.get("secret") };
    return Response.json(await talk(env.TUNNEL, headers, query.get("kilobytes")));
  },
};
"#;

#[tokio::test]
async fn workerd_talks_to_postgres_through_the_emulated_tunnel() {
    let postgres = Postgres::start(PostgresConfig::default()).await.unwrap();
    let mut config = TunnelConfig::new(postgres.addr());
    config.access = Some(Access { client_id: "id".into(), client_secret: "right".into() });
    config.limits.streams = Some(1);
    let tunnel = Tunnel::start(config).unwrap();
    let probe = Worker::from_script("probe", PROBE).text("TUNNEL", tunnel.url());
    let workerd = Workerd::start(WorkerdConfig::new().worker(probe)).await.unwrap();
    let http = workerd.http("probe").unwrap();
    let ask = async |secret, kilobytes| {
        let query = [("secret", secret), ("kilobytes", kilobytes)];
        http.get_query("/", &query).await.unwrap().ok().unwrap().json().unwrap()
    };

    let report = ask("right", "5000").await;
    assert_eq!(report["close"], 1006, "{report}");
    assert!(report["bytes"].as_u64().unwrap() > 5_000_000, "{report}");
    assert!(report["largest"].as_u64().unwrap() <= 16_384, "{report}");

    let refused = ask("wrong", "1").await;
    assert_eq!(refused["status"], 302, "{refused}");
    assert!(refused["location"].as_str().unwrap().contains("/cdn-cgi/access/login"));
    tunnel.knobs().answer(Answer::Status(502));
    assert_eq!(ask("right", "1").await["status"], 502);
    tunnel.knobs().answer(Answer::Accept);

    tunnel.knobs().set_round_trip_ms(40);
    let began = Instant::now();
    let report = ask("right", "1").await;
    // Handshake 3, start-up 1, query 1, goodbye 1.
    assert!(began.elapsed() >= Duration::from_millis(6 * 40), "{report}");
    for trip in report["trips"].as_array().unwrap() {
        let trip = trip.as_u64().unwrap();
        assert!(trip >= 39, "{report}");
    }
    eprintln!("round trips at 40 ms: {}", report["trips"]);

    postgres.stop().await.unwrap();
    assert_eq!(ask("right", "1").await["status"], 502);
    assert_eq!(tunnel.stats().streams_now, 0);
    tunnel.assert_clean();
}
