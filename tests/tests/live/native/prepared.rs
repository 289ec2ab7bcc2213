//! Prepared statements: clients keep their names, sessions change underneath.

use super::raw::Raw;
use super::say::Say;
use super::scene::{Scene, both, pool};
use crate::world::live;
use pierhead_engine::Settings;

/// Binds and executes a named statement that takes one text.
fn run(name: &str, value: &str) -> Say {
    Say::new().bind("", name, &[value]).execute("", 0).sync()
}

#[test]
fn fifty_clients_with_one_name_and_fifty_meanings_share_two_sessions() {
    live(async {
        let scene = Scene::of(2).await;
        let mut clients = tokio::task::JoinSet::new();
        for number in 0..50 {
            let mut raw = scene.raw().await;
            clients.spawn(async move {
                let sql = format!("select 'client {number}', $1::text");
                assert_eq!(raw.ask(&Say::new().parse("s", &sql).sync()).await, "1 Z(I)");
                for round in 0..20 {
                    let reply = raw.ask(&run("s", &round.to_string())).await;
                    assert_eq!(reply, format!("2 D(client {number},{round}) C(SELECT 1) Z(I)"));
                }
            });
        }
        while let Some(ended) = clients.join_next().await {
            ended.unwrap();
        }
        assert!(scene.sessions().await <= 2);
    });
}

#[test]
fn a_drivers_statements_survive_the_change_of_sessions() {
    live(async {
        let scene = Scene::of(2).await;
        let mut clients = tokio::task::JoinSet::new();
        for number in 0..20_i32 {
            let client = scene.client().await;
            clients.spawn(async move {
                let add = client.prepare("select $1::int + $2::int").await.unwrap();
                let berth = client.prepare("select name from berths where id = $1").await.unwrap();
                for n in 0..20_i32 {
                    let sum: i32 = client.query_one(&add, &[&number, &n]).await.unwrap().get(0);
                    assert_eq!(sum, number + n);
                    let id = n % 20 + 1;
                    let name: String = client.query_one(&berth, &[&id]).await.unwrap().get(0);
                    assert_eq!(name, format!("Pier {id}"));
                }
            });
        }
        while let Some(ended) = clients.join_next().await {
            ended.unwrap();
        }
    });
}

#[test]
fn statements_are_there_again_after_their_session_was_replaced() {
    live(async {
        let scene = Scene::of(1).await;
        let mut raw = scene.raw().await;
        raw.ask(&Say::new().parse("s", "select 'again', $1").sync()).await;
        assert_eq!(raw.ask(&run("s", "1")).await, "2 D(again,1) C(SELECT 1) Z(I)");
        assert_eq!(scene.postgres.terminate_sessions(&scene.application).await.unwrap(), 1);
        scene.until("gone", |status| status.idle == 0).await;
        assert_eq!(raw.ask(&run("s", "2")).await, "2 D(again,2) C(SELECT 1) Z(I)");
    });
}

/// A statement on a table that then changes its shape, used on the session that knows it.
async fn altered(table: &str, scene: &Scene) -> Raw {
    let create = format!("create table {table} (a int); insert into {table} values (1)");
    scene.postgres.run(&create).await.unwrap();
    scene.postgres.run(&format!("grant all on {table} to public")).await.unwrap();
    let mut raw = scene.raw().await;
    let sql = format!("select * from {table}");
    let say = Say::new().parse("s", &sql).bind("", "s", &[]).describe_portal("").execute("", 0);
    assert_eq!(raw.ask(&say.sync()).await, "1 2 T D(1) C(SELECT 1) Z(I)");
    let alter = format!("alter table {table} add b int default 2");
    scene.postgres.run(&alter).await.unwrap();
    raw
}

#[test]
fn a_plan_that_a_migration_broke_is_cured_for_who_describes() {
    live(async {
        let scene = Scene::of(1).await;
        let mut raw = altered("cured", &scene).await;
        let say = Say::new().bind("", "s", &[]).describe_portal("").execute("", 0).sync();
        assert_eq!(raw.ask(&say).await, "2 T D(1,2) C(SELECT 1) Z(I)");
        assert_eq!(raw.ask(&say).await, "2 T D(1,2) C(SELECT 1) Z(I)");
    });
}

#[test]
fn a_plan_that_a_migration_broke_is_reported_to_who_does_not_describe() {
    live(async {
        let scene = Scene::of(1).await;
        let mut raw = altered("reported", &scene).await;
        let say = Say::new().bind("", "s", &[]).execute("", 0).sync();
        assert_eq!(raw.ask(&say).await, "E(0A000) Z(I)");
        let say = Say::new().bind("", "s", &[]).describe_portal("").execute("", 0).sync();
        assert_eq!(raw.ask(&say).await, "2 T D(1,2) C(SELECT 1) Z(I)");
    });
}

#[test]
fn inside_a_transaction_no_plan_is_cured() {
    live(async {
        let scene = Scene::of(1).await;
        let mut raw = altered("uncured", &scene).await;
        raw.query("begin").await;
        let say = Say::new().bind("", "s", &[]).describe_portal("").execute("", 0).sync();
        assert_eq!(raw.ask(&say).await, "E(0A000) Z(E)");
        raw.query("rollback").await;
        assert_eq!(raw.ask(&say).await, "2 T D(1,2) C(SELECT 1) Z(I)");
    });
}

