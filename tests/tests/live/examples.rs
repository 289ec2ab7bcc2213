//! The examples of the README, as they are built.

use pierhead_tests::postgres::PostgresConfig;
use serde_json::json;

use crate::world::{Setup, live};

#[test]
fn both_examples_answer() {
    live(async {
        let world = Setup::new().own_postgres(PostgresConfig::default()).examples().start().await;
        let answer = world.http("bound").get("/").await.unwrap().ok().unwrap().json().unwrap();
        assert_eq!(answer.as_array().unwrap().len(), 10, "{answer}");
        assert_eq!(answer[0], json!({"id": 1, "name": "Ship 1 „Möwe“", "berth": "Pier 1"}));

        let answer = world.http("embedded").get("/").await.unwrap().ok().unwrap().text();
        assert!(answer.starts_with("20"), "{answer}");
        // Each has a pool: the embedded one its own.
        assert_eq!(world.sessions().await, 2);
        let page = world.http("coordinator").get("/").await.unwrap();
        assert!(!page.text().is_empty());
    });
}
