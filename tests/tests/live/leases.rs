//! Transactions over several requests, held by a Worker over RPC.

use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::{Buf as _, Bytes, BytesMut};
use pierhead_tests::http::path_with_query;
use pierhead_wire::envelope::{AnswerReader, Options, Outcome, Record, Request, RequestId, Status};

use crate::native::say::Say;
use crate::world::{Setup, World, live};

/// An envelope around messages, as a query's value.
fn request(say: &Say) -> String {
    static IDS: AtomicU64 = AtomicU64::new(1);
    let mut id = [0; 16];
    id[..8].copy_from_slice(&IDS.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    let (id, options) = (RequestId(id), Options::default());
    let protocol = Bytes::copy_from_slice(say.bytes());
    BASE64.encode(Request { remaining_ms: 20_000, id, options, protocol }.encode())
}

/// A statement; what precedes it rides with it.
fn run(say: Say, sql: &str) -> Say {
    say.run(sql, &[])
}

fn statement(sql: &str) -> Say {
    run(Say::new(), sql).sync()
}

/// `BEGIN` in front of the first statement.
fn first(sql: &str) -> Say {
    run(begin(), sql).sync()
}

fn begin() -> Say {
    Say::new().parse("", "begin").bind("", "", &[]).execute("", 0)
}

/// `COMMIT` behind the last statement.
fn last(sql: &str) -> Say {
    run(Say::new(), sql).parse("", "commit").bind("", "", &[]).execute("", 0).sync()
}

/// The tags of an answer's messages, the first column of its rows, and its outcome.
struct Answer {
    tags: String,
    values: Vec<String>,
    outcome: Outcome,
}

fn read(answer: &str) -> Answer {
    let mut reader = AnswerReader::new();
    reader.push(BASE64.decode(answer).unwrap().into());
    let mut messages = BytesMut::new();
    let outcome = loop {
        match reader.next().unwrap().expect("an outcome") {
            Record::Data(bytes) => messages.extend_from_slice(&bytes),
            Record::Outcome(outcome) => break outcome,
        }
    };
    let (mut tags, mut values) = (String::new(), Vec::new());
    while messages.has_remaining() {
        let tag = messages.get_u8();
        let length = messages.get_u32() as usize;
        let body = messages.split_to(length - 4);
        tags.push(tag as char);
        if tag == b'D' {
            values.push(String::from_utf8_lossy(&body[6..]).into_owned());
        }
    }
    Answer { tags, values, outcome }
}

impl World {
    fn lease_path(requests: &[Say], more: &[(&str, &str)]) -> String {
        let requests: Vec<String> = requests.iter().map(request).collect();
        let requests = requests.iter().map(|request| ("r", request.as_str()));
        path_with_query("/", &requests.chain(more.iter().copied()).collect::<Vec<_>>())
    }

    /// Runs these through one lease; `more` tells what becomes of it then.
    async fn lease(&self, requests: &[Say], more: &[(&str, &str)]) -> Vec<Answer> {
        let body = self.http("holder").get(&Self::lease_path(requests, more)).await.unwrap();
        let body = body.json().unwrap_or_else(|_| panic!("{}", body.text()));
        let answers = body["answers"].as_array().unwrap_or_else(|| panic!("{body}"));
        answers.iter().map(|answer| read(answer.as_str().unwrap())).collect()
    }

    async fn until_no_lease(&self) {
        self.until_status("without leases", |status| status["leases"] == 0).await;
    }
}

async fn world_with_table(setup: Setup, table: &str) -> World {
    let world = setup.stays().start().await;
    world.app().execute(&format!("drop table if exists {table}"), &[]).await.unwrap();
    world.app().execute(&format!("create table {table} (n int8)"), &[]).await.unwrap();
    world
}

/// Three statements, each of which needs the one before it.
fn transfer(table: &str) -> [Say; 3] {
    [
        first(&format!("insert into {table} values (1) returning n")),
        statement(&format!("update {table} set n = n + 1 returning n")),
        last(&format!("insert into {table} select n + 1 from {table} returning n")),
    ]
}

#[test]
fn three_statements_that_need_each_other_are_three_trips() {
    live(async {
        let world = world_with_table(Setup::new(), "lease_trips").await;
        let before = world.stats();
        let answers = world.lease(&transfer("lease_trips"), &[]).await;
        let after = world.stats();
        let tags: Vec<&str> = answers.iter().map(|answer| answer.tags.as_str()).collect();
        assert_eq!(tags, ["12C12TDCZ", "12TDCZ", "12TDC12CZ"]);
        let values: Vec<&str> = answers.iter().map(|answer| answer.values[0].as_str()).collect();
        assert_eq!(values, ["1", "2", "3"]);
        assert!(answers.iter().all(|a| a.outcome.status == Status::Completed));
        assert_eq!(after.frames_from_client - before.frames_from_client, 3);
        assert_eq!(world.app().value("select count(*) from lease_trips", &[]).await.unwrap(), "2");
        world.until_no_lease().await;
    });
}

#[test]
fn the_same_three_directly_and_through_an_agent() {
    live(async {
        for (setup, table) in
            [(Setup::new().direct("off"), "lease_direct"), (Setup::new().agent(), "lease_agent")]
        {
            let world = world_with_table(setup, table).await;
            let answers = world.lease(&transfer(table), &[]).await;
            assert!(answers.iter().all(|answer| answer.outcome.status == Status::Completed));
            let sql = format!("select string_agg(n::text, ' ' order by n) from {table}");
            assert_eq!(world.app().value(&sql, &[]).await.unwrap(), "2 3");
        }
    });
}

/// Round trips that a transfer takes at this distance; the quickest of several.
async fn round_trips(world: &World, table: &str, ms: u64) -> f64 {
    world.tunnel.knobs().set_round_trip_ms(ms);
    let mut least = f64::MAX;
    for _ in 0..5 {
        let before = std::time::Instant::now();
        world.lease(&transfer(table), &[]).await;
        least = least.min(before.elapsed().as_secs_f64() * 1_000.0 / ms as f64);
    }
    eprintln!("BEGIN, three statements, COMMIT at {ms} ms: {least:.2} round trips");
    least
}

#[test]
fn each_statement_takes_one_way_to_the_database_and_back() {
    live(async {
        let world = world_with_table(Setup::new(), "lease_far").await;
        world.lease(&transfer("lease_far"), &[]).await;
        round_trips(&world, "lease_far", 40).await;
        // So far away that a busy machine does not count.
        let trips = round_trips(&world, "lease_far", 300).await;
        assert!((3.0..4.0).contains(&trips), "{trips:.2} round trips");
    });
}

#[test]
fn what_is_open_when_a_caller_lets_go_is_rolled_back_at_once() {
    let open =
        || [first("insert into lease_ends values (1)"), statement("set search_path = nowhere")];
    live(async {
        let world = world_with_table(Setup::new().keys("pool_size=1"), "lease_ends").await;
        let alone = request(&statement(
            "select count(*)::text || current_setting('search_path') from lease_ends",
        ));
        let disposed =
            world.lease(&open(), &[("then", "dispose"), ("alone", alone.as_str())]).await;
        let seen = disposed.last().unwrap();
        assert_eq!(seen.values, ["0\"$user\", public"], "{:?}", seen.outcome);

        for then in ["return", "throw"] {
            world.http("holder").get(&World::lease_path(&open(), &[("then", then)])).await.unwrap();
            world.until_no_lease().await;
            let count = world.app().value("select count(*) from lease_ends", &[]).await.unwrap();
            assert_eq!(count, "0", "{then}");
        }
        assert_eq!(world.stats().streams_total, 1, "the session was not kept");
    });
}

#[test]
fn a_caller_that_dies_holding_a_lease_frees_the_session() {
    live(async {
        let world = world_with_table(Setup::new().keys("pool_size=1"), "lease_dies").await;
        let open = [first("insert into lease_dies values (1)")];
        let doomed =
            world.http("holder").doomed(&World::lease_path(&open, &[("then", "hold")])).await;
        let holds = |status: &serde_json::Value| status["leased"] == 1;
        world.until_status("a lease that holds a session", holds).await;
        let waiting = world.app().spawn("select count(*) from lease_dies");
        world.until_status("somebody who waits", |status| status["waiting"] == 1).await;
        drop(doomed);
        assert_eq!(waiting.await.unwrap().unwrap()["rows"][0][0], "0");
        world.until_no_lease().await;
    });
}

#[test]
fn a_caller_that_dies_in_a_statement_of_its_lease_has_it_cancelled() {
    live(async {
        let world = world_with_table(Setup::new().keys("pool_size=1"), "lease_dies_in").await;
        let open =
            [first("insert into lease_dies_in values (1)"), statement("select pg_sleep(600)")];
        let doomed = world.http("holder").doomed(&World::lease_path(&open, &[])).await;
        world.until_busy(1).await;
        drop(doomed);
        let count = world.app().value("select count(*) from lease_dies_in", &[]).await.unwrap();
        assert_eq!(count, "0");
        world.until_busy(0).await;
        world.until_no_lease().await;
    });
}

#[test]
fn a_commit_behind_a_statement_that_fails_is_not_executed() {
    live(async {
        let world = world_with_table(Setup::new(), "lease_fails").await;
        let requests = [
            first("insert into lease_fails values (1)"),
            last("select 1 / 0"),
            statement("select 2"),
        ];
        let answers = world.lease(&requests, &[]).await;
        let tags: Vec<&str> = answers.iter().map(|answer| answer.tags.as_str()).collect();
        // The planner divides.
        assert_eq!(tags[1], "1EZ");
        // It is a failed transaction now, until somebody rolls it back.
        assert_eq!(tags[2], "EZ");
        world.until_no_lease().await;
        assert_eq!(world.app().value("select count(*) from lease_fails", &[]).await.unwrap(), "0");
    });
}

#[test]
fn two_leases_at_once_do_not_see_each_other() {
    live(async {
        let world = world_with_table(Setup::new().keys("pool_size=2"), "lease_two").await;
        let open = [
            first("insert into lease_two values (1)"),
            statement("set local statement_timeout = '61s'"),
        ];
        let path = World::lease_path(&open, &[("then", "hold")]);
        let _held = world.http("holder").doomed(&path).await;
        world.until_status("both sent", |status| status["completed"] == 4).await;
        let look = [
            first("select 1"),
            statement(
                "select count(*)::text || current_setting('statement_timeout') from lease_two",
            ),
        ];
        let seen = world.lease(&look, &[]).await;
        assert_eq!(seen[1].values, ["00"]);
    });
}

#[test]
fn requests_that_are_sent_together_run_in_their_order() {
    live(async {
        let world = world_with_table(Setup::new(), "lease_order").await;
        let answers = world.lease(&transfer("lease_order"), &[("pipelined", "1")]).await;
        let values: Vec<&str> = answers.iter().map(|answer| answer.values[0].as_str()).collect();
        assert_eq!(values, ["1", "2", "3"]);
    });
}

#[test]
fn a_lease_whose_transaction_is_over_says_so() {
    live(async {
        let world = world_with_table(Setup::new(), "lease_over").await;
        let requests = [first("select 1"), statement("commit"), statement("select 2")];
        let answers = world.lease(&requests, &[]).await;
        let late = &answers[2].outcome;
        assert_eq!((late.status, late.sqlstate.as_str()), (Status::Refused, "25P01"));
        assert!(late.hint.contains("begin another"), "{late:?}");
    });
}

#[test]
fn a_lease_that_is_silent_for_too_long_is_rolled_back() {
    live(async {
        let keys = "pool_size=1&idle_in_transaction_timeout=1s";
        let world = world_with_table(Setup::new().keys(keys), "lease_silent").await;
        let open = [first("insert into lease_silent values (1)")];
        let path = World::lease_path(&open, &[("then", "hold")]);
        let _held = world.http("holder").doomed(&path).await;
        let holds = |status: &serde_json::Value| status["leased"] == 1;
        world.until_status("a lease that holds a session", holds).await;
        assert_eq!(world.app().value("select count(*) from lease_silent", &[]).await.unwrap(), "0");
        assert_eq!(world.status().await["leases"], 1);
    });
}

#[test]
fn one_request_of_a_lease_can_be_aborted() {
    live(async {
        let world = world_with_table(Setup::new(), "lease_abort").await;
        let slow = request(&statement("select pg_sleep(600)"));
        let more = [("then", "abort"), ("slow", slow.as_str()), ("after", "300")];
        let answers = world.lease(&[first("insert into lease_abort values (1)")], &more).await;
        let aborted = &answers[1].outcome;
        assert_ne!(aborted.status, Status::Completed, "{aborted:?}");
        world.until_busy(0).await;
        assert_eq!(world.app().value("select count(*) from lease_abort", &[]).await.unwrap(), "0");
    });
}

#[test]
fn a_lease_does_not_outlive_its_object() {
    live(async {
        let world = world_with_table(Setup::new().crash_control(), "lease_reset").await;
        let open = [first("insert into lease_reset values (1)"), statement("select pg_sleep(5)")];
        let (http, path) = (world.http("holder"), World::lease_path(&open, &[]));
        let asked = tokio::spawn(async move { http.get(&path).await.unwrap().text() });
        world.until_busy(1).await;
        world.workerd.abort_all_objects().await.unwrap();
        let told = asked.await.unwrap();
        assert!(told.contains("error"), "{told}");
        assert_eq!(world.app().value("select count(*) from lease_reset", &[]).await.unwrap(), "0");
    });
}

#[test]
fn options_that_are_none_are_refused_with_what_is_wrong() {
    live(async {
        let world = Setup::new().stays().start().await;
        for (options, wrong) in [
            (&[1, 0, 9, b'x'][..], "ends inside its option"),
            (&[200, 0, 0], "option 200"),
            (&[0; 5_000], "5000 bytes, at most 4096"),
        ] {
            let options = BASE64.encode(options);
            let path = World::lease_path(&[statement("select 1")], &[("options", &options)]);
            let answer = world.http("holder").get(&path).await.unwrap().text();
            assert!(answer.contains("begin: ") && answer.contains(wrong), "{answer}");
        }
        let named = BASE64
            .encode(Options { caller: Some("checkout".into()), ..Options::default() }.encode());
        let answers = world.lease(&[last("select 1")], &[("options", &named)]).await;
        assert_eq!(answers[0].values, ["1"]);
    });
}
