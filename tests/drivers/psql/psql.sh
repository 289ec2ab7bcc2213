#!/usr/bin/env bash
# What people do with psql. Prints what it sees, under headings that the test looks for.
set -u
psql=("$PSQL" -X -q -v VERBOSITY=verbose -P pager=off)
# Where in the server's sources an error was made is of no interest, and not ours to repeat.
say() { grep -v '^LOCATION:' || true; }
run() { "${psql[@]}" "$@" 2>&1 | say; }

echo "== types"
run <<'SQL'
create type mood as enum ('sad', 'happy');
create domain positive as int check (value > 0);
create type pair as (a int, b text);
select true, 7::int2, 1::int8, 1.5::float4, 0.1::float8, 12.340::numeric, 'NaN'::float8, 'x'::"char";
select 'a''b'::text, null::text, '\x00ff'::bytea, '{"a": [1, null]}'::jsonb, 'happy'::mood, 5::positive;
select '2026-11-22 10:00:00+02'::timestamptz, '1 day 02:03'::interval, '[1,5)'::int4range, '(1,x)'::pair;
select array[1, null, 3], array[['a', 'b'], ['c', null]], '10.0.0.0/8'::cidr, 'a => 1'::text;
select 1 as "Column", 2 as "Column" \gdesc
\x on
select 'ü' as umlaut, e'tab\there' as tab;
SQL

echo "== prepared"
run <<'SQL'
prepare add as select $1::int + $2::int as sum;
execute add(1, 2);
execute add(3, 4);
select name, statement from pg_prepared_statements where from_sql;
deallocate add;
execute add(1, 2);
SQL

echo "== transactions"
run <<'SQL'
create table t (id int primary key, v text);
begin;
insert into t values (1, 'one');
savepoint s;
insert into t values (1, 'again');
select 'is not executed';
rollback to s;
insert into t values (2, 'two');
commit;
table t;
begin;
delete from t;
rollback;
select count(*) from t;
\set ON_ERROR_ROLLBACK on
begin;
insert into t values (2, 'again');
insert into t values (3, 'three');
commit;
table t;
\set AUTOCOMMIT off
insert into t values (4, 'four');
rollback;
select count(*) from t;
rollback;
SQL
run -1 -c "insert into t values (5, 'five')" -c "select nonsense"
run -c "select count(*) from t"

echo "== big result"
run -At -c "select g, repeat('x', 1000) from generate_series(1, $BIG_ROWS) g" | md5sum
run -At -v FETCH_COUNT=500 -c "select g, repeat('y', 100) from generate_series(1, $BIG_ROWS) g" | md5sum

echo "== cancel"
cancelled=$(mktemp)
# As Ctrl-C does; again and again, in case it comes before the statement runs.
"${psql[@]}" -c "select pg_sleep(60)" > "$cancelled" 2>&1 &
victim=$!
for _ in $(seq 100); do
    sleep 0.3
    kill -INT "$victim" 2> /dev/null || break
done
wait "$victim"
say < "$cancelled"
rm -f "$cancelled"

echo "== two clients"
coproc other { "${psql[@]}" -At 2>&1; }
ask() {
    echo "$1" >&"${other[1]}"
    echo '\echo .' >&"${other[1]}"
    while read -r line <&"${other[0]}" && [ "$line" != . ]; do echo "other: $line"; done
}
ask "set timezone = 'Asia/Tokyo'; set lock_timeout = '7s';"
ask "prepare mine as select 'mine'; create temp table secret (n int); select 1;"
run -At -c "show timezone; show lock_timeout" \
    -c "select count(*) from pg_prepared_statements where from_sql" -c "table secret" -c "execute mine"
ask "show timezone; show lock_timeout; execute mine;"
ask "select count(*) from secret;"
exec {other[1]}>&-
wait

echo "== describe"
run <<'SQL'
create table harbour (id int generated always as identity primary key, name text not null unique,
    t int references t (id), length numeric(6, 2) default 1.5 check (length > 0));
create index on harbour (length) where length > 10;
comment on table harbour is 'where ships are';
create view far as select name from harbour where length > 100;
create function twice(int) returns int language sql immutable as 'select $1 * 2';
create materialized view seen as select 1 as one;
create sequence counter;
\d
\d harbour
\d+ far
\df twice
\dT
\di
\sf twice
\dn
\conninfo
SQL

echo "== copy"
run <<'SQL' | sed 's/^/. /'
\copy t from stdin with (format csv)
10,ten
11,"e,leven"
\.
\copy (select * from t order by id) to stdout with (format csv, header)
copy t (id) from stdin;
12
x
\.
select count(*) from t;
copy t to stdout (format binary) \g /dev/null
\copy t from /nowhere/at/all
copy (select 1 / 0) to stdout;
insert into t values (13, 'after') returning v;
SQL
