//! The engine's rules, told as short stories with a hand-played database.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a story that breaks off fails")]

use bytes::{Bytes, BytesMut};
use pierhead_engine::ids::{ClientId, StreamId};
use pierhead_engine::time::Instant;
use pierhead_engine::{
    Engine, Input, Output, Refusal, RefusalKind, ResetPolicy, Settings, Status, Way,
};
use pierhead_wire::envelope::{
    AnswerReader, Options, Outcome, Record, Request, RequestId, Retry, Status as Verdict,
};
use postgres_protocol::message::frontend;

const GREETING: &[u8] = b"R\0\0\0\x08\0\0\0\0S\0\0\0\x18server_version\x0015.1\0K\0\0\0\x0c\0\0\0\x07\0\0\0\x09Z\0\0\0\x05I";
const ROW: &[u8] = b"T\0\0\0\x06\0\0D\0\0\0\x0b\0\x01\0\0\0\x01xC\0\0\0\x0dSELECT 1\0Z\0\0\0\x05I";
const RESET: &[u8] = b"C\0\0\0\x10DISCARD ALL\0Z\0\0\0\x05I";

/// An engine, its clock, and what it has said.
struct Story {
    engine: Engine,
    now: u64,
    opened: Vec<StreamId>,
    closed: Vec<StreamId>,
    written: Vec<(StreamId, Vec<u8>)>,
    answers: Vec<(ClientId, Vec<u8>)>,
    probes: Vec<ClientId>,
    grants: Vec<usize>,
    clients: u64,
}

impl Story {
    fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings =
            Settings { user: "u".into(), database: "d".into(), ..Settings::default() };
        change(&mut settings);
        Self {
            engine: Engine::new(Instant(0), settings, [1; 32]),
            now: 0,
            opened: vec![],
            closed: vec![],
            written: vec![],
            answers: vec![],
            probes: vec![],
            grants: vec![],
            clients: 0,
        }
    }

    fn begin() -> Self {
        Self::with(|_| {})
    }

    fn happens(&mut self, input: Input) {
        self.engine.handle(Instant(self.now), input);
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::OpenStream { stream, .. } => self.opened.push(stream),
                Output::CloseStream { stream } => self.closed.push(stream),
                Output::Write { stream, bytes } => self.written.push((stream, bytes.concat())),
                Output::Answer { client, bytes }
                | Output::BeginAnswer { client, bytes }
                | Output::WriteAnswer { client, bytes, .. } => {
                    self.answers.push((client, bytes.concat()));
                }
                Output::Probe { client } => self.probes.push(client),
                Output::Grant { bytes, .. } => self.grants.push(bytes),
                Output::StartTls { .. } | Output::Log(_) => {}
                Output::SendLink { .. }
                | Output::CloseLink { .. }
                | Output::Attach { .. }
                | Output::RaiseEpoch
                | Output::WriteSocket { .. }
                | Output::GrantSocket { .. }
                | Output::CloseSocket { .. } => unreachable!("no agent, no socket is in these"),
            }
        }
    }

    fn later(&mut self, ms: u64) {
        self.now += ms;
        self.happens(Input::TimePassed);
    }

    fn asks(&mut self, sql: &str) -> ClientId {
        self.asks_within(sql, 0)
    }

    fn asks_within(&mut self, sql: &str, remaining_ms: u32) -> ClientId {
        self.asks_with(sql, remaining_ms, Options::default())
    }

    fn asks_as(&mut self, caller: &str, sql: &str) -> ClientId {
        self.asks_with(sql, 0, Options { caller: Some(caller.into()), ..Options::default() })
    }

    fn asks_with(&mut self, sql: &str, remaining_ms: u32, options: Options) -> ClientId {
        self.clients += 1;
        let client = ClientId(self.clients);
        let mut protocol = BytesMut::new();
        frontend::query(sql, &mut protocol).unwrap();
        let request = Request {
            remaining_ms,
            id: RequestId(u128::from(self.clients).to_be_bytes()),
            options,
            protocol: protocol.freeze(),
        };
        self.happens(Input::ClientOpened {
            client,
            request: request.encode().freeze(),
            lease: None,
        });
        client
    }

    /// Answers the last open.
    fn logs_in(&mut self) -> StreamId {
        let stream = *self.opened.last().unwrap();
        self.happens(Input::StreamOpened { stream });
        self.says(stream, GREETING);
        stream
    }

    fn says(&mut self, stream: StreamId, bytes: &'static [u8]) {
        self.happens(Input::StreamData { stream, bytes: Bytes::from_static(bytes) });
    }

    fn loses(&mut self, stream: StreamId, accepted: u64) {
        self.happens(Input::StreamClosed {
            stream,
            orderly: false,
            accepted,
            detail: "gone".into(),
        });
    }

    fn sent(&self, stream: StreamId) -> Vec<u8> {
        let of_stream = self.written.iter().filter(|(s, _)| *s == stream);
        of_stream.flat_map(|(_, bytes)| bytes.clone()).collect()
    }

    fn answer(&self, client: ClientId) -> (Vec<u8>, Outcome) {
        let mut reader = AnswerReader::default();
        for (_, bytes) in self.answers.iter().filter(|(c, _)| *c == client) {
            reader.push(Bytes::copy_from_slice(bytes));
        }
        let mut data = Vec::new();
        loop {
            match reader.next().unwrap().expect("an outcome") {
                Record::Data(bytes) => data.extend_from_slice(&bytes),
                Record::Outcome(outcome) => return (data, outcome),
            }
        }
    }

    fn has_answer(&self, client: ClientId) -> bool {
        self.answers.iter().any(|(answered, _)| *answered == client)
    }

    fn verdict(&self, client: ClientId) -> (Verdict, String) {
        let (_, outcome) = self.answer(client);
        (outcome.status, outcome.sqlstate.as_str().to_owned())
    }

    fn status(&self) -> Status {
        self.engine.status()
    }
}

