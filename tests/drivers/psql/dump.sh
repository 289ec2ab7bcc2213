#!/usr/bin/env bash
# A database filled, dumped, dropped, restored, and dumped again: the same text.
set -eu -o pipefail
run() { "$BIN/psql" -X -q -v ON_ERROR_STOP=1 "$@"; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

echo "== filled"
run <<'SQL'
create schema side;
create type mood as enum ('sad', 'happy');
create domain positive as int check (value > 0);
create table ships (id int generated always as identity primary key, name text not null unique, mood mood,
    length positive default 5, tags text[], raw bytea, at timestamptz default '2026-01-01 00:00+00');
create table side.calls (ship int references ships (id) on delete cascade, note text);
create index on ships (length) where length > 10;
create view happy as select name from ships where mood = 'happy';
create materialized view counted as select count(*) from ships;
create function twice(int) returns int language sql immutable as 'select $1 * 2';
create function noted() returns trigger language plpgsql as $$ begin new.note := coalesce(new.note, '-'); return new; end $$;
create trigger noted before insert on side.calls for each row execute function noted();
create sequence numbers start 7;
comment on table ships is 'those that float; it''s "quoted" \ ü';
insert into ships (name, mood, tags, raw)
    select 'ship ' || g, case when g % 2 = 0 then 'happy'::mood end, array[g::text, null, 'a,b'], decode(repeat('00ff', g % 50), 'hex')
    from generate_series(1, 5000) g;
insert into side.calls select g, e'tab\t, line\n, back\\slash ' || g from generate_series(1, 5000) g;
select lo_from_bytea(0, '\x00010203') > 0;
refresh materialized view counted;
SQL

echo "== dumped"
dump() { "$BIN/pg_dump" "$@" | grep -v -e '^-- Dumped' -e 'restrict'; }
dump > "$folder/plain.sql"
wc -l < "$folder/plain.sql"
# Large objects have numbers that the server chooses.
sed -E "s/[0-9]{5,}/N/g" "$folder/plain.sql" | md5sum
"$BIN/pg_dump" --format=custom --file="$folder/custom.dump"
"$BIN/pg_restore" --list "$folder/custom.dump" | grep -v '^;' | sed -E 's/^[0-9]+; [0-9]+ [0-9]+ //' | sort | sed -E 's/[0-9]{5,}/N/g'
# Several connections that share a snapshot.
"$BIN/pg_dump" --format=directory --jobs=2 --file="$folder/directory"

echo "== restored"
run -c 'drop schema side cascade' -c 'drop schema public cascade' -c 'create schema public' 2> /dev/null
run -c 'select lo_unlink(oid) from pg_largeobject_metadata' > /dev/null
"$BIN/pg_restore" --dbname="$PGDATABASE" --no-owner --jobs=2 "$folder/directory" 2>&1 | sed -E "s/[0-9]{4,}/N/g" || true
run -At -c 'select count(*), sum(id) from ships' -c 'select count(*) from side.calls' -c 'table counted' -c 'select twice(21)'
dump --data-only --table=ships --table='side.calls' | md5sum

echo "== copied back as text"
run -c 'drop schema side cascade' -c 'drop schema public cascade' -c 'create schema public' 2> /dev/null
run -c 'select lo_unlink(oid) from pg_largeobject_metadata' > /dev/null
run -1 -f "$folder/plain.sql" > /dev/null 2>&1 || run -f "$folder/plain.sql" 2>&1 | sed -E "s/[0-9]{4,}/N/g" | tail -5
run -At -c 'select count(*), sum(id) from ships' -c 'select nextval($$numbers$$)'