#[test]
fn the_unnamed_statement_lives_until_the_next() {
    live(async {
        let replies = both(async |raw| {
            let use_it = Say::new().bind("", "", &[]).execute("", 0).sync();
            let said = raw.ask(&Say::new().parse("", "select 'kept'").sync()).await;
            let first = raw.ask(&use_it).await;
            let second = raw.ask(&use_it).await;
            raw.query("select 'a simple query drops it'").await;
            format!("{said} | {first} | {second} | {}", raw.ask(&use_it).await)
        });
        let wanted = "1 Z(I) | 2 D(kept) C(SELECT 1) Z(I) | 2 D(kept) C(SELECT 1) Z(I) | \
                      E(26000) Z(I)";
        assert_eq!(replies.await, wanted);
    });
}

#[test]
fn an_unnamed_statement_that_an_error_skipped_replaces_nothing() {
    live(async {
        let replies = both(async |raw| {
            raw.ask(&Say::new().parse("", "select 'kept'").sync()).await;
            let say = Say::new().bind("", "none", &[]).parse("", "select 'skipped'").sync();
            let failed = raw.ask(&say).await;
            let kept = raw.ask(&Say::new().bind("", "", &[]).execute("", 0).sync()).await;
            let broken = raw.ask(&Say::new().parse("", "select nonsense").sync()).await;
            let gone = raw.ask(&Say::new().bind("", "", &[]).execute("", 0).sync()).await;
            format!("{failed} | {kept} | {broken} | {gone}")
        });
        let wanted = "E(26000) Z(I) | 2 D(kept) C(SELECT 1) Z(I) | E(42703) Z(I) | E(26000) Z(I)";
        assert_eq!(replies.await, wanted);
    });
}

#[test]
fn the_unnamed_statement_is_not_the_other_clients() {
    live(async {
        let scene = Scene::of(1).await;
        let (mut one, mut other) = (scene.raw().await, scene.raw().await);
        let use_it = Say::new().bind("", "", &[]).execute("", 0).sync();
        one.ask(&Say::new().parse("", "select 'one'").sync()).await;
        other.ask(&Say::new().parse("", "select 'other'").sync()).await;
        assert_eq!(one.ask(&use_it).await, "2 D(one) C(SELECT 1) Z(I)");
        assert_eq!(other.ask(&use_it).await, "2 D(other) C(SELECT 1) Z(I)");
        let mut third = scene.raw().await;
        assert_eq!(third.ask(&use_it).await, "E(26000) Z(I)");
    });
}

/// As `pgbench` does it: each client prepares every statement of its transaction when it first comes
/// to it, also those that others have prepared on the same session.
#[test]
fn clients_prepare_the_same_statements_inside_their_transactions() {
    live(async {
        let scene = Scene::of(2).await;
        let mut clients = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let mut raw = scene.raw().await;
            clients.spawn(async move {
                let texts = ["begin", "select $1::text", "select $1::text || 'x'", "end"];
                for round in 0..10 {
                    for (number, text) in texts.iter().enumerate() {
                        let name = format!("P_{number}");
                        if round == 0 {
                            let reply = raw.ask(&Say::new().parse(&name, text).sync()).await;
                            assert!(reply.starts_with("1 Z("), "{name}: {reply}");
                        }
                        let values: &[&str] = if text.contains('$') { &["a"] } else { &[] };
                        let say = Say::new().bind("", &name, values).describe_portal("");
                        let reply = raw.ask(&say.execute("", 0).sync()).await;
                        assert!(
                            reply.starts_with("2 ") && !reply.contains("E("),
                            "{name}: {reply}"
                        );
                    }
                }
            });
        }
        while let Some(ended) = clients.join_next().await {
            ended.unwrap();
        }
    });
}

/// A program with one thread and several clients stands still while one of them prepares: it must
/// not wait for a session that another of its clients holds.
#[test]
fn a_statement_that_is_prepared_already_is_named_without_a_session() {
    live(async {
        let scene = Scene::of(1).await;
        let (mut holder, mut other) = (scene.raw().await, scene.raw().await);
        let sql = "select 'known', $1";
        holder.ask(&Say::new().parse("s", sql).sync()).await;
        holder.query("begin").await;
        assert_eq!(other.ask(&Say::new().parse("mine", sql).sync()).await, "1 Z(I)");
        other.send(&run("mine", "x")).await;
        scene.until("waiting", |status| status.waiting == 1).await;
        holder.query("commit").await;
        assert_eq!(other.until_ready().await, "2 D(known,x) C(SELECT 1) Z(I)");
        // A name that is taken is refused all the same.
        assert_eq!(other.ask(&Say::new().parse("mine", sql).sync()).await, "E(42P05) Z(I)");
    });
}

#[test]
fn many_statements_are_all_remembered() {
    live(async {
        let scene = Scene::of(1).await;
        let mut raw = scene.raw().await;
        for number in 0..400 {
            let name = format!("statement {number}");
            let say = Say::new().parse(&name, &format!("select {number}, $1::text"));
            assert_eq!(raw.ask(&say.sync()).await, "1 Z(I)");
        }
        for number in (0..400).rev() {
            let reply = raw.ask(&run(&format!("statement {number}"), "x")).await;
            assert_eq!(reply, format!("2 D({number},x) C(SELECT 1) Z(I)"));
        }
    });
}

#[test]
fn a_plan_cache_names_what_comes_again_and_without_one_nothing_is_named() {
    live(async {
        for (plan_cache, named) in [(true, "1"), (false, "0")] {
            let scene = Scene::with(Settings { plan_cache, ..pool(1) }).await;
            for round in ["1", "2", "3", "4"] {
                let mut raw = scene.raw().await;
                let reply = raw.ask(&Say::new().run("select $1::text", &[round]).sync()).await;
                assert_eq!(reply, format!("1 2 T D({round}) C(SELECT 1) Z(I)"));
            }
            let mut raw = scene.raw().await;
            let count = raw.value("select count(*) from pg_prepared_statements").await;
            assert_eq!(count, named, "with plan_cache {plan_cache}");
        }
    });
}
