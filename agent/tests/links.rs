//! The program between a coordinator and a database that both do what the test says.

#![cfg(feature = "program")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "test code: a failed step must fail the test, at the place where it failed"
)]

mod common;

use std::sync::Arc;

use common::{Agent, Link, PATIENCE, TOKEN, accept, bytes, listen};
use pierhead_wire::tunnel::{
    Amount, Counters, Credit, Data, Finish, Frame, GoneReason, ListParked, Name, Open, Park,
    Payload, RefusedReason, StreamId,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

const WINDOW: u32 = 64 * 1024;

fn open(hello_link: u32, index: u32) -> (StreamId, Frame) {
    let stream = StreamId { link: hello_link, index };
    (stream, Open { stream, database: Name::cut("main") }.into())
}

fn data(stream: StreamId, text: &str) -> Frame {
    Data { stream, bytes: Payload(bytes(text)) }.into()
}

#[tokio::test]
async fn a_stream_is_opened_answered_parked_and_drained() {
    let (coordinator, at) = listen().await;
    let (database, db) = listen().await;
    let headers = [("PIERHEAD_AGENT_HEADERS", "X-First: 1; CF-Access-Client-Secret: hidden")];
    let url = format!("postgres://{db}/app?pool_size=3&tunnel=agent");
    let mut agent = Agent::start(&format!("ws://{at}/base"), &url, &headers, &[]);

    // It presents itself.
    let mut link = Link::accept(accept(&coordinator).await).await;
    assert_eq!(link.path, "/base/pierhead/agent/main");
    assert_eq!(link.headers["authorization"], format!("Bearer {TOKEN}"));
    assert_eq!(link.headers["x-first"], "1");
    assert_eq!(link.headers["cf-access-client-secret"], "hidden");
    assert!(link.headers["user-agent"].to_str().unwrap().starts_with("pierhead-agent/"));
    let hello = link.welcome(WINDOW).await;
    assert_eq!(hello.options.instance(), Some("tester"));
    assert_eq!(hello.options.park_ttl_ms(), Some(60_000));
    let named = hello.databases.iter().next().unwrap();
    assert_eq!((named.name.as_str(), named.cap), ("main", 3));

    // The first bytes travel with the open.
    let (stream, frame) = open(hello.link, 1);
    link.send(&[frame, data(stream, "question")]).await;
    let mut server = accept(&database).await;
    let mut asked = [0; 8];
    server.read_exact(&mut asked).await.unwrap();
    assert_eq!(&asked, b"question");
    server.write_all(b"answer").await.unwrap();
    assert!(matches!(link.reply().await, Frame::Opened(opened) if opened.stream == stream));
    assert_eq!(link.data(stream, 6).await, b"answer");

    // Idle at both ends: it is parked.
    let counters = Counters { sent: 8, received: 6 };
    let park = Park { stream, counters, max_idle_ms: 60_000, expires_in_ms: 600_000 };
    link.send(&[park.into()]).await;
    agent.says("idle at both ends").await;
    link.send(&[ListParked { number: 7 }.into()]).await;
    let Frame::Offer(offer) = link.reply().await else { panic!("no offer") };
    assert_eq!(offer.streams.iter().next().unwrap().counters, counters);

    // SIGTERM: the parked stream is ended as soon as the database says so.
    agent.terminate();
    assert_eq!(server.read(&mut asked).await.unwrap(), 0, "its direction is closed");
    drop(server);
    let mut last = None;
    while let Some(frame) = link.next().await {
        last = Some(frame);
    }
    assert!(matches!(last, Some(Frame::GoAway(_))), "{last:?}");
    assert!(agent.exit().await.success());
    let log = agent.log();
    assert!(log.contains("at most 3 connections") && log.contains("link up"), "{log}");
    assert!(!log.contains(TOKEN) && !log.contains("hidden"), "{log}");
}

#[tokio::test]
async fn a_database_that_sends_much_waits_for_credit() {
    const ROWS: usize = 8 * 1024 * 1024;
    let (coordinator, at) = listen().await;
    let (database, db) = listen().await;
    let _agent = Agent::start(&format!("ws://{at}"), &format!("postgres://{db}/app"), &[], &[]);
    let mut link = Link::accept(accept(&coordinator).await).await;
    let hello = link.welcome(WINDOW).await;
    let (stream, frame) = open(hello.link, 1);
    link.send(&[frame]).await;
    let mut server = accept(&database).await;
    let rows: Vec<u8> = (0..ROWS).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let expected = rows.clone();
    let sending = tokio::spawn(async move {
        server.write_all(&rows).await.unwrap();
        server.shutdown().await.unwrap();
        server
    });
    assert!(matches!(link.reply().await, Frame::Opened(_)));
    let mut received = link.data(stream, WINDOW as usize).await;
    assert_eq!(received.len(), WINDOW as usize, "not a byte more than was granted");
    assert!(!sending.is_finished(), "the rest waits in the database");

    let mut left = ROWS - received.len();
    while left > 0 {
        let grant = left.min(1024 * 1024);
        let bytes = Amount(u32::try_from(grant).unwrap());
        link.send(&[Credit { stream, bytes }.into()]).await;
        received.extend(link.data(stream, grant).await);
        left -= grant;
    }
    assert!(received == expected, "every byte, in order");
    // The end is read like data, so there must be room for some.
    link.send(&[Credit { stream, bytes: Amount(1) }.into()]).await;
    assert!(matches!(link.reply().await, Frame::Finish(_)));
    link.send(&[Finish { stream }.into()]).await;
    drop(sending.await.unwrap());
    let Frame::Gone(gone) = link.reply().await else { panic!("not gone") };
    assert_eq!(gone.reason, GoneReason::Finished);
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_named_to_the_coordinator() {
    let (coordinator, at) = listen().await;
    let (database, db) = listen().await;
    drop(database);
    let _agent = Agent::start(&format!("ws://{at}"), &format!("postgres://{db}/app"), &[], &[]);
    let mut link = Link::accept(accept(&coordinator).await).await;
    let hello = link.welcome(WINDOW).await;
    link.send(&[open(hello.link, 1).1]).await;
    let Frame::Refused(refused) = link.reply().await else { panic!("not refused") };
    assert_eq!(refused.reason, RefusedReason::Connect);
    let advice = refused.advice.as_str();
    assert!(advice.contains(&db.to_string()) && advice.contains("refused"), "{advice}");
}

#[tokio::test]
async fn a_link_may_be_encrypted_and_a_database_behind_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let key = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, key.cert.pem()).unwrap();
    let private = PrivateKeyDer::Pkcs8(key.signing_key.serialize_der().into());
    let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], private)
        .unwrap();
    let database = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).unwrap();
    let directory = folder.path().to_str().unwrap().replace('/', "%2F");
    let (coordinator, at) = listen().await;

    let url = format!("wss://localhost:{}", at.port());
    let stranger = Agent::start(&url, &format!("postgres://{directory}/app"), &[], &[]);
    let refused = TlsAcceptor::from(Arc::new(server.clone())).accept(accept(&coordinator).await);
    assert!(refused.await.is_err(), "nobody vouches for this certificate");
    stranger.says("certificate").await;
    drop(stranger);

    let args = ["--ca", ca.to_str().unwrap()];
    let _agent = Agent::start(&url, &format!("postgres://{directory}/app"), &[], &args);
    // What the stranger had begun before its end may be first in line.
    let stream = loop {
        let accepted = accept(&coordinator).await;
        if let Ok(stream) = TlsAcceptor::from(Arc::new(server.clone())).accept(accepted).await {
            break stream;
        }
    };
    let mut link = Link::accept(stream).await;
    let hello = link.welcome(WINDOW).await;
    let (stream, frame) = open(hello.link, 1);
    link.send(&[frame, data(stream, "ping")]).await;
    let (mut server, _) = tokio::time::timeout(PATIENCE, database.accept()).await.unwrap().unwrap();
    let mut asked = [0; 4];
    server.read_exact(&mut asked).await.unwrap();
    server.write_all(b"pong").await.unwrap();
    assert!(matches!(link.reply().await, Frame::Opened(_)));
    assert_eq!(link.data(stream, 4).await, b"pong");
}

#[tokio::test]
async fn a_wrong_token_is_said_with_the_variable_to_change() {
    let (coordinator, at) = listen().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{TOKEN}\n")).unwrap();
    let token = format!("other={}", file.path().display());
    let other = ("PIERHEAD_DB_OTHER", "postgres://10.0.0.5/app");
    let args = ["--token-file", &token];
    let agent = Agent::start(&format!("ws://{at}"), "postgres://10.0.0.5/app", &[other], &args);
    for _ in 0..2 {
        let mut stream = accept(&coordinator).await;
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.unwrap());
        }
        let request = String::from_utf8(request).unwrap();
        assert!(request.contains(&format!("Bearer {TOKEN}")), "{request}");
        let answer = if request.contains("/main ") {
            "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
        } else {
            "HTTP/1.1 302 Found\r\nLocation: https://login.example.com/?secret=hidden\r\n\
             Content-Length: 0\r\n\r\n"
        };
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
    agent.says("PIERHEAD_DB_MAIN_AGENT_TOKEN").await;
    agent.says("login.example.com").await;
    let log = agent.log();
    assert!(!log.contains(TOKEN) && !log.contains("hidden"), "{log}");
}
