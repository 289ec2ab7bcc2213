//! Links that break while somebody uses them.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::agent::scene::{until, use_sessions};
use crate::load::{Load, Told};
use crate::world::{Setup, World, live};

/// From the lost link to the end of a statement that would run for a minute. It is asked to take a
/// second; the rest is for a busy machine.
const SOON: Duration = Duration::from_secs(5);

async fn table(world: &World) -> String {
    let table = format!("cut_{}", world.application.replace('-', "_"));
    let sql = format!("create table {table} (id int); grant all on {table} to scram_user");
    world.postgres.run(&sql).await.unwrap();
    table
}

async fn count(world: &World, sql: &str) -> i64 {
    world.postgres.control().await.unwrap().query_one(sql, &[]).await.unwrap().get(0)
}

/// A transaction that has written, so that it holds a lock, and would go on for a minute.
async fn begin(world: &World, table: &str) -> tokio::task::JoinHandle<crate::app::Failure> {
    let app = world.app();
    let statements = [format!("insert into {table} values (1)"), "select pg_sleep(60)".to_owned()];
    let call = tokio::spawn(async move {
        let statements = statements.each_ref().map(|sql| (sql.as_str(), json!([])));
        app.batch(&statements).await.unwrap_err()
    });
    let busy = async || call.is_finished() || world.busy_sessions().await == 1;
    until("busy", busy).await;
    assert!(!call.is_finished(), "{:?}", call.await);
    let locked = async || count(world, &locks(table)).await == 1;
    until("locked", locked).await;
    call
}

fn locks(table: &str) -> String {
    format!(
        "select count(*) from pg_locks l join pg_class c on c.oid = l.relation \
         where c.relname = '{table}' and l.mode = 'RowExclusiveLock' and l.granted"
    )
}

#[test]
fn a_cut_inside_a_transaction_ends_it_at_the_database() {
    live(async {
        let world = Setup::new().agent().keys("pool_size=2").crash_control().start().await;
        world.until_links(1).await;
        let table = table(&world).await;
        for how in ["an orderly end", "a reset", "an aborted object"] {
            let call = begin(&world, &table).await;
            let began = Instant::now();
            match how {
                "an orderly end" => world.link.knobs().cut_all(),
                "a reset" => world.link.knobs().reset_all(),
                _ => world.workerd.abort_all_objects().await.unwrap(),
            }
            until("free", async || world.busy_sessions().await == 0).await;
            let freed = began.elapsed();
            until("unlocked", async || count(&world, &locks(&table)).await == 0).await;
            let failure = call.await.unwrap();
            eprintln!("{how}: ended at the database after {freed:?}; told: {}", failure.text());
            assert!(freed < SOON, "{freed:?}");
            assert!(failure.is("unknown") && !failure.is("retryable"), "{failure:?}");
            assert_eq!(count(&world, &format!("select count(*) from {table}")).await, 0);
            world.app().echo("the next one").await.unwrap();
        }
    });
}

#[test]
fn a_killed_agent_takes_its_sessions_along() {
    live(async {
        let mut world = Setup::new().agent().keys("pool_size=2").start().await;
        world.until_links(1).await;
        let table = table(&world).await;
        let call = begin(&world, &table).await;
        world.agents[0].restart().unwrap();
        let failure = call.await.unwrap();
        eprintln!("told: {}", failure.text());
        assert!(failure.is("unknown"), "{failure:?}");
        // Nobody is left to cancel it: the database notices the end when the statement is over.
        let cancel = format!(
            "select pg_cancel_backend(pid) from pg_stat_activity \
             where application_name = '{}' and state = 'active'",
            world.application
        );
        world.app().echo("through the new agent").await.unwrap();
        world.postgres.run(&cancel).await.unwrap();
        world.until_busy(0).await;
        assert_eq!(count(&world, &format!("select count(*) from {table}")).await, 0);
        use_sessions(&world.app(), 2).await;
    });
}

#[test]
fn nothing_runs_twice_while_links_break() {
    live(async {
        let world = Setup::new().agent().keys("pool_size=4").crash_control().start().await;
        world.until_links(1).await;
        let load = Load::start(&world, 12).await;
        for round in 0..6 {
            match round % 3 {
                0 => world.link.knobs().cut_all(),
                1 => world.link.knobs().reset_all(),
                _ => world.workerd.abort_all_objects().await.unwrap(),
            }
            load.until_done(40).await;
        }
        // A cut after so many bytes lands in the middle of a frame.
        for bytes in [1, 700, 9_000] {
            world.link.knobs().cut_after(bytes);
            load.until_done(60).await;
        }
        let told = load.finish(&world).await;
        let unknown = told.iter().filter(|(_, told)| matches!(told, Told::Unknown(_))).count();
        assert!(unknown > 0, "no write was under way at any cut");
    });
}
