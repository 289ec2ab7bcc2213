// postgres.js, unmodified: it pipelines, and prepares everything under names of its own.

import { createHash } from "node:crypto";
import postgres from "postgres";
import { BIG_ROWS, cancelled, chapter, refused, tell } from "./tell.mjs";

const options = {
  host: process.env.PGHOST, port: Number(process.env.PGPORT), user: process.env.PGUSER,
  password: process.env.PGPASSWORD, database: process.env.PGDATABASE,
  onnotice: (notice) => tell("notice", notice.severity, notice.message),
};
const sql = postgres({ ...options, max: 1 });
const other = postgres({ ...options, max: 1 });

chapter("types");
await sql`create type mood as enum ('sad', 'happy')`;
await sql`create table v (i4 int4, i8 int8, f8 float8, n numeric, b bool, t text, y bytea, ts timestamptz, d date,
  jb jsonb, u uuid, ia int[], ta text[], m mood, iv interval, r int4range)`;
const rows = await sql`insert into v ${sql({
  i4: -7, i8: "9223372036854775807", f8: 0.1, n: "1234567890.123", b: true, t: "ü\n'\\", y: Buffer.from([0, 255]),
  ts: new Date("2026-11-22T10:00:00.123Z"), d: "2026-02-28", jb: { a: [1, null] },
  u: "5f0c1d7e-0000-4000-8000-0123456789ab", ia: [1, 2, 3], ta: ["a", "b,", "c\""], m: "happy", iv: "1 day", r: "[1,5)",
})} returning *`;
tell("row", rows[0]);
tell("columns", rows.columns.map((c) => [c.name, c.number, c.type < 16384 ? c.type : "own"]));
tell("count", rows.count, rows.command);
tell("nulls", await sql`select ${null}::int as i, ${null}::text as t`);
tell("in", await sql`select g from generate_series(1, 10) g where g in ${sql([2, 4, 6])}`);
tell("values", await sql`select * from generate_series(1, 3) g`.values());
tell("simple", (await sql`select 1 as one; select 2 as two`.simple()).map((r) => [...r]));
tell("unsafe", await sql.unsafe("select $1::int + 1 as n", [41], { prepare: true }));
await sql`do $$ begin raise notice 'seen'; end $$`;

chapter("prepared");
for (let n = 0; n < 8; n++) tell("add", (await sql`select ${n}::int + ${n}::int as sum`)[0].sum);
const many = await Promise.all(Array.from({ length: 150 }, (_, n) => sql`select ${n}::int as n`));
tell("pipelined", many.map((r) => r[0].n).join(","));
const mixed = await Promise.allSettled(Array.from({ length: 30 }, (_, n) =>
  n % 7 === 3 ? sql`select 1 / ${0}::int` : sql`select ${n}::int as n`));
tell("with failures", mixed.map((r) => (r.status === "fulfilled" ? r.value[0].n : r.reason.code)));
await refused("wrong value", sql`select ${"x"}::int`);
await refused("syntax", sql.unsafe("selec 1"));
await refused("no table", sql`select * from nowhere`);
tell("described", (await sql`select ${1}::int as a, ${"x"}::text as b`.describe()).columns.map((c) => [c.name, c.type]));

chapter("transactions");
await sql`create table w (n int primary key)`;
tell("committed", await sql.begin(async (tx) => {
  await tx`insert into w values (1)`;
  await refused("savepoint", tx.savepoint(async (s) => {
    await s`insert into w values (2)`;
    await s`insert into w values (1)`;
  }));
  await tx`insert into w values (3)`;
  return tx`select n from w order by n`;
}));
await refused("rolled back", sql.begin(async (tx) => {
  await tx`delete from w`;
  throw new Error("never mind");
}));
await refused("in it", sql.begin((tx) => [tx`insert into w values (4)`, tx`select 1 / 0`, tx`insert into w values (5)`]));
await refused("read only", sql.begin("read only", (tx) => tx`insert into w values (6)`));
tell("left", await sql`select n from w order by n`);
const reserved = await sql.reserve();
await reserved`begin`;
tell("reserved", await reserved`select count(*) from w`);
await reserved`rollback`;
reserved.release();

chapter("big result");
const hash = createHash("md5");
const big = await sql`select g, repeat('x', 1000) as filler from generate_series(1, ${BIG_ROWS}::int) g`;
for (const row of big) hash.update(`${row.g}${row.filler}`);
tell("rows", big.length, hash.digest("hex"));
let batches = [];
await sql`select g from generate_series(1, 25) g`.cursor(10, (rows) => { batches.push(rows.length); });
tell("cursor", batches);
for await (const rows of sql`select g from generate_series(1, 1000) g`.cursor(10)) { if (rows[0].g > 20) break; }
tell("after an early end", await sql`select 1 as one`);
let sum = 0;
await sql`select g from generate_series(1, 100) g`.forEach((row) => { sum += row.g; });
tell("for each", sum);
const readable = await sql`copy (select g from generate_series(1, 3) g) to stdout`.readable();
let text = "";
for await (const chunk of readable) text += chunk;
tell("copy out", text);
const writable = await sql`copy w from stdin`.writable();
await new Promise((resolve, reject) => {
  writable.on("error", reject).on("finish", resolve);
  writable.write("10\n11\n");
  writable.end("12\n");
});
tell("copy in", await sql`select count(*) from w`);

chapter("cancel");
const slow = sql`select pg_sleep(60)`.execute();
await cancelled("cancelled", slow, () => slow.cancel());
tell("goes on", await sql`select 1 as one`);

chapter("two clients");
await sql`set timezone = 'Asia/Tokyo'`;
await sql`set application_name = 'first'`;
const who = (db) => db`select current_setting('application_name') as n, current_setting('timezone') as z`;
tell("a", await who(sql));
tell("b", (await who(other)).map((row) => row.z));
await sql`create temp table mine (n int)`;
await refused("b does not see it", other`select * from mine`);
const pool = postgres({ ...options, max: 20 });
const seen = await Promise.all(Array.from({ length: 100 }, (_, n) => pool.begin(async (tx) => {
  await tx`select set_config('app.n', ${String(n)}, true)`;
  return (await tx`select current_setting('app.n') as n`)[0].n === String(n);
})));
tell("a hundred transactions", seen.every(Boolean));
await pool.end();

chapter("notifications");
const heard = new Promise((resolve) => sql.listen("channel", resolve).then(() => other.notify("channel", "payload")));
tell("notification", await heard);

await sql.end();
await other.end();
tell("done");