#[test]
fn a_query_is_answered_and_the_session_kept() {
    let mut story = Story::begin();
    let client = story.asks("select 'x'");
    let stream = story.logs_in();
    assert!(story.sent(stream).ends_with(b"select 'x'\0"));
    story.says(stream, ROW);
    assert_eq!(story.answer(client).0, ROW);
    assert_eq!(story.verdict(client), (Verdict::Completed, "00000".into()));
    let second = story.asks("select 'x'");
    assert_eq!(story.opened.len(), 1, "the warm session is used");
    story.says(stream, ROW);
    assert_eq!(story.answer(second).0, ROW);
    assert_eq!(story.engine.poll_timeout().active, None, "nobody waits, no timer");
}

#[test]
fn parameters_and_notifications_are_not_part_of_an_answer() {
    let mut story = Story::begin();
    let client = story.asks("select 'x'");
    let stream = story.logs_in();
    story.says(stream, b"S\0\0\0\x11TimeZone\0UTC\0A\0\0\0\x0c\0\0\0\x01ab\0\0");
    story.says(stream, ROW);
    assert_eq!(story.answer(client).0, ROW);
}

#[test]
fn a_waiter_gets_the_session_directly_and_in_order() {
    let mut story = Story::with(|s| s.pool_size = 1);
    let first = story.asks("select 1");
    let second = story.asks("select 2");
    let third = story.asks("select 3");
    let stream = story.logs_in();
    assert_eq!(story.status().waiting, 2);
    story.says(stream, ROW);
    assert!(story.sent(stream).ends_with(b"select 2\0"));
    story.says(stream, ROW);
    story.says(stream, ROW);
    for client in [first, second, third] {
        assert_eq!(story.answer(client).0, ROW);
    }
    assert_eq!(story.opened.len(), 1);
}

#[test]
fn a_caller_that_asks_for_much_does_not_make_another_wait_behind_all_of_it() {
    let mut story = Story::with(|s| s.pool_size = 1);
    let many: Vec<_> = (0..60).map(|_| story.asks_as("report", "select 'x'")).collect();
    let checkout = story.asks_as("checkout", "select 'x'");
    let stream = story.logs_in();
    let mut served = 0;
    while !story.has_answer(checkout) {
        story.now += 5;
        story.says(stream, ROW);
        served += 1;
    }
    assert!(served < many.len() / 2, "{served} of report's exchanges went first");
    assert_eq!(many.iter().filter(|&&client| story.has_answer(client)).count(), served - 1);
}

