//! What a direct stream tells of itself: how it ended, and what was taken of what it was to send.
//! No coordinator and no database, only the module that carries the stream.

use std::future::Future;

use pierhead_tests::workerd::{Worker, Workerd, WorkerdConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::world::live;

/// Opens one stream, writes `count` times `size` bytes, and answers with what it was told.
const AROUND: &str = r#"
import { openTcp } from "./index.js";
export default {
  async fetch(request) {
    const asked = new URL(request.url).searchParams;
    const number = (name) => Number(asked.get(name) ?? 0);
    const told = [];
    await new Promise((resolve) => {
      const stream = openTcp({
        opened() {
          stream.grant(1_000_000);
          for (let i = 0; i < number("count"); i++) stream.write(new Uint8Array(number("size")));
          if (number("close") > 0) stream.close();
        },
        refused(_, kind, detail) { resolve(told.push(["refused", detail])); },
        data(_, bytes) { told.push(["data", bytes.length]); },
        took(_, bytes) { told.push(["took", bytes]); },
        closed(_, orderly, accepted) { resolve(told.push(["closed", orderly, accepted])); },
      }, 1, "127.0.0.1", number("port"), "off");
    });
    return Response.json(told);
  },
};
"#;

/// What the stream told, in order: each a name and values.
async fn told<F: Future<Output = ()> + Send + 'static>(
    query: &[(&str, &str)],
    server: impl FnOnce(TcpStream) -> F + Send + 'static,
) -> Vec<serde_json::Value> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        server(stream).await;
    });
    let script = include_str!("../../../coordinator/js/tcp.mjs");
    let worker = Worker::from_script("stream", script).around(AROUND);
    let workerd = Workerd::start(WorkerdConfig::new().worker(worker)).await.unwrap();
    let query = [&[("port", port.as_str())], query].concat();
    let answer = workerd.http("stream").unwrap().get_query("/", &query).await.unwrap();
    answer.json().unwrap().as_array().unwrap().clone()
}

async fn read(stream: &mut TcpStream, bytes: usize) {
    stream.read_exact(&mut vec![0; bytes]).await.unwrap();
}

#[test]
fn an_end_of_file_behind_all_that_was_written_is_orderly() {
    live(async {
        let told = told(&[("count", "1"), ("size", "16")], |mut stream| async move {
            read(&mut stream, 16).await;
        });
        assert_eq!(told.await, [serde_json::json!(["closed", true, 16])]);
    });
}

#[test]
fn a_reset_connection_has_not_ended_in_order() {
    live(async {
        // A socket that is closed with bytes unread resets its connection.
        let told = told(&[("count", "1"), ("size", "16")], |mut stream| async move {
            read(&mut stream, 1).await;
        });
        assert_eq!(told.await, [serde_json::json!(["closed", false, 16])]);
    });
}

#[test]
fn an_end_of_file_that_cuts_off_what_is_being_written_is_not_orderly() {
    live(async {
        let told = told(&[("count", "1"), ("size", "50000000")], |mut stream| async move {
            read(&mut stream, 1).await;
            stream.shutdown().await.unwrap();
            std::future::pending::<()>().await;
        });
        let told = told.await;
        let closed = told.last().unwrap();
        assert_eq!((&closed[0], &closed[1]), (&"closed".into(), &false.into()), "{told:?}");
        assert!(closed[2].as_u64().unwrap() < 50_000_000, "{told:?}");
    });
}

#[test]
fn our_own_close_proves_nothing() {
    live(async {
        let told = told(&[("close", "1")], |mut stream| async move {
            let _ = stream.read(&mut [0]).await;
        });
        assert_eq!(told.await, [serde_json::json!(["closed", false, 0])]);
    });
}

#[test]
fn what_was_taken_is_told_in_lumps() {
    live(async {
        let told = told(&[("count", "1"), ("size", "300000")], |mut stream| async move {
            read(&mut stream, 300_000).await;
            stream.write_all(b"done").await.unwrap();
        });
        let took = serde_json::json!(["took", 65_536]);
        let [done, closed] =
            [serde_json::json!(["data", 4]), serde_json::json!(["closed", true, 300_000])];
        // The last 37,856 bytes make no lump.
        assert_eq!(told.await, [took.clone(), took.clone(), took.clone(), took, done, closed]);
    });
}

#[test]
fn small_requests_cost_a_call_only_when_many_were_taken() {
    live(async {
        let told = told(&[("count", "100"), ("size", "1000")], |mut stream| async move {
            read(&mut stream, 100_000).await;
        });
        let took = serde_json::json!(["took", 66_000]);
        assert_eq!(told.await, [took, serde_json::json!(["closed", true, 100_000])]);
    });
}
