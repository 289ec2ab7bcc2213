//! What both servers are told. See [`Step`](super::step::Step) for the letters.

/// Each script with what it is about.
pub(crate) const SCRIPTS: &[(&str, &str)] = &[
    ("a simple query", "Q echo 'x'"),
    ("several statements", "Q insert 1; insert 2; echo x"),
    ("an empty query", "Q \nQ ;;\n"),
    ("a syntax error anywhere stops all", "Q insert 1; nonsense; insert 2\nQ echo x"),
    ("an error undoes the statements of its query", "Q insert 1; fail 23505; insert 2\nQ insert 3"),
    ("a transaction commits", "Q begin\nQ insert 1\nQ commit"),
    ("a transaction rolls back", "Q begin; insert 1\nQ rollback\nQ insert 2"),
    (
        "a failed transaction knows only its end",
        "Q begin\nQ fail 40001\nQ insert 1\nQ begin\nQ savepoint s\nQ nonsense\nQ \nQ commit\nQ echo x",
    ),
    ("begin and end where they do not belong", "Q commit\nQ rollback\nQ begin\nQ begin\nQ end"),
    ("commit within a query", "Q insert 1; commit; insert 2; fail 22012"),
    ("rollback within a query", "Q insert 1; rollback; insert 2"),
    ("begin within a query", "Q insert 1; begin; insert 2\nQ rollback"),
    ("a deferred constraint", "Q deferred 7\nQ insert 1; deferred 7\nQ deferred 7; insert 1"),
    ("a deferred constraint and commit", "Q begin; deferred 7\nQ commit\nQ echo x"),
    ("a deferred constraint at sync", "P - deferred 7\nB - -\nE - 0\nS\nQ echo x"),
    (
        "a deferred constraint at a commit in a pipeline",
        "Q begin\nP - deferred 7\nB - -\nE - 0\nP - commit\nB - -\nE - 0\nP - insert 1\nS\nQ echo x",
    ),
    (
        "savepoints",
        "Q begin; insert 1; savepoint s; insert 2\nQ fail 22012\nQ rollback to s\nQ insert 3\n\
         Q release s\nQ rollback to s\nQ commit",
    ),
    (
        "nested savepoints of one name",
        "Q begin; savepoint s; insert 1; savepoint s; insert 2; rollback to s; insert 3; release s; \
         insert 4; rollback to s; insert 5; commit",
    ),
    ("savepoints outside of transactions", "Q savepoint s\nQ release s\nQ rollback to s"),
    ("a savepoint in a query of several", "Q insert 1; savepoint s; insert 2"),
    ("an extended query", "P - echo $1\nB - - x\nD P -\nE - 0\nS"),
    ("null and empty parameters", "P - echo $1\nB - - null\nE - 0\nB - -\nS"),
    (
        "a parameter that is no number",
        "P s insert $1\nD S s\nB - s five\nE - 0\nS\nB - s 5\nE - 0\nS",
    ),
    ("a named statement twice", "P s echo 'x'\nS\nP s echo 'x'\nS\nB - s\nE - 0\nS"),
    ("an unknown statement", "B - s\nE - 0\nS\nD S s\nS\nC S s\nS"),
    ("an unknown portal", "E p 0\nS\nD P p\nS\nC P p\nS"),
    (
        "a name whose parse was skipped",
        "P - fail 22012\nB - -\nE - 0\nP s echo 'x'\nS\nB - s\nE - 0\nS",
    ),
    ("a name outlives the rollback", "Q begin\nP s echo 'x'\nS\nQ rollback\nB - s\nE - 0\nS"),
    ("describe of statements", "P a echo $1\nD S a\nP b insert 1\nD S b\nP c \nD S c\nS"),
    ("the unnamed statement is reused", "P - echo 'x'\nS\nB - -\nE - 0\nS\nB - -\nE - 0\nS"),
    ("a simple query forgets the unnamed statement", "P - echo 'x'\nS\nQ echo y\nB - -\nS"),
    ("a parse that fails forgets it, too", "P - echo 'x'\nS\nP - nonsense\nS\nB - -\nS"),
    ("an empty statement", "P - \nB - -\nD P -\nE - 0\nS"),
    ("two commands in one statement", "P - echo 'x'; echo 'y'\nS"),
    ("a syntax error comes before the failed transaction", "Q begin; fail 22012\nP - nonsense\nS"),
    (
        "the extended protocol in a failed transaction",
        "P a echo 'x'\nS\nQ begin; fail 22012\nP - echo 'y'\nS\nB - a\nS\nD S a\nS\nP - rollback\n\
         B - -\nE - 0\nS\nB - a\nE - 0\nS",
    ),
    ("a portal is read in parts", "Q begin\nP - rows 5 0 v\nB - -\nE - 2\nE - 2\nE - 2\nE - 2\nS"),
    (
        "a limit that is just met",
        "P - rows 2 0 v\nB - -\nE - 2\nE - 2\nE - 0\nS\nP - echo 'x'\nB - -\nE - 1\nE - 1\nS",
    ),
    (
        "a portal that is done",
        "P - echo 'x'\nB - -\nE - 0\nE - 0\nS\nP - insert 1\nB - -\nE - 0\nE - 0\nS",
    ),
    (
        "a portal in its transaction",
        "Q begin\nP s rows 3 0 v\nB p s\nE p 1\nS\nE p 1\nS\nQ commit\nE p 1\nS",
    ),
    ("a portal outside of a transaction", "P s rows 3 0 v\nB p s\nE p 1\nS\nE p 1\nS"),
    ("a portal twice", "P s echo 'x'\nB p s\nB p s\nS\nB - s\nB - s\nE - 0\nS"),
    (
        "a portal and savepoints",
        "Q begin\nP s rows 3 0 v\nB p s\nE p 1\nS\nQ savepoint s\nB q s\nE q 1\nS\nQ rollback to s\n\
         E p 1\nS\nE q 1\nS\nQ rollback",
    ),
    ("a closed portal", "Q begin\nP s rows 3 0 v\nB p s\nE p 1\nC P p\nE p 1\nS\nQ rollback"),
    ("a closed statement and its portal", "P s echo 'x'\nB p s\nC S s\nE p 0\nS\nB - s\nS"),
    ("an error within rows", "Q partial 2 22012 v\nP - partial 2 22012 v\nB - -\nE - 2\nE - 2\nS"),
    (
        "an error skips to sync",
        "P - fail 22012\nB - -\nE - 0\nQ echo x\nF 3062 X\nH\nP - insert 1\nB - -\nE - 0\nS\nQ insert 2",
    ),
    (
        "several syncs in flight",
        "P - insert 1\nB - -\nE - 0\nS\nP - fail 22012\nB - -\nE - 0\nS\nP - insert 3\nB - -\nE - 0\nS",
    ),
    ("begin in a pipeline", "P - insert 1\nB - -\nE - 0\nP - begin\nB - -\nE - 0\nS\nQ rollback"),
    (
        "commit in a pipeline",
        "P - insert 1\nB - -\nE - 0\nP - commit\nB - -\nE - 0\nP - fail 22012\nB - -\nE - 0\nS",
    ),
    (
        "rollback in a pipeline",
        "P - insert 1\nB - -\nE - 0\nP - rollback\nB - -\nE - 0\nP - insert 2\nB - -\nE - 0\nS",
    ),
    (
        "a savepoint in a pipeline",
        "P - insert 1\nB - -\nE - 0\nP - savepoint s\nB - -\nE - 0\nS\nQ echo x",
    ),
    (
        "a query in an open segment",
        "P - insert 1\nB - -\nE - 0\nQ insert 2\nP - fail 22012\nB - -\nE - 0\nS",
    ),
    ("flush brings what waits", "P - echo 'x'\nB - -\n...\nH\n...\nE - 0\n...\nH\n...\nS"),
    (
        "errors and notices do not wait",
        "P - notice 'x'\nB - -\nE - 0\n...\nS\nP - echo 'x'\nB - s\n...\nS",
    ),
    ("a big result does not wait for its end", "Q rows 30 1000 v"),
    ("a notice", "Q notice v\nQ begin; notice v; notice w\nQ commit"),
    ("a slow statement", "Q slow 20 v; echo x\nP - slow 20 v\nB - -\nD P -\nE - 0\nS"),
    ("a cancelled query", "Q insert 1; slow 20000 v; insert 2\n...\ncancel\n...\nQ echo x"),
    (
        "a cancelled pipeline",
        "P - slow 20000 v\nB - -\nE - 0\nP - insert 1\nB - -\nE - 0\nS\n...\ncancel\n...\nQ echo x",
    ),
    ("a cancelled transaction", "Q begin\nQ slow 20000 v\n...\ncancel\n...\nQ echo x\nQ rollback"),
    ("a cancel that meets nobody", "Q echo x\n...\ncancel\n...\nQ echo x"),
    ("copy in", "Q copy t from stdin\nd a\\nb\\n\nd c\\n\nc\nQ echo x"),
    ("copy in, torn and without a last newline", "Q copy t from stdin\nd a\nd b\\nc\nd d\nc"),
    ("copy in fails", "Q copy t from stdin\nd a\\n\nf\nQ echo x"),
    (
        "copy in among others",
        "Q insert 1; copy t from stdin; insert 2\nd a\\n\nc\nQ insert 3; copy t from stdin; insert 4\nf",
    ),
    ("bad data in copy in", "Q copy numbers from stdin\nd 1\\n\nd x\\n\n...\nd 2\\n\nc\nQ echo x"),
    ("bad data at the end", "Q copy numbers from stdin\nd 1\\nx\nc\nQ echo x"),
    (
        "copy in, extended",
        "P - copy t from stdin\nB - -\nD P -\nE - 0\n...\nd a\\n\nc\nS\nQ echo x",
    ),
    ("copy in swallows sync", "P - copy t from stdin\nB - -\nE - 0\nS\n...\nf\n...\nS\nQ echo x"),
    ("copy in swallows flush", "P - copy t from stdin\nB - -\nE - 0\nH\nS\nd a\\n\nH\nc\n...\nS"),
    (
        "copy in is one of a pipeline",
        "P - insert 1\nB - -\nE - 0\nP - copy t from stdin\nB - -\nE - 0\nd a\\n\nc\nP - insert 2\nB - -\nE - 0\nS",
    ),
    (
        "bad data in an extended copy in",
        "P - copy numbers from stdin\nB - -\nE - 0\nd x\\n\n...\nd 2\\n\nc\nP - insert 2\nS\nQ echo x",
    ),
    ("a query in copy in", "Q copy t from stdin\nd a\\n\nQ echo x"),
    ("a parse in copy in", "P - copy t from stdin\nB - -\nE - 0\nP - echo 'x'\nS"),
    ("terminate in copy in", "Q copy t from stdin\nd a\\n\nX"),
    ("a cancel in copy in", "Q copy t from stdin\nd a\\n\n...\ncancel\n...\nd b\\n\nc\nQ echo x"),
    (
        "a cancel in copy in that comes to its end",
        "Q copy t from stdin\nd a\\n\n...\ncancel\n...\nc\nQ echo x",
    ),
    (
        "copy out",
        "Q copy stdout 3 v\nQ insert 1; copy stdout 0 v; echo x\nP - copy stdout 2 v\nB - -\nD P -\nE - 0\nE - 0\nS",
    ),
    ("data that nobody asked for", "d a\nc\nf\nQ echo x\nP - echo 'x'\nd a\nB - -\nc\nE - 0\nf\nS"),
    (
        "settings",
        "Q set app.a = 'v'\nQ show app.a\nQ reset app.a\nQ show app.a\nQ show app.b\nQ set app.b = 'v'\nQ reset app.b\nQ show app.b",
    ),
    (
        "settings that are not there",
        "Q show nosuch\nQ set nosuch = 1\nQ reset nosuch\nQ show app.z\nQ set app.z = 'v'\nQ reset app.z\nQ show app.z",
    ),
    (
        "values that cannot be",
        "Q set statement_timeout = 'x'\nQ set timezone = 'x'\nQ set server_version = '1'\nQ set client_encoding = 'x'\nQ set role = 'nobody'",
    ),
    (
        "values are spelled in one way",
        "Q set statement_timeout = 5000\nQ show statement_timeout\nQ set statement_timeout = '1500ms'\nQ show statement_timeout\nQ set statement_timeout to default\nQ show statement_timeout\nQ set row_security = false\nQ show row_security",
    ),
    (
        "reported settings",
        "Q set application_name = 'a'\nQ set datestyle to iso, dmy; set timezone to 'Europe/Berlin'\nQ set application_name = 'a'\nQ set intervalstyle = 'iso_8601'; reset intervalstyle\nQ reset all\nQ set time zone 'UTC'\nQ set names 'utf8'",
    ),
    (
        "reported settings in a transaction",
        "Q begin\nQ set application_name = 'a'\nQ rollback\nQ begin; set local application_name = 'b'\nQ commit\nQ begin; set application_name = 'c'; savepoint s; set application_name = 'd'\nQ rollback to s\nQ commit",
    ),
    (
        "a setting is rolled back",
        "Q set app.a = '1'\nQ begin; set app.a = '2'\nQ show app.a\nQ rollback\nQ show app.a\nQ set app.a = '3'; fail 22012\nQ show app.a",
    ),
    (
        "a setting's first value is rolled back",
        "Q begin; set app.y = '2'\nQ rollback\nQ show app.y",
    ),
    (
        "settings and savepoints",
        "Q begin; set app.a = '1'; savepoint s; set app.a = '2'; set local app.b = '3'\nQ fail 22012\nQ rollback to s\nQ show app.a\nQ show app.b\nQ set local app.a = '4'; release s\nQ show app.a\nQ commit\nQ show app.a",
    ),
    (
        "set local and then set",
        "Q begin; set local app.a = '1'; set app.a = '2'\nQ commit\nQ show app.a\nQ begin; set app.a = '3'; set local app.a = '4'\nQ commit\nQ show app.a",
    ),
    (
        "set local outside",
        "Q set local app.a = '1'\nQ show app.a\nQ set local app.a = '1'; show app.a",
    ),
    (
        "set local in a pipeline",
        "P - set local app.a = '1'\nB - -\nE - 0\nP - show app.a\nB - -\nE - 0\nS\nP - insert 1\nB - -\nE - 0\nP - set local app.a = '1'\nB - -\nE - 0\nS",
    ),
    (
        "set_config",
        "Q select set_config('app.a', 'v', false)\nQ show app.a\nQ select set_config('app.a', 'w', true)\nQ show app.a\nQ begin; select set_config('app.a', 'w', true)\nQ show app.a\nQ commit\nQ show app.a",
    ),
    (
        "reset all is rolled back",
        "Q set app.a = '1'\nQ begin; reset all\nQ show app.a\nQ rollback\nQ show app.a",
    ),
    (
        "set transaction",
        "Q set transaction read only\nQ begin; set transaction isolation level serializable\nQ commit\nQ start transaction\nQ abort",
    ),
    (
        "users",
        "Q set role none\nQ set session authorization default\nQ reset role\nQ reset session authorization\nQ show role",
    ),
    (
        "extended settings",
        "P - set application_name = 'a'\nB - -\nD P -\nE - 0\nS\nP - show application_name\nB - -\nD P -\nE - 0\nE - 0\nS",
    ),
    (
        "prepare and execute",
        "Q prepare s as echo x\nQ execute s\nQ prepare s as echo x\nQ deallocate s\nQ execute s\nQ deallocate s",
    ),
    (
        "one space of names",
        "Q prepare s as rows 2 0 v\nB - s\nE - 0\nS\nP s echo 'x'\nS\nP r insert 1\nS\nQ execute r\nQ deallocate r\nB - r\nS",
    ),
    (
        "execute by the extended protocol",
        "Q prepare s as rows 3 0 v\nP - execute s\nB - -\nD P -\nE - 2\nE - 2\nE - 2\nS\nP - execute nosuch\nB - -\nD P -\nE - 0\nS",
    ),
    (
        "deallocate",
        "P s echo 'x'\nP r echo 'x'\nS\nQ deallocate s\nB - s\nS\nB - r\nE - 0\nS\nQ deallocate all\nB - r\nS\nQ deallocate prepare all",
    ),
    (
        "deallocate is not rolled back",
        "P s echo 'x'\nS\nQ begin; deallocate s\nQ rollback\nB - s\nS",
    ),
    (
        "deallocate all spares the unnamed statement",
        "P - echo 'x'\nP d deallocate all\nS\nB p d\nE p 0\nB - -\nE - 0\nS",
    ),
    (
        "discard all",
        "P s echo 'x'\nS\nQ set app.a = 'v'\nQ create temp table x ()\nQ discard all\nQ show app.a\nB - s\nS\nQ select from x",
    ),
    ("discard all tells of settings", "Q set application_name = 'a'\nQ discard all"),
    ("discard all in a transaction", "Q begin\nQ discard all\nQ rollback\nQ insert 1; discard all"),
    (
        "discard all in a pipeline",
        "P - discard all\nB - -\nE - 0\nS\nP - echo 'x'\nB - -\nE - 0\nP - discard all\nB - -\nE - 0\nS",
    ),
    (
        "other discards",
        "Q create temp table x ()\nQ discard plans\nQ discard sequences\nQ select from x\nQ begin; discard temp\nQ rollback\nQ select from x\nQ discard temp\nQ select from x",
    ),
    (
        "temporary tables",
        "Q create temp table x ()\nQ create temp table x ()\nQ select from x\nQ drop table x\nQ drop table x\nQ select from x",
    ),
    (
        "temporary tables are rolled back",
        "Q begin; create temp table x (); savepoint s; create temp table y ()\nQ rollback to s\nQ select from x\nQ select from y\nQ rollback\nQ select from x",
    ),
    (
        "a missing table is noticed at parse",
        "P - select from x\nB - -\nE - 0\nS\nQ create temp table x ()\nP s select from x\nD S s\nB - s\nE - 0\nS\nQ drop table x\nB - s\nS\nD S s\nS",
    ),
    (
        "notifications to oneself",
        "Q listen c\nQ notify c\nQ notify c, 'p'; echo x\nP - notify c, 'q'\nB - -\nE - 0\nS\nQ unlisten c\nQ notify c",
    ),
    (
        "notifications of transactions",
        "Q listen c\nQ begin; notify c, 'p'; notify c, 'p'; notify c, 'q'\nQ echo x\nQ commit\nQ begin; notify c\nQ rollback\nQ begin; savepoint s; notify c; rollback to s; notify c, 'r'\nQ commit",
    ),
    (
        "listen is rolled back",
        "Q begin; listen c\nQ rollback\nQ notify c\nQ listen c; listen d\nQ begin; unlisten *\nQ rollback\nQ notify d\nQ discard all\nQ notify c",
    ),
    (
        "advisory locks",
        "Q select pg_advisory_lock(1)\nQ select pg_try_advisory_lock(1)\nQ select pg_advisory_unlock(1)\nQ select pg_advisory_unlock(1)\nQ select pg_advisory_unlock(1)\nQ select pg_advisory_unlock_all()",
    ),
    (
        "cursors",
        "Q declare c cursor for rows 3 0 v\nQ begin; declare c cursor for rows 3 0 v\nQ fetch 2 from c\nQ fetch all from c\nQ fetch 1 from c\nQ close c\nQ close c\nQ rollback",
    ),
    (
        "cursors that are held",
        "Q declare c cursor with hold for rows 3 0 v\nQ fetch 1 from c\nQ fetch 1 from c\nQ close all\nQ fetch 1 from c\nQ begin; declare c cursor with hold for rows 3 0 v\nQ rollback\nQ fetch 1 from c",
    ),
    (
        "a cursor is a portal",
        "Q begin; declare c cursor for rows 3 0 v\nE c 2\nE c 2\nS\nP - echo 'x'\nB c -\nS\nQ rollback",
    ),
    (
        "function calls",
        "F 3062 ABC\nF 3062 ABC DEF\nF 999999 X\nQ begin\nF 3062 X\nF 999999 X\nF 3062 X\nQ rollback",
    ),
    (
        "a function call ends the segment",
        "P - insert 1\nB - -\nE - 0\nF 3062 ABC\nP - fail 22012\nB - -\nE - 0\nS",
    ),
    (
        "a stale plan",
        "P s star v\nD S s\nB - s\nE - 0\nS\nQ alter\nB - s\nE - 0\nS\nB - s\nE - 0\nS\nD S s\nS\nQ deallocate s\nP s star v\nB - s\nE - 0\nS",
    ),
    (
        "a stale plan of the unnamed statement",
        "P - star v\nP a alter\nS\nB p a\nE p 0\nS\nB - -\nE - 0\nS",
    ),
    ("a stale plan of execute", "Q prepare s as star v\nQ alter\nQ execute s\nQ star v"),
    (
        "a stale plan in a transaction",
        "P s star v\nS\nQ begin; alter\nB - s\nS\nQ rollback\nB - s\nE - 0\nS",
    ),
    ("0A000 by the user's own code", "Q fail 0A000\nP - fail 0A000\nB - -\nE - 0\nS"),
    ("an administrator ends it", "Q begin; insert 1\nQ die\nQ echo x"),
    (
        "an administrator ends it in a pipeline",
        "P - insert 1\nB - -\nE - 0\nP - die\nB - -\nE - 0\nS",
    ),
    ("terminate", "Q begin; insert 1\nX"),
    ("terminate while it skips", "P - fail 22012\nB - -\nE - 0\nX"),
    ("a message of no type", "Q begin\nraw 21 00 00 00 04"),
    ("a message of no type while it skips", "P - fail 22012\nB - -\nE - 0\nraw 21 00 00 00 04\nS"),
    ("a length that cannot be", "raw 51 00 00 00 03"),
    ("a long message of a short kind", "raw 53 00 01 00 00"),
    ("a query without its zero", "raw 51 00 00 00 05 41\nQ echo x"),
    ("a bind that breaks off", "P s echo $1\nraw 42 00 00 00 08 00 73 00 00\nS\nB - s x\nE - 0\nS"),
    ("a bind with too few parameters", "P s echo $1\nB - s\nS"),
    ("a describe of nothing", "raw 44 00 00 00 06 58 00\nS"),
    ("a sync with a body", "raw 53 00 00 00 05 00\nQ echo x"),
];