#[test]
fn a_full_queue_and_a_long_wait_are_told_apart() {
    let mut story = Story::with(|s| {
        s.pool_size = 1;
        s.max_waiters = 1;
    });
    story.asks("select 1");
    story.logs_in();
    let waiter = story.asks("select 2");
    let refused = story.asks("select 3");
    assert_eq!(story.verdict(refused), (Verdict::Refused, "53300".into()));
    story.later(10_000);
    assert_eq!(story.verdict(waiter), (Verdict::Refused, "53400".into()));
    let text = story.answer(waiter).1.message;
    assert!(text.contains("1 of 1 sessions are leased"), "{text}");
}

#[test]
fn a_reply_that_answers_nothing_closes_the_session() {
    let mut story = Story::begin();
    let client = story.asks("select 'x'");
    let stream = story.logs_in();
    story.says(stream, b"1\0\0\0\x04");
    assert_eq!(story.verdict(client), (Verdict::OutcomeUnknown, "08007".into()));
    assert_eq!((story.status().ending, story.status().idle), (1, 0));
    let next = story.asks("select 'x'");
    story.says(stream, ROW);
    assert!(!story.answers.iter().any(|(c, _)| *c == next), "late bytes are nobody's");
}

#[test]
fn nothing_sent_is_tried_again_and_something_sent_is_not() {
    let mut story = Story::begin();
    let client = story.asks("select 'x'");
    let stream = story.logs_in();
    let before = story.sent(stream).len() - "select 'x'".len() - 6;
    story.loses(stream, before as u64);
    assert_eq!(story.opened.len(), 2, "tried again");
    let stream = story.logs_in();
    let all = story.sent(stream).len() as u64;
    story.loses(stream, all);
    let (_, outcome) = story.answer(client);
    assert_eq!(outcome.status, Verdict::OutcomeUnknown);
    assert_eq!(outcome.retry, Retry::IfIdempotent);
}

#[test]
fn a_block_left_open_is_rolled_back_and_the_caller_told() {
    let mut story = Story::begin();
    let client = story.asks("begin");
    let stream = story.logs_in();
    story.says(stream, b"C\0\0\0\x0aBEGIN\0Z\0\0\0\x05T");
    assert_eq!(story.verdict(client).0, Verdict::RolledBack);
    assert!(story.sent(stream).windows(9).any(|w| w == b"ROLLBACK\0"));
    assert_eq!(story.status().resetting, 1);
    story.says(stream, b"C\0\0\0\x0dROLLBACK\0Z\0\0\0\x05I");
    story.says(stream, RESET);
    assert_eq!(story.status().idle, 1);
}

#[test]
fn a_reset_rides_behind_the_request_and_counts_only_if_it_worked() {
    let mut story = Story::with(|s| s.reset = ResetPolicy::Always);
    let client = story.asks("select 'x'");
    let stream = story.logs_in();
    assert!(story.sent(stream).ends_with(b"DISCARD ALL\0"));
    story.says(stream, ROW);
    assert_eq!(story.verdict(client).0, Verdict::Completed);
    assert_eq!(story.status().resetting, 1);
    story.says(stream, RESET);
    assert_eq!(story.status().idle, 1);

    let client = story.asks("begin");
    story.says(stream, b"C\0\0\0\x0aBEGIN\0Z\0\0\0\x05T");
    assert_eq!(story.verdict(client).0, Verdict::RolledBack);
    story.says(stream, b"E\0\0\0\x13SERROR\0C25001\0\0Z\0\0\0\x05E");
    assert!(story.sent(stream).windows(9).any(|w| w == b"ROLLBACK\0"));
    story.says(stream, b"C\0\0\0\x0dROLLBACK\0Z\0\0\0\x05I");
    story.says(stream, RESET);
    assert_eq!(story.status().idle, 1);
}

#[test]
fn traces_are_cleared_and_ordinary_statements_pay_nothing() {
    let mut story = Story::begin();
    story.asks("select 1");
    let stream = story.logs_in();
    story.says(stream, ROW);
    assert!(!story.sent(stream).windows(7).any(|w| w == b"DISCARD"));
    story.asks("select 1; set a.b = 1");
    story.says(stream, b"C\0\0\0\x08SET\0Z\0\0\0\x05I");
    assert!(story.sent(stream).ends_with(b"DISCARD ALL\0"), "the tag showed it");
    story.says(stream, RESET);
    story.asks("load 'x'");
    story.says(stream, b"C\0\0\0\x09LOAD\0Z\0\0\0\x05I");
    assert_eq!(story.status().ending, 1, "nothing clears LOAD");
}

