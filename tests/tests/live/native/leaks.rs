//! Nothing that a client leaves in a session reaches the next one: each construct of
//! `docs/reset.md`, one by one.

use pierhead_engine::{Settings, settings::ResetPolicy};

use super::say::Say;
use super::scene::{Scene, pool};
use crate::world::live;

/// What a client does and leaves behind, and how the next one would see it.
struct Trace {
    name: &'static str,
    leave: &'static [&'static str],
    look: &'static str,
}

const fn trace(name: &'static str, leave: &'static [&'static str], look: &'static str) -> Trace {
    Trace { name, leave, look }
}

const NAMED: &str = "select count(*) from pg_class where relname = 'left_behind' \
                     and relpersistence = 't' and pg_table_is_visible(oid)";
const OWN: &str = "select coalesce(nullif(current_setting('my.own', true), ''), 'nothing')";
const LOCKS: &str = "select count(*) from pg_locks where locktype = 'advisory' \
                     and pid = pg_backend_pid()";
const ROLE: &str = "select session_user || '/' || current_user";
const CURSORS: &str = "select count(*) from pg_cursors where name = 'left_behind'";
const STATEMENTS: &str = "select count(*) from pg_prepared_statements where from_sql";

const TRACES: &[Trace] = &[
    trace("SET", &["set statement_timeout = '77s'"], "show statement_timeout"),
    trace("SET of one's own", &["set my.own = 'left'"], OWN),
    trace("SET TIME ZONE", &["set time zone 'Asia/Tokyo'"], "show timezone"),
    trace("set_config", &["select set_config('my.own', 'left', false)"], OWN),
    trace("set_config, quoted", &["select \"set_config\"('my.own', 'left', false)"], OWN),
    trace(
        "SET SESSION CHARACTERISTICS",
        &["set session characteristics as transaction isolation level serializable"],
        "show default_transaction_isolation",
    ),
    trace("SET ROLE", &["set role md5_user"], ROLE),
    trace("SET SESSION AUTHORIZATION", &["set session authorization md5_user"], ROLE),
    trace("CREATE TEMP TABLE", &["create temp table left_behind (n int)"], NAMED),
    trace("CREATE TEMPORARY VIEW", &["create temporary view left_behind as select 1"], NAMED),
    trace("temporary sequence", &["create temp sequence left_behind"], NAMED),
    trace("SELECT INTO TEMP", &["select 1 as n into temp left_behind"], NAMED),
    trace("pg_temp", &["create table pg_temp.left_behind (n int)"], NAMED),
    trace(
        "temporary table of a transaction",
        &["begin", "create temp table left_behind (n int)", "commit"],
        NAMED,
    ),
    trace("LISTEN", &["listen left_behind"], "select count(*) from pg_listening_channels()"),
    trace(
        "LISTEN in a transaction",
        &["begin", "listen left_behind", "commit"],
        "select count(*) from pg_listening_channels()",
    ),
    trace("WITH HOLD", &["declare left_behind cursor with hold for select 1"], CURSORS),
    trace(
        "WITH HOLD in a transaction",
        &["begin; declare left_behind cursor with hold for select 1; commit"],
        CURSORS,
    ),
    trace("advisory lock", &["select pg_advisory_lock(42)"], LOCKS),
    trace("shared advisory lock", &["select pg_try_advisory_lock_shared(1, 2)"], LOCKS),
    trace("PREPARE", &["prepare left_behind as select 1"], STATEMENTS),
    trace("EXECUTE", &["prepare a as select 1", "execute a"], STATEMENTS),
    trace("DO", &["do $$ begin perform set_config('my.own', 'left', false); end $$"], OWN),
    trace("CALL", &["call leave_own()"], OWN),
    trace(
        "LOAD",
        &["load 'auto_explain'"],
        "select count(*) from pg_settings where name like 'auto\\_explain%'",
    ),
    trace(
        "an open transaction",
        &["begin", "create table left_behind (n int)"],
        "select count(*) from pg_class where relname = 'left_behind' and relpersistence = 'p'",
    ),
    trace("a failed transaction", &["begin", "select 1 / 0"], "select 'well'"),
    trace(
        "a comment before it",
        &["/* it's /* nested */ */ -- and\n set statement_timeout = '77s'"],
        "show statement_timeout",
    ),
    trace(
        "behind another statement",
        &["select 1; set statement_timeout = '77s'"],
        "show statement_timeout",
    ),
    trace("in a string", &["do 'begin execute ''set my.own = left''; end'"], OWN),
];

async fn nothing_is_left(reset: ResetPolicy, extended: bool, goodbye: bool) {
    // A superuser's sessions: LOAD and SET SESSION AUTHORIZATION are for superusers.
    let settings = Settings { user: "trust_user".into(), reset, ..pool(1) };
    let scene = Scene::with(settings).await;
    let procedure = "create or replace procedure leave_own() language sql as \
                     $$ select set_config('my.own', 'left', false) $$";
    scene.postgres.run(procedure).await.unwrap();
    for Trace { name, leave, look } in TRACES {
        let fresh = scene.direct().await.value(look).await;
        let mut raw = scene.raw().await;
        let mut done = Vec::new();
        for sql in *leave {
            let extended = extended && !sql.contains(';');
            done.push(match extended {
                true => raw.ask(&Say::new().run(sql, &[]).sync()).await,
                false => raw.query(sql).await,
            });
        }
        let failed = done.iter().any(|reply| reply.contains("E(") && !reply.contains("22012"));
        assert!(!failed, "{name}: {done:?}");
        if goodbye {
            raw.send(&Say::new().terminate()).await;
            raw.until_ready().await;
        } else {
            raw.die();
        }
        let mut next = scene.raw().await;
        assert_eq!(next.value(look).await, fresh, "{name} left something, {reset:?}: {done:?}");
    }
}

#[test]
fn nothing_is_left_by_who_says_goodbye() {
    live(nothing_is_left(ResetPolicy::Detected, false, true));
}

#[test]
fn nothing_is_left_by_who_dies() {
    live(nothing_is_left(ResetPolicy::Detected, false, false));
}

#[test]
fn nothing_is_left_by_the_extended_protocol() {
    live(nothing_is_left(ResetPolicy::Detected, true, true));
}

#[test]
fn nothing_is_left_where_all_is_cleared_always() {
    live(nothing_is_left(ResetPolicy::Always, true, false));
}

/// The first row of a cursor: its statement is never told to be complete, and what it did is done.
#[test]
fn nothing_is_left_by_a_portal_that_is_not_read_to_its_end() {
    live(async {
        let scene = Scene::with(pool(1)).await;
        let mut raw = scene.raw().await;
        let sql = "select set_config('my.own', 'left', false)";
        let say = Say::new().parse("", sql).bind("", "", &[]).execute("", 1).sync();
        let told = raw.ask(&say).await;
        assert!(told.contains(" s "), "{told}");
        raw.send(&Say::new().terminate()).await;
        raw.until_ready().await;
        assert_eq!(scene.raw().await.value(OWN).await, "nothing");
    });
}

/// What no word in the SQL shows is left with `detected`, and not with `always`.
#[test]
fn the_residue_is_what_the_page_says() {
    live(async {
        for (reset, left) in [(ResetPolicy::Detected, "left"), (ResetPolicy::Always, "nothing")] {
            let scene = Scene::with(Settings { reset, ..pool(1) }).await;
            let function = "create or replace function hidden() returns text language sql as \
                            $$ select set_config('my.own', 'left', false) $$";
            scene.postgres.run(function).await.unwrap();
            let mut raw = scene.raw().await;
            assert_eq!(raw.value("select hidden()").await, "left");
            raw.send(&Say::new().terminate()).await;
            raw.until_ready().await;
            assert_eq!(scene.raw().await.value(OWN).await, left, "{reset:?}");
        }
    });
}

#[test]
fn nothing_is_left_by_who_had_a_session_of_its_own() {
    live(async {
        let scene = Scene::of(1).await;
        let mut raw = scene.raw_session().await;
        for sql in [
            "set my.own = 'left'",
            "create temp table left_behind (n int)",
            "select pg_advisory_lock(7)",
            "listen left_behind",
            "select hidden_own()",
            "begin",
        ] {
            raw.query(sql).await;
        }
        raw.die();
        let mut next = scene.raw().await;
        assert_eq!(next.value(OWN).await, "nothing");
        assert_eq!(next.value(NAMED).await, "0");
        assert_eq!(next.value(LOCKS).await, "0");
        assert_eq!(next.query("select 1").await, "T D(1) C(SELECT 1) Z(I)");
    });
}
