//! What a client SETs follows it from session to session.

use super::say::Say;
use super::scene::{Scene, both};
use crate::world::live;

#[test]
fn two_clients_with_different_settings_take_turns_on_one_session() {
    live(async {
        let scene = Scene::of(1).await;
        let (mut one, mut other, mut plain) =
            (scene.raw().await, scene.raw().await, scene.raw().await);
        one.query("set timezone = 'Asia/Tokyo'").await;
        one.query("set search_path = 'pg_catalog', public").await;
        other.query("set time zone 'Europe/Paris'").await;
        other.query("set application_name to 'the other'").await;
        other.query("SET SESSION my.own = 'x''y'; select 1").await;
        let all = "select concat_ws('/', current_setting('TimeZone'), current_setting('search_path'), \
                   current_setting('application_name'), current_setting('my.own', true))";
        let untouched = plain.value(all).await;
        for _ in 0..10 {
            let value = one.value(all).await;
            let wanted = format!("Asia/Tokyo/\"pg_catalog\", public/{}", scene.application);
            assert_eq!(
                value.replace("pg_catalog, public", "\"pg_catalog\", public").trim_end_matches('/'),
                wanted
            );
            assert_eq!(other.value(all).await, "Europe/Paris/\"$user\", public/the other/x'y");
            assert_eq!(
                plain.value(all).await.trim_end_matches('/'),
                untouched.trim_end_matches('/')
            );
        }
        assert_eq!(scene.native.status().await.counters.opened, 1);
    });
}

#[test]
fn a_client_hears_of_its_own_settings_only() {
    live(async {
        let scene = Scene::of(1).await;
        let (mut one, mut other) = (scene.raw().await, scene.raw().await);
        one.query("set timezone = 'Asia/Tokyo'").await;
        other.query("set timezone = 'Europe/Paris'").await;
        for _ in 0..3 {
            one.query("select 1").await;
            other.query("select 1").await;
            assert_eq!(one.parameters["TimeZone"], "Asia/Tokyo");
            assert_eq!(other.parameters["TimeZone"], "Europe/Paris");
        }
        let mut third = scene.raw().await;
        third.query("select 1").await;
        assert_eq!(third.parameters["TimeZone"], "UTC");
    });
}

#[test]
fn a_setting_is_followed_however_it_is_sent() {
    live(async {
        for set in [
            "set statement_timeout = 54321",
            "SET statement_timeout TO '54321ms'",
            "/* a */ set session statement_timeout = 54321 -- b",
        ] {
            let scene = Scene::of(1).await;
            let (mut simple, mut extended, mut piped, mut plain) =
                (scene.raw().await, scene.raw().await, scene.raw().await, scene.raw().await);
            simple.query(set).await;
            extended.ask(&Say::new().run(set, &[]).sync()).await;
            piped
                .send(
                    &Say::new()
                        .parse("s", set)
                        .bind("", "s", &[])
                        .execute("", 0)
                        .sync()
                        .query("select 1"),
                )
                .await;
            piped.until_ready().await;
            piped.until_ready().await;
            for _ in 0..2 {
                for raw in [&mut simple, &mut extended, &mut piped] {
                    assert_eq!(raw.value("show statement_timeout").await, "54321ms", "{set}");
                }
                assert_eq!(plain.value("show statement_timeout").await, "0", "{set}");
            }
        }
    });
}

