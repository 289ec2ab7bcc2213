//! The protocol in all its ways: several segments in flight, flushes, portals, many statements at
//! once. Each story is told directly first, and must be the same through the pool.

use std::time::Duration;

use super::say::Say;
use super::scene::{Scene, both};
use crate::world::live;

#[test]
fn several_segments_in_flight_are_answered_in_order() {
    live(async {
        let replies = both(async |raw| {
            let say = Say::new().run("select 1", &[]).sync();
            let say = say.run("select 1 / $1::int", &["0"]).run("select 2", &[]).sync();
            let say = say.query("select 3").run("select $1::text", &["four"]).sync();
            raw.send(&say).await;
            let mut replies = Vec::new();
            for _ in 0..4 {
                replies.push(raw.until_ready().await);
            }
            replies.join(" | ")
        });
        let replies = replies.await;
        assert!(replies.starts_with("1 2 T D(1) C(SELECT 1) Z(I) | 1 E(22012) Z(I) | T D(3)"));
        assert!(replies.ends_with("D(four) C(SELECT 1) Z(I)"), "{replies}");
    });
}

#[test]
fn a_hundred_segments_in_one_write_are_a_hundred_answers() {
    live(async {
        both(async |raw| {
            let mut say = Say::new();
            for n in 0..100 {
                say = say.run("select $1::int", &[&n.to_string()]).sync();
            }
            raw.send(&say).await;
            let mut replies = String::new();
            for n in 0..100 {
                let reply = raw.until_ready().await;
                assert_eq!(reply, format!("1 2 T D({n}) C(SELECT 1) Z(I)"));
                replies.push_str(&reply);
            }
            replies
        })
        .await;
    });
}

#[test]
fn a_flush_brings_replies_before_the_ready_point() {
    live(async {
        let replies = both(async |raw| {
            raw.send(&Say::new().run("select 'now'", &[]).flush()).await;
            let now = raw.next(5).await;
            assert!(raw.is_silent_for(Duration::from_millis(50)).await);
            raw.send(&Say::new().run("select 'and now'", &[]).flush()).await;
            let more = raw.next(5).await;
            raw.send(&Say::new().sync()).await;
            format!("{now} | {more} | {}", raw.until_ready().await)
        });
        let wanted = "1 2 T D(now) C(SELECT 1) | 1 2 T D(and now) C(SELECT 1) | Z(I)";
        assert_eq!(replies.await, wanted);
    });
}

#[test]
fn a_flush_after_an_error_brings_it_and_the_rest_is_skipped() {
    live(async {
        let replies = both(async |raw| {
            raw.send(&Say::new().run("select nonsense", &[]).flush()).await;
            let now = raw.next(1).await;
            raw.send(&Say::new().run("select 'skipped'", &[]).flush()).await;
            assert!(raw.is_silent_for(Duration::from_millis(50)).await);
            raw.send(&Say::new().sync().run("select 'again'", &[]).sync()).await;
            format!("{now} | {} | {}", raw.until_ready().await, raw.until_ready().await)
        });
        let wanted = "E(42703) | Z(I) | 1 2 T D(again) C(SELECT 1) Z(I)";
        assert_eq!(replies.await, wanted);
    });
}

#[test]
fn a_portal_gives_its_rows_in_turns() {
    live(async {
        let replies = both(async |raw| {
            let mut replies = raw.query("begin").await;
            let say = Say::new().parse("", "select generate_series(1, 5)").bind("p", "", &[]);
            let mut turn = raw.ask(&say.execute("p", 2).sync()).await;
            while turn.contains(" s ") || turn.starts_with("s ") {
                replies = format!("{replies} | {turn}");
                turn = raw.ask(&Say::new().execute("p", 2).sync()).await;
            }
            format!("{replies} | {turn} | {}", raw.query("commit").await)
        });
        let wanted = "C(BEGIN) Z(T) | 1 2 D(1) D(2) s Z(T) | D(3) D(4) s Z(T) | \
                      D(5) C(SELECT 1) Z(T) | C(COMMIT) Z(I)";
        assert_eq!(replies.await, wanted);
    });
}

#[test]
fn a_portal_lives_on_within_a_segment_and_ends_with_it() {
    live(async {
        let replies = both(async |raw| {
            let say = Say::new().parse("", "select generate_series(1, 3)").bind("", "", &[]);
            raw.send(&say.execute("", 1).flush()).await;
            let first = raw.next(4).await;
            let second = raw.ask(&Say::new().execute("", 1).sync()).await;
            let gone = raw.ask(&Say::new().execute("", 1).sync()).await;
            format!("{first} | {second} | {gone}")
        });
        assert_eq!(replies.await, "1 2 D(1) s | D(2) s Z(I) | E(34000) Z(I)");
    });
}

