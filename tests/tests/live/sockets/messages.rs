//! The same bytes in the messages of a WebSocket.

use bytes::BytesMut;
use pierhead_tests::websocket::{BINARY, Client, Message, TEXT};

use super::USER;
use crate::native::say::Say;
use crate::world::{Setup, World, live};

/// A client whose start-up is over.
async fn open(world: &World) -> Client {
    let address = world.workerd.addr("wire").unwrap();
    let mut client = Client::connect(address, "/socket", &[]).await.unwrap();
    let mut start = BytesMut::new();
    let parameters = [("user", USER), ("database", "main")];
    postgres_protocol::message::frontend::startup_message(parameters, &mut start).unwrap();
    // In three messages: they are cut anywhere.
    for piece in start.chunks(start.len() / 2) {
        client.send(BINARY, piece).await.unwrap();
    }
    assert!(until_ready(&mut client).await.ends_with(b"Z\0\0\0\x05I"));
    client
}

async fn until_ready(client: &mut Client) -> Vec<u8> {
    let mut answer = Vec::new();
    while !answer.ends_with(b"Z\0\0\0\x05I") {
        match client.receive().await.unwrap() {
            Some(Message::Binary { payload, .. }) => answer.extend_from_slice(&payload),
            other => panic!("{other:?} after {answer:?}"),
        }
    }
    answer
}

/// The code with which the object closes.
async fn closed(client: &mut Client) -> Option<u16> {
    loop {
        match client.receive().await.unwrap() {
            Some(Message::Close(code)) => return code,
            Some(_) => {}
            None => panic!("it ended without a close"),
        }
    }
}

async fn until_no_socket(world: &World) {
    let status = world.until_status("without sockets", |status| status["sockets"] == 0).await;
    assert_eq!((&status["clients"], &status["socket_buffer_bytes"]), (&0.into(), &0.into()));
}

#[test]
fn messages_cut_anywhere_are_one_conversation() {
    live(async {
        let world = Setup::new().stays().start().await;
        let mut client = open(&world).await;
        for value in ["there", "back"] {
            let say = Say::new().run("select $1::text", &[value]).sync();
            for piece in say.bytes().chunks(7) {
                client.send(BINARY, piece).await.unwrap();
            }
            let answer = until_ready(&mut client).await;
            let text = String::from_utf8_lossy(&answer).into_owned();
            assert!(text.contains(value), "{text:?}");
        }

        let large = "x".repeat(3_000_000);
        let say = Say::new().run("select length($1::text) || $1::text", &[&large]).sync();
        client.send(BINARY, say.bytes()).await.unwrap();
        assert!(until_ready(&mut client).await.len() > 3_000_000);

        client.send(BINARY, Say::new().terminate().bytes()).await.unwrap();
        assert_eq!(closed(&mut client).await, Some(1000));
        until_no_socket(&world).await;
    });
}

#[test]
fn a_text_message_is_refused() {
    live(async {
        let world = Setup::new().stays().start().await;
        let mut client = open(&world).await;
        client.send(TEXT, b"select 1").await.unwrap();
        assert_eq!(closed(&mut client).await, Some(1003));
        until_no_socket(&world).await;
    });
}

#[test]
fn a_client_that_is_too_far_ahead_is_closed() {
    live(async {
        let world = Setup::new().keys("pool_size=1").stays().start().await;
        let mut holder = world.raw().await;
        holder.query("begin").await;
        let mut client = open(&world).await;
        let query = Say::new().query(&format!("select '{}'", "x".repeat(60_000)));
        for _ in 0..100 {
            if client.send(BINARY, query.bytes()).await.is_err() {
                break;
            }
        }
        assert_eq!(closed(&mut client).await, Some(1009));
        assert_eq!(holder.query("commit").await, "C(COMMIT) Z(I)");
        holder.die();
        until_no_socket(&world).await;
    });
}

#[test]
fn a_websocket_that_vanishes_gives_its_session_back() {
    live(async {
        let world = Setup::new().keys("pool_size=1").stays().start().await;
        let mut client = open(&world).await;
        client.send(BINARY, Say::new().query("select pg_sleep(600)").bytes()).await.unwrap();
        world.until_busy(1).await;
        drop(client);
        until_no_socket(&world).await;
        world.until_busy(0).await;
        assert_eq!(world.raw().await.value("select 1").await, "1");
    });
}

#[test]
fn without_an_upgrade_it_is_said_what_is_spoken_here() {
    live(async {
        let world = Setup::new().stays().start().await;
        let answer = world.http("wire").get("/socket").await.unwrap();
        assert_eq!(answer.status, 426);
        assert!(answer.text().contains("WebSocket"), "{}", answer.text());
    });
}
