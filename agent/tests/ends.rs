//! What breaks: links, and the patience of whoever stops the program.

#![cfg(feature = "program")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "test code: a failed step must fail the test, at the place where it failed"
)]

mod common;

use common::{Agent, Link, accept, bytes, listen};
use pierhead_wire::tunnel::{
    Adopt, Counters, Data, Frame, GoAwayReason, Name, Open, Park, Payload, StreamId,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const WINDOW: u32 = 64 * 1024;

fn open(link: u32) -> (StreamId, Frame) {
    let stream = StreamId { link, index: 1 };
    (stream, Open { stream, database: Name::cut("main") }.into())
}

#[tokio::test]
async fn a_parked_session_outlives_its_link() {
    let (coordinator, at) = listen().await;
    let (database, db) = listen().await;
    let agent = Agent::start(&format!("ws://{at}"), &format!("postgres://{db}/app"), &[], &[]);
    let mut link = Link::accept(accept(&coordinator).await).await;
    let (stream, frame) = open(link.welcome(WINDOW).await.link);
    link.send(&[frame, Data { stream, bytes: Payload(bytes("once")) }.into()]).await;
    let mut server = accept(&database).await;
    let mut asked = [0; 4];
    server.read_exact(&mut asked).await.unwrap();
    let counters = Counters { sent: 4, received: 0 };
    let park = Park { stream, counters, max_idle_ms: 60_000, expires_in_ms: 600_000 };
    link.send(&[park.into()]).await;
    agent.says("idle at both ends").await;

    drop(link);
    let mut link = Link::accept(accept(&coordinator).await).await;
    let hello = link.welcome(WINDOW).await;
    assert!(hello.replaces.iter().any(|old| old == stream.link), "{hello:?}");
    assert_eq!(hello.parked.0, 1);
    let Frame::Offer(offer) = link.reply().await else { panic!("no offer") };
    assert_eq!(offer.streams.iter().next().unwrap().stream, stream);
    let adopt = Adopt { stream, counters, describe: false, bytes: Payload(bytes("more")) };
    link.send(&[adopt.into()]).await;
    server.read_exact(&mut asked).await.unwrap();
    assert_eq!(&asked, b"more", "on the same connection");
    server.write_all(b"fine").await.unwrap();
    assert_eq!(link.data(stream, 4).await, b"fine");
}

#[tokio::test]
async fn a_text_message_ends_the_link_and_the_agent_dials_again() {
    let (coordinator, at) = listen().await;
    let _agent = Agent::start(&format!("ws://{at}"), "postgres://127.0.0.1/app", &[], &[]);
    let mut link = Link::accept(accept(&coordinator).await).await;
    let first = link.welcome(WINDOW).await;
    link.send_text("hello").await;
    let Frame::GoAway(away) = link.reply().await else { panic!("no go-away") };
    assert_eq!(away.reason, GoAwayReason::Protocol);
    assert_eq!(link.next().await, None);
    let mut link = Link::accept(accept(&coordinator).await).await;
    let second = link.welcome(WINDOW).await;
    assert_eq!(second.life, first.life);
    assert!(second.link > first.link);
}

#[tokio::test]
async fn a_second_signal_does_not_wait_for_what_runs() {
    let (coordinator, at) = listen().await;
    let (database, db) = listen().await;
    let mut agent = Agent::start(&format!("ws://{at}"), &format!("postgres://{db}/app"), &[], &[]);
    let mut link = Link::accept(accept(&coordinator).await).await;
    let (_, frame) = open(link.welcome(WINDOW).await.link);
    link.send(&[frame]).await;
    let _server = accept(&database).await;
    assert!(matches!(link.reply().await, Frame::Opened(_)));
    agent.terminate();
    assert!(matches!(link.reply().await, Frame::Drain(_)), "what runs may finish");
    agent.terminate();
    let Frame::GoAway(away) = link.reply().await else { panic!("no go-away") };
    assert_eq!(away.reason, GoAwayReason::Shutdown);
    drop(link);
    assert!(agent.exit().await.success());
}
