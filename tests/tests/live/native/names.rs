//! The names of prepared statements: given, taken, let go, and what errors make of all that. Most
//! stories are told directly first, and must be the same through the pool.

use super::say::Say;
use super::scene::{Scene, both};
use crate::world::live;

/// Binds and executes a named statement that takes one text.
fn run(name: &str, value: &str) -> Say {
    Say::new().bind("", name, &[value]).execute("", 0).sync()
}

#[test]
fn a_name_that_is_taken_is_refused_and_one_that_was_closed_is_free() {
    live(async {
        let replies = both(async |raw| {
            let first = raw.ask(&Say::new().parse("s", "select 1").sync()).await;
            let taken = raw.ask(&Say::new().parse("s", "select 2").sync()).await;
            let still = raw.ask(&Say::new().bind("", "s", &[]).execute("", 0).sync()).await;
            let say = Say::new().close_statement("s").close_statement("none");
            let again = raw.ask(&say.parse("s", "select 3").sync()).await;
            let new = raw.ask(&Say::new().bind("", "s", &[]).execute("", 0).sync()).await;
            format!("{first} | {taken} | {still} | {again} | {new}")
        });
        let wanted = "1 Z(I) | E(42P05) Z(I) | 2 D(1) C(SELECT 1) Z(I) | 3 3 1 Z(I) | \
                      2 D(3) C(SELECT 1) Z(I)";
        assert_eq!(replies.await, wanted);
    });
}

#[test]
fn a_statement_is_described_by_its_clients_name() {
    live(async {
        let replies = both(async |raw| {
            let said = raw.ask(&Say::new().parse("s", "select $1::int").sync()).await;
            let described = raw.ask(&Say::new().describe_statement("s").sync()).await;
            let say = Say::new().parse("n", "listen x").describe_statement("n").sync();
            let silent = raw.ask(&say).await;
            let unknown = raw.ask(&Say::new().describe_statement("none").sync()).await;
            format!("{said} | {described} | {silent} | {unknown}")
        });
        assert_eq!(replies.await, "1 Z(I) | t T Z(I) | 1 t n Z(I) | E(26000) Z(I)");
    });
}

#[test]
fn a_closed_statement_is_gone_and_a_portal_of_it_is_not() {
    live(async {
        let replies = both(async |raw| {
            let say = Say::new().parse("s", "select 'still'").bind("p", "s", &[]);
            let said = raw.ask(&say.close_statement("s").execute("p", 0).sync()).await;
            format!("{said} | {}", raw.ask(&Say::new().bind("", "s", &[]).sync()).await)
        });
        assert_eq!(replies.await, "1 2 3 D(still) C(SELECT 1) Z(I) | E(26000) Z(I)");
    });
}

#[test]
fn sql_can_forget_what_the_protocol_prepared() {
    live(async {
        for forget in ["deallocate s", "deallocate all", "discard all", "DEALLOCATE PREPARE \"s\""]
        {
            let replies = both(async |raw| {
                let said = raw.ask(&Say::new().parse("s", "select 1").sync()).await;
                let forgotten = raw.query(forget).await;
                let gone = raw.ask(&Say::new().bind("", "s", &[]).sync()).await;
                let again = raw.ask(&Say::new().parse("s", "select 2").sync()).await;
                format!("{said} | {forgotten} | {gone} | {again}")
            });
            let replies = replies.await;
            assert!(replies.ends_with("Z(I) | E(26000) Z(I) | 1 Z(I)"), "{forget}: {replies}");
        }
    });
}

#[test]
fn what_follows_a_deallocate_in_the_same_write_finds_it_done() {
    live(async {
        for forget in ["deallocate s", "deallocate all", "discard all"] {
            let replies = both(async |raw| {
                let text = "select generate_series(1, 2)";
                raw.ask(&Say::new().parse("s", text).sync()).await;
                let say = Say::new().query(forget).parse("s", text).bind("", "s", &[]);
                let say = say.execute("", 0).sync().query(forget);
                raw.send(&say.bind("", "s", &[]).sync()).await;
                let mut replies = String::new();
                for _ in 0..4 {
                    replies = format!("{replies}{} | ", raw.until_ready().await);
                }
                replies
            });
            let replies = replies.await;
            assert!(replies.contains("| 1 2 D(1) D(2) C(SELECT 2) Z(I) |"), "{replies}");
            assert!(replies.ends_with("| E(26000) Z(I) | "), "{replies}");
        }
    });
}