#[test]
fn a_simple_query_with_many_statements_gets_every_result() {
    live(async {
        let replies = both(async |raw| {
            let all = raw.query("select 1; select 2, 3; values (4), (5)").await;
            let failing = raw.query("select 1; select 1 / 0; select 3").await;
            let nothing = raw.query("").await;
            let blocks = raw.query("begin; select 1; commit; begin; select 2").await;
            format!("{all} | {failing} | {nothing} | {blocks} | {}", raw.query("rollback").await)
        });
        let replies = replies.await;
        assert!(replies.contains("| T D(1) C(SELECT 1) E(22012) Z(I) | I Z(I) |"), "{replies}");
        assert!(replies.ends_with("C(SELECT 1) Z(T) | C(ROLLBACK) Z(I)"), "{replies}");
    });
}

#[test]
fn the_state_of_a_transaction_is_told_at_every_ready_point() {
    live(async {
        let replies = both(async |raw| {
            let mut replies = String::new();
            for sql in ["begin", "select 1 / 0", "select 1", "rollback", "select 1"] {
                let reply = raw.query(sql).await;
                replies.push_str(reply.get(reply.len() - 2..reply.len() - 1).unwrap());
            }
            replies + &raw.ask(&Say::new().sync()).await
        });
        assert_eq!(replies.await, "TEEIIZ(I)");
    });
}

#[test]
fn a_function_is_called_by_its_number() {
    live(async {
        let replies = both(async |raw| {
            // abs(integer) is 1397; one argument as text, its result as text.
            let body = b"\0\0\x05\x75\0\0\0\x01\0\0\0\x02-5\0\0";
            let called = raw.ask(&Say::new().message(b'F', body)).await;
            let unknown = raw.ask(&Say::new().message(b'F', b"\0\0\0\x01\0\0\0\0\0\0")).await;
            format!("{called} | {unknown}")
        });
        let replies = replies.await;
        assert!(replies.starts_with("V Z(I) | E("), "{replies}");
    });
}

#[test]
fn notices_reach_the_client_whose_statement_raised_them() {
    live(async {
        let raise = "do $$ begin raise notice 'one'; raise warning 'two'; end $$";
        let replies = both(async |raw| raw.query(raise).await).await;
        assert_eq!(replies, "N(00000) N(01000) C(DO) Z(I)");
    });
}

#[test]
fn a_message_may_come_one_byte_at_a_time() {
    live(async {
        let replies = both(async |raw| {
            let say = Say::new().run("select $1::text", &["slow"]).sync().query("select 2");
            for at in 0..say.bytes().len() {
                raw.send_bytes(&say.bytes()[at..=at]).await;
                tokio::task::yield_now().await;
            }
            raw.until_ready().await + " " + &raw.until_ready().await
        });
        let wanted = "1 2 T D(slow) C(SELECT 1) Z(I) T D(2) C(SELECT 1) Z(I)";
        assert_eq!(replies.await, wanted);
    });
}

#[test]
fn a_large_parameter_and_a_large_row_pass() {
    live(async {
        let replies = both(async |raw| {
            let large = "x".repeat(3_000_000);
            let say = Say::new().run("select $1::text || 'y'", &[&large]).sync();
            let reply = raw.ask(&say).await;
            format!("{} {}", reply.len(), &reply[reply.len() - 30..])
        });
        assert!(replies.await.ends_with("xy) C(SELECT 1) Z(I)"));
    });
}

#[test]
fn in_session_mode_a_listener_hears_while_it_is_idle() {
    live(async {
        let scene = Scene::of(2).await;
        let mut raw = scene.raw_session().await;
        assert_eq!(raw.query("listen harbour").await, "C(LISTEN) Z(I)");
        let mut other = scene.raw().await;
        assert_eq!(other.query("notify harbour, 'a ship'").await, "C(NOTIFY) Z(I)");
        assert_eq!(raw.next(1).await, "A(harbour,a ship)");
        assert_eq!(raw.query("notify harbour, 'own'").await, "C(NOTIFY) A(harbour,own) Z(I)");
    });
}

#[test]
fn in_session_mode_everything_stays() {
    live(async {
        let scene = Scene::of(2).await;
        let mut raw = scene.raw_session().await;
        let pid = raw.value("select pg_backend_pid()").await;
        raw.query("create temp table mine (n int)").await;
        raw.query("set my.own = 'kept'").await;
        raw.query("prepare mine as select 'prepared'").await;
        for _ in 0..5 {
            let mut other = scene.raw().await;
            assert_ne!(other.value("select pg_backend_pid()").await, pid);
        }
        assert_eq!(raw.value("select pg_backend_pid()").await, pid);
        assert_eq!(raw.value("select count(*) from mine").await, "0");
        assert_eq!(raw.value("show my.own").await, "kept");
        assert_eq!(raw.value("execute mine").await, "prepared");
    });
}

#[test]
fn a_client_that_says_goodbye_leaves_its_session_to_the_next() {
    live(async {
        let scene = Scene::of(1).await;
        let mut first = scene.raw().await;
        let pid = first.value("select pg_backend_pid()").await;
        first.send(&Say::new().terminate()).await;
        assert_eq!(first.until_ready().await, "end");
        assert_eq!(scene.raw().await.value("select pg_backend_pid()").await, pid);
    });
}
