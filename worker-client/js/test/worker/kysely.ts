// Kysely, unmodified: over calls, and on a pool of `pg`.

import assert from "node:assert/strict";

import { type Generated, Kysely, PostgresDialect, sql } from "kysely";
import pg from "pg";
import Cursor from "pg-cursor";
import { PierheadDialect } from "pierhead/kysely";

import { type Entry, all, bound } from "./entry.js";
import { db } from "./env.js";

interface Tables {
  k_ports: { id: Generated<number>; name: string; seen: Date | null; papers: unknown };
}

type Orm = Kysely<Tables>;

const orm: Orm = new Kysely({ dialect: new PierheadDialect(db) });

async function fresh() {
  await orm.schema.dropTable("k_ports").ifExists().execute();
  await orm.schema.createTable("k_ports").addColumn("id", "serial", (c) => c.primaryKey())
    .addColumn("name", "text", (c) => c.notNull().unique()).addColumn("seen", "timestamptz").addColumn("papers", "jsonb").execute();
}

const port = (name: string) => ({ name, seen: null, papers: null });

async function types(orm: Orm) {
  await fresh();
  const seen = new Date("2026-11-22T01:02:03.004Z");
  const inserted = await orm.insertInto("k_ports").values({ name: "Kiel", seen, papers: { a: [1] } }).returningAll().executeTakeFirst();
  assert.deepEqual(inserted, { id: 1, name: "Kiel", seen, papers: { a: [1] } });
  const updated = await orm.updateTable("k_ports").set({ name: "Kiel 2" }).where("id", "=", 1).executeTakeFirst();
  assert.equal(updated.numUpdatedRows, 1n);
  const tables = await orm.introspection.getTables();
  assert.ok(tables.some(({ name }) => name === "k_ports"));
}

/** Kysely names no statements: the same text with other values. */
async function prepared(orm: Orm) {
  await fresh();
  await orm.insertInto("k_ports").values([port("a"), port("b")]).execute();
  const named = (name: string) => orm.selectFrom("k_ports").select("id").where("name", "=", name).executeTakeFirst();
  for (const _ of [1, 2, 3]) assert.deepEqual([await named("a"), await named("b"), await named("c")], [{ id: 1 }, { id: 2 }, undefined]);
  const divided = (by: number) => sql<{ n: number }>`select 6 / ${by}::int as n`.execute(orm);
  await assert.rejects(divided(0), { code: "22012" });
  assert.deepEqual((await divided(2)).rows, [{ n: 3 }]);
}

async function big_result(orm: Orm) {
  await fresh();
  await orm.insertInto("k_ports").columns(["name"]).expression(sql`select 'p' || n from generate_series(1, 20000) n` as any).execute();
  assert.equal((await orm.selectFrom("k_ports").selectAll().execute()).length, 20_000);
  let seen = 0;
  for await (const { id } of orm.selectFrom("k_ports").select("id").orderBy("id").stream(100)) assert.equal(id, (seen += 1));
  assert.equal(seen, 20_000);
}

async function cancel(orm: Orm) {
  const slow = orm.transaction().execute(async (tx) => {
    await sql`set local statement_timeout = 200`.execute(tx);
    await sql`select pg_sleep(60)`.execute(tx);
  });
  await assert.rejects(slow, { code: "57014" });
  assert.deepEqual((await sql`select 1 as n`.execute(orm)).rows, [{ n: 1 }]);
}

/** Its own way, where a call carries the signal. */
async function cancel_by_signal() {
  const slow = sql`select pg_sleep(60)`.compile(orm);
  await assert.rejects(orm.executeQuery(slow, { signal: AbortSignal.timeout(200) }));
  assert.deepEqual((await sql`select 1 as n`.execute(orm)).rows, [{ n: 1 }]);
}

async function transactions(orm: Orm) {
  await fresh();
  const body = orm.transaction().setIsolationLevel("serializable").execute(async (tx) => {
    await tx.insertInto("k_ports").values(port("never")).execute();
    await sql`select 1 / 0`.execute(tx);
  });
  await assert.rejects(body, { code: "22012" });
  const tx = await orm.startTransaction().execute();
  await tx.insertInto("k_ports").values(port("kept")).execute();
  const saved = await tx.savepoint("twice").execute();
  await assert.rejects(saved.insertInto("k_ports").values(port("kept")).execute(), { code: "23505" });
  const back = await saved.rollbackToSavepoint("twice").execute();
  await back.insertInto("k_ports").values(port("also kept")).execute();
  await tx.commit().execute();
  const rows = await orm.selectFrom("k_ports").select("name").orderBy("id").execute();
  assert.deepEqual(rows, [{ name: "kept" }, { name: "also kept" }]);
}

async function two_clients(orm: Orm) {
  await fresh();
  const add = (name: string) => orm.transaction().execute(async (tx) => {
    await sql`select set_config('app.name', ${name}, true)`.execute(tx);
    await tx.insertInto("k_ports").values(port(name)).execute();
    return (await sql<{ own: string }>`select current_setting('app.name') as own`.execute(tx)).rows[0]?.own;
  });
  assert.deepEqual(await Promise.all(["a", "b", "c", "d"].map(add)), ["a", "b", "c", "d"]);
  assert.equal((await orm.selectFrom("k_ports").select("id").execute()).length, 4);
}

const CHAPTERS = { types, prepared, transactions, big_result, cancel, two_clients };

function entry(tell: (context: ExecutionContext, story: (orm: Orm) => Promise<void>) => Promise<void>): Entry {
  const told = Object.entries(CHAPTERS).map(([name, story]) => [name, (context: ExecutionContext) => tell(context, story)]);
  return Object.fromEntries(told);
}

const calls = entry((_, story) => story(orm));
export const byCalls: Entry = { ...calls, cancel: all(calls.cancel, cancel_by_signal) };

export const onPg = entry(async (context, story) => {
  const pool = new pg.Pool({ connectionString: bound(context).connectionString, max: 2 });
  const orm: Orm = new Kysely({ dialect: new PostgresDialect({ pool, cursor: Cursor }) });
  try {
    await story(orm);
  } finally {
    await orm.destroy();
  }
});