#[test]
fn forgetting_all_forgets_only_ones_own() {
    live(async {
        let scene = Scene::of(1).await;
        let (mut one, mut other) = (scene.raw().await, scene.raw().await);
        for (raw, sql) in [(&mut one, "select 'one', $1"), (&mut other, "select 'other', $1")] {
            assert_eq!(raw.ask(&Say::new().parse("s", sql).sync()).await, "1 Z(I)");
            assert!(raw.ask(&run("s", "")).await.ends_with("Z(I)"));
        }
        for forget in ["deallocate all", "discard all"] {
            one.query(forget).await;
            assert_eq!(other.ask(&run("s", "x")).await, "2 D(other,x) C(SELECT 1) Z(I)");
        }
        assert_eq!(one.ask(&run("s", "x")).await, "E(26000) Z(I)");
    });
}

#[test]
fn deallocating_a_name_that_is_not_there_is_the_error_that_it_is() {
    live(async {
        let replies = both(async |raw| {
            let missing = raw.query("deallocate nothing").await;
            format!("{missing} | {}", raw.value("select 1").await)
        });
        assert_eq!(replies.await, "E(26000) Z(I) | 1");
    });
}

#[test]
fn an_error_inside_a_pipeline_spares_what_was_prepared_before_it() {
    live(async {
        let replies = both(async |raw| {
            let say = Say::new().parse("a", "select 'a'").parse("b", "select nonsense");
            let said = raw.ask(&say.parse("c", "select 'c'").sync()).await;
            let use_it = |name: &str| Say::new().bind("", name, &[]).execute("", 0).sync();
            let a = raw.ask(&use_it("a")).await;
            let b = raw.ask(&use_it("b")).await;
            let c = raw.ask(&use_it("c")).await;
            format!("{said} | {a} | {b} | {c}")
        });
        let wanted = "1 E(42703) Z(I) | 2 D(a) C(SELECT 1) Z(I) | E(26000) Z(I) | E(26000) Z(I)";
        assert_eq!(replies.await, wanted);
    });
}

#[test]
fn a_close_that_an_error_skipped_closes_nothing() {
    live(async {
        let replies = both(async |raw| {
            raw.ask(&Say::new().parse("s", "select 'open'").sync()).await;
            let say = Say::new().run("select 1 / $1::int", &["0"]).close_statement("s").sync();
            let failed = raw.ask(&say).await;
            let open = raw.ask(&Say::new().bind("", "s", &[]).execute("", 0).sync()).await;
            format!("{failed} | {open}")
        });
        assert_eq!(replies.await, "1 E(22012) Z(I) | 2 D(open) C(SELECT 1) Z(I)");
    });
}

#[test]
fn a_close_ahead_of_an_error_closes() {
    live(async {
        for failed in [false, true] {
            let replies = both(async |raw| {
                raw.ask(&Say::new().parse("s", "select 1").sync()).await;
                if failed {
                    raw.query("begin; select 1 / 0").await;
                }
                let say = Say::new().close_statement("s").execute("none", 0).sync();
                let closed = raw.ask(&say).await;
                let say = Say::new().parse("s", "").sync();
                format!("{closed} | {}", raw.ask(&say).await)
            });
            let state = if failed { "E" } else { "I" };
            assert_eq!(replies.await, format!("3 E(34000) Z({state}) | 1 Z({state})"));
        }
    });
}

#[test]
fn a_parse_that_failed_in_a_broken_transaction_leaves_its_name_free() {
    live(async {
        let replies = both(async |raw| {
            // What the session has already is no exception.
            for (name, text) in [("a", "select 1"), ("b", ""), ("c", "commit")] {
                raw.ask(&Say::new().parse(name, text).sync()).await;
            }
            raw.query("begin; select 1 / 0").await;
            let mut replies = String::new();
            for text in ["select 1", "select nonsense", ""] {
                let say = Say::new().parse("s", text).sync();
                replies = format!("{replies}{} | ", raw.ask(&say).await);
            }
            replies + &raw.ask(&Say::new().parse("t", "commit").sync()).await
        });
        assert_eq!(replies.await, "E(25P02) Z(E) | E(25P02) Z(E) | 1 Z(E) | 1 Z(E)");
    });
}

#[test]
fn a_name_that_was_to_be_given_anew_behind_an_error_is_as_before() {
    live(async {
        for text in ["select 'old'", "select 'new'"] {
            let replies = both(async |raw| {
                raw.ask(&Say::new().parse("s", "select 'old'").sync()).await;
                let say = Say::new().parse("t", "select nonsense").close_statement("s");
                let failed = raw.ask(&say.parse("s", text).close_statement("s").sync()).await;
                let say = Say::new().bind("", "s", &[]).execute("", 0).sync();
                format!("{failed} | {}", raw.ask(&say).await)
            });
            assert_eq!(replies.await, "E(42703) Z(I) | 2 D(old) C(SELECT 1) Z(I)");
        }
    });
}

