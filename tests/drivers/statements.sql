-- The corpus of statements: tests/tests/drivers/corpus sends each directly and through the pool, as a
-- simple query and with binary results, and compares every message. A paragraph is a statement.
--
--   -- differs PATH [text|binary]: REASON   its answer must differ there (exchange, transaction, session)
--   -- data ROW                             a row for COPY … FROM STDIN
--   -- together … -- apart                  statements of one exchange, where exchanges are sent
--
-- It starts in an empty database. Nothing here may depend on the time, on chance or on object ids.

-- What tables are there

create type mood as enum ('sad', 'ok', 'happy')

create type pair as (a integer, b text)

create domain positive as integer check (value > 0)

create type span as range (subtype = float8)

create sequence numbers start 100 increment 10

create table ships (id integer generated always as identity primary key, name text not null unique, length numeric(6, 2) default 20.5 check (length > 0), mood mood, parts pair, tags text[])

create table if not exists ships (id integer)

create table calls (ship integer references ships (id) on delete cascade, at timestamptz default '2026-01-01 00:00+00', note varchar(10))

create unlogged table scratch (n integer, t text)

create table parted (k integer, v text) partition by range (k)

create table parted_low partition of parted for values from (0) to (10)

create table parted_rest partition of parted default

create index ships_length on ships (length desc) where length > 10

create unique index on calls (ship, at)

create view long_ships as select id, name from ships where length > 100 with check option

create materialized view counted as select 1 as one, 'x'::text as x

create function twice(n integer) returns integer language sql immutable as 'select n * 2'

create function rows_of(n integer) returns table (g integer, t text) language sql as 'select g, repeat(''x'', g) from generate_series(1, n) g'

create or replace function noisy(t text) returns text language plpgsql as $$ begin raise notice 'heard %', t using hint = 'a hint', detail = 'a detail'; raise warning 'mind'; return upper(t); end $$

create procedure fill(n integer) language sql as 'insert into scratch select g, g::text from generate_series(1, n) g'

create procedure give(inout n integer) language plpgsql as $$ begin n := n + 1; end $$

create function changed() returns trigger language plpgsql as $$ begin raise notice 'row of %', tg_table_name; return new; end $$

create trigger noticed before update on ships for each row execute function changed()

create rule softly as on delete to scratch where old.n = 1 do instead nothing

create aggregate joined (text) (sfunc = textcat, stype = text, initcond = '')

create operator === (leftarg = integer, rightarg = integer, function = int4eq)

create cast (pair as text) with inout as assignment

create statistics ships_stats on name, length from ships

create schema side create table inner_one (n integer)

create extension if not exists citext

create collation plain from "C"

create text search configuration words (copy = simple)

create publication changes for table ships

create policy mine on ships using (true)

create event trigger anything on ddl_command_start execute function changed()

create role somebody

create database another

create user mapping for current_user server nowhere

-- Rows

insert into ships (name, mood, parts, tags) values ('Möwe', 'happy', (1, 'x'), array['a', 'b,c', null])

insert into ships (name, length) values ('Falke', 120), ('Adler', 99.99) returning id, name, length

insert into ships (name) select 'ship ' || g from generate_series(1, 5) g

insert into ships (name) values ('Möwe')

insert into ships (name) values ('Möwe') on conflict (name) do nothing

insert into ships (name, length) values ('Möwe', 77) on conflict (name) do update set length = excluded.length returning id, length

insert into ships (name, length) values ('short', -1)

insert into ships (name) values (null)

insert into calls (ship, note) values (1, 'first'), (2, 'second') returning *

insert into calls (ship) values (9999)

insert into calls (ship, note) values (3, 'much too long a note')

insert into parted values (5, 'low'), (50, 'rest')

insert into nowhere values (1)

insert into ships default values

insert into ships (id, name) overriding system value values (500, 'forced') returning id

update ships set length = length + 1 where id = 1 returning id, length

update ships set length = 1 from calls where calls.ship = ships.id and false

update ships set name = 'Möwe' where id = 2

update only parted set v = 'none'

delete from ships where name = 'forced'

delete from ships where id = 2 returning *

delete from ships using calls where calls.ship = ships.id and calls.note = 'nobody'

