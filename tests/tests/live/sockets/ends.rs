//! How a socket ends: by its client, in order or not, and by the object.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;

use crate::native::say::Say;
use crate::world::{Setup, World, live};

async fn until_sockets(world: &World, count: u64) {
    let is = |status: &serde_json::Value| status["sockets"] == count;
    world.until_status("so many sockets", is).await;
}

#[test]
fn a_client_that_says_goodbye_is_forgotten() {
    live(async {
        let world = Setup::new().stays().start().await;
        let mut client = world.raw().await;
        assert_eq!(client.value("select 1").await, "1");
        assert_eq!(client.ask(&Say::new().terminate()).await, "end");
        until_sockets(&world, 0).await;
        let status = world.status().await;
        assert_eq!((&status["clients"], &status["socket_buffer_bytes"]), (&0.into(), &0.into()));
    });
}

#[test]
fn a_client_that_vanishes_in_a_query_gives_its_session_back() {
    live(async {
        let world = Setup::new().keys("pool_size=1").stays().start().await;
        let mut client = world.raw().await;
        client.query("begin; create temp table mine (n int)").await;
        client.send(&Say::new().query("select pg_sleep(600)")).await;
        world.until_busy(1).await;
        client.die();
        until_sockets(&world, 0).await;
        let mut next = world.raw().await;
        assert_eq!(next.value("select coalesce(to_regclass('mine')::text, 'none')").await, "none");
        world.until_busy(0).await;
    });
}

#[test]
fn a_client_that_half_closes_in_a_query_has_left() {
    live(async {
        let world = Setup::new().keys("pool_size=1").stays().start().await;
        let mut client = world.raw().await;
        client.send(&Say::new().query("select pg_sleep(600)")).await;
        world.until_busy(1).await;
        client.socket.shutdown().await.unwrap();
        assert_eq!(client.until_ready().await, "end");
        until_sockets(&world, 0).await;
        assert_eq!(world.raw().await.value("select 1").await, "1");
    });
}

#[test]
fn a_silent_client_is_told_why_it_is_closed() {
    live(async {
        let world = Setup::new().keys("client_idle_timeout=1s").stays().start().await;
        let mut client = world.raw().await;
        assert_eq!(client.value("select 1").await, "1");
        let error = client.error().await;
        assert!(error.starts_with("FATAL 57P05 the client sent nothing for 1000 ms"), "{error}");
        assert_eq!(client.next(1).await, "end");
        until_sockets(&world, 0).await;
    });
}

#[test]
fn an_object_that_is_reset_ends_its_sockets_and_serves_new_ones() {
    live(async {
        let world = Setup::new().crash_control().stays().start().await;
        let mut client = world.raw().await;
        assert_eq!(client.value("select 1").await, "1");
        world.workerd.abort_all_objects().await.unwrap();
        assert_eq!(client.next(1).await, "end");
        assert_eq!(world.raw().await.value("select 2").await, "2");
    });
}

#[test]
fn what_was_answered_before_an_error_of_ours_still_arrives() {
    live(async {
        let world = Setup::new().keys("client_idle_timeout=1s").stays().start().await;
        let mut client = world.raw().await;
        client.send(&Say::new().query("select repeat('x', 2000000)")).await;
        // The socket is closed while most of the answer waits to be read.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let answer = client.until_ready().await;
        assert!(
            answer.len() > 2_000_000 && answer.ends_with("C(SELECT 1) Z(I)"),
            "{}",
            answer.len()
        );
        assert_eq!(client.next(2).await, "E(57P05) end");
    });
}
