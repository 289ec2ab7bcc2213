"""asyncpg, unmodified: binary both ways, a cache of statements, RESET when a pool takes one back."""

import asyncio
import datetime
import decimal
import hashlib
import io
import uuid

import asyncpg

from tell import BIG_ROWS, chapter, tell, told


async def refused(what, attempt):
    try:
        tell(what, "NOT refused", await attempt)
    except Exception as error:
        tell(what, *told(error))


async def types(a):
    chapter("types")
    await a.execute("create type mood as enum ('sad', 'happy')")
    await a.execute("create type pair as (a int, b mood[])")
    await a.execute("create domain positive as int check (value > 0)")
    values = [
        -7, 2**62, 0.1, decimal.Decimal("12345678901234567890.123"), True, "ü\n'\\", b"\x00\xff", None,
        datetime.datetime(2026, 11, 22, 10, tzinfo=datetime.timezone.utc), datetime.date(2026, 2, 28),
        datetime.timedelta(days=1, seconds=5), '{"a": [1, null]}', uuid.UUID(int=7), [1, None, 3], ["a,", 'b"'],
        asyncpg.Range(1, 5), "happy", (1, ["sad"]), 5,
    ]
    casts = ("int8 int8 float8 numeric bool text bytea text timestamptz date interval jsonb uuid int[] text[] "
             "int4range mood pair positive").split()
    row = await a.fetchrow("select " + ", ".join(f"${n + 1}::{cast}" for n, cast in enumerate(casts)), *values)
    tell("row", [repr(value) for value in row])
    tell("several", await a.execute("create table w (n int primary key); insert into w values (1), (2)"))
    statement = await a.prepare("select $1::int as i, '{sad}'::mood[] as m where $2::text is null")
    tell("parameters", [(p.name, p.kind) for p in statement.get_parameters()])
    tell("attributes", [(c.name, c.type.name, c.type.kind) for c in statement.get_attributes()])
    a.add_log_listener(lambda _, message: tell("notice", message.severity, message.message))
    await a.execute("do $$ begin raise notice 'seen'; end $$")


async def prepared(a):
    chapter("prepared")
    for n in range(8):
        tell("add", await a.fetchval("select $1::int + $1::int", n))
    for n in range(130):
        # More than the driver keeps (100): it closes old ones.
        assert await a.fetchval(f"select {n} + $1::int", 1) == n + 1
    statement = await a.prepare("select $1::int * 2 as n")
    tell("prepared", [await statement.fetchval(n) for n in range(10)], statement.get_statusmsg())
    await a.executemany("insert into w values ($1)", [[n] for n in range(10, 60)])
    await refused("executemany", a.executemany("insert into w values ($1)", [[100], [101], [10]]))
    tell("left", await a.fetchval("select count(*) from w"))
    await refused("wrong value", a.fetch("select $1::int", "x"))
    await refused("out of range", a.fetch("select $1::int2", 2**20))
    await refused("division", a.fetch("select 1 / $1::int", 0))
    await refused("syntax", a.fetch("selec 1"))
    await a.execute("create table plan (n int)")
    tell("star", await a.fetch("select * from plan"))


async def transactions(a):
    chapter("transactions")
    async with a.transaction():
        await a.execute("insert into w values (200)")

        async def again():
            async with a.transaction():
                await a.execute("insert into w values (201)")
                await a.execute("insert into w values (200)")

        await refused("savepoint", again())
        await a.execute("insert into w values (202)")

    async def failing():
        async with a.transaction():
            await a.execute("delete from w")
            await refused("in it", a.fetch("select 1 / 0"))
            await refused("failed", a.fetch("select 1"))
            raise ValueError("never mind")

    await refused("rolled back", failing())
    async with a.transaction(isolation="serializable", readonly=True, deferrable=True):
        tell("isolation", await a.fetchval("show transaction_isolation"))
        await refused("read only", a.execute("insert into w values (203)"))
    tell("left", await a.fetchval("select count(*) from w"), await a.fetchval("select max(n) from w"))


async def big(a):
    chapter("big result")
    rows = await a.fetch(f"select g, repeat('x', 1000) as x from generate_series(1, {BIG_ROWS}) g")
    tell("rows", len(rows), hashlib.md5(repr([tuple(row) for row in rows]).encode()).hexdigest())
    async with a.transaction():
        total = 0
        async for row in a.cursor("select generate_series(1, 1000) g", prefetch=70):
            total += row["g"]
        cursor = await a.cursor("select generate_series(1, 10)")
        await cursor.forward(3)
        tell("cursor", total, [row[0] for row in await cursor.fetch(2)])
    tell("copied", await a.copy_records_to_table("w", records=[(n,) for n in range(1000, 1100)]))
    tell("copied", await a.copy_to_table("w", source=io.BytesIO(b"2000\n2001\n")))
    await refused("bad copy", a.copy_to_table("w", source=io.BytesIO(b"x\n")))
    out = io.BytesIO()
    tell("copied", await a.copy_from_query("select n from w order by n", output=out))
    tell("bytes", hashlib.md5(out.getvalue()).hexdigest())


async def cancel(a):
    chapter("cancel")
    # The driver cancels what has timed out.
    await refused("timeout", a.execute("select pg_sleep(60)", timeout=0.5))
    tell("goes on", await a.fetchval("select 1"))
    task = asyncio.ensure_future(a.execute("select pg_sleep(60)"))
    await asyncio.sleep(0.3)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        tell("cancelled")
    tell("goes on", await a.fetchval("select 2"))


async def two(a, b):
    chapter("two clients")
    await a.execute("set timezone = 'Asia/Tokyo'; set application_name = 'first'")
    tell("a", await a.fetchval("show timezone"), a.get_settings().TimeZone)
    tell("b", await b.fetchval("show timezone"), b.get_settings().TimeZone)
    await a.execute("create temp table mine (n int)")
    await refused("b does not see it", b.fetch("select * from mine"))
    await a.reset()
    tell("a is reset", await a.fetchval("show timezone"))
    await refused("and has it no more", a.fetch("select * from mine"))

    async with asyncpg.create_pool(min_size=5, max_size=20) as pool:
        async def client(n):
            async with pool.acquire() as c, c.transaction():
                await c.execute("select set_config('app.n', $1, true)", str(n))
                return await c.fetchval("select current_setting('app.n')") == str(n)

        tell("a hundred transactions", all(await asyncio.gather(*map(client, range(100)))))
    heard = asyncio.get_running_loop().create_future()
    await b.add_listener("channel", lambda *about: heard.set_result(about[2:]))
    await a.execute("notify channel, 'payload'")
    tell("notification", await asyncio.wait_for(heard, 10))


async def main():
    # From libpq's variables.
    a, b = await asyncpg.connect(), await asyncpg.connect()
    await types(a)
    await prepared(a)
    await transactions(a)
    await big(a)
    await cancel(a)
    await two(a, b)
    await a.close()
    await b.close()
    tell("done")


asyncio.run(main())