#[test]
fn a_setting_shares_the_fate_of_its_transaction() {
    live(async {
        let replies = both(async |raw| {
            let mut seen = Vec::new();
            for script in [
                &["begin", "set my.own = 'rolled back'", "rollback"][..],
                &["set my.own = 'kept'"],
                &["begin", "set my.own = 'also rolled back'", "select 1 / 0", "commit"],
                &["begin", "set local my.own = 'local'", "commit"],
                &["begin", "savepoint a", "set my.own = 'undone'", "rollback to a", "commit"],
                &["begin", "set my.own = 'committed'", "commit"],
                &[
                    "begin",
                    "set my.own = 'a'; set my.own = 'b'",
                    "savepoint a",
                    "set my.own = 'c'",
                    "release a",
                    "end",
                ],
                &["set my.own = 'not applied'; select 1 / 0"],
                &["set my.own to default"],
                &["set no_such_setting = 1"],
            ] {
                for sql in script {
                    raw.query(sql).await;
                }
                let value = raw.value("select coalesce(current_setting('my.own', true), '')").await;
                seen.push(value);
            }
            seen.join("|")
        });
        assert_eq!(replies.await, "|kept|kept|kept|kept|committed|c|c||");
    });
}

#[test]
fn a_role_follows_its_client() {
    live(async {
        let scene = Scene::of(1).await;
        scene.postgres.run("create role deckhand; grant deckhand to scram_user").await.unwrap();
        let (mut one, mut other) = (scene.raw().await, scene.raw().await);
        assert_eq!(one.query("set role deckhand").await, "C(SET) Z(I)");
        for _ in 0..3 {
            assert_eq!(one.value("select current_user").await, "deckhand");
            assert_eq!(other.value("select current_user").await, "scram_user");
        }
        one.query("reset role").await;
        assert_eq!(other.value("select current_user").await, "scram_user");
        assert_eq!(one.value("select current_user").await, "scram_user");
    });
}

#[test]
fn what_is_reset_is_followed_no_more() {
    live(async {
        for reset in ["reset my.own", "reset all", "discard all", "set my.own to default"] {
            let replies = both(async |raw| {
                raw.query("set my.own = 'set'").await;
                raw.query("set statement_timeout = 77777").await;
                let reset = raw.query(reset).await;
                let own = raw.value("select coalesce(current_setting('my.own', true), '')").await;
                format!("{reset} {own} {}", raw.value("show statement_timeout").await)
            });
            let replies = replies.await;
            assert!(!replies.contains("set "), "{reset}: {replies}");
        }
    });
}

#[test]
fn what_a_client_asks_for_at_start_up_holds() {
    live(async {
        let scene = Scene::of(1).await;
        let parameters = [
            ("user", "scram_user"),
            ("application_name", "the starter"),
            ("TimeZone", "Asia/Tokyo"),
            ("options", "-c statement_timeout=12345 -c my.own=x\\ y"),
        ];
        let mut starter =
            super::raw::Raw::connect_with(scene.native.transaction, &parameters).await.unwrap();
        let mut plain = scene.raw().await;
        for _ in 0..3 {
            assert_eq!(starter.value("show application_name").await, "the starter");
            assert_eq!(starter.value("show timezone").await, "Asia/Tokyo");
            assert_eq!(starter.value("show statement_timeout").await, "12345ms");
            assert_eq!(starter.value("show my.own").await, "x y");
            assert_eq!(plain.value("show timezone").await, "UTC");
            assert_eq!(plain.value("show statement_timeout").await, "0");
        }
        assert_eq!(starter.parameters["TimeZone"], "Asia/Tokyo");
        assert_eq!(starter.parameters["application_name"], "the starter");
        // What is set by RESET is what the client asked for.
        starter.query("set timezone = 'Europe/Paris'").await;
        plain.query("select 1").await;
        assert_eq!(starter.value("show timezone").await, "Europe/Paris");
    });
}

#[test]
fn a_start_up_is_answered_as_the_database_would() {
    live(async {
        let scene = Scene::of(1).await;
        let (pooled, direct) = (scene.raw().await, scene.direct().await);
        let names = |raw: &super::raw::Raw| raw.parameters.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&pooled), names(&direct));
        for name in [
            "server_version",
            "server_encoding",
            "client_encoding",
            "DateStyle",
            "integer_datetimes",
            "standard_conforming_strings",
            "TimeZone",
        ] {
            assert_eq!(pooled.parameters[name], direct.parameters[name], "{name}");
        }
        assert!(pooled.key.len() >= 8);
    });
}
