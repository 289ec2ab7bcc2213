//! The door: who may dial in, and what becomes of a link that does not speak as it should.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pierhead_tests::websocket::{BINARY, Client, Message, Refused, TEXT};
use pierhead_wire::tunnel::{
    AgentLife, Amount, Database, Frame, Frames, GoAwayReason, Hello, LinkCredit, List, Mode, Name,
    Open, Options, ParkedCount, StreamId, VERSION, VERSION_OLDEST,
};

use crate::world::{PATIENCE, Setup, World, live};

const PATH: &str = "/pierhead/agent/main";

/// Dials in by hand; the HTTP status if it is refused.
async fn dial(world: &World, path: &str, token: Option<&str>) -> Result<Client, u16> {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<_> = bearer.iter().map(|value| ("Authorization", value.as_str())).collect();
    let address = world.workerd.addr("coordinator").unwrap();
    let dialled = Client::connect(address, path, &headers).await;
    dialled.map_err(|error| error.downcast::<Refused>().expect("an answer").status)
}

#[test]
fn a_bad_token_never_calls_the_object() {
    live(async {
        let world = Setup::new().agent().database("other").agents(&[]).start().await;
        let [token, next] = &world.tokens;
        let cut = &token[..token.len() - 1];
        let long = format!("{token}0");
        let of_other = [Some("wrong-token-0123456789"), Some(cut), Some(&long), Some(""), None];
        for wrong in of_other {
            for path in [PATH, "/pierhead/agent/unknown", "/pierhead/agent/other"] {
                assert_eq!(dial(&world, path, wrong).await.err(), Some(401), "{path} {wrong:?}");
            }
        }
        // Right, but for databases that have no agents.
        assert_eq!(dial(&world, "/pierhead/agent/unknown", Some(token)).await.err(), Some(401));
        assert_eq!(dial(&world, "/pierhead/agent/other", Some(token)).await.err(), Some(401));
        // Right, but no WebSocket.
        let plain = world.http("coordinator").get(PATH).await.unwrap();
        assert_eq!(plain.status, 426);
        assert_eq!((world.births("main"), world.births("other")), (0, 0));

        dial(&world, PATH, Some(token)).await.unwrap();
        dial(&world, PATH, Some(next)).await.unwrap();
        assert_eq!((world.births("main"), world.births("other")), (1, 0));
    });
}

#[test]
fn agents_come_in_with_either_token() {
    live(async {
        let world = Setup::new().agent().next_token().start().await;
        world.until_links(1).await;
        world.app().echo("with the second token").await.unwrap();
    });
}

#[test]
fn an_agent_with_a_wrong_token_says_which_variable_to_check() {
    live(async {
        let world = Setup::new().agent().wrong_token().start().await;
        world.agents[0].log().wait_for("PIERHEAD_DB_MAIN_AGENT_TOKEN", PATIENCE).await.unwrap();
        assert_eq!(world.births("main"), 0);
    });
}

fn hello(link: u32) -> Hello {
    let database = Database { name: Name::cut("main"), mode: Mode::Pipe, cap: 5 };
    Hello {
        newest: VERSION,
        oldest: VERSION_OLDEST,
        life: AgentLife([9; 16]),
        link,
        stream_credit: Amount(262_144),
        link_credit: Amount(1_048_576),
        replaces: List::new(&[]).unwrap(),
        databases: List::new(&[database]).unwrap(),
        parked: ParkedCount(0),
        options: Options::agent("by hand", "by-hand", 60_000),
    }
}

fn message(frames: &[Frame]) -> Bytes {
    let mut out = BytesMut::new();
    for frame in frames {
        frame.encode(&mut out).unwrap();
    }
    out.freeze()
}

