//! Logging in, once.

use pierhead_tests::postgres::ROLES;

use crate::agent::scene::use_sessions;
use crate::world::{Setup, live};

#[test]
fn every_authentication_method_works_and_is_paid_once() {
    live(async {
        let world = Setup::new()
            .user("scram_user")
            .database("clear")
            .user("clear_user")
            .database("md5")
            .user("md5_user")
            .database("trust")
            .user("trust_user")
            .password(None)
            .start()
            .await;
        for (database, (role, _)) in ["trust", "clear", "md5", "main"].iter().zip(ROLES) {
            let app = world.app_of(database);
            assert_eq!(app.value("select current_user", &[]).await.unwrap(), role);
            let first = app.pid().await.unwrap();
            for _ in 0..5 {
                assert_eq!(app.pid().await.unwrap(), first, "{role} was given another session");
            }
        }
        let stats = world.stats();
        assert_eq!((stats.handshakes_total, stats.streams_total), (4, 4));
        assert_eq!(world.sessions().await, 4);
    });
}

#[test]
fn many_sessions_derive_one_scram_key() {
    live(async {
        let world = Setup::new().keys("pool_size=5").start().await;
        let app = world.app();
        app.echo("first").await.unwrap();
        use_sessions(&app, 5).await;
        assert_eq!(world.sessions().await, 5);
        assert_eq!(world.status().await["scram_derivations"], 1);
    });
}
