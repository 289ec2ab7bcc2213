//! What texts show.

use super::*;

fn sign(sql: &str) -> Option<Sign> {
    read(sql.as_bytes()).signs.state
}

fn changes(sql: &str) -> Vec<Change> {
    let facts = read(sql.as_bytes());
    assert_eq!(facts.signs, Signs::default(), "{sql}");
    facts.changes
}

fn set(name: &str, value: &str) -> Change {
    Change::Set { name: name.into(), value: value.into() }
}

fn reset(name: &str) -> Change {
    Change::Reset { name: name.into() }
}

#[test]
fn what_ends_with_its_transaction_shows_no_sign() {
    for sql in [
        "",
        ";;",
        "-- set\nselect 1",
        "/* listen c */ select 1",
        "select 1",
        "select $1::int",
        "update t set a = 1 where reset_at is null",
        "insert into templates values ('x') on conflict do nothing",
        "with x as (select 1) select * from x",
        "select 'set_config', 'pg_temp.x', E'it\\'s dblink', $$execute$$, $x$ load $x$",
        "select \"temp\", temp from temporary",
        "insert into temp values (1)",
        "insert into temp (a) values (1)",
        "insert into temp select 1",
        "merge into temp using t on a = b when matched then do nothing",
        "select pg_advisory_xact_lock(1), pg_try_advisory_xact_lock_shared(2)",
        "select pg_advisory_unlock(1), PG_ADVISORY_UNLOCK_SHARED(2), pg_catalog.pg_advisory_unlock_all()",
        "select 1 from pg_locks where locktype = 'advisory'",
        "select set_config('app.user', $1, true)",
        "SELECT pg_catalog.Set_Config ( 'a.b'::text , 'c''d' , TRUE )",
        "select set_config($1::text, $2::text, true), set_config('c', 'd', true)",
        "declare c cursor for select 1",
        "declare c cursor without hold for select 1",
        "grant execute on function f to bob",
        "create trigger t before insert on a execute function f()",
        "create table t (temp int, execute text)",
        "create function f() returns int language sql as 'select pg_advisory_lock(1)'",
        "create function f() returns int set search_path = a language sql as $$ set b = 1 $$",
        "create function f() returns int begin atomic select case when true then 1 end; end",
        "alter role bob set work_mem = '1MB'",
        "unlisten *",
        "discard plans",
        "close all",
        "set local work_mem = '1MB'",
        "SET LOCAL ROLE bob",
        "set local app.claims = '{\"a\": \"\\d\"}'",
        "set local search_path = a, 'b'",
        "set local schema 'a'",
        "set local session authorization bob",
        "set local session_authorization = 'bob'",
        "set transaction isolation level serializable",
        "set transaction_read_only = on",
        "reset transaction isolation level",
        "set session transaction read only",
        "set constraints all deferred",
        "begin; set local x.y = 1; set transaction read only; select 1; commit",
        "prepare transaction 'a'",
        "commit prepared 'a'",
    ] {
        let facts = read(sql.as_bytes());
        assert_eq!((facts.signs, facts.changes), (Signs::default(), vec![]), "{sql}");
    }
}

