//! What a driver says and hears.

use crate::native::say::Say;
use crate::world::{Setup, World, live};

/// A driver's ways: typed and prepared queries, a transaction, an error, COPY.
async fn speaks(world: &World) {
    let mut driver = world.driver().await;
    let row = driver.query_one("select $1::int8 + 1, $2::text", &[&41_i64, &"ü"]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, &str>(1)), (42, "ü"));

    driver.batch_execute("create temp table mine (n int8)").await.unwrap();
    let insert = driver.prepare("insert into mine values ($1)").await.unwrap();
    for n in 0..10_i64 {
        driver.execute(&insert, &[&n]).await.unwrap();
    }
    let transaction = driver.transaction().await.unwrap();
    transaction.execute(&insert, &[&10_i64]).await.unwrap();
    let error = transaction.query("select 1 / 0", &[]).await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "22012");
    transaction.rollback().await.unwrap();
    let count = driver.query_one("select count(*) from mine", &[]).await.unwrap();
    assert_eq!(count.get::<_, i64>(0), 10);

    let large = "x".repeat(3_000_000);
    let row = driver.query_one("select length($1::text), $1::text", &[&large]).await.unwrap();
    assert_eq!((row.get::<_, i32>(0), row.get::<_, String>(1)), (3_000_000, large));
}

#[test]
fn a_driver_is_served_through_the_tunnel() {
    live(async {
        let world = Setup::new().stays().start().await;
        speaks(&world).await;
    });
}

#[test]
fn a_driver_is_served_directly() {
    live(async {
        let world = Setup::new().direct("off").stays().start().await;
        speaks(&world).await;
    });
}

#[test]
fn a_driver_is_served_through_an_agent() {
    live(async {
        let world = Setup::new().agent().stays().start().await;
        world.until_links(1).await;
        speaks(&world).await;
    });
}

#[test]
fn a_start_up_is_answered_without_a_session_of_its_own() {
    live(async {
        let world = Setup::new().stays().start().await;
        let mut first = world.raw().await;
        assert_eq!(first.value("select 1").await, "1");
        let before = world.stats();
        for _ in 0..5 {
            let other = world.raw().await;
            assert_eq!(other.parameters["server_encoding"], "UTF8");
            assert_eq!(other.parameters, first.parameters);
        }
        let after = world.stats();
        assert_eq!(after.frames_from_client, before.frames_from_client, "the database was asked");
    });
}

#[test]
fn two_at_once_do_not_see_each_others_state() {
    live(async {
        let world = Setup::new().keys("pool_size=1").stays().start().await;
        let (mut one, mut other) = (world.raw().await, world.raw().await);
        one.query("set statement_timeout = '61s'").await;
        assert_eq!(other.value("show statement_timeout").await, "0");
        assert_eq!(one.value("show statement_timeout").await, "61s");
        let prepare = Say::new().parse("mine", "select 'one'").sync();
        assert_eq!(one.ask(&prepare).await, "1 Z(I)");
        let use_it = Say::new().bind("", "mine", &[]).execute("", 0).sync();
        assert_eq!(other.ask(&use_it).await, "E(26000) Z(I)");
        assert_eq!(one.ask(&use_it).await, "2 D(one) C(SELECT 1) Z(I)");
    });
}

#[test]
fn a_database_that_is_not_configured_is_an_error_that_says_so() {
    live(async {
        let world = Setup::new().url("mysql://app@db/app").stays().start().await;
        let address = world.workerd.tcp_addr("wire").unwrap();
        let error = crate::native::raw::Raw::connect_with(address, &[("user", "app")]).await;
        assert_eq!(error.map(drop), Err("E(F0000) end".into()));
    });
}
