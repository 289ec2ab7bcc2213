//! Exchanges through the native shell: it stands in for the Durable Object in every respect.

use bytes::{Buf as _, Bytes, BytesMut};
use pierhead_engine::Settings;
use pierhead_engine::time::Millis;
use pierhead_tests::native::Native;
use pierhead_tests::net::Limits;
use pierhead_tests::proxy::TcpProxy;
use pierhead_wire::envelope::{AnswerReader, Options, Outcome, Record, Request, RequestId, Status};

use super::say::Say;
use super::scene::{Scene, pool, server};
use crate::world::live;

/// An envelope around messages.
fn request(say: &Say) -> Bytes {
    let (id, options) = (RequestId([7; 16]), Options::default());
    let protocol = Bytes::copy_from_slice(say.bytes());
    Request { remaining_ms: 10_000, id, options, protocol }.encode().freeze()
}

/// The tags of an answer's messages, how many bytes they have, and its outcome.
fn read(answer: Vec<u8>) -> (String, usize, Outcome) {
    let mut reader = AnswerReader::new();
    reader.push(answer.into());
    let mut messages = BytesMut::new();
    let outcome = loop {
        match reader.next().unwrap().expect("an outcome") {
            Record::Data(bytes) => messages.extend_from_slice(&bytes),
            Record::Outcome(outcome) => break outcome,
        }
    };
    let (mut tags, length) = (String::new(), messages.len());
    while messages.has_remaining() {
        tags.push(messages.get_u8() as char);
        let length = messages.get_u32() as usize;
        messages.advance(length - 4);
    }
    (tags, length, outcome)
}

#[test]
fn an_exchange_is_answered_and_its_session_kept() {
    live(async {
        let scene = Scene::of(2).await;
        for _ in 0..3 {
            let answer =
                scene.native.exchange(request(&Say::new().run("select 1", &[]).sync())).await;
            let (tags, _, outcome) = read(answer);
            assert_eq!(
                (tags.as_str(), outcome.status),
                ("12TDCZ", Status::Completed),
                "{outcome:?}"
            );
        }
        assert_eq!((scene.sessions().await, scene.native.streams_opened()), (1, 1));
        assert_eq!(scene.native.status().await.counters.completed, 3);
    });
}

#[test]
fn a_large_answer_comes_whole() {
    live(async {
        let scene = Scene::of(1).await;
        let say = Say::new().query("select * from bulk(20000)");
        let (tags, length, outcome) = read(scene.native.exchange(request(&say)).await);
        assert_eq!(outcome.status, Status::Completed, "{outcome:?}");
        assert_eq!(tags.matches('D').count(), 20_000);
        assert!(length > 20_000_000, "{length}");
    });
}

#[test]
fn a_cut_stream_is_told_with_what_was_sent() {
    live(async {
        let scene = Scene::of(1).await;
        let say = request(&Say::new().query("select pg_sleep(5)"));
        let (answer, ()) = tokio::join!(scene.native.exchange(say), async {
            scene.until_sessions_are("active", 1).await;
            scene.native.cut_streams();
        });
        let (_, _, outcome) = read(answer);
        assert_eq!(outcome.status, Status::OutcomeUnknown, "{outcome:?}");
        let again = request(&Say::new().query("select 1"));
        assert_eq!(read(scene.native.exchange(again).await).2.status, Status::Completed);
    });
}

#[test]
fn a_delayed_network_delays_the_answer() {
    live(async {
        let postgres = server().await;
        let proxy = TcpProxy::start(postgres.addr(), Limits::default()).unwrap();
        let scene = Scene::before(postgres, pool(1), proxy.addr());
        let say = request(&Say::new().query("select 1"));
        scene.native.exchange(say.clone()).await;
        proxy.knobs().set_round_trip_ms(60);
        let began = std::time::Instant::now();
        let (_, _, outcome) = read(scene.native.exchange(say).await);
        assert_eq!(outcome.status, Status::Completed);
        let took = began.elapsed().as_millis();
        assert!((60..120).contains(&took), "one trip of 60 ms took {took} ms");
    });
}

#[test]
fn an_unreachable_database_is_told_when_waiting_is_over() {
    live(async {
        let gone = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
        let settings = Settings { wait_timeout: Millis(500), ..pool(1) };
        let native = Native::start(settings, gone).unwrap();
        let (_, _, outcome) = read(native.exchange(request(&Say::new().query("select 1"))).await);
        assert_eq!((outcome.status, outcome.sqlstate.as_str()), (Status::Refused, "08001"));
    });
}

#[test]
fn a_lease_holds_its_transaction_over_several_exchanges_and_ends_with_its_value() {
    live(async {
        let scene = Scene::of(2).await;
        let table = "create table leased (n int); grant all on leased to public";
        scene.postgres.run(table).await.unwrap();
        for commits in [false, true] {
            let lease = scene.native.lease("worker").await;
            let mut requests = vec!["begin", "insert into leased values (1)", "table leased"];
            requests.extend(commits.then_some("commit"));
            for sql in requests {
                let (tags, _, outcome) =
                    read(lease.exchange(request(&Say::new().query(sql))).await);
                assert_eq!(outcome.status, Status::Completed, "{sql}: {tags} {outcome:?}");
            }
            drop(lease);
            scene.until_at_rest().await;
            let rows = scene.control("select count(*) from leased").await;
            assert_eq!(rows, u8::from(commits).to_string());
        }
    });
}
