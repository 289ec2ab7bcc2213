//! Answers that are read as they arrive: readers that are slow, and readers that stop.

use std::time::Duration;

use serde_json::json;

use crate::world::{Setup, live};

const MANY: &str = "copy (select repeat('x', 1000) from generate_series(1, 20000)) to stdout";

#[test]
fn a_slow_reader_of_a_copy_holds_the_database_back() {
    live(async {
        let world = Setup::new().direct("off").keys("pool_size=1").start().await;
        let app = world.app().patient(Duration::from_secs(60));
        // 20 MB, of which the coordinator holds a window.
        let reader = tokio::spawn({
            let app = app.clone();
            async move { app.get("/copy_out", &[("sql", MANY), ("every", "100")]).await.unwrap() }
        });
        world.until_status("streaming", |status| status["streamed"] == 1).await;
        let mut most = 0;
        while !reader.is_finished() {
            most = most.max(world.status().await["answer_bytes"].as_u64().unwrap());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(
            reader.await.unwrap(),
            json!({"bytes": 20_020_000, "pieces": 20_000, "affected": 20_000})
        );
        assert!(most < 4 * 1024 * 1024, "{most} bytes were held for the reader");
    });
}

#[test]
fn a_reader_that_stops_frees_its_session() {
    live(async {
        let world = Setup::new().direct("off").keys("pool_size=1").start().await;
        let app = world.app();
        let read = app.get("/big", &[("mb", "50"), ("rate", "0"), ("stop", "10")]).await.unwrap();
        assert_eq!((&read["rows"], &read["error"]), (&json!(10), &json!(null)));
        app.echo("next").await.unwrap();
        let read = app.get("/copy_out", &[("sql", MANY), ("stop", "10")]).await.unwrap();
        assert_eq!(read["pieces"], 10);
        app.echo("next").await.unwrap();
        world.until_status("at rest", |s| s["clients"] == 0 && s["answer_bytes"] == 0).await;
        world.until_busy(0).await;
    });
}
