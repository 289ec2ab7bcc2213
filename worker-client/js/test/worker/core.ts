// Statements, batches, streams, settings, errors, aborts.

import assert from "node:assert/strict";

import { AbortError, DatabaseError, PierheadError, sql } from "pierhead";

import { db } from "./env.js";

export async function statements() {
  const text = "Zoë's \\ \"ship\" 🚢";
  const [row] = await db.sql<{ text: string; n: number }>`select ${text}::text as text, ${7}::int + 1 as n`;
  assert.deepEqual(row, { text, n: 8 });

  const result = await db.query("select * from generate_series(1, $1) as n", [3]);
  assert.deepEqual(result.rows, [{ n: 1 }, { n: 2 }, { n: 3 }]);
  assert.deepEqual([result.rowCount, result.command, result.fields[0]?.name], [3, "SELECT", "n"]);

  const table = sql.identifier("pg_catalog", "pg_class");
  const where = sql`where relname = ${"pg_class"} and relkind in (${sql.join(["r", "v"])})`;
  assert.equal((await db.sql`select 1 from ${table} ${where}`).length, 1);

  const arrays = await db.query({ text: "select 1 as same, 2 as same", rowMode: "array" });
  assert.deepEqual(arrays.rows, [[1, 2]]);
}

export async function types() {
  const at = new Date("2026-11-22T01:02:03.004Z");
  const sent = {
    int: 42, big: 9007199254740993n, float: 0.1, yes: true, none: null, text: "a", at, bytes: Buffer.from([0, 255]),
    doc: { a: [1, null, "ü"] }, ints: [1, null, 3], texts: ['a"b', "c,d", "\\"], nested: [[1, 2], [3, 4]],
  };
  const [row] = await db.sql`select
    ${sent.int}::int as int, ${sent.big}::int8 as big, ${sent.float}::float8 as float, ${sent.yes}::bool as yes,
    ${sent.none}::text as none, ${sent.text}::text as text, ${sent.at}::timestamptz as at, ${sent.bytes}::bytea as bytes,
    ${sent.doc}::jsonb as doc, ${sent.ints}::int[] as ints, ${sent.texts}::text[] as texts, ${sent.nested}::int[] as nested,
    ${"1.50"}::numeric as money, ${[sent.bytes]}::bytea[] as blobs, ${"2026-11-22"}::date::text as day`;
  assert.deepEqual(row, { ...sent, big: "9007199254740993", money: "1.50", blobs: [sent.bytes], day: "2026-11-22" });
  const exact = db.with({ types: { 20: BigInt } });
  assert.deepEqual(await exact.sql`select ${sent.big}::int8 as big, 1 as int`, [{ big: sent.big, int: 1 }]);
}

export async function batches() {
  const name = "batches";
  await db.batch([sql`drop table if exists ${sql.identifier(name)}`, `create table ${name} (n int primary key)`]);
  const [inserted, counted] = await db.batch([
    { text: `insert into ${name} select generate_series(1, $1)`, values: [5] },
    db.sql`select count(*)::int as n from ${sql.identifier(name)}`,
  ]);
  assert.deepEqual([inserted?.rowCount, counted?.rows], [5, [{ n: 5 }]]);
  const error = await db.batch([`delete from ${name}`, "select 1 / 0"]).catch((e) => e);
  assert.deepEqual([error.code, error.statement], ["22012", 1]);
  assert.deepEqual(await db.sql`select count(*)::int as n from batches`, [{ n: 5 }]);
}

export async function errors() {
  const error: DatabaseError = await db.query("select nam from berths").catch((e) => e);
  assert.ok(error instanceof DatabaseError && error instanceof PierheadError);
  assert.deepEqual([error.code, error.position, error.severity, error.blame], ["42703", "8", "ERROR", "database"]);
  assert.match(error.hint ?? "", /berths.name/);
  const twice: DatabaseError = await db.sql`insert into berths (id, name) values (${1}, 'twice')`.catch((e) => e);
  assert.deepEqual([twice.constraint, twice.detail], ["berths_pkey", "Key (id)=(1) already exists."]);
  assert.equal(twice.toResponse().status, 409);
  const none: PierheadError = await db.query("copy berths from stdin").catch((e) => e);
  assert.ok(none instanceof PierheadError, `${none}`);
}

