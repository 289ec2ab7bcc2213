// postgres.js on sockets: it pipelines, and prepares everything under names of its own.

import assert from "node:assert/strict";

import postgres from "postgres";

import { type Entry, bound, untilOver } from "./entry.js";

async function types(sql: postgres.Sql) {
  const values = {
    int: -7, big: "9223372036854775807", float: 0.1, num: "1234567890.123", yes: true, text: "ü\n'\\", bytes: Buffer.from([0, 255]),
    at: new Date("2026-11-22T10:00:00.123Z"), doc: { a: [1, null] }, ints: [1, 2, 3], texts: ["a", "b,", 'c"'], none: null,
  };
  const [row] = await sql`select ${values.int}::int4 as int, ${values.big}::int8 as big, ${values.float}::float8 as float,
    ${values.num}::numeric as num, ${values.yes}::bool as yes, ${values.text}::text as text, ${values.bytes}::bytea as bytes,
    ${values.at}::timestamptz as at, ${sql.json(values.doc)} as doc, ${values.ints}::int[] as ints, ${values.texts}::text[] as texts,
    ${values.none}::text as none`;
  assert.deepEqual({ ...row }, values);
}

async function prepared(sql: postgres.Sql) {
  for (const n of [1, 2, 3, 4, 5, 6]) assert.deepEqual([...(await sql`select ${n}::int + ${n}::int as sum`)], [{ sum: 2 * n }]);
  await assert.rejects(sql`select ${"x"}::int`, { code: "22P02" });
  const many = Array.from({ length: 100 }, (_, n) => (n % 7 === 3 ? sql`select 1 / ${0}::int as n` : sql`select ${n}::int as n`));
  const told = (await Promise.allSettled(many)).map((one) => (one.status === "fulfilled" ? one.value[0]!["n"] : one.reason.code));
  assert.deepEqual(told, many.map((_, n) => (n % 7 === 3 ? "22012" : n)));
}

async function transactions(sql: postgres.Sql) {
  const sum = await sql.begin("isolation level serializable", async (tx) => {
    await tx`create temporary table m_postgres (n int primary key) on commit drop`;
    await tx`insert into m_postgres ${tx([{ n: 1 }, { n: 2 }])}`;
    await assert.rejects(tx.savepoint((inner) => inner`insert into m_postgres values (1)`), { code: "23505" });
    return tx`select sum(n)::int as sum from m_postgres`;
  });
  assert.deepEqual([...sum], [{ sum: 3 }]);
  await assert.rejects(sql.begin((tx) => tx`select 1 / 0`), { code: "22012" });
  await assert.rejects(sql`select * from m_postgres`, { code: "42P01" });
}

async function big_result(sql: postgres.Sql) {
  const rows = await sql`select n, repeat('x', 1000) as filler from generate_series(1, ${5000}::int) n`;
  assert.deepEqual([rows.length, rows[4999]!["n"], rows[4999]!["filler"].length], [5000, 5000, 1000]);
  const sizes: number[] = [];
  await sql`select generate_series(1, 25) as n`.cursor(10, (batch) => { sizes.push(batch.length); });
  assert.deepEqual(sizes, [10, 10, 5]);
}

async function cancel(sql: postgres.Sql) {
  const slow = sql`select pg_sleep(60)`.execute();
  const refused = assert.rejects(slow, { code: "57014" });
  await untilOver(slow, () => slow.cancel());
  await refused;
  assert.deepEqual([...(await sql`select 1 as n`)], [{ n: 1 }]);
}

async function two_clients(sql: postgres.Sql) {
  const own = (name: string) => sql.begin(async (tx) => {
    await tx`select set_config('app.own', ${name}, true)`;
    await tx`select pg_sleep(0.05)`;
    return (await tx`select current_setting('app.own') as own`)[0]!["own"];
  });
  assert.deepEqual(await Promise.all(["a", "b", "c", "d"].map(own)), ["a", "b", "c", "d"]);
}

const CHAPTERS = { types, prepared, transactions, big_result, cancel, two_clients };

function entry(open: (context: ExecutionContext) => postgres.Sql): Entry {
  const told = Object.entries(CHAPTERS).map(([name, story]) => [name, async (context: ExecutionContext) => {
    const sql = open(context);
    try {
      await story(sql);
    } finally {
      await sql.end({ timeout: 5 });
    }
  }]);
  return Object.fromEntries(told);
}

export const onHost = entry((context) => postgres(bound(context).connectionString, { max: 2 }));
export const onStream = entry((context) => {
  const { user, password, database, socket } = bound(context);
  return postgres({ user, password, database, max: 2, socket } as any);
});
