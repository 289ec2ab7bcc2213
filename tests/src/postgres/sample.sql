-- The sample data set: a small harbour. Every test role may read and write it.
create type berth_state as enum ('free', 'taken', 'closed');
create domain imo_number as integer check (value between 1000000 and 9999999);
create type coordinates as (latitude double precision, longitude double precision);

create table berths (
    id integer primary key,
    name text not null unique,
    state berth_state not null default 'free',
    place coordinates
);

create table ships (
    id integer generated always as identity primary key,
    imo imo_number not null unique,
    name text not null,
    length_m numeric(6, 2) not null,
    flags text[] not null default '{}',
    details jsonb,
    -- Where it lies now; none at sea.
    berth text references berths (name)
);

create table calls (
    id uuid primary key default gen_random_uuid(),
    ship integer not null references ships,
    berth integer not null references berths,
    arrived timestamptz not null,
    departed timestamptz,
    check (departed > arrived)
);

create table counters (name text primary key, value bigint not null default 0);

insert into berths (id, name, state, place)
select n, 'Pier ' || n, (array['free', 'taken', 'closed'])[1 + n % 3]::berth_state,
       row(53.5 + n / 1000.0, 9.9 + n / 1000.0)::coordinates
from generate_series(1, 20) as n;

insert into ships (imo, name, length_m, flags, details, berth)
select 9000000 + n, 'Ship ' || n || ' „Möwe“', 20 + n * 1.25,
       case when n % 2 = 0 then array['tug', 'ice'] else '{}' end,
       jsonb_build_object('crew', n % 30, 'built', 1980 + n % 45),
       case when n % 3 = 1 and n <= 60 then 'Pier ' || (n + 2) / 3 end
from generate_series(1, 200) as n;

insert into calls (ship, berth, arrived, departed)
select 1 + n % 200, 1 + n % 20, '2026-01-01 06:00+00'::timestamptz + n * interval '3 hours',
       case when n % 5 <> 0 then '2026-01-01 08:00+00'::timestamptz + n * interval '3 hours' end
from generate_series(1, 1000) as n;

insert into counters (name) values ('visits');

-- Rows of 1,000 characters each: `select * from bulk(50000)` is about 50 MB.
create function bulk(count integer) returns table (n integer, filler text)
language sql stable as $$ select g, rpad(g::text, 1000, 'x') from generate_series(1, count) as g $$;

grant all on all tables in schema public
    to trust_user, clear_user, md5_user, scram_user;
grant create on schema public to trust_user, clear_user, md5_user, scram_user;
analyze;