/** Of several megabytes, as a whole and as it comes. */
export async function big_result() {
  const text = "select n, repeat('x', 1000) as filler from generate_series(1, 5000) n";
  const { rows } = await db.query(text);
  assert.deepEqual([rows.length, rows[4999]], [5000, { n: 5000, filler: "x".repeat(1000) }]);
  let sum = 0;
  for await (const { n, filler } of db.stream<{ n: number; filler: string }>(text)) sum += n + filler.length;
  assert.equal(sum, 17_502_500);
}

export async function streams() {
  let [rows, bytes] = [0, 0];
  for await (const row of db.stream<{ n: number; filler: string }>("select n, repeat('x', 1000) as filler from generate_series(1, $1) n", [20_000])) {
    assert.equal(row.n, (rows += 1));
    bytes += row.filler.length;
  }
  assert.deepEqual([rows, bytes], [20_000, 20_000_000]);

  // A small one does not come as a stream, and looks the same.
  const few = [];
  for await (const row of db.stream(sql`select ${1} as n`)) few.push(row);
  assert.deepEqual(few, [{ n: "1" }]);

  // An error after rows is an error, at its place.
  let seen = 0;
  const failing = async () => {
    for await (const _ of db.stream("select repeat('x', 1000), 1 / (9000 - n) from generate_series(1, 10000) n")) seen += 1;
  };
  await assert.rejects(failing(), { code: "22012" });
  assert.ok(seen > 0);

  // Left early, its session is free again.
  for await (const _ of db.stream("select repeat('x', 10000) from generate_series(1, 100000)")) break;
  assert.deepEqual(await db.sql`select 1 as n`, [{ n: 1 }]);
}

export async function settings() {
  const tenant = db.withSettings({ "app.tenant": "blue'; --", search_path: "pg_catalog" });
  const read = "select current_setting('app.tenant', true) as tenant, current_setting('search_path') as path";
  assert.deepEqual((await tenant.query(read)).rows, [{ tenant: "blue'; --", path: "pg_catalog" }]);
  const [first, second] = await tenant.batch([read, read]);
  assert.deepEqual(second?.rows, first?.rows);
  const rows = [];
  for await (const row of tenant.stream(read)) rows.push(row);
  assert.deepEqual(rows, first?.rows);
  const after = (await db.query(read)).rows[0];
  assert.ok(!after.tenant && after.path !== "pg_catalog", JSON.stringify(after));
}

export async function shared() {
  const together = db.with({ shareCalls: true });
  const pid = () => together.sql<{ pid: number; n: number }>`select pg_backend_pid() as pid`;
  const pids = (await Promise.all([pid(), pid(), pid(), pid()])).map(([row]) => row!.pid);
  assert.equal(new Set(pids).size, 1);
  const [one, bad, three] = await Promise.allSettled([
    together.query("select 1 as n"), together.query("select nonsense"), together.query("select 3 as n"),
  ]);
  assert.ok(one.status === "fulfilled" && three.status === "fulfilled");
  assert.deepEqual([one.value.rows, three.value.rows], [[{ n: 1 }], [{ n: 3 }]]);
  assert.equal(bad.status === "rejected" && bad.reason.code, "42703");
}

/** Its invocation ends while the statement runs; the coordinator asks for it in vain. */
export async function leaves_what_runs() {
  await db.sql`select 1`;
  db.query("select pg_sleep(60)").catch(() => {});
  // Longer than a call waits before it gives the coordinator a callback.
  await scheduler.wait(1_000);
}

export async function aborts() {
  await db.sql`select 1`;
  const controller = new AbortController();
  const slow = db.query("select pg_sleep(60)", [], { signal: controller.signal });
  setTimeout(() => controller.abort(new Error("the visitor left")), 100);
  const error = await slow.catch((e) => e);
  assert.ok(error instanceof AbortError, `${error}`);
  const early = await db.query("select 1", [], { signal: AbortSignal.abort() }).catch((e) => e);
  assert.ok(early instanceof AbortError && early.refused);
  // With a session that is open, so that the time is over while the statement runs.
  await db.sql`select 1`;
  const late = await db.query("select pg_sleep(60)", [], { timeoutMs: 3_000 }).catch((e) => e);
  assert.ok(late.timeout && late.toResponse().status === 504, `${late}`);
  assert.deepEqual(await db.sql`select 1 as n`, [{ n: 1 }]);
}