/// Sends and waits for the link's end; the reason the coordinator gave, if it gave one.
async fn ended_by(world: &World, opcode: u8, messages: &[Bytes]) -> Option<(GoAwayReason, String)> {
    let mut link = dial(world, PATH, Some(&world.tokens[0])).await.unwrap();
    for (n, message) in messages.iter().enumerate() {
        if n > 0 {
            // The answer to the first comes meanwhile.
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        link.send(opcode, message).await.ok();
    }
    let mut reason = None;
    let end = async {
        while let Ok(Some(message)) = link.receive().await {
            let Message::Binary { payload, .. } = message else { continue };
            for frame in Frames::new(payload).unwrap() {
                if let Frame::GoAway(away) = frame.unwrap() {
                    reason = Some((away.reason, away.advice.as_str().to_owned()));
                }
            }
            if reason.is_some() {
                return;
            }
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, end).await;
    assert!(in_time.is_ok(), "the link was not ended");
    reason
}

#[test]
fn a_link_that_speaks_nonsense_ends_alone_and_with_a_reason() {
    live(async {
        let world = Setup::new().agent().start().await;
        world.until_links(1).await;
        let app = world.app();
        let pid = app.pid().await.unwrap();

        let hello = Frame::Hello(hello(1));
        let settled = Frame::LinkCredit(LinkCredit { bytes: Amount(1) });
        let too_many = Frame::LinkCredit(LinkCredit { bytes: Amount(16_777_216) });
        let stream = StreamId { link: 1, index: 1 };
        let open = Frame::Open(Open { stream, database: Name::cut("main") });
        let old = Frame::Hello(Hello { newest: 0, oldest: 0, ..self::hello(1) });
        let said = message(std::slice::from_ref(&hello));
        let mut torn = said.to_vec();
        torn.truncate(said.len() - 1);
        let mut unknown = said.to_vec();
        unknown.extend([0xff, 0, 0]);
        let cases: Vec<(&str, u8, Vec<Bytes>, GoAwayReason)> = vec![
            ("a text", TEXT, vec![Bytes::from_static(b"hello")], GoAwayReason::Protocol),
            ("nothing", BINARY, vec![Bytes::new()], GoAwayReason::Protocol),
            ("a torn frame", BINARY, vec![torn.into()], GoAwayReason::Protocol),
            ("300,000 bytes", BINARY, vec![vec![0; 300_000].into()], GoAwayReason::Protocol),
            ("30 MB", BINARY, vec![vec![0x93; 30_000_000].into()], GoAwayReason::Protocol),
            ("an unknown frame", BINARY, vec![unknown.into()], GoAwayReason::Protocol),
            ("no hello", BINARY, vec![message(&[settled])], GoAwayReason::Protocol),
            ("hello twice", BINARY, vec![said.clone(), said.clone()], GoAwayReason::Protocol),
            (
                "the other side's frame",
                BINARY,
                vec![message(&[hello, open])],
                GoAwayReason::Protocol,
            ),
            (
                "too much credit",
                BINARY,
                vec![said.clone(), message(&[too_many])],
                GoAwayReason::Credit,
            ),
            ("another version", BINARY, vec![message(&[old])], GoAwayReason::Version),
        ];
        for (what, opcode, messages, expected) in cases {
            let reason = ended_by(&world, opcode, &messages).await;
            eprintln!("{what}: {reason:?}");
            assert_eq!(reason.map(|(reason, _)| reason), Some(expected), "{what}");
        }
        random_frames(&world, &said).await;

        // The real link has gone on all the while.
        assert_eq!(app.pid().await.unwrap(), pid);
        assert_eq!(world.link.stats().streams_total, 1);
        let status = world.status().await;
        assert_eq!(status["links"], 1, "{status}");
        assert!(status["wasm_memory_bytes"].as_u64().unwrap() < 48 << 20, "{status}");
    });
}

/// Behind a good hello, bytes that a generator made.
async fn random_frames(world: &World, hello: &Bytes) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..40 {
        let mut bytes = hello.to_vec();
        for _ in 0..64 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let length = (state >> 33) as usize % 24;
            bytes.extend([0x80 | (state >> 40) as u8 & 0x3f, 0, length as u8]);
            bytes.extend((0..length).map(|at| (state >> (at % 8 * 8)) as u8));
        }
        ended_by(world, BINARY, &[bytes.into()]).await;
    }
}