#[test]
fn what_outlives_its_transaction_shows() {
    for (sql, expected) in [
        ("listen c", Sign::Listen),
        ("select 1;;LISTEN c", Sign::Listen),
        ("prepare a as select 1", Sign::Prepared),
        ("execute a", Sign::Execute),
        ("select 1; execute a", Sign::Execute),
        ("explain analyze execute a", Sign::Execute),
        ("create table t as /* */ execute a(1)", Sign::Execute),
        ("declare c cursor with hold for select 1", Sign::HoldCursor),
        ("DECLARE c NO SCROLL CURSOR WITH -- x\n HOLD FOR select 1", Sign::HoldCursor),
        ("do $$ begin end $$", Sign::Do),
        ("call p()", Sign::Call),
        ("create temp table t (a int)", Sign::TemporaryTable),
        ("CREATE LOCAL TEMPORARY TABLE t (a int)", Sign::TemporaryTable),
        ("create or replace temp view v as select 1", Sign::TemporaryTable),
        ("create temporary recursive view v (a) as select 1", Sign::TemporaryTable),
        ("create temp sequence s", Sign::TemporaryTable),
        ("explain analyze create temp table t as select 1", Sign::TemporaryTable),
        ("select 1 into temp t", Sign::TemporaryTable),
        ("select 1 into temporary table t from a", Sign::TemporaryTable),
        ("with x as (select 1) select * into local temp y from x", Sign::TemporaryTable),
        ("select insert into temp t from a", Sign::TemporaryTable),
        ("select (1) insert into temp t", Sign::TemporaryTable),
        ("select (1) insert into temp values", Sign::TemporaryTable),
        ("create table pg_temp.t (a int)", Sign::TemporaryTable),
        ("create table \"pg_temp\".t (a int)", Sign::TemporaryTable),
        ("insert into pg_temp_3.t values (1)", Sign::TemporaryTable),
        ("create table u&\"\\0070g_temp\".t (a int)", Sign::Unclear),
        ("set search_path = pg_temp", Sign::TemporaryTable),
        ("set search_path to a, 'PG_TEMP'", Sign::TemporaryTable),
        ("set local search_path to 'pg_temp'", Sign::TemporaryTable),
        ("set local search_path to E'pg\\_temp'", Sign::TemporaryTable),
        ("set local \"search_path\" to a, 'pg_temp'", Sign::TemporaryTable),
        ("set local schema 'pg_temp'", Sign::TemporaryTable),
        ("set schema 'pg_temp'", Sign::TemporaryTable),
        ("set local search_path to E'\\x70g_temp'", Sign::Set),
        ("select set_config('search_path', 'pg_temp', true)", Sign::SetConfig),
        ("select set_config('a.b', 'c', false)", Sign::SetConfig),
        ("select set_config('a.b', 'c', true and false)", Sign::SetConfig),
        ("select set_config('a.b', 'c', 't'::bool)", Sign::SetConfig),
        ("select set_config(a, b, true) from c", Sign::SetConfig),
        ("select set_config('a', 'b' || 'c', true)", Sign::SetConfig),
        ("select \"set_config\"('a', 'b', false)", Sign::SetConfig),
        ("select set_config", Sign::SetConfig),
        ("select pg_advisory_lock(1)", Sign::AdvisoryLock),
        ("select PG_TRY_ADVISORY_LOCK_SHARED(1)", Sign::AdvisoryLock),
        ("select advisory_xact_advisory(1)", Sign::AdvisoryLock),
        ("select pg_advisory_unlock_and_lock(1)", Sign::AdvisoryLock),
        ("select pg_advisory_unlock_all(), pg_advisory_lock(1)", Sign::AdvisoryLock),
        ("select dblink_connect('x')", Sign::Dblink),
        ("set session authorization bob", Sign::Set),
        ("set session_authorization = 'bob'", Sign::Set),
        ("set session session authorization bob", Sign::Set),
        ("reset session authorization", Sign::Set),
        ("reset session_authorization", Sign::Set),
        ("set session characteristics as transaction read only", Sign::Set),
        ("set xml option document", Sign::Set),
        ("set x from current", Sign::Set),
        ("set x = 'a' 'b'", Sign::Set),
        ("set x = 'a\\b'", Sign::Set),
        ("set x = 'a'\n'b'", Sign::Set),
        ("set x = U&'a'", Sign::Set),
        ("set x = $1", Sign::Set),
        ("set x = f()", Sign::Set),
        ("set x", Sign::Set),
        ("set", Sign::Set),
        ("set x = 1; commit", Sign::Set),
        ("begin; set x = 1", Sign::Set),
        ("set x = 1; load 'a'", Sign::Set),
        ("set x = 1; listen c", Sign::Listen),
        ("select 1; deallocate all", Sign::Prepared),
        ("create function f() returns int begin atomic select 1; set x = 1", Sign::Unclear),
    ] {
        assert_eq!(sign(sql), Some(expected), "{sql}");
        assert_eq!(read(sql.as_bytes()).changes, vec![], "{sql}");
    }
}

#[test]
fn a_statement_behind_a_body_of_statements_is_seen() {
    let body = "create or replace function f(x int) returns int begin atomic \
                select case when x > 1 then 1 end as end; select t.case from t; end; ";
    assert_eq!(read(body.as_bytes()).statements, 1);
    assert_eq!(sign(&format!("{body} listen c")), Some(Sign::Listen));
    assert_eq!(sign("create view v as select begin atomic from t; listen c"), Some(Sign::Listen));
    assert_eq!(read(b"create rule r as on insert to t do also (select 1; select 2)").statements, 1);
}

#[test]
fn a_text_with_two_readings_is_read_by_all_its_words() {
    for (sql, expected) in [
        ("select 'a\\'; listen c; --'", Some(Sign::Listen)),
        ("select 'a\\', 'pg_temp.b'", Some(Sign::TemporaryTable)),
        ("select 'a\\', ' set_config('", Some(Sign::SetConfig)),
        ("select 'a\\', $$ pg_advisory_lock $$", Some(Sign::AdvisoryLock)),
        ("select 'a\\' ; /* x", Some(Sign::Unclear)),
        ("set x = 'a\\' b'", Some(Sign::Set)),
        ("set local x = 'a\\' b'", Some(Sign::Set)),
        ("select 'a\\' , u&\"b\"", Some(Sign::Unclear)),
        ("deallocate all; select 'a\\'", Some(Sign::Prepared)),
        ("select E'\u{e9}\\' ; listen c; '", Some(Sign::Listen)),
        ("select 'a\\' || 'b'", None),
        ("insert into t values ('it\\'s a set')", None),
    ] {
        let facts = read(sql.as_bytes());
        assert_eq!(facts.signs.state, expected, "{sql}");
        assert_eq!((facts.changes.len(), facts.statements), (0, 2), "{sql}");
    }
    assert!(read(b"copy t from stdin (delimiter 'a\\'').").signs.copy_in);
    assert!(read(b"load 'a\\'").signs.indelible);
}