merge into scratch s using (values (1, 'one'), (2, 'two')) as v (n, t) on s.n = v.n when matched then update set t = v.t when not matched then insert values (v.n, v.t)

with gone as (delete from scratch where n = 2 returning n) select n from gone

with recursive r (n) as (values (1) union all select n + 1 from r where n < 5) select sum(n), count(*) from r

-- Questions

select 1

select

select 1 as one, 'two' as "Two", null as nothing, true as "a b"

select id, name, length, mood, parts, tags from ships order by id

select * from ships where false

select c from (select id, name, length from ships order by id limit 1) c

select s.name, c.note from ships s left join calls c on c.ship = s.id order by s.id, c.note limit 3

select count(*), sum(length), avg(length)::numeric(8, 3), joined(name order by id) from ships

select mood, count(*) from ships group by rollup (mood) order by mood nulls last

select id, row_number() over (order by id desc), lag(name) over w from ships window w as (order by id) order by id limit 3

select distinct on (length) length from ships order by length limit 2

select * from rows_of(3)

select * from rows_of(2) with ordinality

select twice(21), 7 === 7, joined(x) from (values ('a'), ('b')) v (x)

select noisy('quiet')

select * from long_ships

select * from parted order by k

select * from counted

select n from generate_series(1, 3) n union all select 10 except select 2 order by 1

select * from ships for update skip locked limit 1

select 'in' where 3 in (select n from generate_series(1, 3) n)

select case when 1 > 2 then 'a' else 'b' end, coalesce(null, 5), nullif(1, 1), greatest(1, 2)

select xmlelement(name a, 1)

select nextval('numbers'), nextval('numbers')

-- together

select nextval('numbers')

select currval('numbers')

-- apart

select set_config('app.word', 'here', true)

values (1, 'a'), (2, null)

table calls

table ships limit 0

-- Types

select 1::int2, 2::int4, 3::int8, 1.5::float4, 0.1::float8, 1.50::numeric, 'NaN'::float8, '-Infinity'::float4

select 'c'::char(3), 'v'::varchar(5), 't'::text, 'n'::name, 'x'::"char", 'ü€😀'

select '\x00ff10'::bytea, ''::bytea, b'101'::bit(3), b'10'::varbit

select '2026-11-22'::date, '10:00:01.5'::time, '10:00+02'::timetz, '2026-11-22 10:00:00.123456'::timestamp, '2026-11-22 10:00:00+02'::timestamptz, '1 year 2 mons 3 days 04:05:06.7'::interval, 'infinity'::timestamptz

select '{"a": [1, null, "x"]}'::json, '{"b": 1, "a": 2}'::jsonb, '$.a'::jsonpath, '5f0c1d7e-0000-4000-8000-0123456789ab'::uuid

select array[1, null, 3], array[[1, 2], [3, 4]], '{}'::text[], array['a"b', 'c\d', null], '[2:3]={7,8}'::int[]

select '[1,5)'::int4range, 'empty'::numrange, '{[1,3),[5,7)}'::int4multirange, '(1.5,2.5)'::span

select '10.0.0.1/8'::inet, '10.0.0.0/8'::cidr, '08:00:2b:01:02:03'::macaddr, '$1,234.50'::money

select '(1,2)'::point, '((0,0),(1,1))'::box, '<(0,0),2>'::circle, '[(0,0),(1,1)]'::lseg

select 'a fat cat'::tsvector, 'fat & cat'::tsquery, to_tsvector('simple', 'Hello World')

select 'happy'::mood, 5::positive, row(1, 'x')::pair, row(1, null, 'y'), 'Citext'::citext = 'citext'

select 'pg_class'::regclass, 'int4'::regtype, 'int4pl'::regproc, 1::oid, '16/B374D848'::pg_lsn, '(0,1)'::tid

select 0::positive

select 'angry'::mood

select 'x'::integer

select '2026-02-30'::date

select 300::int2 * 300::int2

select null::mood, null::integer[], null::pair

-- Errors

selec 1

select 1 / 0

select * from nowhere

select nothing from ships

select nothing()

select 'open

select $1

select $1::integer

select 1; select 2

select 1; select 1 / 0; select 3

