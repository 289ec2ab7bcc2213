"""psycopg 3, unmodified: pipelines, server-side cursors, COPY, automatic preparation."""

import datetime
import decimal
import hashlib
import ipaddress
import os
import threading
import time
import uuid

import psycopg
from psycopg.rows import dict_row
from psycopg.types.enum import EnumInfo, register_enum
from psycopg.types.json import Jsonb
from psycopg.types.range import Range

from tell import BIG_ROWS, chapter, tell, told


def refused(what, attempt):
    try:
        tell(what, "NOT refused", attempt())
    except Exception as error:
        tell(what, *told(error))


# From libpq's variables.
a = psycopg.connect(autocommit=True)
b = psycopg.connect(autocommit=True)
a.add_notice_handler(lambda notice: tell("notice", notice.severity, notice.message_primary))

chapter("types")
a.execute("create type mood as enum ('sad', 'happy')")
register_enum(EnumInfo.fetch(a, "mood"), a)
values = [
    -7, 2**62, 0.1, decimal.Decimal("12345678901234567890.123"), True, "ü\n'\\", b"\x00\xff", None,
    datetime.datetime(2026, 11, 22, 10, tzinfo=datetime.timezone.utc), datetime.date(2026, 2, 28),
    datetime.timedelta(days=1, seconds=5), Jsonb({"a": [1, None]}), uuid.UUID(int=7), [1, None, 3], ["a,", 'b"'],
    ipaddress.ip_network("10.0.0.0/8"), Range(1, 5),
]
casts = ("int8 int8 float8 numeric bool text bytea text timestamptz date interval jsonb uuid int[] text[] cidr "
         "int4range").split()
for form, mark in [("text", "%t"), ("binary", "%b"), ("either", "%s")]:
    for back in [False, True]:
        row = a.execute("select " + ", ".join(f"{mark}::{cast}" for cast in casts), values, binary=back).fetchone()
        tell(f"{form}, back in {'binary' if back else 'text'}", row)
tell("enum", a.execute("select 'happy'::mood, array['sad'::mood]").fetchone())
cursor = a.execute("select 1 as one, 'x'::varchar(7) as two, 1.5::numeric(6, 2)")
tell("description", [(c.name, c.type_code, c.internal_size, c.precision, c.scale) for c in cursor.description])
tell("several", [c.fetchall() for c in a.execute("select 1; select 2").results()])
a.execute("do $$ begin raise notice 'seen'; end $$")

chapter("prepared")
for n in range(8):
    # Prepared by itself from the fifth time on.
    tell("add", a.execute("select %s::int + %s::int", [n, n]).fetchone()[0])
for n in range(130):
    # More than the driver keeps (100): it deallocates old ones.
    assert a.execute(f"select {n} + %s", [1], prepare=True).fetchone()[0] == n + 1
refused("wrong value", lambda: a.execute("select %s::int", ["x"], prepare=True))
refused("syntax", lambda: a.execute("selec 1"))
a.execute("create table plan (n int)")
for _ in range(2):
    tell("star", len(a.execute("select * from plan", prepare=True).description))
with psycopg.connect(autocommit=True) as many:
    cursor = many.cursor()
    cursor.executemany("select %s::int * 2", [[n] for n in range(20)], returning=True)
    tell("executemany", [result.fetchone()[0] for result in cursor.results()])

chapter("pipeline")
with a.pipeline() as pipeline:
    cursors = [a.execute("select %s::int", [n]) for n in range(50)]
    tell("fifty", [cursor.fetchone()[0] for cursor in cursors])


def failing():
    with a.pipeline() as pipeline:
        a.execute("create table half (n int)")
        a.execute("select 1 / 0")
        a.execute("select 2")
        pipeline.sync()


refused("with an error", failing)
tell("nothing is left", a.execute("select to_regclass('half')").fetchone())
with a.pipeline() as pipeline, a.transaction():
    a.execute("create table piped (n int)")
    a.execute("insert into piped values (1), (2)")
tell("a transaction", a.execute("select count(*) from piped").fetchone())

chapter("transactions")
a.execute("create table w (n int primary key)")
with a.transaction():
    a.execute("insert into w values (1)")

    def again():
        with a.transaction():
            a.execute("insert into w values (2)")
            a.execute("insert into w values (1)")

    refused("savepoint", again)
    a.execute("insert into w values (3)")