#[test]
fn a_backslash_that_moves_no_quote_leaves_one_reading() {
    for sql in ["select 'a\\d+', 'set_config', 1", "select 'C:\\\\', 'pg_temp'", "select N'\\n'"] {
        assert_eq!((sign(sql), read(sql.as_bytes()).statements), (None, 1), "{sql}");
    }
}

#[test]
fn plain_sets_are_changes() {
    for (sql, expected) in [
        ("SET search_path = x", set("search_path", "'x'")),
        (
            "set session Search_Path to Foo, \"Bar\", 'Baz''s';",
            set("search_path", "'foo', 'Bar', 'Baz''s'"),
        ),
        ("  /* a /* nested */ comment */ set work_mem = 64", set("work_mem", "64")),
        ("set x.y = -1.5e3", set("x.y", "-1.5e3")),
        ("set x.y = +1", set("x.y", "1")),
        ("set x.y = on", set("x.y", "'on'")),
        ("set app.\"User_ID\" = $$a'b\\$$", set("app.user_id", "E'a''b\\\\'")),
        ("set \"App.User\" = $q$$$$q$", set("app.user", "'$$'")),
        ("set x = E'a\\'b\\\\c\\n'", set("x", "E'a''b\\\\c\n'")),
        ("set x = default", reset("x")),
        ("set time zone 'UTC'", set("timezone", "'UTC'")),
        ("set session time zone -7", set("timezone", "-7")),
        ("set time zone local", reset("timezone")),
        ("set time zone default", reset("timezone")),
        (
            "set time zone interval '-08:00' hour to minute",
            set("timezone", "INTERVAL '-08:00' HOUR TO MINUTE"),
        ),
        ("set names 'utf8'", set("client_encoding", "'utf8'")),
        ("set names", reset("client_encoding")),
        ("set names default", reset("client_encoding")),
        ("set role Bob", set("role", "'bob'")),
        ("set role \"Bob\"", set("role", "'Bob'")),
        ("set role = 'Bob'", set("role", "'Bob'")),
        ("set role none", reset("role")),
        ("set role to default", reset("role")),
        ("set schema 'a'", set("search_path", "'a'")),
        ("reset work_mem", reset("work_mem")),
        ("reset x.Y", reset("x.y")),
        ("reset role", reset("role")),
        ("reset time zone", reset("timezone")),
        ("reset all", Change::ResetAll),
    ] {
        assert_eq!(changes(sql), [expected], "{sql}");
    }
}

#[test]
fn many_sets_are_changes_in_their_order() {
    assert_eq!(
        changes(
            "SET client_min_messages TO warning;SET TIME ZONE INTERVAL '+00:00' HOUR TO MINUTE;"
        ),
        [
            set("client_min_messages", "'warning'"),
            set("timezone", "INTERVAL '+00:00' HOUR TO MINUTE"),
        ]
    );
    assert_eq!(
        changes("select 1; set a.b = 1; insert into t values (1); reset a.b"),
        [set("a.b", "1"), reset("a.b")]
    );
    assert_eq!(changes("discard all"), [Change::ResetAll, reset("role")]);
}

#[test]
fn what_is_too_much_to_follow_is_a_sign() {
    let fits = "x".repeat(crate::limits::SETTING_BYTES_MAX - 2);
    assert_eq!(changes(&format!("set a.b = '{fits}'")), [set("a.b", &format!("'{fits}'"))]);
    assert_eq!(sign(&format!("set a.b = '{fits}x'")), Some(Sign::Set));
    let list = vec!["'0123456789'"; 100].join(",");
    assert_eq!(sign(&format!("set a.b = {list}")), Some(Sign::Set));
    assert_eq!(changes(&"set a.b = 1;".repeat(SETTINGS_MAX)).len(), SETTINGS_MAX);
    assert_eq!(sign(&"set a.b = 1;".repeat(SETTINGS_MAX + 1)), Some(Sign::Set));
    // The server keeps 63 bytes of a name.
    let long = "n".repeat(64);
    assert_eq!(sign(&format!("set {long} = 1")), Some(Sign::Set));
    assert_eq!(sign(&format!("set search_path = {long}")), Some(Sign::Set));
}