insert into scratch values (90, 'a'); insert into scratch values (91, 'b'); select 1 / 0

select count(*) from scratch where n in (90, 91)

;

/* only */ /* a comment */ -- here

do $$ begin raise exception 'own' using errcode = 'P0042', hint = 'h', detail = 'd', column = 'c', table = 't', schema = 's'; end $$

do $$ begin raise exception 'fallen' using errcode = '40001'; end $$

do $$ begin raise info 'info'; raise log 'log'; raise debug 'debug'; end $$

do $$ begin perform 1 / 0; exception when division_by_zero then raise notice 'caught'; end $$

-- Transactions

-- together

begin

insert into scratch values (10, 'kept')

savepoint one

select 1 / 0

select 'not executed'

rollback to savepoint one

insert into scratch values (11, 'kept')

savepoint two

release savepoint two

release savepoint two

rollback to one

commit

-- apart

select * from scratch where n in (10, 11)

-- together

begin isolation level serializable read only deferrable

show transaction_isolation

insert into scratch values (12, 'no')

rollback

-- apart

-- together

start transaction isolation level repeatable read

set transaction read write

set local lock_timeout = '3s'

show lock_timeout

commit and chain

show transaction_isolation

end

-- apart

-- together

begin

set constraints all deferred

begin

abort and no chain

-- apart

commit

rollback

savepoint alone

begin; insert into scratch values (13, 'x'); commit; select n from scratch where n = 13

begin; insert into scratch values (14, 'x'); rollback; select n from scratch where n = 14

-- together

begin

lock table scratch in access exclusive mode

declare c cursor for select g from generate_series(1, 10) g

fetch 3 from c

move 2 in c

fetch backward 1 from c

fetch last from c

fetch all from c

close c

fetch 1 from c

rollback

-- apart

declare outside cursor for select 1

-- together

begin

prepare transaction 'two-phase'

-- apart

commit prepared 'two-phase'

rollback prepared 'two-phase'

-- What a session keeps

set lock_timeout = '1s'

-- differs exchange: what an exchange sets ends with it
show lock_timeout

-- differs exchange: an answer holds no ParameterStatus: an exchange has no session for it to be about
set time zone 'Asia/Tokyo'

-- differs exchange text: what an exchange sets ends with it
select '2026-11-22 10:00:00+00'::timestamptz

-- differs exchange: an answer holds no ParameterStatus: an exchange has no session for it to be about
set datestyle = 'German, DMY'

-- differs exchange: what an exchange sets ends with it
select '22.11.2026'::date::text

-- differs exchange: an answer holds no ParameterStatus: an exchange has no session for it to be about
reset datestyle

-- differs exchange: an answer holds no ParameterStatus: an exchange has no session for it to be about
reset time zone

set app.own to 'mine'

-- differs exchange: what an exchange sets ends with it
show app.own

set nonsense = 1

set search_path = side, public

-- differs exchange: what an exchange sets ends with it
select count(*) from inner_one

reset all

show lock_timeout

set role trust_user

set role none

set role postgres

set session authorization default

set session characteristics as transaction isolation level serializable

-- differs exchange: what an exchange sets ends with it
show default_transaction_isolation

reset default_transaction_isolation

-- differs exchange: an answer holds no ParameterStatus: an exchange has no session for it to be about
set names 'LATIN1'

-- differs exchange: what an exchange sets ends with it
select 'ü'::bytea

-- differs exchange: an answer holds no ParameterStatus: an exchange has no session for it to be about
set names 'UTF8'

set client_min_messages = error

-- differs exchange: what an exchange sets ends with it
drop table if exists never_there

reset client_min_messages

drop table if exists never_there

prepare adding (integer, integer) as select $1 + $2 as sum

-- differs exchange: what an exchange prepares by SQL ends with it
execute adding (1, 2)

-- differs exchange: what an exchange prepares by SQL ends with it
execute adding (1)

-- differs exchange: what an exchange prepares by SQL ends with it
explain (costs off) execute adding (1, 2)

-- differs exchange: what an exchange prepares by SQL ends with it
deallocate adding

execute adding (1, 2)

deallocate all

create temporary table own (n integer) on commit preserve rows

