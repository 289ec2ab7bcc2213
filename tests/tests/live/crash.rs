//! Objects that are ended, and databases that are not configured properly.

use crate::world::{Setup, live};

#[test]
fn a_new_coordinator_carries_on_after_a_crash() {
    live(async {
        let world = Setup::new().keys("pool_size=3").crash_control().start().await;
        let app = world.app();
        for _ in 0..2 {
            let pid = app.pid().await.unwrap();
            let running = {
                let app = app.clone();
                tokio::spawn(async move { app.query("select pg_sleep(20)", &[]).await })
            };
            world.until_busy(1).await;
            world.workerd.abort_all_objects().await.unwrap();
            let failure = running.await.unwrap().unwrap_err();
            eprintln!("in flight at the crash: {}", failure.text());
            assert!(failure.is("unknown") && !failure.is("refused"), "{failure:?}");
            assert_eq!(failure.status, 500);
            assert_ne!(app.pid().await.unwrap(), pid);
            // The old sessions ended with their streams; one may still sleep until it notices.
            world.postgres.run("select pg_cancel_backend(pid) from pg_stat_activity where query like '%pg_sleep(20)' and pid <> pg_backend_pid()").await.unwrap();
            world.until_sessions(1).await;
        }
    });
}

/// The URLs and words that the parser's own tests and `npx pierhead check` are held against.
#[test]
fn what_the_parser_refuses_is_told_in_its_words() {
    live(async {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/golden/refusals.txt");
        let golden = std::fs::read_to_string(file).unwrap();
        let lines: Vec<&str> = golden.lines().collect();
        let mut setup = Setup::new();
        for (n, told) in lines.chunks(2).enumerate() {
            setup = setup.database(&format!("d{n}")).url(told[0]);
        }
        let world = setup.start().await;
        for (n, told) in lines.chunks(2).enumerate() {
            let failure = world.app_of(&format!("d{n}")).echo("x").await.unwrap_err();
            let words = told[1].replace("PIERHEAD_DB_MAIN", &format!("PIERHEAD_DB_D{n}"));
            assert!(failure.text().contains(&words), "{words}\n{failure:?}");
        }
    });
}

#[test]
fn a_misconfigured_database_names_what_is_wrong() {
    live(async {
        let password = "hush-hush-in-url";
        let world = Setup::new()
            .keys("pool_sise=4")
            .database("nohost")
            .url(&format!("postgres://app:{password}@/db?tunnel=direct"))
            .database("twice")
            .url(&format!("postgres://app:{password}@db.invalid/db?tunnel=direct"))
            .database("range")
            .keys("pool_size=0")
            .database("fine")
            .start()
            .await;
        let cases = [
            ("main", "pool_sise"),
            ("nohost", "PIERHEAD_DB_NOHOST"),
            ("twice", "PASSWORD"),
            ("range", "pool_size"),
            ("missing", "PIERHEAD_DB_MISSING"),
        ];
        for (database, names) in cases {
            let failure = world.app_of(database).echo("x").await.unwrap_err();
            eprintln!("{database}: {}", failure.text());
            assert!(failure.is("refused") && !failure.is("retryable"), "{failure:?}");
            assert_eq!((failure.sqlstate(), failure.status), ("F0000", 500), "{failure:?}");
            assert!(failure.text().contains(names), "{failure:?}");
            assert!(!failure.error.to_string().contains(password), "{failure:?}");
        }
        assert!(!world.workerd.log().text().contains(password));
        world.app_of("fine").echo("beside them").await.unwrap();
    });
}