#[test]
fn copy_without_data_is_ended_and_the_session_goes_on() {
    let mut story = Story::begin();
    let client = story.asks("copy t from stdin");
    let stream = story.logs_in();
    story.says(stream, b"G\0\0\0\x07\0\0\0");
    assert_eq!(story.written.last().unwrap().1[0], b'f');
    story.says(stream, b"E\0\0\0\x13SERROR\0C57014\0\0Z\0\0\0\x05I");
    assert_eq!(story.verdict(client), (Verdict::Error, "57014".into()));
    assert_eq!(story.status().idle, 1);
}

#[test]
fn a_request_out_of_time_is_cancelled_and_its_session_ended() {
    let mut story = Story::begin();
    let client = story.asks_within("select pg_sleep(60)", 3000);
    let stream = story.logs_in();
    story.later(3000);
    assert_eq!(story.verdict(client), (Verdict::OutcomeUnknown, "08007".into()));
    let cancel = *story.opened.last().unwrap();
    assert_ne!(cancel, stream);
    story.happens(Input::StreamOpened { stream: cancel });
    assert_eq!(story.sent(cancel), b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x07\0\0\0\x09");
    story.loses(cancel, 16);
    assert_eq!(story.status().ending, 1, "the place is held until the far end lets go");
    story.loses(stream, 0);
    assert_eq!(story.status().ending, 0);
}

#[test]
fn a_session_that_will_not_end_is_cut_in_the_end() {
    let mut story = Story::with(|s| s.pool_size = 1);
    let client = story.asks("select 1");
    let stream = story.logs_in();
    story.happens(Input::ClientGone { client });
    story.asks("select 2");
    assert_eq!(story.opened.len(), 1, "it gets a moment to finish");
    story.later(500);
    assert_eq!(story.opened.len(), 2, "only the cancel was opened: the cap is one");
    story.later(10_000);
    assert!(story.closed.contains(&stream));
    assert_eq!(story.status().counters.orphans, 1);
}

#[test]
fn a_caller_that_waited_long_is_asked_whether_it_lives() {
    let mut story = Story::with(|s| s.pool_size = 1);
    story.asks("select 1");
    let stream = story.logs_in();
    let waiter = story.asks("select 2");
    let next = story.asks("select 3");
    story.later(1500);
    story.says(stream, ROW);
    assert_eq!(story.probes, [waiter]);
    assert!(!story.sent(stream).ends_with(b"select 2\0"));
    story.happens(Input::ClientGone { client: waiter });
    assert_eq!(story.probes, [waiter, next]);
    story.happens(Input::ClientAlive { client: next });
    assert!(story.sent(stream).ends_with(b"select 3\0"));
}

#[test]
fn a_wrong_password_is_heard_by_all_and_tried_again_later() {
    let mut story = Story::begin();
    let first = story.asks("select 1");
    let second = story.asks("select 2");
    for stream in story.opened.clone() {
        story.happens(Input::StreamOpened { stream });
        story.says(stream, b"E\0\0\0\x21SFATAL\0C28P01\0Mbad password\0\0");
    }
    for client in [first, second] {
        assert_eq!(story.verdict(client), (Verdict::Refused, "28P01".into()));
    }
    let third = story.asks("select 3");
    assert_eq!(story.verdict(third), (Verdict::Refused, "28P01".into()));
    for stream in story.opened.clone() {
        story.loses(stream, 0);
    }
    story.now += 1000;
    let fourth = story.asks("select 4");
    let stream = story.logs_in();
    story.says(stream, ROW);
    assert_eq!(story.verdict(fourth).0, Verdict::Completed);
}

#[test]
fn an_unreachable_database_is_tried_until_the_waiter_gives_up() {
    let mut story = Story::begin();
    let client = story.asks("select 1");
    let mut tries = 0;
    while story.answers.is_empty() {
        if story.opened.len() > tries {
            tries = story.opened.len();
            let stream = *story.opened.last().unwrap();
            let refusal = Refusal { kind: RefusalKind::Unreachable, detail: "502".into() };
            story.happens(Input::StreamRefused { stream, refusal });
        }
        story.later(50);
    }
    assert_eq!(story.verdict(client), (Verdict::Refused, "08001".into()));
    assert!((5..=20).contains(&tries), "{tries} tries in ten seconds");
}

#[test]
fn an_idle_pool_is_let_go_without_any_timer() {
    let mut story = Story::begin();
    story.asks("select 1");
    let stream = story.logs_in();
    story.says(stream, ROW);
    let timeouts = story.engine.poll_timeout();
    assert_eq!(timeouts.active, None);
    assert!(timeouts.housekeeping.unwrap().at <= Instant(60_000));
    story.later(60_000);
    assert!(story.sent(stream).ends_with(b"X\0\0\0\x04"));
    story.loses(stream, 0);
    story.later(60_000);
    assert_eq!(story.engine.poll_timeout().housekeeping, None, "nothing to keep alive for");
}

#[test]
fn a_slow_reader_holds_back_the_database_where_it_can() {
    static CHUNK: [u8; 65_536] = [0; 65_536];
    let mut story = Story::with(|s| s.ways = vec![Way::Direct]);
    let client = story.asks("select 1");
    let stream = story.logs_in();
    // One row of a gigabyte, less a little.
    story.says(stream, b"T\0\0\0\x06\0\0D\x3f\0\0\0");
    let mut sent = 0;
    while story.grants.iter().sum::<usize>() > sent + CHUNK.len() && sent < 100_000_000 {
        story.says(stream, &CHUNK);
        sent += CHUNK.len();
    }
    assert!(sent < 3_000_000, "{sent} bytes were let through to a reader that takes none");
    story.happens(Input::ClientTook { client, bytes: 1_500_000 });
    assert!(story.grants.iter().sum::<usize>() > sent + CHUNK.len(), "and it goes on");
}

#[test]
fn a_slow_reader_loses_its_answer_where_nothing_can_be_held_back() {
    static CHUNK: [u8; 16_384] = [0; 16_384];
    let mut story = Story::begin();
    let client = story.asks("select 1");
    let stream = story.logs_in();
    story.says(stream, b"T\0\0\0\x06\0\0D\x3f\0\0\0");
    for _ in 0..600 {
        story.says(stream, &CHUNK);
    }
    assert_eq!(story.verdict(client), (Verdict::OutcomeUnknown, "53200".into()));
    assert_eq!(story.status().ending, 1);
}

#[test]
fn an_answer_that_its_last_chunk_makes_large_is_a_stream() {
    // Two rows of 600 kB, one chunk each; the second brings the ready point too.
    let row = [&b"D\0\x09\x27\xc0"[..], &[0; 600_000 - 4]].concat();
    let first = [&b"T\0\0\0\x06\0\0"[..], &row].concat();
    let second = [&row[..], &b"C\0\0\0\x0dSELECT 2\0Z\0\0\0\x05I"[..]].concat();
    let mut story = Story::begin();
    let client = story.asks("select 'x'");
    let stream = story.logs_in();
    story.happens(Input::StreamData { stream, bytes: first.clone().into() });
    assert!(story.answers.is_empty());
    story.happens(Input::StreamData { stream, bytes: second.clone().into() });
    assert_eq!(story.answers.len(), 2, "it begins as a stream, and ends");
    assert_eq!(story.answer(client).0, [first, second].concat());
}

#[test]
fn a_request_that_is_not_allowed_is_refused_and_nothing_sent() {
    let mut story = Story::begin();
    for (request, code) in [
        (&b""[..], "08P01"),
        (&b"\x02\0\0\0\0"[..], "08P01"),
        (&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], "08P01"),
    ] {
        story.clients += 1;
        let client = ClientId(story.clients);
        story.happens(Input::ClientOpened {
            client,
            request: Bytes::copy_from_slice(request),
            lease: None,
        });
        let (status, sqlstate) = story.verdict(client);
        assert_eq!(status, Verdict::Refused);
        assert!(sqlstate == code || sqlstate == "0A000", "{sqlstate}");
    }
    assert!(story.opened.is_empty());
}

#[test]
fn an_abort_ends_a_waiting_request_and_a_running_one() {
    let mut story = Story::with(|s| s.pool_size = 1);
    let running = story.asks("select 1");
    story.logs_in();
    let waiting = story.asks("select 2");
    story.happens(Input::AbortRequest { id: 2u128.to_be_bytes() });
    assert_eq!(story.verdict(waiting), (Verdict::Refused, "57014".into()));
    story.happens(Input::AbortRequest { id: 1u128.to_be_bytes() });
    assert_eq!(story.verdict(running), (Verdict::OutcomeUnknown, "57014".into()));
}