-- differs exchange: a temporary table ends with its exchange
insert into own values (1)

-- differs exchange: a temporary table ends with its exchange
select * from own

-- differs exchange: a temporary table ends with its exchange
create temporary table own (n integer)

create table pg_temp.other (n integer)

discard temporary

select * from own

discard plans

discard sequences

-- together

declare held cursor with hold for select g from generate_series(1, 3) g

fetch 2 from held

close held

-- apart

select pg_advisory_lock(7)

-- differs exchange: an advisory lock ends with its exchange
select pg_advisory_unlock(7)

select pg_advisory_unlock(7)

listen berths

-- differs exchange: what an exchange listens to ends with it
notify berths, 'free'

notify nobody

unlisten berths

unlisten *

discard all

-- Bytes in and out

-- differs exchange text: rows for COPY are taken in the extended protocol, where a Sync ends them
-- data 20\tcopied
-- data 21\t\N
copy scratch from stdin

-- differs exchange text: rows for COPY are taken in the extended protocol, where a Sync ends them
-- data 22,"a ""b"", c"
copy scratch from stdin with (format csv)

-- differs exchange text: rows for COPY are taken in the extended protocol, where a Sync ends them
-- data x\tnot a number
copy scratch from stdin

-- differs exchange text: rows for COPY are taken in the extended protocol, where a Sync ends them
-- data only one column
copy scratch (n, t) from stdin

copy (values (20, 'copied'), (21, null)) to stdout

copy (select 22 as n, e'a "b", c\\\n' as t) to stdout with (format csv, header, force_quote *)

copy (select 1, 'x'::text, null::integer) to stdout with (format binary)

copy (select 1 / 0) to stdout

copy nowhere to stdout

copy scratch to '/nowhere/at/all'

select lo_creat(-1) > 0

-- The rest

explain (costs off) select * from ships where id = 1

explain (costs off, format json) select 1

explain (analyze, costs off, timing off, summary off) insert into scratch values (30, 'explained')

analyze ships

vacuum scratch

vacuum (full, analyze) scratch

-- differs exchange text: a block that is left open is rolled back, and the outcome says so
begin; vacuum scratch

-- differs exchange text: the block has ended with its exchange
rollback

reindex table ships

reindex index concurrently ships_length

cluster ships using ships_pkey

checkpoint

refresh materialized view counted

refresh materialized view concurrently counted

call fill(3)

call give(41)

call nowhere()

truncate scratch

truncate ships

truncate calls, parted restart identity

comment on table ships is 'those that float'

comment on column ships.name is null

grant select on ships to public

grant usage on schema nowhere to public

revoke all on ships from public

alter table ships add column built integer default 1990, alter column length drop default

select built from ships where id = 1

alter table ships rename column built to made

alter table ships alter column made type text using made::text || '!'

select made from ships where id = 1

alter table ships drop column nothing

alter type mood add value 'angry' after 'sad'

alter sequence numbers restart with 5

alter function twice(integer) cost 10

alter view long_ships rename to longer_ships

alter index ships_length rename to ships_by_length

alter role trust_user set work_mem = '5MB'

alter role trust_user reset all

alter system set work_mem = '5MB'

alter default privileges in schema side grant select on tables to public

reassign owned by trust_user to trust_user

reassign owned by postgres to trust_user

security label on table ships is 'x'

import foreign schema public from server nowhere into side

load 'nothing'

load '$libdir/plugins/nothing'

show server_encoding

-- together

select current_user, session_user, current_schema()

select current_setting('is_superuser'), current_setting('integer_datetimes')

-- apart

select pg_sleep(0.01)

select pg_cancel_backend(pg_backend_pid())

-- differs exchange: the outcome says what became of the request
select pg_terminate_backend(pg_backend_pid())

select 'another session'

select g, repeat('x', 100) from generate_series(1, 300) g

drop view longer_ships

drop table ships

drop table ships cascade

drop table calls, parted, scratch

drop function twice(integer), rows_of

drop function nowhere(integer)

drop type pair

drop type pair cascade

drop schema side

drop schema side cascade

drop materialized view counted

drop sequence numbers

drop database postgres

drop owned by trust_user
