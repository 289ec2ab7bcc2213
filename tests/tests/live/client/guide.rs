//! The Worker of `docs/guides/rust-worker.md`, with a coordinator of its own and with one that is
//! deployed by itself; and the Workers that bring a driver or an ORM.

use pierhead_tests::http::Http;
use pierhead_tests::postgres::PostgresConfig;
use serde_json::{Value, json};

use crate::world::{Setup, World, live};

const NOTES: &str = "
    create table notes (tenant text, note text);
    insert into notes values ('ada', 'rope'), ('bob', 'sail'), ('ada', 'tar');
    alter table notes enable row level security;
    create policy own on notes using (tenant = nullif(current_setting('app.tenant', true), ''));
    grant all on notes to scram_user";

async fn text(http: &Http, path: &str) -> String {
    http.get(path).await.unwrap().ok().unwrap().text()
}

async fn post(http: &Http, path: &str, body: impl Into<bytes::Bytes>) -> String {
    let answer = http.request(hyper::Method::POST, path, body.into()).await.unwrap();
    answer.ok().unwrap().text()
}

async fn tells_the_guide(world: &World, worker: &str) {
    let http = world.http(worker);
    let ships: Value = http.get("/ships").await.unwrap().ok().unwrap().json().unwrap();
    assert_eq!(ships.as_array().unwrap().len(), 3, "{worker}: {ships}");
    let names = format!("/counters?names={worker}-a,{worker}-b");
    assert_eq!(text(&http, &names).await, "2");
    assert_eq!(text(&http, &names).await, "4");

    // The first time the berth is counted, the second time it was already.
    let first = text(&http, "/moor?ship=Ship%201&berth=Pier%201").await;
    let sql = format!("update berths set state = 'free' where name = '{first}'");
    world.postgres.run(&sql).await.unwrap();
    assert_eq!(text(&http, "/moor?ship=Ship%201&berth=Pier%201").await, first);
    let counted = format!("select value from counters where name = '{first}'");
    assert_eq!(world.app().value(&counted, &[]).await.unwrap(), "1");
    let none = http.get("/moor?ship=Ship%201&berth=Z").await.unwrap();
    assert_eq!(none.status, 409);

    let notes = async |path: &str| http.get(path).await.unwrap();
    let own = notes("/notes?tenant=ada").await.ok().unwrap().json().unwrap();
    assert_eq!(own, json!([["rope"], ["tar"]]), "{worker}");
    assert_eq!(notes("/notes?tenant=eve").await.ok().unwrap().json().unwrap(), json!([]));
    assert_eq!(notes("/notes").await.status, 500);

    assert_eq!(post(&http, "/import", format!("{worker}-c,7\n{worker}-d,8\n")).await, "2 rows");
    let table = text(&http, "/export").await;
    assert!(table.contains(&format!("{worker}-c,7\n{worker}-d,8\n")), "{table}");
    let refused = http.request(hyper::Method::POST, "/import", "x,y\n".into()).await.unwrap();
    assert_eq!(refused.status, 400);
}

#[test]
fn the_guides_worker_runs_with_its_own_coordinator_and_with_a_bound_one() {
    live(async {
        let setup = Setup::new().keys("pool_size=1").own_postgres(PostgresConfig::default());
        let world = setup.guide().start().await;
        world.postgres.run(NOTES).await.unwrap();
        for worker in ["guide", "guide-bound"] {
            tells_the_guide(&world, worker).await;
            let clear = "delete from counters; update berths set state = 'free'; update ships set berth = null";
            world.postgres.run(clear).await.unwrap();
        }
        // Each has a pool: the first one its own.
        world.until_sessions(2).await;
    });
}

#[test]
fn tokio_postgres_works_over_a_socket() {
    live(async {
        let setup = Setup::new().keys("pool_size=1").own_postgres(PostgresConfig::default());
        let world = setup.drivers().start().await;
        let http = world.http("tokio-postgres");
        let taken = text(&http, "/").await;
        assert!(taken.starts_with("Pier 1: "), "{taken}");
        assert_eq!(taken.lines().count(), 7, "{taken}");
        // More than one request of the client would carry.
        let rows: String = (0..20_000).map(|n| format!("{n:0>1000}\t{n}\n")).collect();
        assert!(rows.len() > 16 * 1024 * 1024);
        assert_eq!(post(&http, "/", rows).await, "20000 rows\n");
        let sum = world.app().value("select sum(value) from counters", &[]).await.unwrap();
        assert_eq!(sum, "199990000");
        assert_eq!(world.sessions().await, 1);
    });
}

#[test]
fn sea_orm_works_with_transactions_in_transactions() {
    live(async {
        let world = Setup::new().own_postgres(PostgresConfig::default()).drivers().start().await;
        let http = world.http("sea-orm");
        let berths: Value = http.get("/").await.unwrap().ok().unwrap().json().unwrap();
        assert_eq!(berths[2], json!({"id": 3, "name": "Pier 3"}), "{berths}");
        for total in ["1", "2", "3"] {
            assert_eq!(post(&http, "/?total=all&part=one", "").await, total);
        }
        let both = "select string_agg(name || ' ' || value, ', ' order by name) from counters where value > 0";
        assert_eq!(world.app().value(both, &[]).await.unwrap(), "all 3, one 1");

        // A constraint that COMMIT checks: SeaORM does not hear of it, the application does.
        let late = "alter table counters add column owner text default 'x' unique deferrable initially deferred";
        world.postgres.run("delete from counters").await.unwrap();
        world.postgres.run(late).await.unwrap();
        let failed =
            http.request(hyper::Method::POST, "/?total=a&part=b", "".into()).await.unwrap();
        assert_eq!(failed.status, 409, "{}", failed.text());
        assert_eq!(world.app().value("select count(*) from counters", &[]).await.unwrap(), "0");
    });
}
