// node-postgres with its cursors and streams, unmodified.

import { createHash } from "node:crypto";
import pg from "pg";
import Cursor from "pg-cursor";
import QueryStream from "pg-query-stream";
import { BIG_ROWS, cancelByPg, cancelled, chapter, refused, tell } from "./tell.mjs";

const a = new pg.Client();
await a.connect();
a.on("notice", (notice) => tell("notice", notice.severity, notice.message));

chapter("types");
await a.query("create type mood as enum ('sad', 'happy')");
await a.query("create table v (i2 int2, i4 int4, i8 int8, f8 float8, n numeric, b bool, t text, y bytea, "
  + "ts timestamptz, d date, j json, jb jsonb, u uuid, ia int[], ta text[][], m mood, iv interval, r int4range)");
const inserted = await a.query(
  "insert into v values ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18) returning *",
  [-7, 2147483647, "9223372036854775807", 0.1, "12345678901234567890.123", true, "ü\n'\\", Buffer.from([0, 255, 10]),
    new Date("2026-11-22T10:00:00.123Z"), "2026-02-28", { a: [1, null] }, JSON.stringify([1, "x"]),
    "5f0c1d7e-0000-4000-8000-0123456789ab", [1, null, 3], [["a", "b,"], ["c\"", null]], "happy", "1 day 02:03:04", "[1,5)"]);
tell("row", inserted.rows[0]);
tell("fields", inserted.fields.map((f) => [f.name, f.dataTypeSize, f.format, f.columnID]));
tell("command", inserted.command, inserted.rowCount);
tell("nulls", (await a.query("select $1::int as i, $2::text as t, $3::bytea as y", [null, null, null])).rows);
tell("array mode", (await a.query({ text: "select 1 as x, 2 as x", rowMode: "array" })).rows);
tell("several", (await a.query("select 1 as one; select 2 as two; create table w (n int)")).map((r) => [r.command, r.rows]));
tell("binary", (await a.query({ text: "select 7::int4, 'x'::text, true", binary: true })).rows);
await a.query("do $$ begin raise notice 'seen'; raise warning 'heard'; end $$");

chapter("prepared");
const add = { name: "add", text: "select $1::int + $2::int as sum" };
for (const [x, y] of [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10], [11, 12]]) {
  tell("add", (await a.query({ ...add, values: [x, y] })).rows[0].sum);
}
await refused("wrong value", a.query({ ...add, values: ["x", 1] }));
tell("after", (await a.query({ ...add, values: [1, 1] })).rows[0].sum);
await refused("wrong count", a.query("select $1::int", [1, 2]));
await refused("syntax", a.query({ name: "bad", text: "selec 1" }));
const many = await Promise.all(Array.from({ length: 60 }, (_, n) =>
  a.query({ name: `many-${n % 20}`, text: `select ${n % 20} + $1::int as n`, values: [n] })));
tell("many", many.map((r) => r.rows[0].n));
await a.query("create table plan (n int)");
const star = { name: "star", text: "select * from plan" };
tell("before a migration", (await a.query(star)).fields.length);

chapter("transactions");
await a.query("begin");
await a.query("insert into w values (1)");
await a.query("savepoint s");
await refused("in a transaction", a.query("insert into w values ($1)", ["x"]));
await refused("failed", a.query("select 1"));
await a.query("rollback to savepoint s");
await a.query("insert into w values (2)");
tell("commit", (await a.query("commit")).command);
await a.query("begin");
await a.query("delete from w");
await refused("division", a.query("select 1 / 0"));
tell("commit of a failed one", (await a.query("commit")).command);
tell("left", (await a.query("select n from w order by n")).rows);
await a.query("begin isolation level serializable read only");
await refused("read only", a.query("insert into w values (3)"));
await a.query("rollback");
await refused("constraint", a.query("create table k (n int primary key); insert into k values (1), (1)"));

chapter("big result");
const big = await a.query("select g, repeat('x', 1000) as filler from generate_series(1, $1::int) g", [BIG_ROWS]);
const hash = createHash("md5");
for (const row of big.rows) hash.update(`${row.g}${row.filler}`);
tell("rows", big.rows.length, hash.digest("hex"));
const cursor = a.query(new Cursor("select * from generate_series(1, $1::int) g", [1000]));
tell("cursor", (await cursor.read(3)).map((r) => r.g), (await cursor.read(2)).map((r) => r.g));
await cursor.close();
let count = 0;
for await (const row of a.query(new QueryStream("select g from generate_series(1, 5000) g", [], { batchSize: 100 }))) {
  count += row.g;
}
tell("stream", count);
const early = a.query(new QueryStream("select g from generate_series(1, 100000) g", [], { batchSize: 10 }));
for await (const row of early) if (row.g === 25) break;
tell("after an early end", (await a.query("select 'here' as where")).rows);

chapter("cancel");
const b = new pg.Client();
await b.connect();
await cancelled("cancelled", b.query("select pg_sleep(60)"), () => cancelByPg(pg, b));
tell("goes on", (await b.query("select 1 as one")).rows);

chapter("two clients");
await a.query("set application_name = 'first'; set timezone = 'Asia/Tokyo'; set search_path = pg_catalog");
await b.query("set application_name = 'second'");
await a.query({ name: "same", text: "select 'a' as whose" });
tell("b prepares", (await b.query({ name: "same", text: "select 'b' as whose" })).rows);
tell("a again", (await a.query({ name: "same", text: "select 'a' as whose" })).rows);
for (const [name, client] of [["a", a], ["b", b]]) {
  tell(name, (await client.query("select current_setting('application_name') as n, "
    + "current_setting('timezone') as z, current_setting('search_path') as p")).rows);
}
await a.query("set search_path = public; create temp table mine (n int)");
await refused("b does not see it", b.query("select * from mine"));
tell("a does", (await a.query("select count(*) from mine")).rows);
const pool = new pg.Pool({ max: 20 });
const sums = await Promise.all(Array.from({ length: 100 }, async (_, n) => {
  const client = await pool.connect();
  await client.query("begin");
  await client.query(`select set_config('app.n', $1, true)`, [String(n)]);
  const seen = (await client.query("select current_setting('app.n') as n")).rows[0].n;
  await client.query("commit");
  client.release();
  return seen === String(n);
}));
tell("a hundred transactions", sums.every(Boolean));
await pool.end();

chapter("notifications");
const heard = new Promise((resolve) => b.on("notification", resolve));
await b.query("listen channel");
await a.query("notify channel, 'payload'");
const { channel, payload } = await heard;
tell("notification", channel, payload);

await a.end();
await b.end();
tell("done");