#[test]
fn transaction_control_is_told_for_a_single_statement() {
    for (sql, control, chain) in [
        ("begin", Control::Begin, false),
        ("BEGIN ISOLATION LEVEL SERIALIZABLE;", Control::Begin, false),
        ("start transaction read only", Control::Begin, false),
        ("/* x */ commit", Control::Commit, false),
        ("end work", Control::Commit, false),
        ("commit transaction and chain", Control::Commit, true),
        ("commit and no chain", Control::Commit, false),
        ("rollback", Control::Rollback, false),
        ("abort work and chain", Control::Rollback, true),
        ("rollback to a", Control::RollbackTo, false),
        ("rollback work to savepoint a", Control::RollbackTo, false),
        ("savepoint a", Control::Savepoint, false),
        ("release savepoint a", Control::Release, false),
        ("prepare transaction 'a'", Control::PrepareTransaction, false),
        ("commit prepared 'a'", Control::None, false),
        ("rollback prepared 'a'", Control::None, false),
        ("begin; select 1", Control::None, false),
        ("begin; commit and chain", Control::None, false),
        ("select 1", Control::None, false),
    ] {
        let facts = read(sql.as_bytes());
        assert_eq!((facts.control, facts.chain), (control, chain), "{sql}");
        assert_eq!(facts.signs, Signs::default(), "{sql}");
    }
}

#[test]
fn a_deallocate_tells_what_it_drops() {
    let name = |name: &str| Some(Deallocate::Name(name.into()));
    let long = "\u{e9}".repeat(40);
    for (sql, expected) in [
        ("deallocate all", Some(Deallocate::All)),
        ("DEALLOCATE PREPARE ALL;", Some(Deallocate::All)),
        ("deallocate Foo", name("foo")),
        ("deallocate prepare \"Foo\"\"s\"", name("Foo\"s")),
        ("deallocate prepare", name("prepare")),
        ("deallocate \"all\"", name("all")),
        (&format!("deallocate \"{long}\""), name(&"\u{e9}".repeat(31))),
        ("deallocate", None),
        ("select 1; deallocate a", None),
        ("discard all", None),
    ] {
        assert_eq!(read(sql.as_bytes()).deallocate, expected, "{sql}");
    }
    assert!(read(b"discard all").discard_all);
    assert!(!read(b"discard temp").discard_all);
}

#[test]
fn statements_that_are_not_empty_are_counted() {
    for (sql, count) in [("", 0), (" ; -- a\n;", 0), ("a", 1), ("a;;b;", 2), ("'a;b'; \";\"", 2)] {
        assert_eq!(read(sql.as_bytes()).statements, count, "{sql}");
    }
}

#[test]
fn load_cannot_be_cleared_and_copy_in_swallows() {
    assert!(read(b"LOAD 'auto_explain'").signs.indelible);
    assert!(read(b"select 1; load 'a'").signs.indelible);
    for (sql, swallows) in [
        ("copy t (a) from stdin with csv", true),
        ("COPY t FROM STDIN", true),
        // The server takes it for the other.
        ("copy t from stdout", true),
        ("select 1; copy t from /* x */ stdin", true),
        ("copy t to stdout", false),
        ("copy (select a from t) to stdout", false),
        ("select 'copy t from stdin'", false),
    ] {
        assert_eq!(read(sql.as_bytes()).signs.copy_in, swallows, "{sql}");
    }
}

#[test]
fn tags_tell_what_no_text_told() {
    for (tag, expected) in [
        ("SET", Some(Sign::Set)),
        ("RESET", Some(Sign::Set)),
        ("SET CONSTRAINTS", None),
        ("DECLARE CURSOR", Some(Sign::HoldCursor)),
        ("PREPARE", Some(Sign::Prepared)),
        ("PREPARE TRANSACTION", None),
        ("LISTEN", Some(Sign::Listen)),
        ("DO", Some(Sign::Do)),
        ("CALL", Some(Sign::Call)),
        ("SELECT 1", None),
        ("", None),
    ] {
        assert_eq!(Signs::of_tag(tag.as_bytes()).state, expected, "{tag}");
    }
    assert!(Signs::of_tag(b"LOAD").indelible);
}

#[test]
fn the_first_sign_stays() {
    let first = Signs { state: Some(Sign::Do), ..Signs::default() };
    let second = Signs { state: Some(Sign::Call), indelible: true, copy_in: true };
    let both = Signs { state: Some(Sign::Do), indelible: true, copy_in: true };
    assert_eq!(first.and(second), both);
    assert_eq!(Signs::default().and(second), second);
}

#[test]
fn every_sign_has_a_name_of_its_own() {
    let mut names: Vec<_> = Sign::ALL.iter().map(|sign| sign.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Sign::ALL.len());
}