with psycopg.connect() as c:
    c.execute("insert into w values (4)")
    refused("failing", lambda: c.execute("select 1 / 0"))
    refused("failed", lambda: c.execute("select 1"))
    tell("state", c.info.transaction_status.name)
    c.rollback()
    c.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
    c.read_only = True
    refused("read only", lambda: c.execute("insert into w values (5)"))
    c.rollback()
    tell("isolation", c.execute("show transaction_isolation").fetchone())
tell("left", a.execute("select array_agg(n order by n) from w").fetchone())
xid = a.xid(1, "global", "branch")
a.autocommit = False
a.tpc_begin(xid)
a.execute("insert into w values (7)")
a.tpc_prepare()
tell("two-phase", b.tpc_recover()[0].gtrid)
a.tpc_commit()
a.autocommit = True
tell("left", a.execute("select array_agg(n order by n) from w").fetchone())

chapter("big result")
rows = a.execute(f"select g, repeat('x', 1000) from generate_series(1, {BIG_ROWS}) g").fetchall()
tell("rows", len(rows), hashlib.md5(repr(rows).encode()).hexdigest())
with a.transaction(), a.cursor("named", scrollable=True) as named:
    named.itersize = 100
    named.execute("select generate_series(1, 1000)")
    tell("server cursor", sum(row[0] for row in named))
    named.scroll(-3)
    tell("scrolled", named.fetchone())
with a.cursor("held", withhold=True) as held:
    held.execute("select generate_series(1, 10)")
    tell("held cursor", held.fetchmany(3), held.fetchmany(3))
tell("stream", sum(row[0] for row in a.cursor().stream("select generate_series(1, 5000)")))
with a.cursor().copy("copy w from stdin") as copy:
    for n in range(100, 200):
        copy.write_row([n])
with a.cursor().copy("copy w from stdin (format binary)") as copy:
    copy.set_types(["int4"])
    copy.write_row([200])


def bad_copy():
    with a.cursor().copy("copy w from stdin") as copy:
        copy.write(b"x\n")


def left_copy():
    with a.cursor().copy("copy w from stdin") as copy:
        copy.write(b"1000\n")
        raise ValueError("never mind")


refused("bad copy", bad_copy)
refused("left copy", left_copy)
with a.cursor().copy("copy (select * from w order by n) to stdout") as copy:
    tell("copy out", hashlib.md5(b"".join(copy)).hexdigest())
with a.cursor().copy("copy (select n from w order by n) to stdout (format binary)") as copy:
    copy.set_types(["int4"])
    tell("binary", sum(row[0] for row in copy.rows()))

chapter("cancel")


def cancelling(stop, connection):
    # Again, in case it comes before the statement runs.
    while not stop.wait(0.3):
        connection.cancel_safe()


stop = threading.Event()
canceller = threading.Thread(target=cancelling, args=[stop, a])
canceller.start()
refused("cancelled", lambda: a.execute("select pg_sleep(60)"))
stop.set()
canceller.join()
tell("goes on", a.execute("select 1").fetchone())

chapter("two clients")
a.execute("set timezone = 'Asia/Tokyo'")
a.execute("set application_name = 'first'")
a.execute("set search_path = pg_catalog")
now = "select current_setting('timezone'), current_setting('search_path')"
tell("a", a.execute(now).fetchone(), a.info.parameter_status("TimeZone"))
tell("b", b.execute(now).fetchone(), b.info.parameter_status("TimeZone"))
a.execute("reset search_path")
a.execute("create temp table mine (n int)")
refused("b does not see it", lambda: b.execute("select * from mine"))
wrong = []


def client(n):
    with psycopg.connect(row_factory=dict_row) as c:
        for _ in range(10):
            c.execute("select set_config('app.n', %s, true)", [str(n)])
            if c.execute("select current_setting('app.n') as n").fetchone()["n"] != str(n):
                wrong.append(n)
            c.commit()


threads = [threading.Thread(target=client, args=[n]) for n in range(20)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
tell("twenty clients", wrong)

chapter("notifications")
b.execute("listen channel")
a.execute("notify channel, 'payload'")
for notify in b.notifies(timeout=10, stop_after=1):
    tell("notification", notify.channel, notify.payload)
a.close()
b.close()
tell("done")