#[test]
fn behind_the_end_of_a_broken_transaction_all_is_as_ever() {
    live(async {
        let replies = both(async |raw| {
            let names = [("a", "select 'known'"), ("end", "rollback")];
            for (name, text) in names {
                raw.ask(&Say::new().parse(name, text).sync()).await;
            }
            let mut replies = String::new();
            for name in ["b", "c"] {
                raw.query("begin; select 1 / 0").await;
                let say = Say::new().parse(name, "select 'known'").sync();
                replies = format!("{replies}{} | ", raw.ask(&say).await);
                let say = Say::new().bind("", "end", &[]).execute("", 0);
                let say = say.parse(name, "select 'known'").bind("", name, &[]);
                replies = format!("{replies}{} | ", raw.ask(&say.execute("", 0).sync()).await);
            }
            replies
        });
        let once = "E(25P02) Z(E) | 2 C(ROLLBACK) 1 2 D(known) C(SELECT 1) Z(I) | ";
        assert_eq!(replies.await, once.repeat(2));
    });
}

#[test]
fn a_rollback_spares_prepared_statements() {
    live(async {
        let replies = both(async |raw| {
            raw.query("begin").await;
            raw.ask(&Say::new().parse("s", "select 'spared'").sync()).await;
            raw.query("rollback").await;
            raw.ask(&Say::new().bind("", "s", &[]).execute("", 0).sync()).await
        });
        assert_eq!(replies.await, "2 D(spared) C(SELECT 1) Z(I)");
    });
}

#[test]
fn a_deallocate_by_the_extended_protocol_knows_its_clients_names() {
    live(async {
        let replies = both(async |raw| {
            raw.ask(&Say::new().parse("s", "select 1").sync()).await;
            let forgotten = raw.ask(&Say::new().run("deallocate s", &[]).sync()).await;
            raw.ask(&Say::new().parse("t", "select 2").sync()).await;
            raw.ask(&Say::new().parse("", "deallocate t").sync()).await;
            let say = Say::new().bind("", "", &[]).execute("", 0).sync();
            let later = raw.ask(&say).await;
            let gone = raw.ask(&Say::new().bind("", "s", &[]).sync()).await;
            let also = raw.ask(&Say::new().bind("", "t", &[]).sync()).await;
            format!("{forgotten} | {later} | {gone} | {also}")
        });
        let wanted =
            "1 2 n C(DEALLOCATE) Z(I) | 2 C(DEALLOCATE) Z(I) | E(26000) Z(I) | E(26000) Z(I)";
        assert_eq!(replies.await, wanted);
    });
}

#[test]
fn a_prepared_deallocate_knows_its_clients_names() {
    live(async {
        for name in ["", "forget"] {
            let replies = both(async |raw| {
                raw.ask(&Say::new().parse("s", "select 1").sync()).await;
                raw.ask(&Say::new().parse(name, "deallocate s").sync()).await;
                let say = Say::new().bind("", name, &[]).execute("", 0).sync();
                let forgotten = raw.ask(&say).await;
                format!("{forgotten} | {}", raw.ask(&Say::new().bind("", "s", &[]).sync()).await)
            });
            assert_eq!(replies.await, "2 C(DEALLOCATE) Z(I) | E(26000) Z(I)", "{name:?}");
        }
    });
}

#[test]
fn a_name_whose_first_statement_fails_can_be_given_in_the_next_segment_of_the_same_write() {
    live(async {
        let replies = both(async |raw| {
            let say = Say::new().parse("s", "select nonsense").sync().parse("s", "select 'second'");
            raw.send(&say.bind("", "s", &[]).execute("", 0).sync()).await;
            format!("{} | {}", raw.until_ready().await, raw.until_ready().await)
        });
        assert_eq!(replies.await, "E(42703) Z(I) | 1 2 D(second) C(SELECT 1) Z(I)");
    });
}

#[test]
fn a_deallocate_behind_a_segment_that_fails_finds_what_was_not_closed() {
    live(async {
        let replies = both(async |raw| {
            raw.ask(&Say::new().parse("s", "select 1").sync()).await;
            let say = Say::new().parse("t", "select nonsense").close_statement("s").sync();
            raw.send(&say.query("deallocate s")).await;
            format!("{} | {}", raw.until_ready().await, raw.until_ready().await)
        });
        assert_eq!(replies.await, "E(42703) Z(I) | C(DEALLOCATE) Z(I)");
    });
}
